// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/tokenprotection/caddy-token-protection/client"
	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

const siteURL = "https://" + siteName

// captured writes a request as it would be on the wire.
func captured(method, path string, header ...string) string {
	text := method + " " + path + " HTTP/1.1\r\nHost: " + siteName + "\r\n"
	for _, line := range header {
		text += line + "\r\n"
	}
	return text + "\r\n"
}

func proofFor(t testing.TB, device *client.Key, p client.Proof) string {
	t.Helper()
	proof, err := device.Proof(p)
	if err != nil {
		t.Fatal(err)
	}
	return "DPoP: " + proof
}

// verified runs the command on a request.
func verified(t testing.TB, s setup, request string, change func(*verifyOptions)) (string, error) {
	t.Helper()
	o := verifyOptions{config: filepath.Join(t.TempDir(), "Caddyfile"), request: "-"}
	if err := os.WriteFile(o.config, []byte(s.caddyfile("/tmp/caddy-verify.sock")), 0o600); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&o)
	}
	var out bytes.Buffer
	err := o.run(strings.NewReader(request), &out)
	return out.String(), err
}

// expectNoSecret looks for the parts of tokens and proofs, and for cookies.
func expectNoSecret(t testing.TB, request, output string) {
	t.Helper()
	for line := range strings.SplitSeq(request, "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		if !slices.Contains([]string{"Authorization", "DPoP", "Cookie"}, name) {
			continue
		}
		for _, part := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(". =;", r) }) {
			if len(part) > 12 && strings.Contains(output, part) {
				t.Errorf("%s is shown in\n%s", name, output)
			}
		}
	}
}

func TestVerifyExplainsAGoodRequest(t *testing.T) {
	before := goleak.IgnoreCurrent()
	i, device := newIssuer(t), newDevice(t)
	token := i.token(t, confirmedBy(device))
	request := captured("GET", "/ews?a=1", "Authorization: DPoP "+token, proofFor(t, device, client.Proof{URL: siteURL + "/ews", AccessToken: token}))
	output, err := verified(t, setup{issuer: i, app: policyOn}, request, nil)
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		"request      GET " + siteURL + "/ews at ", "cnf (jkt " + strconv.Quote(device.Thumbprint()) + ")", "ath of this token",
		"passed       htu is the URL that the client addressed (RFC 9449, section 4.3, check 9)",
		"passed       the device key's signature", `policy       "Pilot": success; conditions satisfied: application,users,clientType`,
		"note         Whether the proof was spent", "decision     allow (bound, code 0)\n",
	} {
		if !strings.Contains(output, want) {
			t.Errorf("no %q in\n%s", want, output)
		}
	}
	if strings.Contains(output, "FAILED") || strings.Contains(output, "not reached") {
		t.Errorf("something failed\n%s", output)
	}
	expectNoSecret(t, request, output)
	goleak.VerifyNone(t, before)
}

func TestVerifyNamesTheCheckThatFailed(t *testing.T) {
	i, other, device, thief := newIssuer(t), newIssuer(t), newDevice(t), newDevice(t)
	token := i.token(t, confirmedBy(device))
	good := proofFor(t, device, client.Proof{URL: siteURL + "/ews", AccessToken: token})
	authorization := "Authorization: DPoP " + token
	with := func(issuer *issuer, claims jwt.MapClaims) string {
		all := confirmedBy(device)
		for name, value := range claims {
			all[name] = value
		}
		return "Authorization: DPoP " + issuer.token(t, all)
	}
	for _, test := range []struct {
		name    string
		request string
		failed  string // line
		verdict string
	}{
		{"no credential", captured("GET", "/ews"), "exactly one credential (RFC 6750, section 2; RFC 9449, section 7.1): credential_missing", "block with 401"},
		{"Basic", captured("GET", "/ews", "Authorization: Basic YWxpY2U6c2VjcmV0c2VjcmV0"), "exactly one credential (RFC 6750, section 2; RFC 9449, section 7.1): credential_foreign", "block with 401"},
		{"two credentials", captured("GET", "/ews?access_token=a", authorization, good), "credentials_several", "block with 400 invalid_request"},
		{"two proofs", captured("GET", "/ews", authorization, good, good), "proofs_several", "block with 400"},
		{"TRACE", captured("TRACE", "/ews", authorization, good), "framing and method (RFC 9110, section 9.3; RFC 8470, section 5.2): method_refused", "block with 405 Method Not Allowed"},
		{"not a token", captured("GET", "/ews", "Authorization: DPoP secretsecretsecret", good), "token_malformed", "block with 401 invalid_token"},
		{"another issuer", captured("GET", "/ews", with(i, jwt.MapClaims{"iss": "https://evil.example"}), good), "token_issuer", "block with 401"},
		{"forged", captured("GET", "/ews", with(other, nil), good), "the issuer's signature (RFC 7515, section 5.2): token_signature", "block with 401"},
		{"another audience", captured("GET", "/ews", with(i, jwt.MapClaims{"aud": "https://files.contoso.example"}), good), "the token is for this resource (RFC 9068, section 4): token_audience", "block with 401"},
		{"expired", captured("GET", "/ews", with(i, jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()}), good), "token_expired", "block with 401"},
		{"unbound", captured("GET", "/ews", "Authorization: Bearer "+i.token(t, nil)), "token_unbound", "block with 401 invalid_token (token_unbound, code 1002)"},
		{"as Bearer", captured("GET", "/ews", "Authorization: Bearer "+token), "scheme_mismatch", "block with 401 invalid_token (scheme_mismatch, code 1008)"},
		{"no proof", captured("GET", "/ews", authorization), "one proof (RFC 9449, section 4.3, check 1): proof_missing", "block with 401"},
		{"not a proof", captured("GET", "/ews", authorization, "DPoP: secretsecretsecret"), "proof_malformed", "block with 401"},
		{"the token as proof", captured("GET", "/ews", authorization, "DPoP: "+token), "proof_type", "block with 401"},
		{"another key", captured("GET", "/ews", authorization, proofFor(t, thief, client.Proof{URL: siteURL + "/ews", AccessToken: token})), "key_mismatch", "block with 401"},
		{"another method", captured("POST", "/ews", authorization, good), "htm is the method (RFC 9449, section 4.3, check 8): proof_method", "block with 401 invalid_dpop_proof"},
		{"another URL", captured("GET", "/owa", authorization, good), "htu is the URL that the client addressed (RFC 9449, section 4.3, check 9): proof_url", "block with 401"},
		{"another token", captured("GET", "/ews", with(i, jwt.MapClaims{"jti": "token-2"}), good), "proof_token_hash", "block with 401"},
		{"a forged proof", captured("GET", "/ews", authorization, good[:len(good)-6]+"AAAAAA"), "the device key's signature (RFC 9449, section 4.3, check 6): proof_signature", "block with 401"},
		{"no certificate", captured("GET", "/ews", "Authorization: Bearer "+i.token(t, newIdentity(t, "d").confirmed())), "one client certificate (RFC 8705, section 3; RFC 9440, section 2): certificate_missing", "block with 401"},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, err := verified(t, setup{issuer: i, app: policyOn}, test.request, nil)
			if !errors.Is(err, errBlocked) {
				t.Errorf("error %v", err)
			}
			if !strings.Contains(output, test.verdict) {
				t.Errorf("no %q in\n%s", test.verdict, output)
			}
			_, failed, _ := strings.Cut(output, "\nFAILED       ")
			if failed, _, _ = strings.Cut(failed, "\n"); !strings.HasSuffix(failed, test.failed) || strings.Count(output, "\nFAILED ") != 1 {
				t.Errorf("failed: %q\n%s", failed, output)
			}
			expectNoSecret(t, test.request, output)
		})
	}
}

func TestVerifyWithOtherCircumstances(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	token := i.token(t, confirmedBy(device))
	good := captured("GET", "/ews", "Authorization: DPoP "+token, proofFor(t, device, client.Proof{URL: siteURL + "/ews", AccessToken: token}))
	card := newIdentity(t, "device")
	cardFile := filepath.Join(t.TempDir(), "card.pem")
	if err := os.WriteFile(cardFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: card.certificate.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	byCard := captured("GET", "/ews", "Authorization: Bearer "+i.token(t, card.confirmed()))
	signed, err := device.SignedRequest(client.SignedRequest{URL: siteURL + "/ews", AccessToken: i.token(t, jwt.MapClaims{"cnf": map[string]string{"kid": device.Thumbprint()}})})
	if err != nil {
		t.Fatal(err)
	}
	bySignature := captured("GET", "/ews", "Authorization: PoP "+signed)
	for _, test := range []struct {
		name    string
		setup   setup
		request string
		change  func(*verifyOptions)
		allow   bool
		says    string
	}{
		{"an hour later", setup{}, good, func(o *verifyOptions) { o.at = time.Now().Add(-10 * time.Minute).Format(time.RFC3339) }, false, "proof_time"},
		{"another origin", setup{}, good, func(o *verifyOptions) { o.url = "https://files.contoso.example" }, false, "proof_url"},
		{"the same origin", setup{}, good, func(o *verifyOptions) { o.url = siteURL }, true, "allow (bound"},
		{"a path of its own", setup{}, strings.Replace(good, "/ews", "/stripped", 1), func(o *verifyOptions) { o.url = siteURL + "/ews" }, true, "allow (bound"},
		{"report-only", setup{app: policyReportOnly}, captured("GET", "/ews", "Authorization: Bearer "+token), nil, true, "allow (unbound, code 1008): no policy in state on"},
		{"an excluded user", setup{}, captured("GET", "/ews", "Authorization: Bearer "+i.token(t, jwt.MapClaims{"oid": "break-glass"})), nil, true, "allow (unbound, code 1002)"},
		{"an exempt path", setup{site: "token_protection exchange {\n\t\texempt /ews\n\t}"}, captured("GET", "/ews"), nil, true, "allow: the path is exempt"},
		{"anonymous", setup{site: "token_protection exchange {\n\t\tanonymous allow\n\t}"}, captured("GET", "/ews"), nil, true, "allow: anonymous"},
		{"a nonce is required", setup{app: policyOn + "proof {\n\t\tnonce required\n\t\tnonce_secret 0123456789abcdef0123456789abcdef\n\t}"}, good, nil, false, "nonce_missing"},
		{"a nonce that nobody knows", setup{app: policyOn + "proof {\n\t\tnonce required\n\t}"}, good, nil, true, "none is asked for here"},
		{"a certificate", setup{}, byCard, func(o *verifyOptions) { o.certificate = cardFile }, true, "passed       the certificate is the confirmed one"},
		{"a signed request", setup{}, bySignature, nil, true, "passed       u and p are the URL"},
		{"a signed request elsewhere", setup{}, strings.Replace(bySignature, "/ews", "/owa", 1), nil, false, "u and p are the URL that the client addressed (draft-ietf-oauth-signed-http-request, section 4.2): proof_url"},
		{"the token of another scheme", setup{}, captured("GET", "/ews", "Authorization: PoP "+token), nil, false, "FAILED       the credential is a signed HTTP request"},
		{"a session without proof", setup{site: "token_protection exchange {\n\t\tproofs dpop dbsc\n\t\tdbsc {\n\t\t\tsession_cookie sid\n\t\t}\n\t}"}, captured("GET", "/ews", "Cookie: sid=secretsecretsecret"), nil, false, "the bound cookie proves the session (Device Bound Session Credentials): session_unproven"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.setup.issuer = i
			if test.setup.app == "" {
				test.setup.app = policyOn
			}
			output, err := verified(t, test.setup, test.request, test.change)
			if allow := err == nil; allow != test.allow || err != nil && !errors.Is(err, errBlocked) {
				t.Errorf("error %v", err)
			}
			if !strings.Contains(output, test.says) {
				t.Errorf("no %q in\n%s", test.says, output)
			}
			expectNoSecret(t, test.request, output)
		})
	}
}

func TestVerifyRefusesWhatItCannotJudge(t *testing.T) {
	i := newIssuer(t)
	good := captured("GET", "/ews")
	for name, test := range map[string]struct {
		request string
		change  func(*verifyOptions)
		says    string
	}{
		"no request":              {"", nil, "not an HTTP request"},
		"no file":                 {good, func(o *verifyOptions) { o.request = "/nowhere" }, "no such file"},
		"no configuration":        {good, func(o *verifyOptions) { o.config = "/nowhere" }, "no such file"},
		"another resource":        {good, func(o *verifyOptions) { o.resource = "wiki" }, "expected one of exchange"},
		"a time that is none":     {good, func(o *verifyOptions) { o.at = "noon" }, "expected one such as"},
		"tomorrow":                {good, func(o *verifyOptions) { o.at = time.Now().Add(24 * time.Hour).Format(time.RFC3339) }, "future"},
		"a relative URL":          {good, func(o *verifyOptions) { o.url = "/ews" }, "--url"},
		"a peer that is none":     {good, func(o *verifyOptions) { o.peer = "a" }, "--peer"},
		"no certificate":          {good, func(o *verifyOptions) { o.certificate = i.file }, "expected a PEM file"},
		"an adapter that is none": {good, func(o *verifyOptions) { o.adapter = "a" }, "--adapter"},
	} {
		output, err := verified(t, setup{issuer: i, app: policyOn}, test.request, test.change)
		if err == nil || !strings.Contains(err.Error(), test.says) || output != "" {
			t.Errorf("%s: %v %s", name, err, output)
		}
	}
}

func TestCapturesAreRead(t *testing.T) {
	for name, test := range map[string]struct{ text, says string }{
		"raw":           {"GET /a HTTP/1.1\r\nHost: a.example\r\nDPoP: b\r\n\r\n", ""},
		"line feeds":    {"GET /a HTTP/1.1\nHost: a.example\nDPoP: b\n\n", ""},
		"no end":        {"GET /a HTTP/1.1\nHost: a.example\nDPoP: b", ""},
		"HTTP/2":        {"GET /a HTTP/2\nHost: a.example\ndpop: b\n", ""},
		"curl":          {"* Trying\n> GET /a HTTP/2\n> Host: a.example\n> dpop: b\n>\n< HTTP/2 401\n< date: Wed, 25 Nov 2026 10:00:00 GMT\n", ""},
		"curl, CRLF":    {"> GET /a HTTP/1.1\r\n> Host: a.example\r\n> DPoP: b\r\n> \r\n< HTTP/1.1 401\r\n", ""},
		"two requests":  {"> GET /a HTTP/1.1\n> Host: a.example\n> GET /b HTTP/1.1\n", "2 requests"},
		"headers alone": {"> Host: a.example\n", "0 requests"},
		"junk":          {"secret secret secret", "not an HTTP request"},
		"too long":      {strings.Repeat("a", maxCapture+1), "longer than"},
	} {
		c, err := readCapture(strings.NewReader(test.text))
		if test.says != "" {
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || c.request.Method != "GET" || c.request.URL.Path != "/a" || c.request.Host != "a.example" || c.request.Header.Get("Dpop") != "b" {
			t.Errorf("%s: %v %+v", name, err, c)
		}
		if name == "curl" && c.answered != time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC) {
			t.Errorf("answered at %v", c.answered)
		}
	}
}

// Whatever is captured is read as one request or refused, and no error repeats it.
func FuzzReadCapture(f *testing.F) {
	for _, seed := range []string{captured("GET", "/a"), "> GET / HTTP/2\n> a: b\n", "< date: x\n> ", "\n\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := readCapture(bytes.NewReader(text))
		if (err == nil) != (c != nil && c.request != nil) {
			t.Fatalf("%v, %+v", err, c)
		}
		if err != nil && len(text) > 20 && strings.Contains(err.Error(), string(text)) {
			t.Fatal("the error repeats the request")
		}
	})
}

// Whatever a JWS says of itself stays on one line.
func FuzzFacts(f *testing.F) {
	f.Add("e30.e30.e30", "a")
	f.Add("eyJhbGciOiJcbiJ9.eyJodHUiOiJcdTAwMWIifQ.AA", "b")
	f.Fuzz(func(t *testing.T, compact, token string) {
		for _, text := range []string{facts(compact, proofHeader, proofPayload), facts(compact, tokenHeader, tokenPayload), tokenHashFact(compact, token)} {
			if strings.ContainsAny(text, "\n\r\x1b") {
				t.Fatalf("%q", text)
			}
		}
	})
}

// A reason that no check names would be explained as another check.
func TestEveryReasonHasItsCheck(t *testing.T) {
	var all []check
	for _, checks := range [][]check{framingChecks, {signedRequestForm}, tokenChecks, {schemeCheck}, certificateChecks, dpopChecks, signedRequestChecks, sessionChecks, deviceChecks, {spentCheck}} {
		all = append(all, checks...)
	}
	for _, why := range reason.All() {
		named := slices.ContainsFunc(all, func(c check) bool { return slices.Contains(c.reasons, why) })
		if !named && why != reason.Internal {
			t.Errorf("%s has no check", why)
		}
	}
	results := explain(&enforcement.Decision{Reason: reason.Internal})
	if first := results[0]; !first.failed || first.name != "another check" || slices.ContainsFunc(results, func(r result) bool { return r.passed }) {
		t.Errorf("an unknown reason: %+v", results)
	}
}
