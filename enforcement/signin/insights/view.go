// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"slices"
	"strings"
)

// How much of everything the page lists. The script has the same numbers.
const (
	shownRows   = 8 // of a breakdown at first sight
	mostRows    = 50
	mostLocked  = 20
	mostVisits  = 200
	mostBars    = 96
	mostOptions = 100
)

// A view is the page's content, as the template shows it.
type view struct {
	First      string
	Last       string
	Records    string
	Requests   string
	Policies   []option
	Spans      []option
	Apps       []option
	Query      map[string]string
	Chips      []chip
	Tiles      []tile
	Banner     banner
	Trend      trend
	Breakdowns []breakdown
	Visits     []row
	VisitsSay  string
	Notes      []string
}

type option struct {
	Value, Label string
	Selected     bool
}

type chip struct{ Label, Href string }

type tile struct {
	Class, Label, Count, Share, Href string
	Selected                         bool
}

// view computes the page.
func (b *Board) view(q query, link string) *view {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.counts(q)
	v := &view{
		First: shownTime(b.first), Last: shownTime(b.last), Records: number(b.records), Requests: number(b.requests),
		Policies: b.policyOptions(q), Apps: b.appOptions(q), Query: map[string]string{
			"from": q.from, "to": q.to, "user": q.values[byUser], "search": q.search,
		},
		Chips: b.chips(q, link), Tiles: tiles(c.tiles, q, link), Banner: b.banner(q, c, link), Trend: b.trend(c.buckets), Notes: b.notes(),
	}
	for _, s := range spans {
		v.Spans = append(v.Spans, option{s.param, s.label, s.param == q.span})
	}
	for d := range described {
		v.Breakdowns = append(v.Breakdowns, b.breakdown(d, c.values[d], q, link))
	}
	v.Visits, v.VisitsSay = b.visits(q)
	return v
}

func (b *Board) policyOptions(q query) []option {
	list := []option{{"", "All policies", true}, {"on", "Policies that are on", false}, {"report_only", "Policies in report-only state", false}}
	for i := range b.policies {
		p := &b.policies[i]
		if !p.on && !p.reportOnly {
			continue
		}
		list = append(list, option{policyPrefix + p.ID, p.name() + " (" + p.state() + ")", false})
	}
	for i := range list {
		list[i].Selected = list[i].Value == q.policy
	}
	return list
}

func (b *Board) appOptions(q query) []option {
	names := slices.Sorted(slices.Values(b.names[byApp].names[1:]))
	list := []option{{"", "All applications", q.values[byApp] == ""}}
	for _, name := range names[:min(len(names), mostOptions)] {
		list = append(list, option{name, name, name == q.values[byApp]})
	}
	return list
}

// chips are the filters in force, each with a link that takes it away.
func (b *Board) chips(q query, link string) (list []chip) {
	add := func(label string, without query) { list = append(list, chip{label, link + without.encode()}) }
	if q.policy != "" {
		without := q
		without.policy = ""
		label := q.policy
		for _, o := range b.policyOptions(q) {
			if o.Selected {
				label = o.Label
			}
		}
		add("Policy: "+label, without)
	}
	if q.outcome != anyOutcome {
		without := q
		without.outcome = anyOutcome
		add("Outcome: "+outcomeLabels[q.outcome], without)
	}
	if q.span != "" || q.from != "" || q.to != "" {
		without := q
		without.span, without.from, without.to = "", "", ""
		add("Time: "+timeLabel(q), without)
	}
	for d, value := range q.values {
		if value != "" {
			add(described[d].title+": "+value, q.toggled(d, value))
		}
	}
	if q.search != "" {
		without := q
		without.search = ""
		add("Search: "+q.search, without)
	}
	return list
}

func timeLabel(q query) string {
	var parts []string
	for _, s := range spans {
		if s.param == q.span && q.span != "" {
			parts = append(parts, strings.ToLower(s.label))
		}
	}
	if q.from != "" {
		parts = append(parts, "from "+strings.Replace(q.from, "T", " ", 1))
	}
	if q.to != "" {
		parts = append(parts, "before "+strings.Replace(q.to, "T", " ", 1))
	}
	return strings.Join(parts, ", ")
}

var (
	outcomeLabels  = [...]string{"Total", "Success", "Failure", "Not applied"}
	outcomeClasses = [...]string{"total", "success", "failure", "neither"}
)

func tiles(t tally, q query, link string) (list []tile) {
	for o := range outcomeLabels {
		next := q
		if next.outcome == outcome(o) {
			next.outcome = anyOutcome
		} else {
			next.outcome = outcome(o)
		}
		list = append(list, tile{
			outcomeClasses[o], outcomeLabels[o], number(t[o]), percent(t[o], t[anyOutcome]), link + next.encode(), outcome(o) == q.outcome,
		})
	}
	return list
}
