// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// vectors are the specification's examples, and what Chromium 156 sent.
type vectors struct {
	Example struct {
		Response     string       `json:"Secure-Session-Response_value"`
		Instructions instructions `json:"session_instructions"`
	} `json:"spec_example"`
	Captures map[string]struct {
		Offer        string    `json:"Secure-Session-Registration"`
		Registration capture   `json:"registration_request"`
		Refreshes    []capture `json:"refresh_requests"`
	} `json:"chromium_156_captures"`
}

type capture struct{ Headers map[string]string }

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	text, err := os.ReadFile("testdata/dbsc.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestChromiumCaptures(t *testing.T) {
	var registrations, refreshes int
	for name, c := range readVectors(t).Captures {
		p, why := parseResponse([]string{c.Registration.Headers["Secure-Session-Response"]})
		if why != reason.None || p.challenge != quoted(c.Offer, "challenge=") {
			t.Fatalf("%s: registration: %q", name, why)
		}
		key, err := jose.ParseKey(p.header.Key)
		if err != nil {
			t.Fatal(err)
		}
		if why := p.verify(key); why != reason.None {
			t.Fatalf("%s: registration: %q", name, why)
		}
		registrations++
		at := "https://" + c.Registration.Headers["Host"]
		r := &http.Request{Header: http.Header{"Origin": {c.Registration.Headers["Origin"]}, "Sec-Fetch-Site": {c.Registration.Headers["Sec-Fetch-Site"]}}}
		if !sameOrigin(r, at) || p.addressedTo(at+"/.dbsc/register") != reason.None {
			t.Errorf("%s: registration is not from and for %s", name, at)
		}

		for _, refresh := range c.Refreshes {
			response, sent := refresh.Headers["Secure-Session-Response"]
			if !sent {
				continue
			}
			p, why := parseResponse([]string{response})
			if why != reason.None {
				t.Fatalf("%s: refresh: %q", name, why)
			}
			if why := p.verify(key); why != reason.None || p.header.Key != nil || p.addressedTo(at+"/.dbsc/refresh") != reason.None {
				t.Errorf("%s: refresh: %q", name, why)
			}
			if id, ok := fieldString(refresh.Headers["Sec-Secure-Session-Id"]); !ok || id != "sid-1" {
				t.Errorf("%s: session id %q", name, id)
			}
			refreshes++
		}
	}
	if registrations != 4 || refreshes != 13 {
		t.Fatalf("%d registrations and %d refreshes, want 4 and 13", registrations, refreshes)
	}
}

// The printed example is of a former revision: key and audience in the
// payload. Its signature does not verify under any reading.
func TestSpecificationsExample(t *testing.T) {
	v := readVectors(t)
	p, why := parseResponse([]string{v.Example.Response})
	if why != reason.None || p.challenge != "cv" || p.audience != "https://example.com/reg" {
		t.Fatalf("%q, %+v", why, p)
	}
	if p.header.Key != nil {
		t.Fatal("a key from the payload")
	}
	payload, err := jose.Decode(strings.Split(v.Example.Response, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var key *jose.Key
	err = jose.ScanObject(payload, func(name string, value jose.Value) (err error) {
		if name == "jwk" {
			key, err = jose.ParseKey(value.Raw)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if why := p.verify(key); why != reason.ProofSignature {
		t.Fatalf("verified: %q", why)
	}
	if got := v.Example.Instructions; got.ID != "session_id" || got.RefreshURL != "/RefreshEndpoint" || len(got.Scope.Specification) != 3 || len(got.Initiators) != 3 || got.Credentials[0].Name != "auth_cookie" {
		t.Fatalf("our instructions are not the specification's: %+v", got)
	}
}
