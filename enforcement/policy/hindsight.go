// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

// Past is a sign-in as a log tells of it. The log has neither the user's groups (Context.GroupsIndeterminate is true) nor the
// roles, and says of a proved key at most that it is not known to be hardware-backed.
type Past struct {
	Context
	// Confirmed says that the token named a key, whose proof it owed.
	Confirmed bool
	// HardwareKeyMissing says that the key is known not to be known as hardware-backed. Else, unless Context.HardwareKey is
	// true, nothing is known of it.
	HardwareKeyMissing bool
}

// Hindsight is what the policies would have made of a sign-in of the past. What is not known counts against the request: it
// includes and does not exclude.
type Hindsight struct {
	// Blocks says that the request would have been refused; Fails that it would not, and that a report-only policy would have
	// said that it should.
	Blocks, Fails bool
	// Uncertain says that this rests on what is not known. That a request would have passed is always certain.
	Uncertain bool
	// Policy decides; nil if none does, or if every one that is on would.
	Policy *Identity
}

// Hindsight evaluates the policies for a sign-in of the past.
func (s *Set) Hindsight(past *Past) (h Hindsight) {
	c := &past.Context
	if !c.Known && !c.Bound && s.Targets(c.Resource) {
		return Hindsight{Blocks: true} // no condition lets off a request without a valid token
	}
	var scratch [stackWords]uint64
	var room [4]Outcome
	who := s.subject(c, scratch[:])
	outcomes := s.Evaluate(room[:0], c)
	for i := range outcomes {
		o := &outcomes[i]
		if fails, uncertain := s.failed(i, o, &who, past); fails {
			h = h.or(o.Enforced, uncertain, o.Policy)
		}
		if owed, uncertain := s.owed(i, o, &who, past); owed {
			h = h.or(true, uncertain, o.Policy)
		}
	}
	return h
}

// or returns the graver of two verdicts: a refusal, and of two alike one that is certain.
func (h Hindsight) or(blocks, uncertain bool, policy *Identity) Hindsight {
	switch other := (Hindsight{Blocks: blocks, Fails: !blocks, Uncertain: uncertain, Policy: policy}); {
	case h.Blocks != blocks && blocks, h == Hindsight{}, h.Blocks == blocks && h.Uncertain && !uncertain:
		return other
	}
	return h
}

// failed says whether the request would have failed the i-th policy, or might have.
func (s *Set) failed(i int, o *Outcome, who *subject, past *Past) (fails, uncertain bool) {
	p, c := &s.policies[i], &past.Context
	roles := c.Known && s.rolesDecide(i, o, who, c)
	if !o.mayApply(roles) {
		return false, false
	}
	uncertain = o.Indeterminate || roles || p.lacks(c) != 0
	if !c.Bound {
		return true, uncertain
	}
	return p.hardware && !c.HardwareKey, uncertain || !past.HardwareKeyMissing
}

// owed says whether the i-th policy would have asked a bound token for its proof, whatever its conditions: see
// BoundTokenNeedsProof.
func (s *Set) owed(i int, o *Outcome, who *subject, past *Past) (owed, uncertain bool) {
	p, c := &s.policies[i], &past.Context
	if !past.Confirmed || c.Bound || !o.Enforced || !p.targets(s.targets[c.Resource].matches, i, c) {
		return false, false
	}
	excluded, maybe := p.people.excludes(who, c)
	return !excluded, maybe || c.Known && len(s.source[i].Conditions.Users.ExcludeRoles) > 0
}
