// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var endpoints = Endpoints{
	Issuer: issuerURL, Exchange: "https://mail.contoso.example", SharePoint: "https://files.contoso.example",
}

// unprotected reaches the backends with nothing in between but the given wrapper
// around the one of Exchange.
func unprotected(t testing.TB, wrap func(http.Handler) http.Handler) *http.Client {
	return &http.Client{Transport: handlers{
		"login.contoso.example": newIssuer(t), "mail.contoso.example": wrap(Exchange()), "files.contoso.example": SharePoint(),
	}}
}

func asIs(h http.Handler) http.Handler { return h }

func TestEverythingPassesUnderReportOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table bytes.Buffer
		outcomes, err := Run(t.Context(), &table, ReportOnly, endpoints, unprotected(t, asIs))
		if err != nil {
			t.Fatal(err)
		}
		if len(outcomes) != len(scenario()) || !AsExpected(outcomes) {
			t.Errorf("not as expected:\n%s", table.String())
		}
		if lines := strings.Count(table.String(), "\n"); lines != len(outcomes)+1 {
			t.Errorf("table of %d lines, want a heading and %d", lines, len(outcomes))
		}
	})
}

// The scenario would notice a proxy that lets thieves pass.
func TestThievesThatPassAreNotExpectedUnderOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outcomes, err := Run(t.Context(), io.Discard, On, endpoints, unprotected(t, asIs))
		if err != nil {
			t.Fatal(err)
		}
		if AsExpected(outcomes) {
			t.Error("all as expected without any protection")
		}
		for i, step := range scenario() {
			if outcomes[i].Expected != (step.on == passes) {
				t.Errorf("%s, %s: expected %v", step.who, step.tried, outcomes[i].Expected)
			}
		}
	})
}

func TestRecordedRequestIsReplayedWithItsProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[string][]string{}
		outcomes, err := Run(t.Context(), io.Discard, ReportOnly, endpoints, unprotected(t, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if proof := r.Header.Get("DPoP"); proof != "" {
					seen[proof] = append(seen[proof], r.Method+" "+r.URL.Path)
				}
				next.ServeHTTP(w, r)
			})
		}))
		if err != nil {
			t.Fatal(err)
		}
		var repeated [][]string
		for _, uses := range seen {
			if len(uses) > 1 {
				repeated = append(repeated, uses)
			}
		}
		if want := "[[GET /owa/ GET /owa/ GET /owa/attachments]]"; fmt.Sprint(repeated) != want {
			t.Errorf("proofs used more than once: %v of %d steps, want %s", repeated, len(outcomes), want)
		}
	})
}

func TestWaitsForAProxyThatHasNoKeysYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := time.Now().Add(10 * time.Second)
		outcomes, err := Run(t.Context(), io.Discard, ReportOnly, endpoints, unprotected(t, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if time.Now().Before(ready) {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				next.ServeHTTP(w, r)
			})
		}))
		if err != nil || !AsExpected(outcomes) {
			t.Errorf("outcomes %v, %v", outcomes, err)
		}
	})
}

func TestDoesNotWaitForeverForAProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := Run(t.Context(), io.Discard, On, endpoints, unprotected(t, func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
		}))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want a deadline", err)
		}
	})
}

func TestSaysWhenANonceChallengeWasAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outcomes, err := Run(t.Context(), io.Discard, ReportOnly, endpoints, unprotected(t, func(next http.Handler) http.Handler {
			challenged := map[string]bool{}
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				token := r.Header.Get("Authorization")
				if strings.HasPrefix(token, "DPoP ") && !challenged[token] {
					challenged[token] = true
					w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
					w.Header().Set("DPoP-Nonce", "n1")
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				next.ServeHTTP(w, r)
			})
		}))
		if err != nil || !AsExpected(outcomes) {
			t.Fatalf("outcomes %v, %v", outcomes, err)
		}
		for _, outcome := range outcomes {
			// Alice's challenge comes while the scenario waits for the proxy.
			if got, want := outcome.Reason == "answered a nonce challenge", strings.HasPrefix(outcome.Who, "carol"); got != want {
				t.Errorf("%s, %s: %q", outcome.Who, outcome.Tried, outcome.Reason)
			}
		}
	})
}

func TestRunRefusesPhasesItDoesNotKnow(t *testing.T) {
	if _, err := Run(t.Context(), io.Discard, "off", endpoints, nil); err == nil {
		t.Error("no error")
	}
}

func TestRunSaysThatNoTokenCanBeHad(t *testing.T) {
	refuses := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	_, err := Run(t.Context(), io.Discard, On, endpoints, &http.Client{Transport: handlers{"login.contoso.example": refuses}})
	if err == nil || !strings.Contains(err.Error(), "418") {
		t.Errorf("error %v, want one that names the status", err)
	}
}

func TestARefusalIsExpectedOnlyWithItsCodes(t *testing.T) {
	refusal := func(status int, challenge, contentType, body string) result {
		header := http.Header{"Content-Type": {contentType}}
		if challenge != "" {
			header.Set("WWW-Authenticate", challenge)
		}
		return newResult(&http.Response{StatusCode: status, Header: header}, []byte(body))
	}
	const json1008, kind = `{"code":530084,"sign_in_session_status_code":1008,"detail":"d"}`, "application/problem+json"
	for _, test := range []struct {
		name string
		got  result
		want bool
	}{
		{"as promised", refusal(401, `Bearer error="invalid_token"`, kind, json1008), true},
		{"codes as strings", refusal(401, `Bearer error="invalid_token"`, kind, `{"code":"530084","sign_in_session_status_code":"1008"}`), true},
		{"other status", refusal(403, `Bearer error="invalid_token"`, kind, json1008), false},
		{"other error", refusal(401, `Bearer error="invalid_request"`, kind, json1008), false},
		{"no challenge", refusal(401, "", kind, json1008), false},
		{"other session code", refusal(401, `Bearer error="invalid_token"`, kind, `{"code":530084,"sign_in_session_status_code":1005}`), false},
		{"not a problem document", refusal(401, `Bearer error="invalid_token"`, "text/html", json1008), false},
		{"broken document", refusal(401, `Bearer error="invalid_token"`, kind, `{`), false},
		{"success", refusal(200, "", "text/plain", ""), false},
	} {
		if got := test.got.is(withoutProof); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	if reason := refusal(401, `Bearer error="invalid_token"`, kind, json1008).reason(); reason != "invalid_token, 530084/1008, d" {
		t.Errorf("reason %q", reason)
	}
}

func TestCurlHintsNameTheEndpointsAndTheCommands(t *testing.T) {
	hints := CurlHints(endpoints)
	for _, want := range []string{
		"keygen --out device.jwk", "proof --key device.jwk --method GET --url https://mail.contoso.example/owa/ --token-file token.txt",
		"https://login.contoso.example/token",
	} {
		if !strings.Contains(hints, want) {
			t.Errorf("no %q in the hints", want)
		}
	}
	if strings.Contains(hints, "ISSUER") || strings.Contains(hints, "EXCHANGE") {
		t.Error("a placeholder is left")
	}
}

func TestUsersAreThoseThePoliciesSpeakOf(t *testing.T) {
	ids := map[string]bool{}
	for _, user := range Users() {
		if ids[user.ID] || user.ID == "" {
			t.Errorf("%s: id %q is not the user's own", user.Name, user.ID)
		}
		ids[user.ID] = true
	}
	for name, groups := range map[string]string{"alice": `["pilot"]`, "bob": `["sales"]`, "breakglass": `["pilot","break-glass"]`} {
		user, known := findUser(name)
		if got, _ := json.Marshal(user.Groups); !known || string(got) != groups {
			t.Errorf("%s: groups %s, want %s", name, got, groups)
		}
	}
}
