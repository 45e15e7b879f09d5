// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/dbsc"
)

// DBSC puts device-bound session credentials in front of a web application
// that knows nothing of them, for the scheme `dbsc`.
type DBSC struct {
	// The names of the application's session cookies: every cookie that lets
	// somebody in, or that can stand in for one. Required.
	SessionCookies []string `json:"session_cookie"`

	// The path of the endpoints that browsers register and refresh at.
	// Default: /.token-protection/dbsc.
	Path string `json:"path,omitempty"`

	// How long a proof of possession is good for. Default: 10m.
	BoundLife caddy.Duration `json:"bound_life,omitempty"`

	// How long a session may go without a refresh, unless the application's
	// cookie lives longer. Default: 24h.
	SessionLife caddy.Duration `json:"session_life,omitempty"`

	// How long after sign-in requests pass without proof, because the browser
	// registers in the background. Default: 1m.
	Grace caddy.Duration `json:"grace,omitempty"`

	// Whom the application signed in, for policies on users: a placeholder of
	// the request, or `{http.response.header.<name>}` of the backend's answer.
	User string `json:"user,omitempty"`
}

// parseDBSC reads how sessions are bound. Syntax:
//
//	dbsc {
//		session_cookie <name>...
//		path           <path>
//		bound_life     <duration>
//		session_life   <duration>
//		grace          <duration>
//		user           <placeholder>
//	}
func (h *Handler) parseDBSC(d *caddyfile.Dispenser) error {
	start := here(d)
	h.DBSC = new(DBSC)
	if err := onlyBlock(d, "dbsc"); err != nil {
		return err
	}
	if err := block(d, "dbsc", map[string]parser{
		"session_cookie": list(&h.DBSC.SessionCookies, "names of cookies"),
		"path":           text(&h.DBSC.Path, "a path such as "+dbsc.DefaultPath),
		"bound_life":     duration(&h.DBSC.BoundLife),
		"session_life":   duration(&h.DBSC.SessionLife),
		"grace":          duration(&h.DBSC.Grace),
		"user":           text(&h.DBSC.User, "a placeholder"),
	}); err != nil {
		return err
	}
	return wrap(start, h.DBSC.check())
}

// check finds what is wrong without the secrets.
func (d *DBSC) check() error {
	if d == nil {
		return errors.New("dbsc: missing; expected `dbsc { session_cookie <name>... }`, which names the application's session cookies")
	}
	config := d.config()
	config.Secrets, config.Memory = [][]byte{make([]byte, minSecret)}, nothing{}
	_, err := dbsc.New(config)
	return errors.Join(err, d.checkUser())
}

// The placeholders that name a field of the backend's answer.
const (
	answerField      = "{http.response.header."
	expectedUserName = "expected a placeholder such as {http.auth.user.id}, or {http.response.header.<name>} alone"
)

// checkUser refuses what would name everybody alike, or nobody.
func (d *DBSC) checkUser() error {
	switch rest, ofAnswer := strings.CutPrefix(d.User, answerField); {
	case d.User == "":
		return nil
	case ofAnswer && strings.IndexByte(rest, '}') == len(rest)-1 && len(rest) > 1:
		return nil
	case strings.Contains(d.User, answerField), !strings.Contains(d.User, "{"):
		return fmt.Errorf("user: %q names nobody; %s", d.User, expectedUserName)
	}
	return nil
}

// nothing is a memory for checking a configuration.
type nothing struct{ dbsc.Memory }

func (d *DBSC) config() dbsc.Config {
	return dbsc.Config{
		SessionCookies: d.SessionCookies, Path: d.Path,
		BoundLife: time.Duration(d.BoundLife), SessionLife: time.Duration(d.SessionLife), Grace: time.Duration(d.Grace),
	}
}

// provisionSessions gathers what the engine is made of. Its memory is one of
// its own.
func (h *Handler) provisionSessions(app *App) (*dbsc.Config, error) {
	if err := h.DBSC.check(); err != nil {
		return nil, err
	}
	config := h.DBSC.config()
	config.Origin = func(r *http.Request) string {
		if u := h.addressed(r, sentURL(r).EscapedPath()); u.Scheme != "" {
			return u.Scheme + "://" + u.Host
		}
		return ""
	}
	var err error
	if config.Secrets, err = app.nonceSecrets(); err != nil {
		return nil, err
	}
	if len(app.Proof.NonceSecret) == 0 {
		h.logger.Warn("dbsc without nonce_secret: everybody has to sign in again after a restart, and other nodes know nobody", zap.String("resource", h.Resource))
	}
	memory, err := app.replaySet(proof.DBSC, h.Resource, config.Lifetime(), 0)
	if err != nil {
		return nil, err
	}
	config.Memory = memory
	return &config, nil
}

// sessionsRuledBy makes the engine. Where nothing is enforced it also adopts
// sessions that come without proof.
func (h *Handler) sessionsRuledBy(policies *policy.Set) (*dbsc.Engine, error) {
	config := *h.sessionConfig
	config.Adopt = !policies.Targets(h.Resource)
	engine, err := dbsc.New(config)
	if err != nil {
		return nil, fmt.Errorf("dbsc: %w", err)
	}
	return engine, nil
}

// serveSession answers what browsers ask our own endpoints; it reports false
// for all other requests.
func (h *Handler) serveSession(w http.ResponseWriter, r *http.Request) bool {
	if h.sessions == nil {
		return false
	}
	served, ours := h.sessions.Serve(w, asSent(r))
	if ours {
		h.logger.Debug("bound session", zap.String("event", string(served.Event)), zap.String("reason", string(served.Reason)), zap.String("session", served.Session))
	}
	return ours
}

// asSent is a request with the URL that the client sent, before any rewriting:
// a browser goes by that one to find our endpoints, and for which paths a
// cookie is.
func asSent(r *http.Request) *http.Request {
	sent := sentURL(r)
	if sent.EscapedPath() == r.URL.EscapedPath() {
		return r
	}
	r = r.WithContext(r.Context()) // a copy
	r.URL = sent
	return r
}

// watchSession prepares a request for the application, and returns where its
// answer goes: sign-in, rotation and sign-out are read off its cookies there.
func (h *Handler) watchSession(w http.ResponseWriter, r *http.Request, decision *enforcement.Decision) http.ResponseWriter {
	var state dbsc.State
	if decision.Session != nil {
		state = *decision.Session
	} else { // not looked at, or nothing that was judged
		state = h.sessions.Inspect(r, h.now())
	}
	asked := asSent(r.Clone(r.Context()))
	if decision.Exempt && decision.Enforcing && state.Status != dbsc.Anonymous && !state.Proven() {
		state = h.sessions.Withhold(r.Header, state)
	}
	h.sessions.Strip(r.Header)
	hook := hookHeader(w, func(header http.Header) {
		h.noteSession(h.sessions.Watch(header, asked, state, h.signedIn(r, header)), state.Session)
	})
	hook.withhold = h.sessions.Withhold1xx
	return hook
}

// noteSession logs what happened to a session. That no browser can register
// is a mistake of the configuration, which an administrator should know of,
// once.
func (h *Handler) noteSession(event dbsc.Event, session string) {
	if event == dbsc.Unreachable {
		h.unreachable.Do(func() {
			h.logger.Warn("a sign-in cannot be bound to its browser: the session cookie's path must cover the endpoints, and the site must be addressed by https",
				zap.String("resource", h.Resource), zap.String("path", h.DBSC.Path))
		})
	}
	if event != dbsc.Nothing {
		h.logger.Debug("bound session", zap.String("event", string(event)), zap.String("session", session))
	}
}

// signedIn is whom the application says it signed in; empty if unknown.
func (h *Handler) signedIn(r *http.Request, header http.Header) string {
	if name, ok := strings.CutPrefix(h.DBSC.User, answerField); ok {
		return header.Get(strings.TrimSuffix(name, "}"))
	}
	replacer, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok || h.DBSC.User == "" {
		return ""
	}
	return replacer.ReplaceAll(h.DBSC.User, "")
}
