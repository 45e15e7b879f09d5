// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// The events of [Engine.Serve].
const (
	// Registered: the browser has a key for its session.
	Registered Event = "registered"
	// Refreshed: the browser proved possession again.
	Refreshed Event = "refreshed"
	// Challenged: a refresh did not prove possession and got a challenge to do
	// so; the reason says what was wrong, if it was more than a missing proof.
	Challenged Event = "challenged"
	// Stopped: a refresh of a session that is over was told to stop.
	Stopped Event = "stopped"
	// Refused: a registration, or what is no request of a browser's at all.
	Refused Event = "refused"
	// Unavailable: a dependency is down.
	Unavailable Event = "unavailable"
)

// Served is what [Engine.Serve] did.
type Served struct {
	Event Event
	// Reason is the first check that failed; none did if it is empty.
	Reason reason.Reason
	// Session names the session in logs, where it is known.
	Session string
}

// retryAfter is how many seconds a browser should wait for a dependency.
const retryAfter = "5"

// Serve answers requests to our own endpoints, which the browser makes by
// itself and which never reach the backend. It reports false, and does
// nothing, for all others. Call it before anything asks for a proof.
func (e *Engine) Serve(w http.ResponseWriter, r *http.Request) (Served, bool) {
	endpoint, ours := e.endpoint(r)
	if !ours {
		return Served{}, false
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	switch {
	case endpoint == none:
		w.WriteHeader(http.StatusNotFound)
		return Served{Event: Refused}, true
	case r.Method != http.MethodPost:
		header.Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return Served{Event: Refused, Reason: reason.MethodRefused}, true
	case endpoint == register:
		return e.register(w, r), true
	}
	return e.refresh(w, r), true
}

type endpoint string

const (
	none     endpoint = ""
	register endpoint = "register"
	refresh  endpoint = "refresh"
)

// endpoint tells which of our endpoints is addressed. Everything below our
// path is ours, in any spelling, but only the exact one is an endpoint.
func (e *Engine) endpoint(r *http.Request) (_ endpoint, ours bool) {
	switch r.URL.EscapedPath() {
	case e.Path + "/register":
		return register, true
	case e.Path + "/refresh":
		return refresh, true
	}
	clean := strings.ToLower(path.Clean("/" + strings.ReplaceAll(r.URL.Path, `\`, "/")))
	rest, ours := strings.CutPrefix(clean, strings.ToLower(e.Path))
	return none, ours && (rest == "" || rest[0] == '/')
}

// sameOrigin keeps other sites from making a browser register or refresh with
// its user's cookies. Browsers send Origin with every POST (Fetch, section
// 3.2) and Sec-Fetch-Site to every https URL; at least one must be there, and
// what is there must say that the request comes from ourselves.
func sameOrigin(r *http.Request, origin string) bool {
	from, site := r.Header["Origin"], r.Header["Sec-Fetch-Site"]
	if len(from) > 1 || len(site) > 1 || len(from)+len(site) == 0 {
		return false
	}
	return (len(from) == 0 || from[0] == origin && origin != "") && (len(site) == 0 || site[0] == "same-origin")
}

// session finds out which session a request to our endpoints belongs to, and
// returns its key cookie. The link says so; or, if neither it nor the
// application's cookie is there because of their SameSite attribute, the key
// cookie alone. The reason is CredentialMissing if there is no such session,
// or none any more: the application's cookie is gone or not the one that was
// linked, it was signed out of, or it lay idle for too long.
func (e *Engine) session(s *State, origin string, among func(*holder) bool, now time.Time) (*holder, reason.Reason) {
	switch {
	case s.Status == Ambiguous:
		return nil, reason.CredentialsSeveral
	case s.link == nil && (s.Status != Anonymous || s.cookies.link != ""):
		return nil, reason.CredentialMissing
	}
	for _, text := range s.cookies.keys {
		h, ok := e.openHolder(text, origin)
		switch {
		case !ok, h.adopted && !e.Adopt, !now.Before(h.expires), e.Memory.Seen(h.session.memory(ended), ended, now):
			continue
		case s.link != nil && h.session != s.link.session, s.link == nil && !among(&h):
			continue
		}
		if s.link != nil { // knows what came after the sign-in
			h.life, h.sameSite, h.adopted = s.link.life, s.link.sameSite, s.link.adopted
		}
		return &h, reason.None
	}
	return nil, reason.CredentialMissing
}

func (e *Engine) openHolder(text, origin string) (holder, bool) {
	plain, ok := e.keys.open(text, origin)
	if !ok {
		return holder{}, false
	}
	return decodeHolder(plain)
}

// grant answers 200, or 503 and an error without having granted anything: the
// proof is good for another while, and the next challenge comes along, because
// a browser repeats its last proof until it has a new one.
func (e *Engine) grant(w http.ResponseWriter, h *holder, origin string, now time.Time) error {
	h.expires = now.Add(h.life)
	sealed, err := h.encode()
	if err != nil {
		unavailable(w)
		return err
	}
	body, err := e.instructions(h, origin)
	if err != nil {
		unavailable(w)
		return err
	}
	p := possession{session: h.session, key: h.key.Thumbprint, proved: now, expires: now.Add(e.BoundLife)}
	header := w.Header()
	set(header, boundCookie, e.bounds.seal(p.encode(), origin), "/", e.BoundLife, h.sameSite)
	set(header, keyCookie, e.keys.seal(sealed, origin), e.Path, h.life, sameSiteNone)
	e.challenge(header, h.session, origin, now)
	header.Set("Content-Type", "application/json")
	_, _ = w.Write(body) // a browser that is gone has no session to lose
	return nil
}

// challenge gives the browser something to sign. Without the id it would take
// a refusal for the end of its session.
func (e *Engine) challenge(header http.Header, session sessionID, origin string, now time.Time) {
	c := challenge{session: session, issued: now, scope: e.Memory.Scope()}
	header.Set("Secure-Session-Challenge", `"`+e.nextRefresh.seal(c.encode(), origin)+`";id="`+session.String()+`"`)
}

// unavailable answers 503, after which a browser keeps its session.
func unavailable(w http.ResponseWriter) {
	w.Header().Set("Retry-After", retryAfter)
	w.WriteHeader(http.StatusServiceUnavailable)
}

// openChallenge reads a challenge and reports whether it was issued here, not
// too long ago, and so that the memory knows whether it was used. For which
// session it was issued is for the caller to compare.
func (e *Engine) openChallenge(by *sealer, text, origin string, now time.Time) (c challenge, ok bool) {
	plain, ok := by.open(text, origin)
	if !ok {
		return challenge{}, false
	}
	c, ok = decodeChallenge(plain)
	return c, ok && within(c.issued, e.ChallengeLife, now) && e.Memory.Trusts(c.issued, c.scope)
}

// spend records what may happen once. It comes last of all checks, so that a
// refused request spends nothing. The second question of trust is for a memory
// that overflowed since the first: it may have forgotten a use.
func (e *Engine) spend(key [32]byte, id string, with challenge, now time.Time) reason.Reason {
	switch e.Memory.Add(key, id, now) {
	case cache.Added:
		if !e.Memory.Trusts(with.issued, with.scope) {
			return reason.NonceStale
		}
		return reason.None
	case cache.Replayed:
		return reason.ProofReplayed
	}
	return reason.ReplayQuota
}
