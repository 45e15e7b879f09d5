// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

// Design, section 4, "Report-only changes nothing": the request that the
// backend sees is the client's, to the byte, whatever the verdict. The body is
// not even touched.
func TestReportOnlyLeavesTheRequestAlone(t *testing.T) {
	for _, s := range situations(t) {
		t.Run(s.name, func(t *testing.T) {
			g := s.rig(t, policy.ReportOnly)
			r := s.send()
			body := &recordingBody{}
			r.HTTP.Body, r.HTTP.ContentLength = body, 20
			r.HTTP.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			before := r.HTTP.Clone(t.Context())
			if d := g.Enforce(r); !d.Allow {
				t.Errorf("refused: %q", d.Reason)
			}
			if !reflect.DeepEqual(r.HTTP.Header, before.Header) || r.HTTP.URL.String() != before.URL.String() ||
				r.HTTP.Method != before.Method || r.HTTP.Host != before.Host {
				t.Error("the request was changed")
			}
			if body.reads != 0 || r.HTTP.Body != body {
				t.Errorf("the body was read %d times", body.reads)
			}
		})
	}
}

type recordingBody struct{ reads int }

func (b *recordingBody) Read([]byte) (int, error) { b.reads++; return 0, http.ErrBodyReadAfterClose }
func (b *recordingBody) Close() error             { return nil }

// Under report-only the proof is spent as ever: the log shows replays.
func TestReportOnlyRecordsReplays(t *testing.T) {
	g := newRig(t, reported())
	g.allows(proven(), reason.None)
	g.allows(proven(), reason.ProofReplayed)
	if result := g.last().ConditionalAccessPolicies; !strings.Contains(result, "reportOnlyFailure") {
		t.Error(result)
	}
}

// Design, section 4, "Fail closed": an unexpected failure in any step blocks
// under an `on` policy and is not noticed under report-only.
func TestFailsClosed(t *testing.T) {
	for name, fault := range map[string]func(*rig){
		"token verifier": func(g *rig) { g.Tokens = nil },
		"key set": func(g *rig) {
			g.Tokens = tokenVerifier(g.t, nil)
		},
		"nonces":      func(g *rig) { g.DPoP.Nonces, g.DPoP.RequireNonce = nil, true },
		"key cache":   func(g *rig) { g.DPoP.Keys = nil },
		"policies":    func(g *rig) { g.Policies = nil },
		"replay set":  func(g *rig) { g.DPoP.Replay = nil },
		"sign-in log": func(g *rig) { g.Log = nil },
		"sign-in sink": func(g *rig) {
			g.Log = signin.New(signin.Config{Sink: func(signin.Record) { panic("disk full") }})
		},
		"clock": func(g *rig) { g.Now = nil },
	} {
		for state, policies := range map[string][]policy.Policy{"on": enforced(), "report-only": reported()} {
			t.Run(name+", "+state, func(t *testing.T) {
				on, g := state == "on", newRig(t, policies)
				r := proven(members{"nonce": g.DPoP.Memory().Nonce(noon)})
				fault(g)
				d := g.Enforce(r)
				if d == nil {
					t.Fatal("no decision")
				}
				if d.Allow == on || !d.Panicked || d.Bound || d.BreakGlass || d.Reason != reason.Internal {
					t.Errorf("allow %v, bound %v, panicked %v, reason %q", d.Allow, d.Bound, d.Panicked, d.Reason)
				}
				if given := d.Reason.Answer(); given.Status != http.StatusInternalServerError {
					t.Errorf("status %d", given.Status)
				}
			})
		}
	}
}

// An excluded user's request that fails unexpectedly is blocked too, and not
// taken for a break-glass sign-in.
func TestFailsClosedForExcludedUsersToo(t *testing.T) {
	g := newRig(t, enforced(excludeAnn))
	g.Log = nil
	if d := g.blocks(get("Bearer "+mint(unbound)), reason.Internal); d.BreakGlass {
		t.Error("break-glass")
	}
}

// Design, section 4, "No downgrade": a token with a confirmation never counts
// as bound because it came as Bearer, whatever the confirmation asks for.
func TestNoDowngrade(t *testing.T) {
	jkt := laptop.key.Thumbprint.String()
	for name, c := range map[string]struct {
		confirmation members
		want         reason.Reason
	}{
		"DPoP key":                   {members{"jkt": jkt}, reason.SchemeMismatch},
		"certificate":                {members{"x5t#S256": jkt}, reason.SchemeUnavailable},
		"signed request":             {members{"kid": jkt}, reason.SchemeUnavailable},
		"key":                        {members{"jwk": laptop.jwk}, reason.SchemeUnavailable},
		"DPoP key and certificate":   {members{"jkt": jkt, "x5t#S256": jkt}, reason.SchemeUnavailable},
		"DPoP key and unknown":       {members{"jkt": jkt, "x": 1}, reason.SchemeMismatch},
		"unknown only":               {members{"x": 1}, reason.ConfirmationMalformed},
		"Token Binding":              {members{"tbh": jkt}, reason.ConfirmationMalformed},
		"DPoP key and Token Binding": {members{"jkt": jkt, "tbh": jkt}, reason.ConfirmationMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			accessToken := mint(members{"cnf": c.confirmation})
			for _, scheme := range []string{"Bearer ", "bearer ", "BEARER  ", "mtls_pop "} {
				newRig(t, enforced()).blocks(get(scheme+accessToken, laptop.prove(accessToken)), c.want)
				newRig(t, enforced()).blocks(get(scheme+accessToken), c.want)
				if d := newRig(t, reported()).allows(get(scheme+accessToken), c.want); d.Bound {
					t.Error("bound under report-only")
				}
			}
			if c.want == reason.SchemeMismatch {
				return
			}
			newRig(t, enforced()).blocks(get("DPoP "+accessToken, laptop.prove(accessToken)), c.want)
		})
	}
}

// Contract, "Order of checks": a refused request never spends a jti. Each
// refusal is followed by a good request with the same jti.
func TestRefusedRequestsSpendNothing(t *testing.T) {
	for _, s := range situations(t) {
		if s.before != nil || s.want == reason.KeySetUnavailable {
			continue // these have spent something before, or could not verify the good one either
		}
		t.Run(s.name, func(t *testing.T) {
			g := s.rig(t, policy.On)
			g.blocks(s.send(), s.want)
			if entries := g.DPoP.Replay.Stats().Entries; entries != 0 {
				t.Errorf("%d proofs were spent", entries)
			}
			if s.policy != nil {
				g.Policies = compile(t, enforced()) // without what refused it
			}
			d := g.allows(proven(members{"nonce": g.DPoP.Memory().Nonce(noon)}), reason.None)
			if !d.Bound {
				t.Error("not bound")
			}
		})
	}
}

// An allowed request has spent its proof, even where nothing depended on it.
func TestAllowedRequestsSpendTheirProof(t *testing.T) {
	for name, policies := range map[string][]policy.Policy{
		"no policy":                nil,
		"report-only":              reported(),
		"off":                      {rule("off", policy.Off)},
		"on":                       enforced(),
		"excluded":                 enforced(excludeAnn),
		"outside of the rollout":   append(enforced(rollout(0)), reported()...),
		"platform does not match":  enforced(func(p *policy.Policy) { p.Conditions.Platforms.IncludePlatforms = []policy.Platform{policy.MacOS} }),
		"another resource":         enforced(onlySharepoint),
		"on beside a report-only":  append(enforced(), reported(needsHardware)...),
		"hardware key only wanted": reported(needsHardware),
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, policies)
			if d := g.Enforce(proven()); !d.Allow || !d.Bound {
				t.Fatalf("allow %v, bound %v, %q", d.Allow, d.Bound, d.Reason)
			}
			if d := g.Enforce(proven()); d.Bound || d.Reason != reason.ProofReplayed {
				t.Errorf("the second time: bound %v, %q", d.Bound, d.Reason)
			}
		})
	}
}

// Of racing copies of one request exactly one is forwarded as bound.
func TestOfRacingCopiesExactlyOneIsBound(t *testing.T) {
	for name, policies := range map[string][]policy.Policy{"on": enforced(), "report-only": reported()} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, policies)
			var bound, replayed, allowed atomic.Int64
			var group sync.WaitGroup
			for range 50 {
				r := proven()
				group.Go(func() {
					d := g.Enforce(r)
					switch {
					case d.Bound:
						bound.Add(1)
					case d.Reason == reason.ProofReplayed:
						replayed.Add(1)
					}
					if d.Allow {
						allowed.Add(1)
					}
				})
			}
			group.Wait()
			if bound.Load() != 1 || replayed.Load() != 49 {
				t.Errorf("%d bound, %d replayed", bound.Load(), replayed.Load())
			}
			if want := map[bool]int64{true: 1, false: 50}[name == "on"]; allowed.Load() != want {
				t.Errorf("%d allowed, want %d", allowed.Load(), want)
			}
		})
	}
}

// The look at the set of spent proofs before the signature is only a short
// cut: the record decides. Here two copies pass the look before either is recorded.
func TestTheRecordDecidesNotTheLook(t *testing.T) {
	g := newRig(t, enforced())
	first, second := g.Enforce(proven()), &Decision{Allow: true, Bound: true}
	if !first.Allow {
		t.Fatal(first.Reason)
	}
	second.Claims, second.Confirmed, second.Binding, second.Enforcing = first.Claims, true, first.Binding, true
	if g.spend(second, proven(), noon); second.Allow || second.Bound || second.Reason != reason.ProofReplayed {
		t.Errorf("allow %v, bound %v, %q", second.Allow, second.Bound, second.Reason)
	}
}

// If the set of spent proofs overflows while a proof is being verified, an
// earlier copy may just have been forgotten: the proof needs a server nonce.
func TestAnOverflowWhileVerifyingAsksForANonce(t *testing.T) {
	g := newRig(t, enforced(), func(s *setup) { s.maxEntries = 4 })
	asked := 0
	for i := range 12 {
		id := string(rune('a' + i))
		d := g.Enforce(proven(members{"jti": id}))
		if d.Allow {
			continue
		}
		asked++
		if d.Reason != reason.NonceMissing && d.Reason != reason.NonceStale || d.Nonce == "" {
			t.Fatalf("%q, nonce %q", d.Reason, d.Nonce)
		}
	}
	if asked < 8 {
		t.Errorf("%d of 12 proofs were asked for a nonce; only 4 can be remembered", asked)
	}
}

// Genuine tokens that nobody could use stay out of the cache of verified
// tokens: only what was forwarded is remembered.
func TestRemembersTheTokensOfForwardedRequestsOnly(t *testing.T) {
	tokens := ok(token.NewCache(100))(t)
	g := newRig(t, enforced(), func(s *setup) {
		issuer := ok(token.NewIssuer(token.IssuerConfig{Issuer: issuerName}, s.keys))(t)
		s.Tokens = ok(token.NewVerifier([]*token.Issuer{issuer}, tokens, clockSkew))(t)
	})
	g.blocks(get("Bearer "+mint()), reason.SchemeMismatch)
	g.blocks(proven(members{"htm": "POST"}), reason.ProofMethod)
	if tokens.Len() != 0 {
		t.Errorf("%d tokens remembered after refusals", tokens.Len())
	}
	g.allows(proven(), reason.None)
	g.blocks(proven(), reason.ProofReplayed) // a remembered token is judged like any other
	g.blocks(get("Bearer "+mint()), reason.SchemeMismatch)
	if tokens.Len() != 1 {
		t.Errorf("%d tokens remembered, want 1", tokens.Len())
	}
}

func TestNewNeedsAllItsParts(t *testing.T) {
	whole := newRig(t, enforced()).Config
	for name, remove := range map[string]func(*Config){
		"policies":       func(c *Config) { c.Policies = nil },
		"token verifier": func(c *Config) { c.Tokens = nil },
		"log":            func(c *Config) { c.Log = nil },
	} {
		t.Run(name, func(t *testing.T) {
			config := whole
			remove(&config)
			if e, err := New(config); err == nil || e != nil {
				t.Errorf("got %v, %v; want an error", e, err)
			}
		})
	}
	whole.Now = nil
	e, err := New(whole)
	if err != nil || e.Now == nil || !e.Enforcing() {
		t.Errorf("without a clock: %v, %v", e, err)
	}
}
