// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/dpop"
	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

// vectors is testdata/generated_dpop.json: requests to an RFC 9449 resource
// server with the verdict that is recommended for each, to be run in order.
type vectors struct {
	Now    int64 `json:"now_unix"`
	Issuer struct {
		Name     string  `json:"iss"`
		Audience string  `json:"aud"`
		JWK      members `json:"jwk"`
	} `json:"issuer"`
	Cases []struct {
		ID      string `json:"id"`
		Request struct {
			Method        string   `json:"method"`
			URL           string   `json:"url"`
			Authorization []string `json:"authorization"`
			DPoP          []string `json:"dpop"`
		} `json:"request"`
		Expect string `json:"expect"`
		Error  string `json:"error"`
		Status int    `json:"status"`
	} `json:"cases"`
}

// answer is what a case is expected to be answered with.
type answer struct {
	status int
	error  string
}

// ours are the cases where RFC 9449 leaves room and our published behaviour
// fills it in another way than the file recommends.
var ours = map[string]answer{
	// A bound token without its proof is refused like one under the wrong scheme: the token is not usable like that.
	"no-proof": {401, "invalid_token"},
	// Two proofs are an ambiguous request, as two tokens are.
	"two-dpop-headers": {400, "invalid_request"},
}

// wantsNonce are the cases for a server that requires nonces.
var wantsNonce = map[string]bool{"nonce-missing": true, "nonce-foreign": true, "nonce-empty": true}

func readVectors(t *testing.T) (file vectors) {
	t.Helper()
	if err := json.Unmarshal(ok(os.ReadFile("testdata/generated_dpop.json"))(t), &file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestGeneratedVectors(t *testing.T) {
	file := readVectors(t)
	now := time.Unix(file.Now, 0)
	replay := ok(NewReplay(1000, 1000, 300*time.Second, 60*time.Second, now.Add(-24*time.Hour)))(t)
	plain, strict := vectorRig(t, file, now, replay, false), vectorRig(t, file, now, replay, true)
	for _, c := range file.Cases {
		t.Run(c.ID, func(t *testing.T) {
			r := request(c.Request.Method, c.Request.URL, nil)
			r.HTTP.Header["Authorization"] = c.Request.Authorization
			r.HTTP.Header["Dpop"] = c.Request.DPoP
			if len(c.Request.Authorization) == 0 {
				r.HTTP.Header.Del("Authorization")
			}
			g := plain
			if wantsNonce[c.ID] {
				g = strict
			}
			d := g.Enforce(r)
			if c.Expect == "accept" {
				if !d.Allow || !d.Bound {
					t.Errorf("refused: %q", d.Reason)
				}
				return
			}
			want, differs := ours[c.ID]
			if !differs {
				want = answer{c.Status, c.Error}
			}
			given := d.Reason.Answer()
			if got := (answer{given.Status, given.Error}); d.Allow || d.Bound || got != want {
				t.Errorf("allow %v, bound %v, %+v (%q); want it refused with %+v", d.Allow, d.Bound, got, d.Reason, want)
			}
		})
	}
	if len(file.Cases) != 126 {
		t.Errorf("%d cases, want 126", len(file.Cases))
	}
}

// vectorRig is an enforcer by the file's rules: its issuer, 300 s and 60 s.
func vectorRig(t *testing.T, file vectors, now time.Time, replay *cache.Replay, requireNonce bool) *rig {
	t.Helper()
	keys := fileKeySet(t, file.Issuer.Name, file.Issuer.JWK)
	issuer := ok(token.NewIssuer(token.IssuerConfig{Issuer: file.Issuer.Name}, keys))(t)
	g := newRig(t, enforced(), func(s *setup) {
		s.Now, s.replay = func() time.Time { return now }, replay
		s.Resource.Audience = []string{file.Issuer.Audience}
		s.Tokens = ok(token.NewVerifier([]*token.Issuer{issuer}, ok(token.NewCache(100))(t), time.Minute))(t)
	})
	config := g.DPoP.Config
	config.MaxAge, config.ClockSkew, config.RequireNonce = 300*time.Second, 60*time.Second, requireNonce
	g.DPoP = ok(dpop.New(config))(t)
	return g
}

// The same cases change nothing where the policy is only recorded.
func TestGeneratedVectorsUnderReportOnly(t *testing.T) {
	file := readVectors(t)
	now := time.Unix(file.Now, 0)
	g := vectorRig(t, file, now, ok(NewReplay(1000, 1000, 300*time.Second, 60*time.Second, now.Add(-24*time.Hour)))(t), false)
	g.Enforcer = ok(New(Config{
		Resource: g.Resource, Policies: compile(t, []policy.Policy{rule("reported", policy.ReportOnly)}),
		Tokens: g.Tokens, DPoP: g.DPoP, Log: g.Log, Now: g.Now,
	}))(t)
	for _, c := range file.Cases {
		r := request(c.Request.Method, c.Request.URL, nil)
		r.HTTP.Header["Authorization"], r.HTTP.Header["Dpop"] = c.Request.Authorization, c.Request.DPoP
		d := g.Enforce(r)
		if bound := c.Expect == "accept" || wantsNonce[c.ID]; !d.Allow || d.Bound != bound {
			t.Errorf("%s: allow %v, bound %v (%q); want it allowed, bound %v", c.ID, d.Allow, d.Bound, d.Reason, bound)
		}
	}
}
