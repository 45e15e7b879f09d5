// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"strings"
	"text/template"
)

// Options say how a server's Caddyfile differs from the usual one: a policy
// in state `on` for everybody but the user id `breakglass`, at the resource
// `exchange`, /public/* and /healthz exempt. All texts are Caddyfile lines.
type Options struct {
	// Policies replace the usual policy. See PolicyOn and PolicyReportOnly.
	Policies string
	// Issuers replace the world's issuer.
	Issuers string
	// App are further lines of the global option token_protection.
	App string
	// Proof are lines of its `proof` block.
	Proof string
	// Handler are further lines of the directive token_protection.
	Handler string
	// Site are further lines of the site, such as `uri strip_prefix`.
	Site string
	// TLS are lines of the site's `tls` block, such as `client_auth`. In all
	// texts {$DEVICE_CA} is the file with DeviceAuthority.
	TLS string
	// Neighbour are the lines of a site https://public.example at the same
	// address; empty means that there is none.
	Neighbour string
	// Global are further global options, such as `servers`.
	Global string
	// LogInterval is that of the sign-in log; empty means 0, every request.
	LogInterval string
	// Unprotected leaves the module out, to compare with.
	Unprotected bool
}

// PolicyOn is the usual policy.
const PolicyOn = `policy "Require token protection" {
	state on
	users {
		include all
		exclude user breakglass
	}
	resources exchange
}`

// PolicyReportOnly is the usual policy in the other state.
var PolicyReportOnly = strings.NewReplacer("state on", "state report_only", `"Require`, `"Report`).Replace(PolicyOn)

// caddyfile logs what an administrator would: the filter keeps secrets out of
// the access log as Caddyfile.example does.
var caddyfile = template.Must(template.New("Caddyfile").Parse(`{
	admin 127.0.0.1:{{.Admin}}
	persist_config off
	auto_https off
	grace_period 2s
	log {
		output stderr
		format filter {
			wrap json
			request>headers>Dpop delete
			request>headers>Secure-Session-Response delete
			request>headers>Sec-Session-Response delete
			request>uri query {
				delete access_token
			}
			resp_headers>Dpop-Nonce delete
			resp_headers>Secure-Session-Registration delete
			resp_headers>Secure-Session-Challenge delete
			resp_headers>Www-Authenticate regexp nonce=[^,]* nonce=REDACTED
		}
	}
{{.Options.Global}}
{{- if not .Options.Unprotected}}
	token_protection {
{{.Issuers}}
{{.Policies}}
		proof {
{{.Options.Proof}}
		}
		sign_in_log {
			interval {{or .Options.LogInterval "0"}}
		}
{{.Options.App}}
	}
{{- end}}
}

https://mail.example:{{.Port}} {
	bind 127.0.0.1
	tls {{.Certificate}} {{.CertificateKey}} {
{{.Options.TLS}}
	}
	log
{{.Options.Site}}
{{- if not .Options.Unprotected}}
	token_protection exchange {
		exempt /public/* /healthz
{{.Options.Handler}}
	}
{{- end}}
	reverse_proxy {{.Backend}}
}
{{- if .Options.Neighbour}}

https://public.example:{{.Port}} {
	bind 127.0.0.1
	tls {{.Certificate}} {{.CertificateKey}}
{{.Options.Neighbour}}
}
{{- end}}
`))

func (w *World) caddyfile(options Options, port, admin int) ([]byte, error) {
	certificate, err := siteCertificate()
	if err != nil {
		return nil, err
	}
	data := struct {
		Options                                                 Options
		Port, Admin                                             int
		Issuers, Policies, Certificate, CertificateKey, Backend string
	}{
		Options: options, Port: port, Admin: admin, Issuers: options.Issuers, Policies: options.Policies,
		Certificate: certificate.certFile, CertificateKey: certificate.keyFile, Backend: w.Backend.Address,
	}
	if data.Issuers == "" {
		data.Issuers = "issuer " + w.Issuer.URL
	}
	if data.Policies == "" {
		data.Policies = PolicyOn
	}
	var text strings.Builder
	if err := caddyfile.Execute(&text, data); err != nil {
		return nil, fmt.Errorf("writing the Caddyfile: %w", err)
	}
	return []byte(text.String()), nil
}
