// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"net/http"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
)

// Status says what the cookies of a request prove.
type Status string

// The statuses. All but Anonymous and Bound are unbound: policies decide.
const (
	// Anonymous: no session cookie of the application; not a matter of this package.
	Anonymous Status = "anonymous"
	// Bound: possession of the session's key was proved and is still good.
	Bound Status = "bound"
	// Grace: signed in a moment ago, and the browser may yet register. Passes
	// even where proof is required; the record says that it did.
	Grace Status = "grace"
	// Unproven: a session cookie and no proof: copied, from a browser that
	// does not register, or from before the site was protected.
	Unproven Status = "unproven"
	// Expired: the proof is too old, and the browser did not renew it.
	Expired Status = "expired"
	// Missing: the session was bound before, and its proof did not come. A
	// browser that can have a key cannot pass for one that cannot.
	Missing Status = "missing"
	// Mismatched: the proof belongs to another session, or the link to
	// another value of the session cookie.
	Mismatched Status = "mismatched"
	// Ended: the session was signed out of.
	Ended Status = "ended"
	// Ambiguous: a cookie comes twice, or a backend may read one where this
	// package does not. Nothing about the request can be believed.
	Ambiguous Status = "ambiguous"
)

// State is what [Engine.Inspect] found.
type State struct {
	Status Status
	// Binding is the proof, where Bound. It has no ID: it is good for as many
	// requests as the browser makes while the bound cookie lives, and is not
	// to be spent.
	Binding proof.Binding
	// Session names the session in logs, if the session cookie has one; it is
	// no secret.
	Session string
	// User is whom the application named when it set this very session
	// cookie; empty if it named nobody. It is genuine in every status but
	// says who owns the cookie, not who presents it.
	User string
	// SignedIn is when the session began.
	SignedIn time.Time
	// Skipped says that the browser claims it could not refresh
	// (Secure-Session-Skipped). For diagnosis: a thief can claim it, too.
	Skipped bool

	cookies jar
	digests []digest // of the session cookies
	link    *link    // of this very session cookie, not changed once set; nil if there is none
}

// Proven reports whether the request may pass where proof is required: it is
// bound, or in its grace period.
func (s *State) Proven() bool { return s.Status == Bound || s.Status == Grace }

// Inspect says what a request's cookies prove. It looks at nothing else, and
// changes nothing.
func (e *Engine) Inspect(r *http.Request, now time.Time) State {
	s := State{Status: Anonymous, cookies: e.read(r.Header["Cookie"]), Skipped: len(r.Header["Secure-Session-Skipped"]) > 0}
	var any bool
	s.digests, any = e.digestsOf(s.cookies.session)
	switch {
	case s.cookies.ambiguous:
		s.Status = Ambiguous
	case any:
		s.Status = e.inspect(&s, e.Origin(r), now)
	}
	return s
}

// inspect is Inspect for a request with session cookies.
func (e *Engine) inspect(s *State, origin string, now time.Time) Status {
	l, ok := e.openLink(s.cookies.link, origin)
	switch {
	case !ok, l.adopted && !e.Adopt:
		return Unproven
	case !l.fits(s.digests):
		return Mismatched
	}
	s.Session, s.User, s.SignedIn = l.session.String(), l.user, l.signedIn
	if e.Memory.Seen(l.session.memory(ended), ended, now) {
		return Ended
	}
	s.link = &l
	switch {
	case l.loose && l.keyed:
		return Missing
	case l.loose:
		return Unproven
	}
	p, ok := e.openPossession(s.cookies.bound, origin)
	inGrace := within(l.signedIn, e.Grace, now)
	switch {
	case ok && p.session == l.session && !p.good(e.BoundLife, now):
		return Expired
	case ok && p.session == l.session:
		s.Binding = proof.Binding{Scheme: proof.DBSC, Key: p.key, IssuedAt: p.proved}
		return Bound
	case l.keyed && !ok:
		return Missing
	case inGrace && !l.keyed: // a bound cookie of the session before may still be there
		return Grace
	case ok:
		return Mismatched
	}
	return Unproven
}

// good reports whether a possession is good at the time now. The browser
// deletes the cookie then, but a thief's does not. One from the future was
// made by a clock that has been set back since.
func (p *possession) good(life time.Duration, now time.Time) bool {
	return now.Before(p.expires) && within(p.proved, life, now)
}

// within reports whether at most life has gone by since.
func within(since time.Time, life time.Duration, now time.Time) bool {
	age := now.Sub(since)
	return age < life && age >= -skew
}

func (e *Engine) openLink(text, origin string) (link, bool) {
	plain, ok := e.links.open(text, origin)
	if !ok {
		return link{}, false
	}
	return decodeLink(plain)
}

func (e *Engine) openPossession(text, origin string) (possession, bool) {
	plain, ok := e.bounds.open(text, origin)
	if !ok {
		return possession{}, false
	}
	return decodePossession(plain)
}

// What is remembered of a session, see Memory.
const (
	ended     = "ended"
	completed = "registered"
	answered  = "answered"
)

// memory is the key under which one kind of fact about the session is
// remembered. Kinds have keys of their own, so that the quota of one does not
// stand in another's way.
func (id sessionID) memory(kind string) (key [32]byte) {
	copy(key[copy(key[:], id[:]):], kind)
	return key
}
