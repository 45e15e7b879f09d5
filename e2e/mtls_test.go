// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/tls"
	"net/http"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// modeRequest asks for a certificate and takes any, or none.
const modeRequest = "client_auth {\nmode request\n}"

// verifying is a mode that verifies by the device authority.
func verifying(mode string) string {
	return "client_auth {\nmode " + mode + "\ntrust_pool file {$DEVICE_CA}\n}"
}

// TestClientAuthentication plays the modes over each version of HTTP. Where
// the certificate is verified at the handshake, a wrong one ends it with an
// alert; everywhere else the answer says what is missing.
func TestClientAuthentication(t *testing.T) {
	const alert = 0
	world := harness.NewWorld(t)
	own, other, foreign := x1(), x2(), harness.SelfSigned(device)
	tokenOfOwn, tokenOfForeign := world.Issuer.Mint(own.Confirmation()), world.Issuer.Mint(foreign.Confirmation())
	for _, mode := range []struct {
		name, tls string
		// The answers with the right certificate, with another one, with none,
		// and with one that is self-signed and that the token is bound to.
		own, other, none, selfSigned int
	}{
		{"request", modeRequest, 200, 401, 401, 200},
		{"require", "client_auth {\nmode require\n}", 200, 401, alert, 200},
		{"verify_if_given", verifying("verify_if_given"), 200, 401, 401, alert},
		{"require_and_verify", verifying("require_and_verify"), 200, 401, alert, alert},
	} {
		t.Run(mode.name, func(t *testing.T) {
			server := world.Start(t, harness.Options{TLS: mode.tls})
			for _, protocol := range harness.Protocols {
				for name, test := range map[string]struct {
					token   string
					changes []func(*tls.Config)
					want    int
				}{
					"right":       {tokenOfOwn, as(own), mode.own},
					"another":     {tokenOfOwn, as(other), mode.other},
					"none":        {tokenOfOwn, nil, mode.none},
					"self-signed": {tokenOfForeign, as(foreign), mode.selfSigned},
				} {
					got, err := server.Visitor(t, protocol, test.changes...).Try(harness.Request{Path: path, Header: bearer(test.token)})
					switch {
					case test.want == alert && err == nil, test.want != alert && (err != nil || got.Status != test.want):
						t.Errorf("%v, certificate %s: status %d, %v; expected %d", protocol, name, got.Status, err, test.want)
					case err == nil && test.want == 401 && (got.Error != "invalid_token" || len(got.Arrivals()) > 0):
						t.Errorf("%v, certificate %s: error %q, %d arrivals", protocol, name, got.Error, len(got.Arrivals()))
					}
				}
			}
		})
	}
}

func as(identity harness.Identity) []func(*tls.Config) {
	return []func(*tls.Config){harness.As(identity)}
}

// TestCertificatesAreNotResumed: a site that asks for certificates takes no
// session of another site, from which there would be early data and a
// handshake without a signature by the certificate's key (RFC 8446, section 2.2).
func TestCertificatesAreNotResumed(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{TLS: modeRequest, Neighbour: "respond public"})
	request := harness.Request{Path: path, Header: bearer(world.Issuer.Mint(x1().Confirmation()))}
	sessions := newSessions()
	server.FirstFlight(t, &tls.Config{ClientSessionCache: sessions, ServerName: "public.example"}, request)
	sessions.wait(t)
	again, resumed := server.FirstFlight(t, &tls.Config{ClientSessionCache: sessions, ServerName: "public.example"}, request)
	if !resumed || again.Status != http.StatusMisdirectedRequest {
		t.Fatalf("at the other site: status %d, resumed %v; expected 421 in early data", again.Status, resumed)
	}
	config := &tls.Config{ClientSessionCache: sessions}
	harness.As(x2())(config)
	if got, resumed := server.FirstFlight(t, config, request); resumed || got.Status != 0 {
		t.Errorf("with that session: status %d, resumed %v", got.Status, resumed)
	}
	for _, protocol := range []harness.Protocol{harness.HTTP1, harness.HTTP2} {
		certificates := 0
		cached := func(config *tls.Config) {
			config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				certificates++
				identity := x1()
				return &identity.Certificate, nil
			}
		}
		visitor := server.Visitor(t, protocol, cached)
		for range 2 {
			if got := visitor.Do(t, request); got.Status != http.StatusOK {
				t.Errorf("%v: status %d %q", protocol, got.Status, got.Error)
			}
			visitor.Leave()
		}
		if certificates != 2 {
			t.Errorf("%v: the certificate was asked for %d times in two connections", protocol, certificates)
		}
	}
}

// TestForwardedCertificates: a certificate in a header counts if it comes from
// the terminator's address, and then it alone; from anywhere else it is
// neither believed nor passed on.
func TestForwardedCertificates(t *testing.T) {
	const elsewhere = "127.0.0.9"
	world := harness.NewWorld(t)
	own, other := x1(), x2()
	token := world.Issuer.Mint(own.Confirmation())
	for _, form := range []struct{ encoding, header string }{
		{"rfc9440", "Client-Cert"},
		{"xfcc", "X-Forwarded-Client-Cert"},
		{"base64_der", "X-Arr-Clientcert"},
		{"url_pem", "X-Ssl-Client-Cert"},
		{"traefik", "X-Forwarded-Tls-Client-Cert"},
	} {
		t.Run(form.encoding, func(t *testing.T) {
			server := world.Start(t, harness.Options{
				TLS: modeRequest, Handler: "mtls {\nforwarded " + form.encoding + " {\nfrom 127.0.0.1\nrequire X-Verified SUCCESS\n}\n}",
			})
			with := func(values ...string) http.Header {
				header := bearer(token)
				header[form.header], header["X-Verified"] = values, []string{"SUCCESS"}
				return header
			}
			right, wrong := spellings(own)[form.header], spellings(other)[form.header]
			unverified := with(right)
			unverified["X-Verified"] = []string{"FAILED"}
			for name, test := range map[string]struct {
				from    string
				as      []func(*tls.Config)
				header  http.Header
				want    answer
				reason  string
				forward bool // the header reaches the backend
			}{
				"right":                        {"127.0.0.1", nil, with(right), answer{200, ""}, "", true},
				"another":                      {"127.0.0.1", nil, with(wrong), answer{401, "invalid_token"}, "key_mismatch", false},
				"none":                         {"127.0.0.1", nil, bearer(token), answer{401, "invalid_token"}, "certificate_missing", false},
				"garbage":                      {"127.0.0.1", nil, with("garbage"), answer{400, "invalid_request"}, "certificate_malformed", false},
				"two":                          {"127.0.0.1", nil, with(right, right), answer{400, "invalid_request"}, "certificate_malformed", false},
				"not verified":                 {"127.0.0.1", nil, unverified, answer{401, "invalid_token"}, "certificate_missing", false},
				"the terminator's own":         {"127.0.0.1", as(own), bearer(token), answer{401, "invalid_token"}, "certificate_missing", false},
				"from elsewhere":               {elsewhere, nil, with(right), answer{401, "invalid_token"}, "certificate_missing", false},
				"from elsewhere, own as well":  {elsewhere, as(own), with(right), answer{200, ""}, "", false},
				"from elsewhere, another's":    {elsewhere, as(other), with(right), answer{401, "invalid_token"}, "key_mismatch", false},
				"from elsewhere, who says not": {elsewhere, nil, forwardedFor(with(right), "127.0.0.1"), answer{401, "invalid_token"}, "certificate_missing", false},
			} {
				t.Run(name, func(t *testing.T) {
					got := server.VisitorFrom(t, test.from, harness.HTTP1, test.as...).Do(t, harness.Request{Path: path, Header: test.header})
					if answer := (answer{status(got.Status), got.Error}); answer != test.want {
						t.Errorf("got %+v, expected %+v", answer, test.want)
					}
					arrivals := got.Arrivals()
					if len(arrivals) == 1 != (test.want.Status == 200) {
						t.Fatalf("%d arrivals", len(arrivals))
					}
					if len(arrivals) == 1 {
						if forwarded := len(arrivals[0].Header[form.header]) > 0; forwarded != test.forward {
							t.Errorf("the backend got the header: %v", forwarded)
						}
						return
					}
					if record := server.Record(t, got.CorrelationID); record.Status.AdditionalDetails != test.reason {
						t.Errorf("refused for %q, expected %q", record.Status.AdditionalDetails, test.reason)
					}
				})
			}
		})
	}
}

// forwardedFor lets a client claim to be somebody else.
func forwardedFor(header http.Header, address string) http.Header {
	header["X-Forwarded-For"], header["Forwarded"] = []string{address}, []string{"for=" + address}
	return header
}

// TestDeviceCertificates: a token without a confirmation that names a device
// is proved by the certificate of that device.
func TestDeviceCertificates(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{TLS: modeRequest, Handler: "mtls {\ndevice_certificate {\nca {$DEVICE_CA}\ndevice_id subject_cn\n}\n}"})
	token := world.Issuer.Mint(harness.Object{"deviceid": device})
	for name, test := range map[string]struct {
		token  string
		as     []func(*tls.Config)
		scheme string
		status int
		reason string
	}{
		"its own":              {token, as(x1()), "Bearer", 200, ""},
		"its own, mtls_pop":    {token, as(x1()), "mtls_pop", 200, ""},
		"another device's":     {token, as(x2()), "Bearer", 401, "key_mismatch"},
		"none":                 {token, nil, "Bearer", 401, "certificate_missing"},
		"of nobody's":          {token, as(harness.SelfSigned(device)), "Bearer", 401, "certificate_untrusted"},
		"no device":            {world.ATb, as(x1()), "Bearer", 401, "token_unbound"},
		"another confirmation": {world.Issuer.Mint(harness.With(harness.BoundTo(world.K1), harness.Object{"deviceid": device})), as(x1()), "Bearer", 401, "scheme_mismatch"},
		"as DPoP":              {token, as(x1()), "DPoP", 401, "scheme_mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, protocol := range harness.Protocols {
				got := server.Visitor(t, protocol, test.as...).Do(t, harness.Request{Path: path, Header: http.Header{"Authorization": {test.scheme + " " + test.token}}})
				if got.Status != test.status || len(got.Arrivals()) == 1 != (test.status == 200) {
					t.Errorf("%v: status %d %q, %d arrivals", protocol, got.Status, got.Error, len(got.Arrivals()))
				}
				if test.status == 200 {
					continue
				}
				if record := server.Record(t, got.CorrelationID); record.Status.AdditionalDetails != test.reason {
					t.Errorf("%v: refused for %q, expected %q", protocol, record.Status.AdditionalDetails, test.reason)
				}
			}
		})
	}
}
