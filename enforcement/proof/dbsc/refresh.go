// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"encoding/base64"
	"net/http"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// refresh renews the proof of possession. Nothing that a retry may cure ends
// the session: the answer is 403 with a challenge then, or 503. A session that
// is over is told so with a 200, as the protocol has it.
func (e *Engine) refresh(w http.ResponseWriter, r *http.Request) Served {
	now, origin := e.Now(), e.Origin(r)
	s := e.Inspect(r, now)
	id, named := sessionNamed(r)
	h, why := e.session(&s, origin, func(h *holder) bool { return named && h.session == id }, now)
	served := Served{Event: Refreshed, Session: s.Session}
	if h != nil {
		served.Session = h.session.String()
	}
	if why == reason.None {
		why = e.checkRefresh(r, h, origin, now)
	}
	switch {
	case why == reason.None:
		if err := e.grant(w, h, origin, now); err != nil {
			served.Event, served.Reason = Unavailable, reason.Internal
		}
		return served
	case why == reason.ReplayQuota:
		unavailable(w)
		served.Event = Unavailable
	case why == reason.CredentialMissing && sameOrigin(r, origin):
		stop(w)
		served.Event = Stopped
	default:
		if h != nil {
			id, named = h.session, true
		}
		if named {
			e.challenge(w.Header(), id, origin, now)
		}
		w.WriteHeader(http.StatusForbidden)
		served.Event = Challenged
	}
	served.Reason = why
	return served
}

// checkRefresh verifies that the request proves possession of the session's
// key.
func (e *Engine) checkRefresh(r *http.Request, h *holder, origin string, now time.Time) reason.Reason {
	if !sameOrigin(r, origin) {
		return reason.CredentialForeign
	}
	if h.key == nil {
		return reason.CredentialMissing // never registered
	}
	// A browser that still has the session before this one gives that up now.
	if id, named := sessionNamed(r); !named || id != h.session {
		return reason.KeyMismatch
	}
	p, why := parseResponse(r.Header["Secure-Session-Response"])
	switch {
	case why != reason.None:
		return why
	case p.header.Key != nil: // the session has its key
		return reason.ProofKey
	case p.header.Algorithm != h.algorithm():
		return reason.ProofAlgorithm
	}
	if why := p.addressedTo(origin + r.URL.Path); why != reason.None {
		return why
	}
	about, ok := e.openChallenge(e.nextRefresh, p.challenge, origin, now)
	if !ok || about.session != h.session {
		return reason.NonceStale
	}
	if why := p.verify(h.key); why != reason.None {
		return why
	}
	return e.spend(h.session.memory(answered), p.challenge, about, now)
}

// sessionNamed reads Sec-Secure-Session-Id.
func sessionNamed(r *http.Request) (id sessionID, ok bool) {
	fields := r.Header["Sec-Secure-Session-Id"]
	if len(fields) != 1 {
		return sessionID{}, false
	}
	text, ok := fieldString(fields[0])
	if !ok || len(text) != base64.RawURLEncoding.EncodedLen(len(id)) {
		return sessionID{}, false
	}
	raw, err := jose.Decode(text)
	if err != nil {
		return sessionID{}, false
	}
	copy(id[:], raw)
	return id, true
}

// stop ends the session in the browser (section "JSON Session Instruction
// Format", member continue).
func stop(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"continue":false}`)) // nobody is left to tell
}
