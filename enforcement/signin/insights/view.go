// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
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

type breakdown struct {
	Param, Title string
	Rows, More   []breakdownRow
	MoreSays     string
}

type breakdownRow struct {
	Label, Title, Href        string
	Count, Failures           string
	Success, Failure, Neither float64 // widths of the bar's parts, of 100
	SuccessAt, NeitherAt      float64
	Selected                  bool
}

type row struct {
	Time, User, App, Resource, Address, Platform, Client, Device, DeviceName string
	Outcome, OutcomeClass, Reason, Meaning, Scheme, Requests, Correlation    string
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

// breakdown lists a dimension's values, those with most requests first.
func (b *Board) breakdown(d int, tallies []tally, q query, link string) breakdown {
	var order []int
	for n := range tallies {
		if tallies[n][anyOutcome] > 0 {
			order = append(order, n)
		}
	}
	names := b.names[d].names
	slices.SortFunc(order, func(x, y int) int {
		if d == byUser { // whom policies refuse is what one looks for
			if c := cmp.Compare(tallies[y][failure], tallies[x][failure]); c != 0 {
				return c
			}
		}
		return cmp.Or(cmp.Compare(tallies[y][anyOutcome], tallies[x][anyOutcome]), cmp.Compare(names[x], names[y]))
	})
	widest := 1
	for _, n := range order {
		widest = max(widest, tallies[n][anyOutcome])
	}
	list := breakdown{Param: described[d].param, Title: described[d].title}
	for i, n := range order[:min(len(order), mostRows)] {
		r := breakdownRowOf(names[n], tallies[n], widest)
		r.Selected = q.values[d] == names[n]
		r.Href = link + q.toggled(d, names[n]).encode()
		if d == byReason {
			r.Title = meaning(names[n])
		}
		if i < shownRows {
			list.Rows = append(list.Rows, r)
		} else {
			list.More = append(list.More, r)
		}
	}
	if more := len(order) - shownRows; more > 0 {
		list.MoreSays = number(more) + " more"
		if len(order) > mostRows {
			list.MoreSays += fmt.Sprintf(", the first %d of them", mostRows-shownRows)
		}
	}
	return list
}

func breakdownRowOf(name string, t tally, widest int) breakdownRow {
	part := func(n int) float64 { return float64(n*1000/widest) / 10 }
	r := breakdownRow{Label: name, Count: number(t[anyOutcome]), Failure: part(t[failure]), Success: part(t[success]), Neither: part(t[notApplied])}
	if t[failure] > 0 {
		r.Failures = number(t[failure]) + " failed"
	}
	r.SuccessAt = r.Failure
	r.NeitherAt = r.Failure + r.Success
	return r
}

// visits lists the newest sign-ins that fit, and says how many that is of how many.
func (b *Board) visits(q query) (list []row, says string) {
	l := b.lens(q)
	from, to := q.window(b.last)
	fitting := 0
	for _, v := range b.newest.newestFirst() {
		o := l.outcome(b.results[v.signature])
		if !v.fits(q, o, from, to) {
			continue
		}
		if fitting++; fitting <= mostVisits {
			list = append(list, v.row(o))
		}
	}
	says = fmt.Sprintf("%s of the newest %s sign-ins fit", number(fitting), number(len(b.newest.visits)))
	if b.newest.read > len(b.newest.visits) {
		says += fmt.Sprintf("; older ones, of %s in all, are only counted", number(b.newest.read))
	}
	if fitting > mostVisits {
		says += fmt.Sprintf("; the first %d are listed", mostVisits)
	}
	return list, says + "."
}

func (v *visit) fits(q query, o outcome, from, to time.Time) bool {
	if q.outcome != anyOutcome && o != q.outcome || !from.IsZero() && v.time.Before(from) || !to.IsZero() && !v.time.Before(to) {
		return false
	}
	for d, asked := range q.values {
		if !fits(d, asked, v.values[d]) {
			return false
		}
	}
	return q.search == "" || strings.Contains(v.searchable(), strings.ToLower(q.search))
}

// searchable is the text in which a search looks.
func (v *visit) searchable() string {
	return strings.ToLower(strings.Join(append(v.values[:], v.address, v.device, v.scheme, v.correlation), "\n"))
}

func (v *visit) row(o outcome) row {
	return row{
		Time: shownTime(v.time), User: v.values[byUser], App: v.values[byApp], Resource: v.values[byResource], Address: v.address,
		Platform: v.values[byPlatform], Client: v.values[byClient], Device: v.values[byDevice], DeviceName: v.device,
		Outcome: outcomeLabels[o], OutcomeClass: outcomeClasses[o], Reason: v.values[byReason], Meaning: meaning(v.values[byReason]),
		Scheme: v.scheme, Requests: plural(v.requests, "request"), Correlation: v.correlation,
	}
}

// notes say what the page cannot tell apart.
func (b *Board) notes() (list []string) {
	say := func(when bool, what string) {
		if when {
			list = append(list, what)
		}
	}
	say(b.width > 0, "The log is too large to count by the minute: time is told apart in units of "+unit(widths[b.width])+", and a unit that a filter touches counts whole.")
	say(b.folded.networks, "Networks are counted together as "+others+".")
	say(b.folded.unrefused && !b.folded.users, "Users whom no policy has refused are counted together as "+others+".")
	say(b.folded.users, "Users are counted together as "+others+".")
	say(b.folded.signatures, "There are more policies, or combinations of their results, than the page tells apart: some requests count as not applied.")
	for d := range b.names {
		say(b.names[d].full, fmt.Sprintf("%s: there are more than %s; further ones are counted together as %s.", described[d].title, number(described[d].most), others))
	}
	return list
}

func unit(d time.Duration) string {
	switch {
	case d >= 24*time.Hour:
		return plural(int(d/(24*time.Hour)), "day")
	case d >= time.Hour:
		return plural(int(d/time.Hour), "hour")
	}
	return plural(int(d/time.Minute), "minute")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return number(n) + " " + what + "s"
}

// number writes n with commas.
func number(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func percent(part, whole int) string {
	if whole == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(part*1000/whole)/10, 'f', 1, 64) + " %"
}

func shownTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}
