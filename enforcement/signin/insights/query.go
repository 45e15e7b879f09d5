// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// A query is what the page is asked for: its members are query parameters, the page's script has the same in the fragment.
type query struct {
	policy  string // "", on, report_only, or an id after policyPrefix
	outcome outcome
	span    string // how far back from the newest sign-in; one of spans
	from    string // a minute in UTC
	to      string // before this minute in UTC
	search  string // in the details
	values  [dimensions]string
}

const policyPrefix = "id:"

// minuteLayout is that of an HTML input of type datetime-local.
const minuteLayout = "2006-01-02T15:04"

// spans are the time ranges on offer.
var spans = []struct {
	param, label string
	span         time.Duration
}{
	{"", "All of the log", 0},
	{"1h", "Last hour", time.Hour},
	{"24h", "Last 24 hours", 24 * time.Hour},
	{"7d", "Last 7 days", 7 * 24 * time.Hour},
	{"30d", "Last 30 days", 30 * 24 * time.Hour},
}

// parseQuery reads a query. What it does not know it takes for nothing asked.
func parseQuery(values url.Values) (q query) {
	get := func(name string) string { return signin.Clip(values.Get(name), signin.MaxName) }
	q.policy, q.search = get("policy"), get("search")
	q.outcome = outcome(max(slices.Index(outcomeParams[:], get("outcome")), 0))
	for _, s := range spans {
		if s.param == get("range") {
			q.span = s.param
		}
	}
	q.from, q.to = minute(get("from")), minute(get("to"))
	for d := range q.values {
		q.values[d] = get(described[d].param)
	}
	return q
}

// Parameters returns the query parameters that the page takes, each at most once.
func Parameters() []string {
	names := []string{"policy", "outcome", "range", "from", "to", "search"}
	for _, dimension := range described {
		names = append(names, dimension.param)
	}
	return names
}

func minute(text string) string {
	if _, err := time.Parse(minuteLayout, text); err != nil {
		return ""
	}
	return text
}

// encode is the query as the page links to it.
func (q query) encode() string {
	values := make(url.Values)
	set := func(name, value string) {
		if value != "" {
			values.Set(name, value)
		}
	}
	set("policy", q.policy)
	set("outcome", outcomeParams[q.outcome])
	set("range", q.span)
	set("from", q.from)
	set("to", q.to)
	set("search", q.search)
	for d, value := range q.values {
		set(described[d].param, value)
	}
	return values.Encode()
}

// toggled asks for a value of a dimension, or no longer if it is the one asked for.
func (q query) toggled(d int, value string) query {
	if q.values[d] == value {
		value = ""
	}
	q.values[d] = value
	return q
}

// window is the time that the query is about, given the log's newest sign-in. Zero times are open ends.
func (q query) window(last time.Time) (from, to time.Time) {
	for _, s := range spans {
		if s.param == q.span && s.span > 0 && !last.IsZero() {
			from = last.Add(-s.span)
		}
	}
	if t, err := time.Parse(minuteLayout, q.from); err == nil && t.After(from) {
		from = t
	}
	if t, err := time.Parse(minuteLayout, q.to); err == nil {
		to = t
	}
	return from, to
}

// lens chooses the policies.
func (b *Board) lens(q query) lens {
	id, one := strings.CutPrefix(q.policy, policyPrefix)
	switch {
	case q.policy == "on" || q.policy == "report_only":
		return lens{state: q.policy, policy: -1}
	case one:
		if n, known := b.policyOf[id]; known {
			return lens{policy: n}
		}
	}
	return lens{policy: -1}
}

// fits says whether a value of a dimension is asked for: any part of a user's name, else the whole value.
func fits(d int, asked, value string) bool {
	switch {
	case asked == "" || asked == value:
		return true
	case d == byUser:
		return strings.Contains(strings.ToLower(value), strings.ToLower(asked))
	}
	return false
}
