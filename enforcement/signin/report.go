// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"cmp"
	"math"
	"slices"
)

// The reports count as the two sample queries "Requests by application" and "Requests by user" in Microsoft's deployment
// guides for token protection do (learn.microsoft.com/entra/identity/conditional-access/deployment-guide-token-protection-apple
// and its siblings, section "Log Analytics"). As there, a record that satisfied one policy and not another counts on each
// side. Three things differ. A record counts as often as its RequestCount says, which Microsoft's tables do not have. An app
// without a display name goes by its id. And records are not told apart by their Id, so that a log read twice counts twice.

// An AppRow says how ready one application is for enforcement.
type AppRow struct {
	AppDisplayName string
	Requests       int
	Users          int // distinct UserPrincipalNames; requests without a verified user count as one
	Allow          int
	Block          int // refused, or would have been under a policy in report-only state
	// What was blocked for a reason the user can remedy by registering the device anew; see SelfRemediable.
	BlockSelfRemediable        int
	BlockedUsers               int // distinct users with at least one blocked request
	BlockedUsersSelfRemediable int
	PctAllowed                 float64
	PctEnforceable             float64
}

// A UserRow says the same of one user at one application and resource.
type UserRow struct {
	UserPrincipalName   string
	AppDisplayName      string
	ResourceDisplayName string
	Requests            int
	Allow               int
	Block               int
	BlockSelfRemediable int
	PctAllowed          float64
	PctEnforceable      float64
}

// A Report is the two tables. Apps are sorted by requests, most first, and users by name.
type Report struct {
	Apps  []AppRow
	Users []UserRow
	// FoldedRequests is how many requests are counted in the row Others of either table, because there were more apps,
	// users and resources than the report tells apart. Counts of users are then lower bounds.
	FoldedRequests int `json:",omitempty"`
}

// Others is the name of the row in which is counted what a report does not tell apart.
const Others = "(others)"

// MaxRows is how many rows a [Summary] tells apart in each table: some 100 MB with names of usual length.
const MaxRows = 200_000

// A Summary adds up entries. Its memory grows with the apps, users and resources in the log, not with its lines, and is
// bounded: beyond MaxRows rows, further apps and users are counted together. The zero value is ready to use.
type Summary struct {
	Filter  Filter
	MaxRows int // of each table; 0 means MaxRows

	apps   map[appKey]*AppRow
	users  map[userKey]*UserRow
	met    map[metKey]met
	folded int
}

type appKey struct {
	name   string
	others bool // no log can name it
}

type userKey struct {
	user, app, resource string
	others              bool
}

type metKey struct {
	app  appKey
	user string
}

// met is what has happened to a user at an app.
type met struct{ blocked, remediable bool }

// Add counts one entry, if the filter selects it and a token protection policy applied to it.
func (s *Summary) Add(e *Entry) {
	if !s.Filter.Selects(e) {
		return
	}
	verdict := s.Filter.Verdict(e)
	if verdict.Allow {
		s.count(e, met{})
	}
	if verdict.Block {
		s.count(e, met{blocked: true, remediable: SelfRemediable(e.TokenProtectionStatusDetails.SignInSessionStatusCode)})
	}
}

// count counts what one kind of policies made of an entry.
func (s *Summary) count(e *Entry, now met) {
	s.prepare()
	name := Clip(cmp.Or(e.AppDisplayName, e.AppID), MaxName)
	principal := Clip(e.UserPrincipalName, MaxName)
	key, app := s.app(name)
	user, folded := s.user(userKey{user: principal, app: name, resource: Clip(e.ResourceDisplayName, MaxName)})
	if key.others || folded {
		s.folded += e.RequestCount
	}
	app.Requests += e.RequestCount
	user.Requests += e.RequestCount
	if !now.blocked {
		app.Allow += e.RequestCount
		user.Allow += e.RequestCount
	} else {
		app.Block += e.RequestCount
		user.Block += e.RequestCount
	}
	if now.remediable {
		app.BlockSelfRemediable += e.RequestCount
		user.BlockSelfRemediable += e.RequestCount
	}
	s.meet(app, metKey{key, principal}, now)
}

// meet counts a user of an app the first time each thing happens to that user there.
func (s *Summary) meet(app *AppRow, key metKey, now met) {
	before, known := s.met[key]
	if !known && len(s.met) >= s.MaxRows {
		return
	}
	if !known {
		app.Users++
	}
	if now.blocked && !before.blocked {
		app.BlockedUsers++
	}
	if now.remediable && !before.remediable {
		app.BlockedUsersSelfRemediable++
	}
	s.met[key] = met{before.blocked || now.blocked, before.remediable || now.remediable}
}

func (s *Summary) prepare() {
	if s.apps != nil {
		return
	}
	s.apps, s.users, s.met = make(map[appKey]*AppRow), make(map[userKey]*UserRow), make(map[metKey]met)
	if s.MaxRows <= 0 {
		s.MaxRows = MaxRows
	}
}

func (s *Summary) app(name string) (appKey, *AppRow) {
	key := appKey{name: name}
	row := s.apps[key]
	if row == nil && len(s.apps) >= s.MaxRows {
		key, name = appKey{others: true}, Others
		row = s.apps[key]
	}
	if row == nil {
		row = &AppRow{AppDisplayName: name}
		s.apps[key] = row
	}
	return key, row
}

func (s *Summary) user(key userKey) (row *UserRow, folded bool) {
	row = s.users[key]
	if row == nil && len(s.users) >= s.MaxRows {
		key = userKey{user: Others, app: Others, resource: Others, others: true}
		row = s.users[key]
	}
	if row == nil {
		row = &UserRow{UserPrincipalName: key.user, AppDisplayName: key.app, ResourceDisplayName: key.resource}
		s.users[key] = row
	}
	return row, key.others
}

// Report returns what was counted so far.
func (s *Summary) Report() Report {
	r := Report{Apps: make([]AppRow, 0, len(s.apps)), Users: make([]UserRow, 0, len(s.users)), FoldedRequests: s.folded}
	for _, row := range s.apps {
		row := *row
		row.PctAllowed = percent(row.Allow, row.Requests)
		row.PctEnforceable = percent(row.Allow+row.BlockSelfRemediable, row.Requests)
		r.Apps = append(r.Apps, row)
	}
	for _, row := range s.users {
		row := *row
		row.PctAllowed = percent(row.Allow, row.Requests)
		row.PctEnforceable = percent(row.Allow+row.BlockSelfRemediable, row.Requests)
		r.Users = append(r.Users, row)
	}
	slices.SortFunc(r.Apps, func(a, b AppRow) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.AppDisplayName, b.AppDisplayName))
	})
	slices.SortFunc(r.Users, func(a, b UserRow) int {
		return cmp.Or(cmp.Compare(a.UserPrincipalName, b.UserPrincipalName),
			cmp.Compare(a.AppDisplayName, b.AppDisplayName), cmp.Compare(a.ResourceDisplayName, b.ResourceDisplayName))
	})
	return r
}

// percent is part of whole in percent, with two decimals. Rows have at least one request.
func percent(part, whole int) float64 {
	return math.Round(10000*float64(part)/float64(whole)) / 100
}
