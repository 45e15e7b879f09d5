// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// asLinux makes the request come from another platform than Windows.
func asLinux(r *Request) *Request {
	r.HTTP.Header.Set("User-Agent", linux)
	return r
}

// outcomes returns the results by policy name.
func outcomes(d *Decision) map[string]policy.Result {
	all := map[string]policy.Result{}
	for i := range d.Outcomes {
		all[d.Outcomes[i].Policy.Name] = d.Outcomes[i].Result
	}
	return all
}

// Design, section 7, "A bound token needs its proof": conditions on platform,
// client or who is included cannot lift it; only exclusions and the rollout
// share can. For unbound tokens the conditions decide.
func TestABoundTokenNeedsItsProof(t *testing.T) {
	outside := userOutside(t, 50)
	for name, c := range map[string]struct {
		policies []policy.Policy
		claims   members
		linux    bool
		bound    bool // blocked although bound, for want of the proof
		unbound  bool // blocked as unbound
	}{
		"policy applies":         {enforced(), nil, false, true, true},
		"platform differs":       {enforced(onlyWindows), nil, true, true, false},
		"client app differs":     {enforced(onlyBrowsers), nil, false, true, false},
		"user not included":      {enforced(includeGroup), nil, false, true, false},
		"user included":          {enforced(includeGroup), members{"groups": []string{"pilot"}}, false, true, true},
		"user excluded":          {enforced(excludeAnn), nil, false, false, false},
		"group excluded":         {enforced(excludeGroup), members{"groups": []string{"break-glass"}}, false, false, false},
		"outside of the share":   {enforced(rollout(50)), members{"oid": outside}, false, false, false},
		"another resource":       {enforced(onlySharepoint), nil, false, false, false},
		"report-only":            {reported(), nil, false, false, false},
		"off":                    {[]policy.Policy{rule("off", policy.Off)}, nil, false, false, false},
		"excluded from one only": {[]policy.Policy{rule("1", policy.On, excludeAnn), rule("2", policy.On, onlyWindows)}, nil, true, true, false},
		"issuer says platform":   {enforced(onlyWindows), members{"device_platform": "Linux"}, false, true, false},
		"unknown platform":       {enforced(onlyWindows), members{"device_platform": "Plan9"}, false, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			ask := func(changes ...members) *Request {
				r := get("Bearer " + mint(append(changes, c.claims)...))
				if c.linux {
					return asLinux(r)
				}
				return r
			}
			if d := newRig(t, c.policies).Enforce(ask()); d.Allow == c.bound || d.Bound || d.Reason != reason.SchemeMismatch {
				t.Errorf("bound token: allow %v, %q", d.Allow, d.Reason)
			}
			if d := newRig(t, c.policies).Enforce(ask(unbound)); d.Allow == c.unbound || d.Bound || d.Reason != reason.TokenUnbound {
				t.Errorf("unbound token: allow %v, %q", d.Allow, d.Reason)
			}
		})
	}
}

// A refusal for want of the proof is recorded with the policies' own results.
func TestARefusalForWantOfTheProofShowsThatNoPolicyApplied(t *testing.T) {
	g := newRig(t, enforced(onlyWindows))
	d := g.blocks(asLinux(get("Bearer "+mint())), reason.SchemeMismatch)
	if got := outcomes(d)["enforced"]; got != policy.NotApplied {
		t.Errorf("result %q, want %q", got, policy.NotApplied)
	}
	if record := g.last(); !strings.Contains(record.ConditionalAccessPolicies, `"conditionsNotSatisfied":"devicePlatform"`) {
		t.Error(record.ConditionalAccessPolicies)
	}
}

// An exclusion holds to the end of its last day, by the enforcer's clock.
func TestAnExclusionEnds(t *testing.T) {
	until := func(day time.Time) func(*policy.Policy) {
		return func(p *policy.Policy) {
			excludeAnn(p)
			p.TokenProtection.ExclusionExpiry = []policy.ExclusionExpiry{{User: "id-of-ann", Until: day.UTC().Format(time.DateOnly)}}
		}
	}
	if d := newRig(t, enforced(until(noon))).allows(get("Bearer "+mint(unbound)), reason.TokenUnbound); !d.BreakGlass {
		t.Error("excluded today, and not as break-glass")
	}
	newRig(t, enforced(until(noon.AddDate(0, 0, -1)))).blocks(get("Bearer "+mint(unbound)), reason.TokenUnbound)
}

// userOutside finds a user outside of the share in which the policy is enforced.
func userOutside(t *testing.T, percent int) string {
	t.Helper()
	set := compile(t, enforced(rollout(percent)))
	for i := range 1000 {
		c := policy.Context{Known: true, UserID: fmt.Sprintf("user-%d", i), Resource: "exchange"}
		if !set.BoundTokenNeedsProof(&c) {
			return c.UserID
		}
	}
	t.Fatal("everybody is inside the share")
	return ""
}

// A request without a valid token has no user: no condition lets it off, and
// nothing says which platform it is from.
func TestWithoutAValidTokenNoConditionHelps(t *testing.T) {
	for name, policies := range map[string][]policy.Policy{
		"users":    enforced(includeGroup),
		"excluded": enforced(excludeAnn),
		"platform": enforced(onlyWindows),
		"clients":  enforced(onlyBrowsers),
		"rollout":  enforced(rollout(1)),
	} {
		t.Run(name, func(t *testing.T) {
			newRig(t, policies).blocks(asLinux(get("")), reason.CredentialMissing)
			newRig(t, policies).blocks(asLinux(get("Bearer x")), reason.TokenMalformed)
			expired := mint(members{"exp": 1}, unbound)
			newRig(t, policies).blocks(asLinux(get("Bearer "+expired)), reason.TokenExpired)
		})
	}
}

// Contract, "Answers": 1004, for a key that is not known to be hardware-backed.
func TestHardwareKey(t *testing.T) {
	hardware := mint(members{"cnf": members{"jkt": laptop.key.Thumbprint.String(), "xms_ksl": "uhw"}})
	software := mint(members{"cnf": members{"jkt": laptop.key.Thumbprint.String(), "xms_ksl": "sw"}})
	ask := func(accessToken string) *Request { return get("DPoP "+accessToken, laptop.prove(accessToken)) }

	g := newRig(t, enforced(needsHardware))
	g.blocks(ask(software), reason.HardwareKey)
	if d := g.allows(ask(hardware), reason.None); d.Code() != 0 || !d.Bound {
		t.Errorf("code %d, bound %v", d.Code(), d.Bound)
	}

	g = newRig(t, reported(needsHardware))
	if d := g.allows(ask(software), reason.HardwareKey); d.Code() != 1004 || outcomes(d)["reported"] != policy.ReportOnlyFailure {
		t.Errorf("code %d, %v", d.Code(), outcomes(d))
	}

	// A policy that only asks for hardware under report-only blocks nobody whom the one that is on lets pass.
	g = newRig(t, append(enforced(), reported(needsHardware)...))
	d := g.allows(ask(software), reason.HardwareKey)
	if got := outcomes(d); got["enforced"] != policy.Success || got["reported"] != policy.ReportOnlyFailure {
		t.Errorf("%v", got)
	}

	// An unbound token is that first of all.
	newRig(t, enforced(needsHardware)).blocks(get("Bearer "+mint(unbound)), reason.TokenUnbound)
}

// Design, section 7: a group list that is cut off counts as included and as
// not excluded, and the record says so.
func TestGroupOverage(t *testing.T) {
	for name, claims := range map[string]members{
		"hasgroups":   {"hasgroups": true},
		"claim names": {"_claim_names": members{"groups": "src1"}, "_claim_sources": members{"src1": members{}}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, condition := range []func(*policy.Policy){includeGroup, excludeGroup} {
				g := newRig(t, enforced(condition))
				d := g.blocks(get("Bearer "+mint(claims, unbound)), reason.TokenUnbound)
				if !d.Outcomes[0].Indeterminate || d.BreakGlass {
					t.Errorf("indeterminate %v, break-glass %v", d.Outcomes[0].Indeterminate, d.BreakGlass)
				}
				want := "token_unbound; the user's group list is not known in full, so membership is unknown"
				if got := g.last().Status.AdditionalDetails; got != want {
					t.Errorf("details %q, want %q", got, want)
				}
			}
			g := newRig(t, enforced(includeGroup))
			accessToken := mint(claims)
			g.allows(get("DPoP "+accessToken, laptop.prove(accessToken)), reason.None)
			if got := g.last().Status.AdditionalDetails; got != "the user's group list is not known in full, so membership is unknown" {
				t.Errorf("details of the bound request: %q", got)
			}
		})
	}
	t.Run("the whole list", func(t *testing.T) {
		g := newRig(t, enforced(includeGroup))
		d := g.allows(get("Bearer "+mint(unbound, members{"groups": []string{"sales"}})), reason.TokenUnbound)
		if d.Outcomes[0].Indeterminate || g.last().Status.AdditionalDetails != "token_unbound" {
			t.Errorf("%+v, %q", d.Outcomes[0], g.last().Status.AdditionalDetails)
		}
	})
}

// Decision.BreakGlass: an excluded user passes unbound, and that is worth a
// warning. Passing bound is not, nor where nothing is enforced.
func TestBreakGlass(t *testing.T) {
	inGroup := members{"groups": []string{"break-glass"}}
	bound := mint(inGroup)
	for name, c := range map[string]struct {
		policies []policy.Policy
		request  *Request
		want     bool
	}{
		"unbound token":              {enforced(excludeGroup), get("Bearer " + mint(unbound, inGroup)), true},
		"bound token without proof":  {enforced(excludeGroup), get("Bearer " + bound), true},
		"bound token with a bad one": {enforced(excludeGroup), get("DPoP "+bound, thief.prove(bound)), true},
		"bound":                      {enforced(excludeGroup), get("DPoP "+bound, laptop.prove(bound)), false},
		"excluded by id":             {enforced(excludeAnn), get("Bearer " + mint(unbound)), true},
		"not included is no more":    {enforced(includeGroup), get("Bearer " + mint(unbound)), false},
		"platform differs":           {enforced(onlyWindows), asLinux(get("Bearer " + mint(unbound))), false},
		"nothing enforced":           {reported(excludeGroup), get("Bearer " + mint(unbound, inGroup)), false},
		"no valid token":             {enforced(excludeGroup), get("Bearer x"), false},
		"excluded from one of two": {
			[]policy.Policy{rule("1", policy.On, excludeGroup), rule("2", policy.On, onlyBrowsers)}, get("Bearer " + mint(unbound, inGroup)), false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if d := newRig(t, c.policies).Enforce(c.request); d.BreakGlass != c.want || d.BreakGlass && !d.Allow {
				t.Errorf("break-glass %v, allow %v, %q; want %v", d.BreakGlass, d.Allow, d.Reason, c.want)
			}
		})
	}
	t.Run("a replay is", func(t *testing.T) {
		g := newRig(t, enforced(excludeGroup))
		for i, want := range []bool{false, true} {
			if d := g.Enforce(get("DPoP "+bound, laptop.prove(bound))); d.BreakGlass != want || !d.Allow {
				t.Errorf("request %d: break-glass %v, allow %v", i+1, d.BreakGlass, d.Allow)
			}
		}
	})
}

// Contract, "Report-only": what one retry would have cured is not a failure,
// and the record's details name it. Everything else about the proof counts.
func TestAMissingNonceIsExcusedWhereNothingIsEnforced(t *testing.T) {
	forged := *thief
	forged.jwk = laptop.jwk
	outside := userOutside(t, 50)
	for name, policies := range map[string][]policy.Policy{
		"report-only":                           reported(),
		"on for others: excluded":               append(enforced(excludeUser(outside)), reported()...),
		"on for others: outside of the rollout": append(enforced(rollout(50)), reported()...),
	} {
		accessToken := mint(members{"oid": outside})
		ask := func(s *signer, changes ...members) *Request {
			return get("DPoP "+accessToken, s.prove(accessToken, changes...))
		}
		t.Run(name, func(t *testing.T) {
			g := newRig(t, policies, restarted)
			for _, nonce := range []any{nil, "rubbish"} {
				d := g.allows(ask(laptop, members{"nonce": nonce, "jti": fmt.Sprint(nonce)}), reason.None)
				if !d.Bound || d.BreakGlass || !d.Binding.NonceOwed || outcomes(d)["reported"] != policy.ReportOnlySuccess {
					t.Errorf("nonce %v: %+v", nonce, d)
				}
				want := "nonce_missing: excused, one retry with a server nonce would have cured it"
				if got := g.last(); got.Status.AdditionalDetails != want || got.TokenProtectionStatusDetails.SignInSessionStatus != "bound" {
					t.Errorf("%+v", got)
				}
			}
			if d := g.allows(ask(laptop, members{"jti": "rubbish"}), reason.ProofReplayed); outcomes(d)["reported"] != policy.ReportOnlyFailure {
				t.Errorf("a replay: %v", outcomes(d))
			}
			d := g.allows(ask(&forged, members{"jti": "another"}), reason.ProofSignature)
			if d.Bound || outcomes(d)["reported"] != policy.ReportOnlyFailure {
				t.Errorf("a forged proof: bound %v, %v", d.Bound, outcomes(d))
			}
		})
	}
}

func excludeUser(id string) func(*policy.Policy) {
	return func(p *policy.Policy) { p.Conditions.Users.ExcludeUsers = []string{id} }
}

// Where a policy is on for the user the nonce is asked for, and the policy
// that is only recorded does not count that as its failure.
func TestAMissingNonceUnderMixedPolicies(t *testing.T) {
	g := newRig(t, append(enforced(), reported()...), restarted)
	d := g.blocks(proven(), reason.NonceMissing)
	if got := outcomes(d); got["enforced"] != policy.Failure || got["reported"] != policy.ReportOnlySuccess || d.Nonce == "" {
		t.Errorf("%v, nonce %q", got, d.Nonce)
	}
	d = g.allows(proven(members{"nonce": d.Nonce}), reason.None)
	if got := outcomes(d); !d.Bound || got["enforced"] != policy.Success || got["reported"] != policy.ReportOnlySuccess {
		t.Errorf("%v", got)
	}
	// The bound-token rule asks for it too, where the policy itself does not apply.
	g = newRig(t, append(enforced(onlyWindows), reported()...), restarted)
	g.blocks(asLinux(proven()), reason.NonceMissing)
}

// The platform that the issuer vouches for goes before what the client says.
func TestPlatformOfTheContext(t *testing.T) {
	for claim, want := range map[any]string{
		nil: "windows", "": "windows", "macOS": "macOS", "MACOS": "macOS", "ios": "iOS", "android": "android", "Linux": "linux", "BeOS": "windows",
	} {
		g := newRig(t, reported())
		g.allows(get("Bearer "+mint(unbound, members{"device_platform": claim})), reason.TokenUnbound)
		if got := g.last().DeviceDetail.OperatingSystem; got != want {
			t.Errorf("claim %v: %q, want %q", claim, got, want)
		}
	}
}
