// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package requirements

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/version"
)

// fileClient is a client as a profile writes it.
type fileClient struct {
	Name string `json:"name"`
	// UserAgent lists what tells the client; its version follows directly.
	UserAgent []string `json:"userAgent"`
	// Not lists what tells another client of the same name, as on another platform.
	Not []string `json:"not,omitempty"`
	// Minimum is the oldest version.
	Minimum string `json:"minimum,omitempty"`
	// Year is the oldest release, for a client that may also tell its year instead of its version.
	Year uint32 `json:"year,omitempty"`
	// Unsupported lists versions that are not supported; one without bounds is every version.
	Unsupported []struct {
		From  string `json:"from,omitempty"`
		Below string `json:"below,omitempty"`
	} `json:"unsupported,omitempty"`
	Why string `json:"why,omitempty"`
}

// client is a client that requirements are made of.
type client struct {
	name        string
	marks, not  []string
	minimum     version.Version
	year        uint32
	unsupported []span
}

// span is a range of versions; bounds that are not there are zero.
type span struct{ from, below version.Version }

func (s span) everything() bool { return s == span{} }

func (s span) has(v version.Version) bool {
	return v.Compare(s.from) >= 0 && (s.below == version.Version{} || v.Compare(s.below) < 0)
}

func (f *fileClient) compile() (c client, err error) {
	c = client{name: f.Name, marks: f.UserAgent, not: f.Not, year: f.Year}
	switch {
	case f.Name == "":
		return c, errors.New("name: missing")
	case len(f.UserAgent) == 0 || slices.Contains(f.UserAgent, "") || slices.Contains(f.Not, ""):
		return c, errors.New("userAgent: expected what tells the client, and no empty word")
	case (f.Minimum == "") == (len(f.Unsupported) == 0):
		return c, errors.New("expected either minimum or unsupported")
	}
	if f.Minimum != "" {
		if c.minimum, err = version.Parse(f.Minimum); err != nil {
			return c, fmt.Errorf("minimum: %w", err)
		}
	}
	for _, written := range f.Unsupported {
		var s span
		for _, bound := range []struct {
			text string
			into *version.Version
		}{{written.From, &s.from}, {written.Below, &s.below}} {
			if bound.text == "" {
				continue
			}
			if *bound.into, err = version.Parse(bound.text); err != nil {
				return c, fmt.Errorf("unsupported: %w", err)
			}
		}
		c.unsupported = append(c.unsupported, s)
	}
	return c, nil
}

// maxUserAgent bounds what is looked at of the field.
const maxUserAgent = 1024

// checkClient takes the first client that the user agent tells. Later ones are less exact: a module of PowerShell also tells
// that it runs in PowerShell.
func (p *Profile) checkClient(userAgent string) Verdict {
	userAgent = userAgent[:min(len(userAgent), maxUserAgent)]
	for i := range p.clients {
		c := &p.clients[i]
		rest, found := c.find(userAgent)
		if !found {
			continue
		}
		if why, decided := c.judge(rest); decided {
			if why == reason.None {
				return Verdict{}
			}
			return Verdict{why, c.name}
		}
	}
	return Verdict{}
}

// find returns what follows the client's mark.
func (c *client) find(userAgent string) (rest string, found bool) {
	for _, mark := range c.marks {
		if at := strings.Index(userAgent, mark); at >= 0 {
			other := slices.ContainsFunc(c.not, func(word string) bool { return strings.Contains(userAgent, word) })
			return userAgent[at+len(mark):], !other
		}
	}
	return "", false
}

// judge decides about a client with a minimum version, and about one that is unsupported. A range of versions that the client
// is not in leaves the matter to later rules.
func (c *client) judge(rest string) (why reason.Reason, decided bool) {
	v, known := leading(rest)
	if len(c.unsupported) == 0 {
		if known && c.older(v) {
			return reason.ClientVersion, true
		}
		return reason.None, true
	}
	for _, s := range c.unsupported {
		if s.everything() || known && s.has(v) {
			return reason.ClientUnsupported, true
		}
	}
	return reason.None, false
}

// firstYear is below every year and above every major version.
const firstYear = 1900

func (c *client) older(v version.Version) bool {
	if c.year != 0 && v[0] >= firstYear {
		return v[0] < c.year
	}
	return v.Compare(c.minimum) < 0
}
