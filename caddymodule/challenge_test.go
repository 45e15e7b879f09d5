// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/client"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
)

// confirmedAs is a confirmation with one member.
func confirmedAs(member string, device *client.Key) jwt.MapClaims {
	return jwt.MapClaims{"cnf": map[string]string{member: device.Thumbprint()}}
}

// signRequest makes a signed request for the path, with this nonce.
func signRequest(t testing.TB, device *client.Key, token, path, nonce string) *http.Request {
	t.Helper()
	signed, err := device.SignedRequest(client.SignedRequest{URL: "http://" + siteName + path, AccessToken: token, Nonce: nonce})
	if err != nil {
		t.Fatal(err)
	}
	return request(path, "PoP "+signed)
}

// offeredNonce returns a nonce out of a challenge of the scheme PoP, one that
// is younger than the start.
func offeredNonce(t testing.TB) string {
	t.Helper()
	for start := running(t).spent[setName{scheme: proof.PoP}].Stats().Watermark; time.Now().Truncate(time.Millisecond).Before(start); {
	}
	for _, line := range send(t, request("/ews", "")).Header()["Www-Authenticate"] {
		if found := regexp.MustCompile(`^PoP (?:.*, )?nonce="([^"]+)"$`).FindStringSubmatch(line); found != nil {
			return found[1]
		}
	}
	t.Fatal("no challenge offers a nonce")
	return ""
}

// Challenges, whole: what is not in them must not be.
const (
	dpopLine    = `DPoP algs="[A-Za-z0-9 ]+"`
	popLine     = `PoP nonce="[A-Za-z0-9_-]+"`
	bearerLine  = `Bearer`
	description = `, error_description="[^"]+"`
)

func dpopError(word string) string {
	return `DPoP error="` + word + `"` + description + `, algs="[A-Za-z0-9 ]+"`
}
func popError(word string) string {
	return `PoP error="` + word + `"` + description + `, nonce="[A-Za-z0-9_-]+"`
}

// plainError is of a scheme without parameters of its own.
func plainError(scheme, word string) string { return scheme + ` error="` + word + `"` + description }

func expectChallenges(t *testing.T, lines []string, want ...string) {
	t.Helper()
	matches := len(lines) == len(want)
	for n := 0; matches && n < len(want); n++ {
		matches = regexp.MustCompile("^" + want[n] + "$").MatchString(lines[n])
	}
	if !matches {
		t.Errorf("challenges %q, want %q", lines, want)
	}
}

// Contract, "Answers": one line per accepted scheme where nothing was sent;
// the error in the scheme that was tried where the token is at fault, and in
// the one that the confirmation owes where the proof is.
func TestChallengeStandsInTheSchemeThatWorks(t *testing.T) {
	i, device, thief := newIssuer(t), newDevice(t), newDevice(t)
	setup{issuer: i, app: policyOn}.load(t)
	foreign := newIssuer(t)
	jkt, kid := i.token(t, confirmedBy(device)), i.token(t, confirmedAs("kid", device))
	both := i.token(t, jwt.MapClaims{"cnf": map[string]string{"jkt": device.Thumbprint(), "x5t#S256": device.Thumbprint()}})
	const url = "http://" + siteName
	spent := signRequest(t, device, kid, "/ews", offeredNonce(t))
	expectStatus(t, send(t, spent.Clone(t.Context())), http.StatusOK)
	rerouted := signRequest(t, device, kid, "/ews", offeredNonce(t))
	rerouted.URL.Path, rerouted.RequestURI = "/owa", "/owa"
	twice := request("/ews", "PoP "+kid)
	twice.Header.Add("Authorization", "PoP "+kid)
	for _, test := range []struct {
		rule    string
		request *http.Request
		status  int
		want    []string
	}{
		{"no credential", request("/ews", ""), 401, []string{dpopLine, popLine, bearerLine}},
		{"a scheme of others", request("/ews", "Basic YTpi"), 401, []string{dpopLine, popLine, bearerLine}},
		{"a scheme without a token", request("/ews", "PoP"), 401, []string{dpopLine, popLine, bearerLine}},

		{"a forged token as Bearer", request("/ews", "Bearer "+foreign.token(t, nil)), 401, []string{plainError("Bearer", "invalid_token"), dpopLine, popLine}},
		{"a forged token as DPoP", request("/ews", "DPoP "+foreign.token(t, nil)), 401, []string{dpopError("invalid_token"), popLine, bearerLine}},
		{"a forged token as mtls_pop", request("/ews", "mtls_pop "+foreign.token(t, nil)), 401, []string{plainError("mtls_pop", "invalid_token"), dpopLine, popLine, bearerLine}},
		{"a forged token in a signed request", signRequest(t, device, foreign.token(t, nil), "/ews", ""), 401, []string{popError("invalid_token"), dpopLine, bearerLine}},

		{"an unbound token as Bearer", request("/ews", "Bearer "+i.token(t, nil)), 401, []string{dpopError("invalid_token"), popError("invalid_token")}},
		{"an unbound token in a signed request", signRequest(t, device, i.token(t, nil), "/ews", ""), 401, []string{dpopError("invalid_token"), popError("invalid_token")}},

		{"jkt in a signed request", signRequest(t, device, jkt, "/ews", ""), 401, []string{dpopError("invalid_token")}},
		{"kid as DPoP", prove(t, request("/ews", ""), device, kid, url+"/ews"), 401, []string{popError("invalid_token")}},
		{"jkt and x5t#S256 without a certificate", prove(t, request("/ews", ""), device, both, url+"/ews"), 401, []string{dpopError("invalid_token")}},

		{"a DPoP proof for another URL", prove(t, request("/ews", ""), device, jkt, url+"/owa"), 401, []string{dpopError("invalid_dpop_proof")}},
		{"a signed request for another path", rerouted, 401, []string{popError("invalid_token")}},
		{"a signed request by another key", signRequest(t, thief, kid, "/ews", ""), 401, []string{popError("invalid_token")}},
		{"a signed request again", spent, 401, []string{popError("invalid_token")}},
		{"the bare token", request("/ews", "PoP "+kid), 401, []string{popError("invalid_token"), dpopLine, bearerLine}},
		{"what is no signed request", request("/ews", "PoP abc"), 401, []string{popError("invalid_token")}},
		{"a signed request without a nonce of ours", signRequest(t, device, kid, "/ews", ""), 401, []string{popLine}},

		{"two credentials", twice, 400, []string{dpopError("invalid_request")}},
	} {
		t.Run(test.rule, func(t *testing.T) {
			answer := send(t, test.request)
			expectStatus(t, answer, test.status)
			expectChallenges(t, answer.Header()["Www-Authenticate"], test.want...)
			if nonces := answer.Header()["Dpop-Nonce"]; nonces != nil {
				t.Errorf("DPoP-Nonce %q", nonces)
			}
		})
	}
}

// A client finds what it needs in the challenge, and nothing that would not work.
func TestChallengesNameOnlyAcceptedSchemes(t *testing.T) {
	const session = "dbsc\ndbsc {\nsession_cookie FedAuth\n}"
	for _, test := range []struct {
		proofs                          string
		missing, unbound, forged, twice []string
	}{
		{"dpop", []string{dpopLine}, []string{dpopError("invalid_token")}, []string{plainError("Bearer", "invalid_token"), dpopLine}, []string{dpopError("invalid_request")}},
		{"pop", []string{popLine}, []string{popError("invalid_token")}, []string{plainError("Bearer", "invalid_token"), popLine}, []string{popError("invalid_request")}},
		{"mtls", []string{bearerLine}, []string{plainError("Bearer", "invalid_token")}, []string{plainError("Bearer", "invalid_token")}, []string{plainError("Bearer", "invalid_request")}},
		{"mtls pop", []string{popLine, bearerLine}, []string{popError("invalid_token")}, []string{plainError("Bearer", "invalid_token"), popLine}, []string{popError("invalid_request")}},
		{session, nil, []string{plainError("Bearer", "invalid_token")}, []string{plainError("Bearer", "invalid_token")}, []string{plainError("Bearer", "invalid_request")}},
	} {
		t.Run(test.proofs, func(t *testing.T) {
			i := newIssuer(t)
			setup{issuer: i, app: policyOn, site: "token_protection exchange {\naudience https://mail.contoso.example\nproofs " + test.proofs + "\n}\nrespond in"}.load(t)
			twice := request("/ews", "Bearer a")
			twice.Header.Add("Authorization", "Bearer b")
			for _, c := range []struct {
				request *http.Request
				want    []string
			}{
				{request("/ews", ""), test.missing}, {request("/ews", "Bearer "+i.token(t, nil)), test.unbound},
				{request("/ews", "Bearer "+newIssuer(t).token(t, nil)), test.forged}, {twice, test.twice},
			} {
				expectChallenges(t, send(t, c.request).Header()["Www-Authenticate"], c.want...)
			}
		})
	}
}

// A proof that the resource does not accept is named all the same: it is what
// the token owes. There is no nonce for it.
func TestChallengeOfASchemeThatIsNotAccepted(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	setup{issuer: i, app: policyOn, site: "token_protection exchange {\naudience https://mail.contoso.example\nproofs dpop\n}\nrespond in"}.load(t)
	answer := send(t, request("/ews", "Bearer "+i.token(t, confirmedAs("kid", device))))
	expectStatus(t, answer, http.StatusUnauthorized)
	expectChallenges(t, answer.Header()["Www-Authenticate"], plainError("PoP", "invalid_token"))
	answer = send(t, request("/ews", "Bearer "+i.token(t, confirmedAs("x5t#S256", device))))
	expectChallenges(t, answer.Header()["Www-Authenticate"], plainError("Bearer", "invalid_token"))
}

// The words of the block `pop` reach the verifier.
func TestSignedRequestsAreJudgedAsConfigured(t *testing.T) {
	for _, test := range []struct {
		name, words, signed string
		want                string // the challenge; empty where the request passes
	}{
		{"defaults", "", "/ews", ""},
		{"case counts", "", "/EWS", popError("invalid_token")},
		{"but not for Microsoft", "microsoft_compatible", "/EWS", ""},
		{"nonce", "nonce required", "/ews", ""},
		{"query", "demand query", "/ews", popError("invalid_token")},
		{"headers and body", "demand headers body", "/ews", popError("invalid_token")},
		{"body", "nonce auto\ndemand body", "/ews", popError("invalid_token")},
	} {
		t.Run(test.name, func(t *testing.T) {
			i, device := newIssuer(t), newDevice(t)
			setup{issuer: i, app: policyOn, site: "token_protection exchange {\naudience https://mail.contoso.example\npop {\n" + test.words + "\n}\n}\nrespond in"}.load(t)
			signed := signRequest(t, device, i.token(t, confirmedAs("kid", device)), test.signed, offeredNonce(t))
			answer := send(t, request("/ews", signed.Header.Get("Authorization")))
			if test.want == "" {
				expectStatus(t, answer, http.StatusOK)
				return
			}
			expectStatus(t, answer, http.StatusUnauthorized)
			expectChallenges(t, answer.Header()["Www-Authenticate"], test.want)
		})
	}
}
