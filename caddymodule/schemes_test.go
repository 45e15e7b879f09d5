// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/client"
)

// One line per accepted scheme, and the error in the scheme that would work.
func TestChallengesOfAllAcceptedSchemes(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	setup{issuer: i, app: policyOn}.load(t)
	confirmed := func(member string) string {
		return i.token(t, jwt.MapClaims{"cnf": map[string]string{member: device.Thumbprint()}})
	}
	for _, test := range []struct {
		rule, authorization string
		want                []string
	}{
		{"no credential", "", []string{`DPoP algs="`, `PoP nonce="`, "Bearer"}},
		{"a forged token as Bearer", "Bearer a.b.c", []string{`Bearer error="invalid_token"`, `DPoP algs="`, `PoP nonce="`}},
		{"an unbound token", "Bearer " + i.token(t, nil), []string{`DPoP error="invalid_token"`, `PoP error="invalid_token"`}},
		{"a jkt token as Bearer", "Bearer " + confirmed("jkt"), []string{`DPoP error="invalid_token"`}},
		{"a kid token as Bearer", "Bearer " + confirmed("kid"), []string{`PoP error="invalid_token"`}},
		{"a certificate-bound token without certificate", "Bearer " + confirmed("x5t#S256"), []string{`Bearer error="invalid_token"`}},
		{"the same as mtls_pop", "mtls_pop " + confirmed("x5t#S256"), []string{`Bearer error="invalid_token"`}},
		{"a certificate-bound token as DPoP", "DPoP " + confirmed("x5t#S256"), []string{`Bearer error="invalid_token"`}},
	} {
		t.Run(test.rule, func(t *testing.T) {
			answer := send(t, request("/ews", test.authorization))
			expectStatus(t, answer, http.StatusUnauthorized)
			got := answer.Header()["Www-Authenticate"]
			if len(got) != len(test.want) {
				t.Fatalf("challenges %q, want %q", got, test.want)
			}
			for n, prefix := range test.want {
				if !strings.HasPrefix(got[n], prefix) {
					t.Errorf("challenge %q, want %q", got[n], prefix)
				}
			}
		})
	}
}

func TestSignedRequestPassesOnceAndItsTokenGoesOn(t *testing.T) {
	i, device, b := newIssuer(t), newDevice(t), newBackend(t)
	setup{issuer: i, app: policyOn, site: proxiedTo(b, "forward bearer")}.load(t)
	token := i.token(t, jwt.MapClaims{"cnf": map[string]string{"kid": device.Thumbprint()}})
	sign := func(nonce string) *http.Request {
		signed, err := device.SignedRequest(client.SignedRequest{URL: "http://" + siteName + "/ews", AccessToken: token, Nonce: nonce})
		if err != nil {
			t.Fatal(err)
		}
		return request("/ews", "PoP "+signed)
	}
	var first *http.Request
	for nonce, status := "", http.StatusUnauthorized; status != http.StatusOK; {
		first = sign(nonce)
		answer := send(t, first.Clone(t.Context()))
		if status = answer.Code; status == http.StatusOK {
			break
		}
		// Right after the start a nonce is owed, younger than the start's millisecond.
		_, rest, _ := strings.Cut(answer.Header().Get("WWW-Authenticate"), `PoP nonce="`)
		if nonce, _, _ = strings.Cut(rest, `"`); nonce == "" || answer.Header().Get("DPoP-Nonce") != "" {
			t.Fatalf("status %d, headers %v", status, answer.Header())
		}
	}
	if got := b.received(t).Get("Authorization"); got != "Bearer "+token {
		t.Errorf("the backend got %.20q, want the token", got)
	}
	expectStatus(t, send(t, first), http.StatusUnauthorized)
}

// A browser's session cookie works only beside the bound one.
func TestSessionCookieIsOfferedABindingAndRefusedWithout(t *testing.T) {
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			http.SetCookie(w, &http.Cookie{Name: "FedAuth", Value: "session-1", Path: "/", Secure: true, HttpOnly: true})
		}
		_, _ = w.Write([]byte(r.Header.Get("Cookie")))
	}))
	t.Cleanup(application.Close)
	setup{issuer: newIssuer(t), app: policyOn, site: `
	token_protection exchange {
		public_url https://mail.contoso.example
		exempt /login
		proofs dpop dbsc
		dbsc {
			session_cookie FedAuth
		}
	}
	reverse_proxy ` + application.Listener.Addr().String()}.load(t)
	with := func(path, cookies string) *http.Request {
		r := request(path, "")
		if cookies != "" {
			r.Header.Set("Cookie", cookies)
		}
		return r
	}
	signIn := send(t, with("/login", ""))
	expectStatus(t, signIn, http.StatusOK)
	if offer := signIn.Header().Get("Secure-Session-Registration"); !strings.Contains(offer, `path="/.token-protection/dbsc/register"`) {
		t.Fatalf("no registration is offered: %v", signIn.Header())
	}
	var jar []string
	for _, cookie := range signIn.Result().Cookies() {
		jar = append(jar, cookie.Name+"="+cookie.Value)
	}
	all := strings.Join(jar, "; ")
	graced := send(t, with("/owa", all))
	expectStatus(t, graced, http.StatusOK) // the browser registers in the background
	if body := graced.Body.String(); body != "FedAuth=session-1" {
		t.Errorf("the application saw the cookies %q, want its own alone", body)
	}
	for rule, r := range map[string]*http.Request{
		"the application's cookie alone": with("/owa", "FedAuth=session-1"),
		"another value of it":            with("/owa", strings.Replace(all, "session-1", "session-2", 1)),
		"the cookie twice":               with("/owa", "FedAuth=a; FedAuth=session-1"),
	} {
		if answer := send(t, r); answer.Code != http.StatusUnauthorized && answer.Code != http.StatusBadRequest {
			t.Errorf("%s: status %d", rule, answer.Code)
		}
	}
	both := with("/owa", all)
	both.Header.Set("Authorization", "Bearer a.b.c")
	expectStatus(t, send(t, both), http.StatusBadRequest)
	refresh := with("/.token-protection/dbsc/refresh", all)
	refresh.Method = http.MethodPost
	if answer := send(t, refresh); answer.Code != http.StatusForbidden && answer.Code != http.StatusOK {
		t.Errorf("refresh: status %d, any other than 403 would end the session", answer.Code)
	}
}
