// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"net/http"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// register gives the session of a sign-in its key. A refusal is final for the
// browser: it stays without a session, and unbound.
func (e *Engine) register(w http.ResponseWriter, r *http.Request) Served {
	now, origin := e.Now(), e.Origin(r)
	s := e.Inspect(r, now)
	served := Served{Event: Registered, Session: s.Session}
	h, why := e.checkRegistration(r, &s, origin, now)
	switch {
	case why == reason.ReplayQuota:
		unavailable(w)
		served.Event, served.Reason = Unavailable, why
		return served
	case why != reason.None:
		w.WriteHeader(http.StatusForbidden)
		served.Event, served.Reason = Refused, why
		return served
	}
	served.Session = h.session.String()
	if err := e.grant(w, h, origin, now); err != nil {
		served.Event, served.Reason = Unavailable, reason.Internal
	}
	return served
}

// checkRegistration returns the session with the key that the browser
// registers for it.
func (e *Engine) checkRegistration(r *http.Request, s *State, origin string, now time.Time) (*holder, reason.Reason) {
	if !sameOrigin(r, origin) {
		return nil, reason.CredentialForeign
	}
	p, parsed := parseResponse(r.Header["Secure-Session-Response"])
	about, challenged := e.openChallenge(e.registerChallenge, p.challenge, origin, now)
	h, why := e.session(s, origin, func(h *holder) bool { return h.session == about.session }, now)
	switch {
	case why != reason.None:
		return nil, why
	case h.key != nil, s.Status == Bound: // has its key, and keeps it
		return nil, reason.ProofReplayed
	case parsed != reason.None:
		return nil, parsed
	case p.header.Key == nil:
		return nil, reason.ProofKey
	}
	key, err := jose.ParseKey(p.header.Key)
	if err != nil {
		return nil, reason.ProofKey
	}
	if key.Fits(p.header.Algorithm) != nil {
		return nil, reason.ProofAlgorithm
	}
	if why := p.addressedTo(origin + r.URL.Path); why != reason.None {
		return nil, why
	}
	if !challenged || about.session != h.session {
		return nil, reason.NonceStale
	}
	if why := p.verify(key); why != reason.None {
		return nil, why
	}
	// Not the challenge but the session: it gets one key, ever.
	if why := e.spend(h.session.memory(completed), completed, about, now); why != reason.None {
		return nil, why
	}
	h.key = key
	return h, reason.None
}
