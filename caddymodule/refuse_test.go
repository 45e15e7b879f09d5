// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/client"
	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/dpop"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// protected answers only who proves possession, with a realm.
func protected(t testing.TB) (*issuer, *client.Key) {
	t.Helper()
	i := newIssuer(t)
	setup{issuer: i, app: policyOn, site: `
	token_protection exchange {
		audience https://mail.contoso.example
		proofs dpop
		realm contoso
	}
	respond in`}.load(t)
	return i, newDevice(t)
}

func TestAnswersOfTheContract(t *testing.T) {
	i, device := protected(t)
	bound, unbound := i.token(t, confirmedBy(device)), i.token(t, nil)
	foreign := newIssuer(t).token(t, confirmedBy(device))
	proved := func(change func(r *http.Request)) *http.Request {
		r := proven(t, i, device, "/ews")
		change(r)
		return r
	}
	method := func(name string) *http.Request {
		r := request("/ews", "")
		r.Method = name
		return r
	}
	spent := proven(t, i, device, "/ews")
	expectStatus(t, send(t, spent.Clone(t.Context())), http.StatusOK)
	const algs = `DPoP realm="contoso", algs="`
	const failed = `DPoP realm="contoso", error="%s", `
	tests := []struct {
		name       string
		request    *http.Request
		status     int
		challenges []string // how each line begins
	}{
		{"no_credential", request("/ews", ""), 401, []string{algs}},
		{"foreign_scheme", request("/ews", "Basic YTpi"), 401, []string{algs}},
		{"scheme_without_token", request("/ews", "Bearer"), 401, []string{algs}},
		{"token_malformed_as_bearer", request("/ews", "Bearer abc"), 401, []string{`Bearer realm="contoso", error="invalid_token"`, algs}},
		{"token_malformed_as_pop", request("/ews", "PoP abc"), 401, []string{`PoP realm="contoso", error="invalid_token"`, algs}},
		{"token_malformed_as_mtls", request("/ews", "mtls_pop abc"), 401, []string{`mtls_pop realm="contoso", error="invalid_token"`, algs}},
		{"token_malformed_as_dpop", request("/ews", "DPoP abc"), 401, []string{fmt.Sprintf(failed, "invalid_token")}},
		{"token_forged", request("/ews", "Bearer "+foreign), 401, []string{`Bearer realm="contoso", error="invalid_token"`, algs}},
		{"token_unbound", request("/ews", "Bearer "+unbound), 401, []string{fmt.Sprintf(failed, "invalid_token")}},
		{"bound_token_as_bearer", request("/ews", "Bearer "+bound), 401, []string{fmt.Sprintf(failed, "invalid_token")}},
		{"bound_token_without_proof", request("/ews", "DPoP "+bound), 401, []string{fmt.Sprintf(failed, "invalid_token")}},
		{"another_key", prove(t, request("/ews", ""), newDevice(t), bound, "http://mail.contoso.example/ews"), 401, []string{fmt.Sprintf(failed, "invalid_token")}},
		{"another_url", prove(t, request("/ews", ""), device, bound, "http://mail.contoso.example/owa"), 401, []string{fmt.Sprintf(failed, "invalid_dpop_proof")}},
		{"replayed", spent, 401, []string{fmt.Sprintf(failed, "invalid_dpop_proof")}},
		{"two_authorizations", proved(func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+unbound) }), 400, []string{fmt.Sprintf(failed, "invalid_request")}},
		{"two_proofs", proved(func(r *http.Request) { r.Header.Add("Dpop", r.Header.Get("Dpop")) }), 400, []string{fmt.Sprintf(failed, "invalid_request")}},
		{"token_in_query", proved(func(r *http.Request) { r.URL.RawQuery = "access_token=" + unbound }), 400, []string{fmt.Sprintf(failed, "invalid_request")}},
		{"connection_names_proof", proved(func(r *http.Request) { r.Header.Set("Connection", "close, DPoP") }), 400, []string{fmt.Sprintf(failed, "invalid_request")}},
		{"early_data", proved(func(r *http.Request) { r.TLS = new(tls.ConnectionState) }), 425, nil},
		{"trace", method("TRACE"), 405, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := send(t, test.request)
			expectStatus(t, answer, test.status)
			lines := answer.Header()["Www-Authenticate"]
			if !slices.EqualFunc(lines, test.challenges, strings.HasPrefix) {
				t.Errorf("challenges %q, expected %q", lines, test.challenges)
			}
			if answer.Header().Get("Cache-Control") != "no-store" || answer.Header().Get("X-Ms-Diagnostics") == "" {
				t.Errorf("headers are missing in %v", answer.Header())
			}
			body := decode[problem](t, answer.Body.Bytes())
			if body.Status != test.status || body.Code != 530084 || body.CorrelationID == "" || body.Title == "" || body.Detail == "" {
				t.Errorf("body %+v", body)
			}
			if nonces := answer.Header()["Dpop-Nonce"]; nonces != nil {
				t.Errorf("a nonce without need: %q", nonces)
			}
		})
	}
	expectStatus(t, send(t, proven(t, i, device, "/ews")), http.StatusOK)
}

func TestAsksForNonce(t *testing.T) {
	i, device := protected(t)
	token := i.token(t, confirmedBy(device))
	for name, nonce := range map[string]string{"missing": "", "unknown": "AAAA"} {
		proof, err := device.Proof(client.Proof{URL: "http://" + siteName + "/ews", AccessToken: token, Nonce: nonce})
		if err != nil {
			t.Fatal(err)
		}
		r := request("/ews", "DPoP "+token)
		r.Header.Set("Dpop", proof)
		r.Header.Set("Origin", "https://app.contoso.example")
		answer := send(t, r)
		expectStatus(t, answer, http.StatusUnauthorized)
		if line := answer.Header()["Www-Authenticate"]; len(line) != 1 || !strings.Contains(line[0], `error="use_dpop_nonce"`) {
			t.Errorf("%s: challenge %q", name, line)
		}
		if nonces := answer.Header()["Dpop-Nonce"]; len(nonces) != 1 || nonces[0] == "" {
			t.Errorf("%s: nonces %q", name, nonces)
		}
		// RFC 9449, sections 7.1 and 8: a browser's client must see both.
		if exposed := answer.Header().Get("Access-Control-Expose-Headers"); exposed != "WWW-Authenticate, DPoP-Nonce" {
			t.Errorf("%s: exposes %q", name, exposed)
		}
	}
	if answer := send(t, request("/ews", "")); answer.Header()["Access-Control-Expose-Headers"] != nil {
		t.Error("exposes headers to a request that is not cross-origin")
	}
}

// RFC 9110, section 15.5.6.
func TestMethodNotAllowedListsMethods(t *testing.T) {
	protected(t)
	r := request("/ews", "")
	r.Method = http.MethodTrace
	if allow := send(t, r).Header().Get("Allow"); !strings.Contains(allow, "GET") || strings.Contains(allow, "TRACE") {
		t.Errorf("Allow: %q", allow)
	}
}

func TestRetryAfterWhereWaitingHelps(t *testing.T) {
	t.Run("quota", func(t *testing.T) {
		i, device := newIssuer(t), newDevice(t)
		setup{issuer: i, app: policyOn + "\nreplay memory {\n\tmax_per_key 1\n}\n"}.load(t)
		expectStatus(t, send(t, proven(t, i, device, "/a")), http.StatusOK)
		answer := send(t, proven(t, i, device, "/a"))
		expectStatus(t, answer, http.StatusTooManyRequests)
		if after := answer.Header().Get("Retry-After"); after != "113" { // what the set remembers: max_age, twice the skew and a second, and a quarter more
			t.Errorf("Retry-After: %q", after)
		}
	})
	t.Run("key_set_unavailable", func(t *testing.T) {
		i, device := newIssuer(t), newDevice(t)
		down := httptest.NewServer(http.NotFoundHandler())
		t.Cleanup(down.Close)
		setup{issuer: i, keys: "jwks_url " + down.URL, app: policyOn}.load(t)
		answer := send(t, proven(t, i, device, "/a"))
		expectStatus(t, answer, http.StatusServiceUnavailable)
		if after := answer.Header().Get("Retry-After"); after != "30" {
			t.Errorf("Retry-After: %q", after)
		}
		if lines := answer.Header()["Www-Authenticate"]; lines != nil {
			t.Errorf("challenges %q", lines)
		}
	})
}

// RFC 9110, section 12.5.1.
func TestBodyIsWhatTheClientPrefers(t *testing.T) {
	protected(t)
	const html, problemJSON = "text/html; charset=utf-8", "application/problem+json"
	tests := []struct {
		accept []string
		want   string
	}{
		{nil, problemJSON},
		{[]string{"*/*"}, problemJSON},
		{[]string{"text/html"}, html},
		{[]string{"TEXT/HTML"}, html},
		{[]string{"application/json, text/html"}, problemJSON},
		{[]string{"application/json;q=0.8, text/html;q=0.9"}, html},
		{[]string{"text/html;q=0.5, application/problem+json;q=0.9"}, problemJSON},
		{[]string{"application/json;q=0.1", "application/xhtml+xml"}, html},
		{[]string{"text/html;q=0"}, problemJSON},
		{[]string{"text/html;q=much"}, problemJSON},
		{[]string{"text/html;level=1;q=0.7"}, html},
		{[]string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, html},
	}
	for _, test := range tests {
		r := request("/ews", "")
		r.Header["Accept"] = test.accept
		answer := send(t, r)
		if got := answer.Header().Get("Content-Type"); got != test.want {
			t.Errorf("Accept %q: %s, expected %s", test.accept, got, test.want)
		}
		if answer.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("Accept %q: the body's type may be guessed", test.accept)
		}
		if test.want != html {
			continue
		}
		body := answer.Body.String()
		for _, fact := range []string{"530084", "401", "1002", "Correlation ID"} {
			if !strings.Contains(body, fact) {
				t.Errorf("the page does not say %s", fact)
			}
		}
		if !strings.Contains(answer.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Error("the page may load things")
		}
	}
}

func TestHeadHasNoBody(t *testing.T) {
	protected(t)
	for _, accept := range []string{"text/html", "application/json"} {
		r := request("/ews", "")
		r.Method = http.MethodHead
		r.Header.Set("Accept", accept)
		answer := send(t, r)
		expectStatus(t, answer, http.StatusUnauthorized)
		if answer.Body.Len() != 0 || answer.Header().Get("Content-Type") == "" {
			t.Errorf("%s: body %q, header %v", accept, answer.Body, answer.Header())
		}
	}
}

func TestErrorRoutesWriteTheBody(t *testing.T) {
	i := newIssuer(t)
	setup{issuer: i, app: policyOn, site: respond + `
	handle_errors {
		header X-Handled yes
		respond "sorry, {err.status_code}: {err.message}"
	}`}.load(t)
	answer := send(t, request("/ews", "Bearer abc"))
	expectStatus(t, answer, http.StatusUnauthorized)
	if body := answer.Body.String(); !strings.HasPrefix(body, "sorry, 401: ") || strings.Contains(body, "abc") {
		t.Errorf("body %q", body)
	}
	header := answer.Header()
	if header.Get("X-Handled") != "yes" || header.Get("Cache-Control") != "no-store" || len(header["Www-Authenticate"]) != 3 || header.Get("X-Ms-Diagnostics") == "" {
		t.Errorf("headers %v", header)
	}
}

// A server has the error routes of all its sites, and a site may have some
// for other errors alone: those must not leave a refusal without a body.
func TestErrorRoutesForOthersDoNotMatter(t *testing.T) {
	i := newIssuer(t)
	for name, s := range map[string]setup{
		"another site": {sites: `
http://other.contoso.example {
	bind unix/SOCKET
	respond there
	handle_errors {
		respond handled
	}
}`},
		"another status": {site: respond + "\n\thandle_errors 404 5xx {\n\t\trespond handled\n\t}"},
	} {
		s.issuer, s.app = i, policyOn
		s.load(t)
		answer := send(t, request("/ews", ""))
		expectStatus(t, answer, http.StatusUnauthorized)
		if got := answer.Header().Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s: Content-Type %q, body %q", name, got, answer.Body)
		}
	}
	setup{issuer: i, app: policyOn, site: respond + "\n\thandle_errors 401 {\n\t\trespond handled\n\t}"}.load(t)
	if body := send(t, request("/ews", "")).Body.String(); body != "handled" {
		t.Errorf("body %q", body)
	}
}

// RFC 6750, section 3: %x20-21 / %x23-5B / %x5D-7E, for every reason there is.
func TestChallengesStayWithinTheCharactersOfTheStandard(t *testing.T) {
	quoted := regexp.MustCompile(`^[ !#-\[\]-~]*$`)
	texts := newRefusals("contoso", enforcement.Config{DPoP: new(dpop.Verifier)}, jose.Algorithms())
	for _, why := range reason.All() {
		answer := why.Answer()
		if !quoted.MatchString(answer.Detail) || !quoted.MatchString(answer.Error) {
			t.Errorf("%s: %q, %q", why, answer.Error, answer.Detail)
		}
		for _, scheme := range []enforcement.AuthScheme{enforcement.SchemeNone, enforcement.SchemeBearer, enforcement.SchemeDPoP, enforcement.SchemePoP, enforcement.SchemeMTLS} {
			header := make(http.Header)
			texts.challenge(header, &enforcement.Decision{Reason: why, Credential: enforcement.Credential{Scheme: scheme}}, answer, time.Now())
			lines := header["Www-Authenticate"]
			switch answer.Status {
			case 400, 401, 403:
				if len(lines) == 0 || !slices.ContainsFunc(lines, func(line string) bool {
					return strings.HasPrefix(line, "DPoP ") && strings.Contains(line, `algs="ES256 `)
				}) {
					t.Errorf("%s: no way to go on in %q", why, lines)
				}
			default:
				if lines != nil {
					t.Errorf("%s: status %d with challenges %q", why, answer.Status, lines)
				}
			}
			if errors := strings.Count(strings.Join(lines, "\n"), "error="); errors > 1 || answer.Error != "" && len(lines) > 0 && errors != 1 {
				t.Errorf("%s: the error stands in %d schemes: %q", why, errors, lines)
			}
		}
	}
}

// Nothing that a client sends comes back to it in a refusal.
func FuzzRefusalsEchoNothing(f *testing.F) {
	i, device := protected(f)
	const mark = "zqxjkvw"
	for _, name := range []string{"Authorization", "Dpop", "Origin", "Accept", "User-Agent", "Cookie", "X-Forwarded-Host", "Connection", "Content-Type", "X-Correlation-Id"} {
		f.Add(name, "DPoP %")
		f.Add(name, "Bearer %.%.%")
		f.Add(name, `"><script>%</script>`)
		f.Add(name, "https://%.example, text/html;q=0.%")
	}
	token := i.token(f, jwt.MapClaims{"cnf": map[string]string{"jkt": device.Thumbprint()}, "upn": mark, "oid": mark, "jti": mark})
	f.Fuzz(func(t *testing.T, name, value string) {
		for _, accept := range []string{"application/json", "text/html"} {
			r := request("/"+mark+"?"+mark+"="+mark, "DPoP "+token)
			r.Header.Set("Accept", accept)
			r.Header[http.CanonicalHeaderKey(name)] = []string{strings.ReplaceAll(value, "%", mark)}
			answer := send(t, r)
			if answer.Code < 400 {
				t.Fatalf("passed with status %d", answer.Code)
			}
			if text := fmt.Sprint(answer.Header()) + answer.Body.String(); strings.Contains(text, mark) {
				t.Errorf("echoed: %s", text)
			}
		}
	})
}

func TestPreferenceWithHostileQuality(t *testing.T) {
	for _, q := range []string{"q=NaN", "q=1e999", "q=-1", "q=2", "q=", "q"} {
		if prefersHTML([]string{"text/html;" + q}) {
			t.Errorf("%s counts", q)
		}
	}
}
