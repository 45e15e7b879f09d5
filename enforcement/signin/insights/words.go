// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"fmt"
	"strconv"
	"time"
)

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
