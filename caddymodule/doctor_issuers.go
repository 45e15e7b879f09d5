// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

// checkKeySets fetches every issuer's keys as the server would. It returns
// how far this machine's clock is ahead of the issuers', if one told the time.
func (d *doctor) checkKeySets(ctx context.Context, c *configuration) (ahead time.Duration, known bool) {
	clock := &dateReader{next: http.DefaultTransport.(*http.Transport).Clone(), now: d.now}
	defer clock.next.CloseIdleConnections()
	for _, issuer := range c.app.Issuers {
		if ctx.Err() != nil {
			break
		}
		d.checkKeySet(issuer, clock)
	}
	return clock.result()
}

func (d *doctor) checkKeySet(issuer Issuer, transport http.RoundTripper) {
	const check = "key set"
	keys, err := issuer.keySet(transport)
	if err != nil {
		fault := faultOf(err)
		d.fail(check, faultHints[fault], "%s: its keys could not be read (%s).", issuer.Issuer, fault)
		return
	}
	defer func() { _ = keys.Destruct() }() // it never returns an error
	// No key has this id: it is asked for to wait for the fetch.
	_, err = keys.Find("doctor", jose.ES256, time.Now())
	status := keys.Status()
	switch fault := faultOf(status.Err); {
	case status.Keys > 0 && !errors.Is(err, token.ErrUnavailable):
		d.ok(check, "%s: %d usable %s.", issuer.Issuer, status.Keys, plural(status.Keys, "key", "keys"))
	case issuer.Introspection != nil:
		d.warn(check, "that is as it should be if all of its tokens are opaque", "%s: its keys could not be had (%s).", issuer.Issuer, orTimeout(fault))
	default:
		fault = orTimeout(fault)
		d.fail(check, faultHints[fault], "%s: its keys could not be had (%s).", issuer.Issuer, fault)
	}
}

// orTimeout is the fault of a fetch, which is still under way if there is none.
func orTimeout(fault keySetFault) keySetFault {
	if fault == faultNone {
		return faultTimeout
	}
	return fault
}

// dateReader compares the clock with the Date header of answers (RFC 9110,
// section 6.6.1), of which the one that came back fastest is believed.
type dateReader struct {
	next *http.Transport
	now  func() time.Time

	mu    sync.Mutex
	took  time.Duration
	ahead time.Duration
	known bool
}

// RoundTrip implements http.RoundTripper.
func (c *dateReader) RoundTrip(r *http.Request) (*http.Response, error) {
	began := c.now()
	response, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	took := c.now().Sub(began)
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.known || took < c.took {
			// The header has whole seconds, so that on average half of one is missing.
			c.took, c.known = took, true
			c.ahead = began.Add(took / 2).Sub(date.Add(time.Second / 2))
		}
	}
	return response, nil
}

func (c *dateReader) result() (ahead time.Duration, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead, c.known
}

// clockTolerance is what a Date header cannot tell from zero.
const clockTolerance = 3 * time.Second

// checkClock compares the clock with the issuers' and with the time of the build.
func (d *doctor) checkClock(ahead time.Duration, known bool, skew time.Duration) {
	const check = "clock"
	const hint = "synchronise the clock (NTP); tokens and proofs are judged by it"
	now := d.now()
	side := "ahead of"
	if ahead < 0 {
		side = "behind"
	}
	off := ahead.Abs().Round(time.Second)
	switch {
	case now.Before(d.build.built):
		d.fail(check, hint, "The clock says %s, which is before this binary was made (%s).", now.UTC().Format(time.RFC3339), d.build.built.UTC().Format(time.RFC3339))
	case !known:
		d.skip(check, "The clock says %s; no issuer was asked over HTTP that could confirm it.", now.UTC().Format(time.RFC3339))
	case off > skew && off > clockTolerance:
		d.fail(check, hint, "The clock is %v %s the issuer's, more than clock_skew (%v) forgives.", off, side, skew)
	case off > clockTolerance:
		d.warn(check, hint, "The clock is %v %s the issuer's; clock_skew (%v) forgives it.", off, side, skew)
	default:
		d.ok(check, "The clock agrees with the issuer's to within %v.", clockTolerance)
	}
}
