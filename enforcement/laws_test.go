// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/dpop"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// trials is how many random cases each law is tried on.
const trials = 400

// generator makes random policies and requests that often have to do with
// each other.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 9449))} }

func pick[T any](g generator, values ...T) T { return values[g.IntN(len(values))] }

func (g generator) policy(name string, state policy.State) policy.Policy {
	p := rule(name, state)
	for _, edit := range []func(*policy.Policy){
		includeGroup, excludeGroup, excludeAnn, onlyWindows, onlyBrowsers, needsHardware, onlySharepoint, rollout(g.IntN(101)),
	} {
		if g.IntN(4) == 0 {
			edit(&p)
		}
	}
	return p
}

// policies returns up to four, in any state.
func (g generator) policies() (all []policy.Policy) {
	for i := range g.IntN(4) + 1 {
		all = append(all, g.policy(fmt.Sprint("policy ", i), pick(g, policy.On, policy.On, policy.ReportOnly, policy.Off)))
	}
	return all
}

// request returns a recipe: each call makes the same request anew.
func (g generator) request() func() *Request {
	groups := pick(g, nil, []string{"pilot"}, []string{"break-glass"}, []string{"pilot", "break-glass"})
	claims := members{"oid": pick(g, "id-of-ann", "id-of-bob", "id-of-eve")}
	if groups != nil {
		claims["groups"] = groups
	}
	if g.IntN(5) == 0 {
		claims["hasgroups"] = true
	}
	switch g.IntN(4) {
	case 0:
		claims["cnf"] = nil
	case 1:
		claims["cnf"] = members{"jkt": laptop.key.Thumbprint.String(), "xms_ksl": "uhw"}
	}
	accessToken := mint(claims)
	authorization := pick(g, "DPoP ", "DPoP ", "DPoP ", "Bearer ") + accessToken
	if g.IntN(12) == 0 {
		authorization = pick(g, "", "Basic YTpi", "Bearer x", "DPoP a b")
	}
	var proofs []string
	switch g.IntN(8) {
	case 0:
	case 1:
		proofs = []string{thief.prove(accessToken)}
	case 2:
		proofs = []string{laptop.prove(accessToken, members{"htm": "PUT"})}
	case 3:
		proofs = []string{laptop.prove(accessToken), "x"}
	default:
		proofs = []string{laptop.prove(accessToken)}
	}
	agent := pick(g, windows, linux, "curl/8", "Mozilla/5.0 (Windows NT 10.0) Chrome/126.0 Safari/537.36")
	return func() *Request {
		r := get(authorization, proofs...)
		r.HTTP.Header.Set("User-Agent", agent)
		return r
	}
}

// world is what the enforcers of one law share.
type world struct {
	t        *testing.T
	template *rig
}

// judge asks a fresh enforcer, with an empty replay set, under the policies.
func (w world) judge(policies []policy.Policy, r *Request, afterRestart bool) *Decision {
	w.t.Helper()
	start := noon.Add(-maxAge * 2)
	if afterRestart {
		start = noon
	}
	config := w.template.Config
	config.Policies = compile(w.t, policies)
	proofs := w.template.DPoP.Config
	proofs.Replay = ok(NewReplay(100, 100, maxAge, clockSkew, start))(w.t)
	config.DPoP = ok(dpop.New(proofs))(w.t)
	return ok(New(config))(w.t).Enforce(r)
}

// same compares what the client and the backend can see of two decisions.
func same(a, b *Decision) bool {
	refusal := func(d *Decision) any { // what is written only if the request is refused
		if d.Allow {
			return nil
		}
		return d.Reason.Answer()
	}
	return a.Allow == b.Allow && a.Enforcing == b.Enforcing && a.Bound == b.Bound && a.BreakGlass == b.BreakGlass &&
		(a.Nonce == "") == (b.Nonce == "") && refusal(a) == refusal(b)
}

// Law: adding a report-only policy never changes the decision.
func TestAddingAReportOnlyPolicyChangesNoDecision(t *testing.T) {
	w, g := world{t, newRig(t, nil)}, newGenerator(1)
	seen := map[bool]int{}
	for range trials {
		policies, ask, restarted := g.policies(), g.request(), g.IntN(3) == 0
		before := w.judge(policies, ask(), restarted)
		more := slices.Insert(slices.Clone(policies), g.IntN(len(policies)+1), g.policy("added", policy.ReportOnly))
		after := w.judge(more, ask(), restarted)
		if !same(before, after) {
			t.Errorf("%+v\nbefore: allow %v, %q\nafter:  allow %v, %q", more, before.Allow, before.Reason, after.Allow, after.Reason)
		}
		seen[before.Allow]++
	}
	if seen[true] < trials/10 || seen[false] < trials/10 {
		t.Errorf("%v: the requests are too much alike", seen)
	}
}

// Law: the order of policies never matters, for the decision nor for what
// each of them says.
func TestTheOrderOfPoliciesDoesNotMatter(t *testing.T) {
	w, g := world{t, newRig(t, nil)}, newGenerator(2)
	for range trials {
		policies, ask, restarted := g.policies(), g.request(), g.IntN(3) == 0
		before := w.judge(policies, ask(), restarted)
		shuffled := slices.Clone(policies)
		g.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		after := w.judge(shuffled, ask(), restarted)
		if !same(before, after) || before.Reason != after.Reason || before.Code() != after.Code() || !maps.Equal(outcomes(before), outcomes(after)) {
			t.Errorf("%+v\nbefore: allow %v, %q, %v\nafter:  allow %v, %q, %v", policies,
				before.Allow, before.Reason, outcomes(before), after.Allow, after.Reason, outcomes(after))
		}
	}
}

// Law: with every policy turned to report-only nothing is refused, and the
// verdict about the proof is the same.
func TestReportOnlyReachesTheSameVerdict(t *testing.T) {
	w, g := world{t, newRig(t, nil)}, newGenerator(3)
	for range trials {
		policies, ask := g.policies(), g.request()
		on := w.judge(policies, ask(), false)
		muted := slices.Clone(policies)
		for i := range muted {
			if muted[i].State == policy.On {
				muted[i].State = policy.ReportOnly
			}
		}
		off := w.judge(muted, ask(), false)
		if !off.Allow || off.Enforcing || off.Bound != on.Bound || off.Reason != on.Reason || off.Code() != on.Code() {
			t.Errorf("%+v\non:          bound %v, %q\nreport-only: allow %v, bound %v, %q", policies, on.Bound, on.Reason, off.Allow, off.Bound, off.Reason)
		}
	}
}

// Law: a request that is blocked, and not for its key's storage, is not bound;
// one that is bound proved the confirmed key.
func TestBoundMeansProven(t *testing.T) {
	w, g := world{t, newRig(t, nil)}, newGenerator(4)
	for range trials {
		d := w.judge(g.policies(), g.request()(), g.IntN(2) == 0)
		if d.Bound && (d.Claims == nil || d.Claims.Confirmation.JKT == nil || d.Binding.Key != *d.Claims.Confirmation.JKT || d.Credential.Scheme != SchemeDPoP) {
			t.Errorf("bound without a proof: %+v", d)
		}
		if d.Bound && !d.Allow && d.Reason != reason.HardwareKey {
			t.Errorf("bound and blocked: %q", d.Reason)
		}
		if d.Bound && d.Reason != reason.None && d.Reason != reason.HardwareKey {
			t.Errorf("bound, but %q", d.Reason)
		}
	}
}

// Law: a bound verdict implies verified signatures. With any byte of the
// proof's or the token's payload or signature changed it is not bound, whether
// or not the good ones have been seen, and so cached, before.
func TestNoByteOfProofOrTokenCanBeChanged(t *testing.T) {
	accessToken := mint()
	proof := laptop.prove(accessToken)
	for _, on := range []bool{true, false} {
		policies := reported()
		if on {
			policies = enforced()
		}
		for _, warm := range []bool{true, false} {
			g := newRig(t, policies)
			if warm {
				g.allows(get("DPoP "+accessToken, laptop.prove(accessToken, members{"jti": "another"})), reason.None)
			}
			for i := strings.IndexByte(proof, '.') + 1; i < len(proof); i++ {
				if d := g.Enforce(get("DPoP "+accessToken, flip(proof, i))); d.Bound || d.Allow == on {
					t.Errorf("proof, byte %d: bound %v, allow %v", i, d.Bound, d.Allow)
				}
			}
			for i := strings.IndexByte(accessToken, '.') + 1; i < len(accessToken); i++ {
				changed := flip(accessToken, i)
				if d := g.Enforce(get("DPoP "+changed, laptop.prove(changed))); d.Bound || d.Allow == on {
					t.Errorf("token, byte %d: bound %v, allow %v", i, d.Bound, d.Allow)
				}
			}
			if d := g.allows(get("DPoP "+accessToken, proof), reason.None); !d.Bound {
				t.Error("the good one is not bound")
			}
		}
	}
}

// flip replaces the i-th byte by another one of the base64url alphabet.
func flip(text string, i int) string {
	other := "A"
	if text[i] == 'A' {
		other = "B"
	}
	return text[:i] + other + text[i+1:]
}
