// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"cmp"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
)

// The reports count as the two sample queries "Requests by application" and "Requests by user" in Microsoft's deployment
// guides for token protection do (learn.microsoft.com/entra/identity/conditional-access, deployment-guide-token-protection).
// Three things differ. A record counts as often as its RequestCount says. A request that satisfied one policy and not
// another is one blocked request, where the queries count it once on each side. And an app without a display name goes by
// its id.

// An AppRow says how ready one application is for enforcement.
type AppRow struct {
	AppDisplayName string
	Requests       int
	Users          int // distinct UserPrincipalNames; requests without a verified user count as one
	Allow          int
	Block          int // refused, or would have been under a policy in report-only state
	BlockedUsers   int // distinct users with at least one blocked request
	PctAllowed     float64
	PctEnforceable float64
	// What was blocked for a reason the user can remedy by registering the device anew: codes 1003 and 1004.
	BlockSelfRemediable        int
	BlockedUsersSelfRemediable int
}

// A UserRow says the same of one user at one application and resource.
type UserRow struct {
	UserPrincipalName   string
	AppDisplayName      string
	ResourceDisplayName string
	Requests            int
	Allow               int
	Block               int
	PctAllowed          float64
	PctEnforceable      float64
	BlockSelfRemediable int
}

// A Report is the two tables. Apps are sorted by requests, most first, and users by name.
type Report struct {
	Apps  []AppRow
	Users []UserRow
}

// A Summary adds up entries. Its memory grows with the apps, users and resources in the log, not with its lines. The zero
// value is ready to use.
type Summary struct {
	apps  map[string]*AppRow
	users map[userKey]*UserRow
	met   map[[2]string]met // by app and user
}

type userKey struct{ user, app, resource string }

// met is what has happened to a user at an app.
type met struct{ blocked, remediable bool }

// Summarise reads logs, each as Read does, and reports on all of them together. What could not be read is the error; the
// report is about the rest.
func Summarise(logs ...io.Reader) (Report, error) {
	var s Summary
	var failed []error
	for _, log := range logs {
		failed = append(failed, Read(log, func(e *Entry) error {
			s.Add(e)
			return nil
		}))
	}
	return s.Report(), errors.Join(failed...)
}

// Add counts one entry, if a token protection policy applied to it.
func (s *Summary) Add(e *Entry) {
	considered, blocked := e.verdict()
	if !considered {
		return
	}
	code := e.TokenProtectionStatusDetails.SignInSessionStatusCode
	remediable := blocked && (code == 1003 || code == 1004)
	name := cmp.Or(e.AppDisplayName, e.AppID)

	app, user := s.app(name), s.user(userKey{e.UserPrincipalName, name, e.ResourceDisplayName})
	app.Requests += e.RequestCount
	user.Requests += e.RequestCount
	if blocked {
		app.Block += e.RequestCount
		user.Block += e.RequestCount
	} else {
		app.Allow += e.RequestCount
		user.Allow += e.RequestCount
	}
	if remediable {
		app.BlockSelfRemediable += e.RequestCount
		user.BlockSelfRemediable += e.RequestCount
	}
	s.meet(app, e.UserPrincipalName, met{blocked, remediable})
}

// meet counts a user of an app the first time each thing happens to that user there.
func (s *Summary) meet(app *AppRow, user string, now met) {
	if s.met == nil {
		s.met = make(map[[2]string]met)
	}
	key := [2]string{app.AppDisplayName, user}
	before, known := s.met[key]
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

func (s *Summary) app(name string) *AppRow {
	if s.apps == nil {
		s.apps = make(map[string]*AppRow)
	}
	row := s.apps[name]
	if row == nil {
		row = &AppRow{AppDisplayName: name}
		s.apps[name] = row
	}
	return row
}

func (s *Summary) user(key userKey) *UserRow {
	if s.users == nil {
		s.users = make(map[userKey]*UserRow)
	}
	row := s.users[key]
	if row == nil {
		row = &UserRow{UserPrincipalName: key.user, AppDisplayName: key.app, ResourceDisplayName: key.resource}
		s.users[key] = row
	}
	return row
}

// Report returns what was counted so far.
func (s *Summary) Report() Report {
	r := Report{Apps: make([]AppRow, 0, len(s.apps)), Users: make([]UserRow, 0, len(s.users))}
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

// verdict says whether a token protection policy applied to the entry, and whether one was not satisfied.
func (e *Entry) verdict() (considered, blocked bool) {
	for i := range e.ConditionalAccessPolicies {
		row := &e.ConditionalAccessPolicies[i]
		switch row.Result {
		case PolicyNotApplied, PolicyReportOnlyNotApplied, PolicyNotEnabled:
			continue
		}
		if slices.ContainsFunc(row.EnforcedSessionControls, isTokenProtection) {
			considered = true
			blocked = blocked || slices.ContainsFunc(row.SessionControlsNotSatisfied, isTokenProtection)
		}
	}
	return considered, blocked
}

// Failed says whether some token protection policy, report-only ones included, was not satisfied.
func (e *Entry) Failed() bool {
	_, failed := e.verdict()
	return failed
}

// isTokenProtection knows the session control by its name, and by the one Entra used until June 2023. Letter case does
// not matter, as in the queries.
func isTokenProtection(control string) bool {
	return strings.EqualFold(control, SessionControl) || strings.EqualFold(control, "Binding")
}
