// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func withMethod(r *http.Request, method string) *http.Request {
	r.Method = method
	return r
}

func withBody(r *http.Request, body string) *http.Request {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	return r
}

const (
	appOrigin = "https://app.contoso.example"
	extras    = `
	token_protection exchange {
		audience https://mail.contoso.example
		public_url https://mail.contoso.example
		metadata
		cors_origins https://app.contoso.example
	}
	respond "in {http.token_protection.status}"
`
)

// RFC 9728, sections 2, 3 and 5.1.
func TestMetadataIsPublishedAndNamed(t *testing.T) {
	setup{issuer: newIssuer(t), app: policyOn, site: extras}.load(t)
	answer := send(t, request(wellKnown, ""))
	expectStatus(t, answer, http.StatusOK)
	var got resourceMetadata
	if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Resource != "https://mail.contoso.example" || !slices.Equal(got.AuthorizationServers, []string{issuerName}) ||
		!slices.Equal(got.BearerMethods, []string{"header"}) || !got.CertificateBound || !slices.Contains(got.DPoPAlgorithms, "ES256") || got.DPoPRequired {
		t.Errorf("metadata %+v", got)
	}
	for _, challenge := range send(t, request("/ews", "")).Header()["Www-Authenticate"] {
		if !strings.HasSuffix(challenge, `resource_metadata="https://mail.contoso.example/.well-known/oauth-protected-resource"`) {
			t.Errorf("challenge %q names no metadata", challenge)
		}
	}
	if answer := send(t, withMethod(request(wellKnown, ""), http.MethodPost)); answer.Code != http.StatusMethodNotAllowed || answer.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", answer.Code, answer.Header().Get("Allow"))
	}
	if answer := send(t, withMethod(request(wellKnown, ""), http.MethodHead)); answer.Code != http.StatusOK || answer.Body.Len() != 0 {
		t.Errorf("HEAD: %d with %d bytes", answer.Code, answer.Body.Len())
	}
}

func TestMetadataIsTheBackendsUnlessConfigured(t *testing.T) {
	setup{issuer: newIssuer(t), app: policyReportOnly}.load(t)
	answer := send(t, request(wellKnown, ""))
	expectStatus(t, answer, http.StatusOK)
	if body := answer.Body.String(); body != "in unbound" {
		t.Errorf("body %q, want the backend's", body)
	}
}

func TestBrowsersOfConfiguredOriginsMayAsk(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	setup{issuer: i, app: policyOn, site: extras}.load(t)
	from := func(origin string, r *http.Request) *http.Request {
		r.Header.Set("Origin", origin)
		return r
	}
	preflight := func() *http.Request {
		r := withMethod(request("/ews", ""), http.MethodOptions)
		r.Header.Set("Access-Control-Request-Method", "GET")
		return r
	}
	bearer := "Bearer " + i.token(t, confirmedBy(device))
	for _, test := range []struct {
		rule   string
		r      *http.Request
		status int
		origin string
	}{
		{"a preflight from the origin", from(appOrigin, preflight()), http.StatusNoContent, appOrigin},
		{"a preflight from elsewhere", from("https://evil.example", preflight()), http.StatusUnauthorized, ""},
		{"a preflight from two origins", func() *http.Request { r := from(appOrigin, preflight()); r.Header.Add("Origin", appOrigin); return r }(), http.StatusUnauthorized, ""},
		{"OPTIONS that is no preflight", from(appOrigin, withMethod(request("/ews", ""), http.MethodOptions)), http.StatusUnauthorized, appOrigin},
		{"a refusal can be read", from(appOrigin, request("/ews", bearer)), http.StatusUnauthorized, appOrigin},
		{"a refusal cannot be read from elsewhere", from("https://evil.example", request("/ews", bearer)), http.StatusUnauthorized, ""},
	} {
		t.Run(test.rule, func(t *testing.T) {
			answer := send(t, test.r)
			expectStatus(t, answer, test.status)
			header := answer.Header()
			if got := header.Get("Access-Control-Allow-Origin"); got != test.origin {
				t.Errorf("allowed origin %q, want %q", got, test.origin)
			}
			if header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are allowed")
			}
			if test.status == http.StatusUnauthorized && !strings.Contains(header.Get("Access-Control-Expose-Headers"), "DPoP-Nonce") {
				t.Error("a browser's client cannot see the nonce")
			}
		})
	}
}

func TestBackendsOwnCORSHeadersStand(t *testing.T) {
	for theirs, want := range map[string]string{"": appOrigin, "https://other.example": "https://other.example"} {
		header := make(http.Header)
		if theirs != "" {
			header.Set("Access-Control-Allow-Origin", theirs)
		}
		shareAnswer(header, appOrigin)
		if got := header["Access-Control-Allow-Origin"]; !slices.Equal(got, []string{want}) {
			t.Errorf("theirs %q: got %q, want %q", theirs, got, want)
		}
	}
}

// Mail clients learn from the challenge to an empty Bearer where to get a token.
func TestProbeBringsBackChallengesAndNothingElse(t *testing.T) {
	status := http.StatusUnauthorized
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Add("WWW-Authenticate", `Bearer client_id="exchange", authorization_uri="https://login.contoso.example"`)
		w.Header().Set("X-Secret", "1")
		w.WriteHeader(status)
		_, _ = w.Write([]byte("mail"))
	}))
	t.Cleanup(server.Close)
	setup{issuer: newIssuer(t), app: policyOn, site: `
	token_protection exchange {
		audience https://mail.contoso.example
		anonymous probe
	}
	reverse_proxy ` + server.Listener.Addr().String()}.load(t)
	withCookie := request("/ews", "")
	withCookie.Header.Set("Cookie", "session=1")
	for _, test := range []struct {
		rule    string
		r       *http.Request
		backend int
		asks    bool
		theirs  bool
	}{
		{"an empty Bearer", request("/ews", "Bearer"), 401, true, true},
		{"no Authorization", request("/ews", ""), 401, true, true},
		{"what is no challenge stays", request("/ews", ""), 200, true, false},
		{"a redirect stays", request("/ews", ""), 302, true, false},
		{"a cookie could do something", withCookie, 401, false, false},
		{"a body could do something", withBody(request("/ews", ""), "<x/>"), 401, false, false},
		{"a bad token is no probe", request("/ews", "Bearer a.b.c"), 401, false, false},
		{"Basic is no probe", request("/ews", "Basic YTpi"), 401, false, false},
	} {
		t.Run(test.rule, func(t *testing.T) {
			status, asked = test.backend, 0
			answer := send(t, test.r)
			expectStatus(t, answer, http.StatusUnauthorized)
			challenges := answer.Header()["Www-Authenticate"]
			theirs := slices.ContainsFunc(challenges, func(c string) bool { return strings.Contains(c, "authorization_uri") })
			ours := slices.ContainsFunc(challenges, func(c string) bool { return strings.HasPrefix(c, "DPoP ") })
			if asked > 0 != test.asks || theirs != test.theirs || !ours {
				t.Errorf("asked %d times, challenges %q", asked, challenges)
			}
			if body := answer.Body.String(); answer.Header().Get("X-Secret") != "" || strings.Contains(body, "mail\n") || body == "mail" {
				t.Errorf("the backend's answer came back: %q", body)
			}
		})
	}
}

// Claims challenges go only to clients that announce to understand them.
func TestClaimsChallengeForCapableClientsOnly(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	hardware := strings.Replace(policyOn, "resources exchange", "resources exchange\n\t\t\trequire_hardware_key", 1)
	setup{issuer: i, app: hardware}.load(t)
	for name, test := range map[string]struct {
		capabilities any
		status       int
	}{"capable": {[]string{"cp1"}, http.StatusUnauthorized}, "not capable": {nil, http.StatusForbidden}} {
		claims := confirmedBy(device)
		claims["xms_cc"] = test.capabilities
		answer := send(t, prove(t, request("/ews", ""), device, i.token(t, claims), "http://"+siteName+"/ews"))
		expectStatus(t, answer, test.status)
		challenge := answer.Header().Get("WWW-Authenticate")
		if (test.status == http.StatusUnauthorized) != strings.Contains(challenge, `error="insufficient_claims"`) {
			t.Errorf("%s: challenge %q", name, challenge)
		}
		if _, encoded, ok := strings.Cut(challenge, `claims="`); ok {
			text, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(encoded, `"`))
			if err != nil || !strings.HasPrefix(string(text), `{"access_token":{"nbf":{"essential":true,"value":"`) {
				t.Errorf("claims %q, %v", text, err)
			}
		}
	}
}
