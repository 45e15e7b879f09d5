// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// policyCases are the ones about Conditional Access policies.
var policyCases = map[string]play{
	"POL-001": {send: func(s *stage) []harness.Response {
		return one(s.get(http.Header{"Authorization": {"Bearer " + s.Issuer.Mint(harness.Object{"jti": "pol-001"})}}))
	}, must: []func(*stage, harness.Response){
		func(s *stage, _ harness.Response) {
			record := recordOf(s, s.server, "pol-001")
			if got := policyResults(s, record); got["report-token-protection"] != "reportOnlyFailure" || record.Decision != "allow" {
				s.Errorf("decision %s, policy results %v", record.Decision, got)
			}
		},
		func(s *stage, response harness.Response) {
			for _, name := range []string{"WWW-Authenticate", "DPoP-Nonce", "X-Ms-Diagnostics", "Cache-Control"} {
				if got := response.Header.Values(name); len(got) > 0 {
					s.Errorf("the client saw %s: %q", name, got)
				}
			}
		},
	}},
	"POL-002": {reason: "proof_replayed", send: func(s *stage) []harness.Response {
		request := s.Bound("GET", path, s.server.Nonce(s))
		s.passes(s.server.Do(s, harness.HTTP1, request))
		return one(s.server.Do(s, harness.HTTP1, request))
	}},
	"POL-003": {send: func(s *stage) []harness.Response {
		s.server = s.Start(s, harness.Options{Policies: harness.PolicyReportOnly, Site: identityHeaders(s.World)})
		expired := s.Issuer.Mint(harness.With(harness.BoundTo(s.K1), harness.Object{"exp": time.Now().Unix() - 3600}))
		forged := s.K3.Sign(s.Issuer.Header(), harness.With(s.Issuer.Claims(), harness.BoundTo(s.K1)))
		foreign := s.Issuer.Mint(harness.Object{"iss": "https://evil.example"})
		var responses []harness.Response
		for _, token := range []string{expired, forged, foreign, "not-a-token"} {
			for _, scheme := range []string{"Bearer ", "DPoP "} {
				header := http.Header{"Authorization": {scheme + token}, "X-Auth-User": {"admin"}}
				header["Dpop"] = []string{harness.Proof{Key: s.K1, Token: token, Path: path}.Sign()}
				responses = append(responses, s.server.Do(s, harness.HTTP1, harness.Request{Path: path, Header: header}))
			}
		}
		return responses
	}, contract: &answer{Status: 200}, must: []func(*stage, harness.Response){func(s *stage, response harness.Response) {
		for name, want := range map[string]string{"X-Auth-User": "", "X-Auth-Device": "", "X-Auth-Thumbprint": "", "X-Auth-Status": "unbound"} {
			if got := strings.Join(response.Arrivals()[0].Header.Values(name), ","); got != want {
				s.Errorf("the backend saw %s: %q, want %q", name, got, want)
			}
		}
	}}},
	"POL-007": {reason: "scheme_mismatch", code: 1008, send: func(s *stage) []harness.Response {
		s.server = s.Start(s, harness.Options{Policies: windowsDesktop, Issuers: "issuer " + s.Issuer.URL + " {\n claim platform device_os\n}"})
		spoofed := http.Header{"User-Agent": {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15"}}
		var responses []harness.Response
		for _, token := range []string{
			s.AT1, // bound: no condition can lift the proof
			s.Issuer.Mint(harness.With(harness.BoundTo(s.K1), harness.Object{"device_os": "Windows"})),
		} {
			header := spoofed.Clone()
			header.Set("Authorization", "Bearer "+token)
			responses = append(responses, s.server.Do(s, harness.HTTP1, harness.Request{Path: "/EWS/Exchange.asmx", Header: header}))
		}
		return responses
	}, must: []func(*stage, harness.Response){func(s *stage, _ harness.Response) {
		server := s.Start(s, harness.Options{Policies: strings.Replace(windowsDesktop, "client_apps mobile_and_desktop", "", 1),
			Issuers: "issuer " + s.Issuer.URL + " {\n claim platform device_os\n}"})
		unbound := s.Issuer.Mint(harness.Object{"device_os": "Windows"})
		got := server.Do(s, harness.HTTP1, harness.Request{Path: path, Header: http.Header{
			"Authorization": {"Bearer " + unbound}, "User-Agent": {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"},
		}})
		if got.Status != 401 || got.Error != "invalid_token" {
			s.Errorf("the token says Windows, the user agent macOS: status %d, error %q", got.Status, got.Error)
		}
	}}},
	"POL-008": {reason: "token_unbound", code: 1002, send: func(s *stage) []harness.Response {
		s.server = s.Start(s, harness.Options{Policies: windowsDesktop})
		header := http.Header{
			"Authorization": {"Bearer " + s.ATb}, "User-Agent": {"Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)"},
			"Sec-Ch-Ua-Platform": {`"macOS"`}, "X-Ms-Client-Os": {"macOS"}, "X-Ms-Client-Platform": {"macOS"},
		}
		return one(s.server.Do(s, harness.HTTP1, harness.Request{Path: "/EWS/Exchange.asmx", Header: header}))
	}},
	"POL-010": {send: func(s *stage) []harness.Response {
		return one(s.get(bearer(s.Issuer.Mint(breakGlass))))
	}, must: []func(*stage, harness.Response){
		func(s *stage, _ harness.Response) {
			harness.Eventually(s, "a warning about the excluded account", func() bool {
				return slices.ContainsFunc(s.server.Lines("http.handlers.token_protection"), func(line harness.Object) bool {
					return line["level"] == "warn" && line["user_id"] == "breakglass"
				})
			})
			if got := series(s, s.server)[`caddy_token_protection_breakglass_total{resource="exchange"}`]; got == "" || got == "0" {
				s.Errorf("caddy_token_protection_breakglass_total is %q", got)
			}
		},
		func(s *stage, _ harness.Response) {
			for name, token := range map[string]string{
				"forged":         s.K3.Sign(s.Issuer.Header(), harness.With(s.Issuer.Claims(), breakGlass)),
				"expired":        s.Issuer.Mint(harness.With(breakGlass, harness.Object{"exp": time.Now().Unix() - 3600})),
				"other audience": s.Issuer.Mint(harness.With(breakGlass, harness.Object{"aud": "https://files.example"})),
			} {
				if got := s.get(bearer(token)); got.Status != 401 || got.Error != "invalid_token" || len(got.Arrivals()) > 0 {
					s.Errorf("%s: status %d, error %q", name, got.Status, got.Error)
				}
			}
		},
	}},
	"POL-011": {reason: "token_unbound", code: 1002, send: func(s *stage) []harness.Response {
		var responses []harness.Response
		for _, claims := range []harness.Object{
			{"sub": "BreakGlass"}, {"sub": "breakglass "}, {"sub": " breakglass"}, {"sub": "breakgl\u0430ss"}, {"sub": "breakglass\u0000"},
			{"upn": "BREAKGLASS"}, {"upn": "breakglass "}, {"upn": "breakglass@contoso.example"},
			{"upn": nil, "preferred_username": "breakglass"}, {"upn": nil, "email": "breakglass"},
			{"oid": "alice-oid", "sub": "breakglass"}, // the object id comes first
		} {
			responses = append(responses, s.get(bearer(s.Issuer.Mint(claims))))
		}
		return responses
	}, must: []func(*stage, harness.Response){untouched}},
	"POL-014": {reason: "token_unbound", code: 1002, send: func(s *stage) []harness.Response {
		var responses []harness.Response
		for _, host := range []string{"MAIL.EXAMPLE", "mail.example:443", "mail.example:8443", "mAil.eXample:0443"} {
			id := harness.NewID()
			responses = append(responses, s.server.Raw(s, id, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\n"+harness.IDHeader+": "+id+
				"\r\nAuthorization: Bearer "+s.ATb+"\r\n\r\n"))
		}
		return responses
	}},
	"POL-018": {reason: "key_revoked", code: 1003, send: func(s *stage) []harness.Response {
		file := filepath.Join(s.TempDir(), "devices.json")
		devices := `[{"deviceId": "d1", "accountEnabled": true, "keys": [{"thumbprint": "` + s.K1.Thumbprint() + `"}]}]`
		if err := os.WriteFile(file, []byte(devices), 0o600); err != nil {
			s.Fatal(err)
		}
		s.server = s.Start(s, harness.Options{App: "device_directory file " + file})
		s.passes(s.server.Do(s, harness.HTTP1, s.Bound("GET", path, s.server.Nonce(s))))
		fresh := s.server.Nonce(s)
		revoke(s.T, s.server, "revoke")
		return one(s.server.Do(s, harness.HTTP1, s.Bound("GET", path, fresh)))
	}, must: []func(*stage, harness.Response){func(s *stage, _ harness.Response) {
		records := s.server.Records(s) // the revocation counts for the very next request
		if last := records[len(records)-1]; last.Status.AdditionalDetails != "key_revoked" || last.Decision != "block" {
			s.Errorf("the last decision is %s: %s", last.Decision, last.Status.AdditionalDetails)
		}
	}}},
	"POL-019": {send: func(s *stage) []harness.Response {
		s.server = s.Start(s, harness.Options{App: "cache {\n tokens 20\n device_keys 20\n}"})
		var responses []harness.Response
		for range 5 {
			responses = append(responses, s.server.Do(s, harness.HTTP1, s.Bound("GET", path, s.server.Nonce(s))))
			for range 40 {
				key := harness.NewKey("ES256")
				token := s.Issuer.Mint(harness.BoundTo(key))
				proof := harness.Proof{Key: key, Token: token, Path: path, Nonce: s.server.Nonce(s)}.Sign()
				s.passes(s.server.Do(s, harness.HTTP1, harness.Request{Path: path, Header: harness.Credentials(token, proof)}))
			}
		}
		return responses
	}, must: []func(*stage, harness.Response){func(s *stage, _ harness.Response) {
		if got := s.each(harness.Proof{Key: s.K2, Token: s.AT1, Path: path, Nonce: s.server.Nonce(s)}.Sign())[0]; got.Status != 401 {
			s.Errorf("a key that is not the confirmed one got %d", got.Status)
		}
	}}},
}

// windowsDesktop has the conditions of Entra's own token protection policies.
const windowsDesktop = `policy "Windows desktop" {
	state on
	users {
		include all
		exclude user breakglass
	}
	resources exchange
	platforms windows
	client_apps mobile_and_desktop
}`

// breakGlass are the claims of the excluded account.
var breakGlass = harness.Object{"sub": "breakglass", "upn": "emergency@contoso.example"}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// recordOf waits for the sign-in record of a token, by the token's id.
func recordOf(t testing.TB, server *harness.Server, token string) harness.Record {
	t.Helper()
	var found harness.Record
	harness.Eventually(t, "a sign-in record of the token "+token, func() bool {
		records := server.Records(t)
		at := slices.IndexFunc(records, func(r harness.Record) bool { return r.UniqueTokenIdentifier == token })
		if at >= 0 {
			found = records[at]
		}
		return at >= 0
	})
	return found
}

// policyResults returns the results in a record by policy id.
func policyResults(t testing.TB, record harness.Record) map[string]string {
	t.Helper()
	var list []struct{ ID, Result string }
	if err := json.Unmarshal([]byte(record.ConditionalAccessPolicies), &list); err != nil {
		t.Fatalf("ConditionalAccessPolicies: %v", err)
	}
	results := make(map[string]string)
	for _, policy := range list {
		results[policy.ID] = policy.Result
	}
	return results
}

// series scrapes the server's metrics: values by series.
func series(t testing.TB, server *harness.Server) map[string]string {
	t.Helper()
	response, err := http.Get(server.AdminURL("/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "} "); ok && !strings.HasPrefix(line, "#") {
			values[name+"}"] = value
		} else if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			values[name] = value
		}
	}
	return values
}
