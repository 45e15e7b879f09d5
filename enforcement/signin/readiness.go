// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"cmp"
	"math/bits"
	"slices"
	"time"
)

// Microsoft's deployment guide asks, before a policy is turned on, for the users that are known to be ready for it. A user
// is known-good if every request was bound and there were enough of them, on enough days, to believe it.

// MaxDays is the longest period over which [Readiness] tells days apart.
const MaxDays = 64

// A KnownGoodUser is ready for enforcement.
type KnownGoodUser struct {
	UserPrincipalName string
	UserID            string `json:"UserId"`
	Requests          int
	Days              int // on which there were requests, in UTC
	FirstSeen         time.Time
	LastSeen          time.Time
}

// An UnboundRow counts the unbound requests with one code and reason.
type UnboundRow struct {
	Code     int
	Reason   string // the check that failed: the first word of Status.additionalDetails
	Requests int
	Users    int // distinct; requests without a verified user count as one
	Meaning  string
}

// A ReadinessReport says who is ready, and what stands in the way of the others.
type ReadinessReport struct {
	KnownGood []KnownGoodUser // sorted by name
	Unbound   []UnboundRow    // sorted by requests, most first
	// NotReady is how many users are not known-good: unbound at least once, or not seen often enough.
	NotReady int
	// UntrackedRequests belong to users beyond the limit, who are in none of these counts.
	UntrackedRequests int `json:",omitempty"`
}

// Readiness finds the known-good users and counts the unbound requests by reason. Where the filter names policies, only
// requests to which one of them applied count. Its memory is bounded: users beyond MaxUsers are not considered, and so
// never known-good. The zero value asks for one request.
type Readiness struct {
	Filter      Filter
	MinRequests int
	MinDays     int // distinct days with requests, at most MaxDays
	MaxUsers    int // 0 means MaxRows

	users     map[string]*seen
	unbound   map[unboundKey]*UnboundRow
	met       map[unboundUser]struct{}
	untracked int
}

// seen is what is known of a user.
type seen struct {
	user    KnownGoodUser
	days    uint64 // one bit for each day modulo MaxDays, so that days far apart may count as one, never one as two
	unbound bool
}

type unboundKey struct {
	code   int
	reason string
}

type unboundUser struct {
	key  unboundKey
	user string
}

// Add counts one entry.
func (r *Readiness) Add(e *Entry) {
	if !r.Filter.Selects(e) {
		return
	}
	verdict := r.Filter.Verdict(e)
	if len(r.Filter.Policies) > 0 && verdict == (Verdict{}) {
		return
	}
	r.prepare()
	bound := e.TokenProtectionStatusDetails.SignInSessionStatus == Bound
	if !bound {
		r.countUnbound(e)
	}
	r.see(e, bound && !verdict.Block)
}

func (r *Readiness) prepare() {
	if r.users != nil {
		return
	}
	r.users, r.unbound, r.met = make(map[string]*seen), make(map[unboundKey]*UnboundRow), make(map[unboundUser]struct{})
	if r.MaxUsers <= 0 {
		r.MaxUsers = MaxRows
	}
}

// see notes a request of a verified user, known by the immutable id where there is one.
func (r *Readiness) see(e *Entry, good bool) {
	id, principal := Clip(e.UserID, MaxName), Clip(e.UserPrincipalName, MaxName)
	key := cmp.Or(id, principal)
	if key == "" {
		return
	}
	s := r.users[key]
	if s == nil {
		if len(r.users) >= r.MaxUsers {
			r.untracked += e.RequestCount
			return
		}
		s = &seen{user: KnownGoodUser{UserID: id, FirstSeen: e.Time, LastSeen: e.Time}}
		r.users[key] = s
	}
	s.user.UserPrincipalName = cmp.Or(principal, s.user.UserPrincipalName)
	s.user.Requests += e.RequestCount
	s.unbound = s.unbound || !good
	if e.Time.IsZero() {
		return
	}
	s.days |= 1 << (uint64(e.Time.Unix()/86400) % MaxDays)
	if s.user.FirstSeen.IsZero() || e.Time.Before(s.user.FirstSeen) {
		s.user.FirstSeen = e.Time
	}
	if e.Time.After(s.user.LastSeen) {
		s.user.LastSeen = e.Time
	}
}

// maxReasons bounds the rows of reasons. There are some sixty reasons; an export may have more.
const maxReasons = 1000

func (r *Readiness) countUnbound(e *Entry) {
	key := unboundKey{e.TokenProtectionStatusDetails.SignInSessionStatusCode, Clip(e.Check(), MaxName)}
	row := r.unbound[key]
	if row == nil {
		if len(r.unbound) >= maxReasons {
			r.untracked += e.RequestCount
			return
		}
		row = &UnboundRow{Code: key.code, Reason: key.reason, Meaning: Meaning(key.code)}
		r.unbound[key] = row
	}
	row.Requests += e.RequestCount
	user := unboundUser{key, Clip(cmp.Or(e.UserID, e.UserPrincipalName), MaxName)}
	if _, known := r.met[user]; known || len(r.met) >= r.MaxUsers {
		return
	}
	r.met[user] = struct{}{}
	row.Users++
}

// Report returns what was found so far.
func (r *Readiness) Report() ReadinessReport {
	report := ReadinessReport{KnownGood: []KnownGoodUser{}, Unbound: make([]UnboundRow, 0, len(r.unbound)), UntrackedRequests: r.untracked}
	for _, s := range r.users {
		s.user.Days = bits.OnesCount64(s.days)
		if s.unbound || s.user.Requests < r.MinRequests || s.user.Days < r.MinDays {
			report.NotReady++
			continue
		}
		report.KnownGood = append(report.KnownGood, s.user)
	}
	for _, row := range r.unbound {
		report.Unbound = append(report.Unbound, *row)
	}
	slices.SortFunc(report.KnownGood, func(a, b KnownGoodUser) int {
		return cmp.Or(cmp.Compare(a.UserPrincipalName, b.UserPrincipalName), cmp.Compare(a.UserID, b.UserID))
	})
	slices.SortFunc(report.Unbound, func(a, b UnboundRow) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Reason, b.Reason))
	})
	return report
}

// Meaning says in a few words what a code of TokenProtectionStatusDetails stands for; nothing for 0, which is bound, and for
// one that is not known.
func Meaning(code int) string {
	switch code {
	case 1002:
		return "nothing to prove with: register the device, update the client"
	case 1003:
		return "device unknown, disabled or unsupported: register it anew"
	case 1004:
		return "key not hardware-backed: register the device anew"
	case 1005:
		return "another check failed"
	case 1006:
		return "operating system or client below the minimum: update it"
	case 1007:
		return "device registered to another user"
	case 1008:
		return "bound token without its proof: a broken client, or a thief"
	}
	return ""
}
