// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"
	"slices"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
)

// Context is what policies may know of one request.
type Context struct {
	// Known says that the request carries a valid token, and so has a user. Without one, the user condition of every
	// policy counts as satisfied, and the other facts about the user are not looked at.
	Known bool
	// UserID is the user's immutable id. It also decides about rollout shares (User does if it is empty).
	UserID string
	// User is the user's name, compared byte for byte.
	User string
	// UserNameUnverified says that User comes from a claim that a user can set to another's name (preferred_username,
	// email): it then includes in a policy, and never excludes from one.
	UserNameUnverified bool
	// Groups and Roles are the token's.
	Groups []string
	Roles  []string
	// GroupsIndeterminate says that Groups is not the whole list (Entra's overage claim): membership in what it does not
	// show is unknown, which counts as included and as not excluded.
	GroupsIndeterminate bool
	// Guest says that the user is a guest or external user.
	Guest bool
	// Resource is the name of the resource that the request is for.
	Resource string
	// Platform and ClientApp are the device's platform and the kind of client; empty means unknown.
	Platform  Platform
	ClientApp ClientApp
	// Address is the client's address; the zero value means unknown.
	Address netip.Addr
	// DeviceKnown says that Device is what the device directory says. Without it, the device condition of every policy counts
	// as satisfied.
	DeviceKnown bool
	// Device is the device that the token names; nil is one that is not registered.
	Device *device.Device
	// Time is when the request is judged. Without it, exclusions that end have ended.
	Time time.Time
	// Bound says that the request proved possession of the key that its token is bound to.
	Bound bool
	// HardwareKey says that this key is known to be hardware-backed.
	HardwareKey bool
}

// Evaluate appends one outcome per policy to dst, in the configured order, and returns it. It allocates nothing if dst
// has room for Len outcomes (and policies name fewer than a thousand users, groups and roles); else it makes that room
// at once.
func (s *Set) Evaluate(dst []Outcome, c *Context) []Outcome {
	var scratch [stackWords]uint64
	who := s.subject(c, scratch[:])
	platform, client, where := c.Platform.bit(), c.ClientApp.bit(), s.whereabouts(c)
	resource := s.targets[c.Resource].matches
	dst = slices.Grow(dst, len(s.policies))
	for i := range s.policies {
		p := &s.policies[i]
		dst = append(dst, Outcome{Policy: p.identity})
		o := &dst[len(dst)-1]
		if p.identity.State == Off {
			o.Result = NotEnabled
			continue
		}
		match := p.users(o, &who, c)
		if p.targets(resource, i, c) {
			match |= ConditionApplication
		}
		if p.platforms&platform != 0 {
			match |= ConditionDevicePlatform
		}
		if p.clients&client != 0 {
			match |= ConditionClientType
		}
		if p.locations != nil && p.locations.match(&where) {
			match |= ConditionLocation
		}
		if p.devices != nil && p.devices.match(c) {
			match |= ConditionDeviceState
		}
		o.Satisfied = p.configured & match
		o.NotSatisfied = p.configured &^ match
		o.Enforced = p.enforcedFor(c)
		p.conclude(o, c)
	}
	return dst
}

// users returns ConditionUsers if the user condition matches, and marks the outcome if that rests on groups that are not
// known.
func (p *compiled) users(o *Outcome, who *subject, c *Context) Conditions {
	if !c.Known {
		return ConditionUsers
	}
	excluded, maybeExcluded := p.people.excludes(who, c)
	if excluded {
		return 0
	}
	included, maybeIncluded := p.people.includes(who, c)
	if !included {
		return 0
	}
	o.Indeterminate = maybeExcluded || maybeIncluded
	return ConditionUsers
}

// conclude names the verdict. Report-only differs in the name alone.
func (p *compiled) conclude(o *Outcome, c *Context) {
	results := &reportOnlyResults
	if o.Enforced {
		results = &enforcedResults
	}
	switch {
	case o.NotSatisfied != 0:
		o.Indeterminate = false
		o.Result = results.notApplied
	case !c.Bound:
		o.Result = results.failure
	case p.hardware && !c.HardwareKey:
		o.HardwareKeyMissing = true
		o.Result = results.failure
	default:
		o.Result = results.success
	}
}

type verdicts struct{ success, failure, notApplied Result }

var (
	enforcedResults   = verdicts{Success, Failure, NotApplied}
	reportOnlyResults = verdicts{ReportOnlySuccess, ReportOnlyFailure, ReportOnlyNotApplied}
)

// targets says whether the i-th policy's application condition matches the request's resource; resource is that
// resource's row, nil for a resource that the Set was not told of.
func (p *compiled) targets(resource []bool, i int, c *Context) bool {
	if resource == nil {
		return p.apps.match(Resource{Name: c.Resource})
	}
	return resource[i]
}

// enforcing says whether the policy is enforced for anybody.
func (p *compiled) enforcing() bool { return p.identity.State == On && p.rollout.share > 0 }

// enforcedFor says whether the policy is enforced for the request's user. A request without a user is inside the share:
// else leaving the token away would be a way out of it.
func (p *compiled) enforcedFor(c *Context) bool {
	return p.enforcing() && (!c.Known || p.rollout.has(c))
}

// Targets says whether some policy that is on, and not rolled out to 0 %, targets the resource, whomever it includes.
func (s *Set) Targets(resource string) (enforcing bool) {
	if t, ok := s.targets[resource]; ok {
		return t.enforcing
	}
	for i := range s.policies {
		if p := &s.policies[i]; p.enforcing() && p.apps.match(Resource{Name: resource}) {
			return true
		}
	}
	return false
}

// Targeting returns, in the configured order, which of the policies target the resource, whatever their state, and are
// not rolled out to 0 %: indexes into what was compiled, and into IDs.
func (s *Set) Targeting(resource string) (indexes []int) {
	row := s.targets[resource].matches
	for i := range s.policies {
		p := &s.policies[i]
		if p.rollout.share > 0 && p.targets(row, i, &Context{Resource: resource}) {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// BoundTokenNeedsProof says whether a bound token must come with its proof although no policy may apply to the request:
// some policy that is on targets the resource, and the user is inside its rollout share and not excluded from it.
// Whether the user is included, and the conditions on platform, client app, location and device, do not matter: they decide
// about unbound tokens only, because a thief would claim the platform that suits.
func (s *Set) BoundTokenNeedsProof(c *Context) bool {
	var scratch [stackWords]uint64
	who := s.subject(c, scratch[:])
	resource := s.targets[c.Resource].matches
	for i := range s.policies {
		p := &s.policies[i]
		if !p.enforcing() || !p.targets(resource, i, c) || !p.enforcedFor(c) {
			continue
		}
		if excluded, _ := p.people.excludes(&who, c); !excluded {
			return true
		}
	}
	return false
}

// Excluded says whether some policy that is on targets the resource and every such policy excludes the user: the request
// is a break-glass one, which logs should show. A request without a user is never excluded.
func (s *Set) Excluded(c *Context) bool {
	if !c.Known {
		return false
	}
	var scratch [stackWords]uint64
	who := s.subject(c, scratch[:])
	resource := s.targets[c.Resource].matches
	found := false
	for i := range s.policies {
		p := &s.policies[i]
		if !p.enforcing() || !p.targets(resource, i, c) {
			continue
		}
		if excluded, _ := p.people.excludes(&who, c); !excluded {
			return false
		}
		found = true
	}
	return found
}
