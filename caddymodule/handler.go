// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/dbsc"
	"github.com/tokenprotection/caddy-token-protection/enforcement/target"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// guard is what a Handler holds once it is provisioned.
type guard struct {
	logger    *zap.Logger
	config    enforcement.Config // the enforcer's, without what depends on the policies
	enforcer  *enforcement.Enforcer
	publicURL target.URL
	refusals  refusals
	metadata  resourceMetadata
	sessions  *dbsc.Engine // nil unless the resource accepts bound sessions
	// sessionConfig is the engine's, without what depends on the policies.
	sessionConfig *dbsc.Config
	// current is the copy of this handler that serves, by the policies of now.
	current  *atomic.Pointer[Handler]
	counters *counters
	events   announcements
	foreign  foreignHeaders
	now      func() time.Time

	unreachable *sync.Once // that no browser can register has been logged
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.token_protection",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision compiles the handler's configuration and makes its enforcer.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger, h.now, h.unreachable = ctx.Logger(), time.Now, new(sync.Once)
	app, err := sharedApp(ctx)
	if err != nil {
		return err
	}
	h.setDefaults()
	if err := h.check(); err != nil {
		return err
	}
	exempt, err := target.ParsePatterns(h.Exempt)
	if err != nil {
		return err
	}
	if h.PublicURL != "" {
		if h.publicURL, err = target.ParseOrigin(h.PublicURL); err != nil {
			return err
		}
	}
	audience, ofHost := h.audience()
	h.config = enforcement.Config{
		Resource: enforcement.Resource{
			Name: h.Resource, DisplayName: h.DisplayName, AppID: h.AppID, Audience: audience, HostAudience: ofHost,
			Exempt: exempt, AllowAnonymous: h.Anonymous == anonymousAllow,
		},
		Tokens: app.tokens, Log: app.signIns, Devices: app.enforcedDevices(),
	}
	if err := h.provisionSchemes(app); err != nil {
		return err
	}
	if err := h.provisionEvents(ctx, app); err != nil {
		return err
	}
	h.foreign = newForeignHeaders(h.MTLS.headers())
	h.metadata = h.newMetadata(app)
	h.refusals = newRefusals(h.Realm, h.config, app.dpop.Algorithms)
	ruled, err := h.ruledBy(app.rules.Load().set)
	if err != nil {
		return err
	}
	h.current = new(atomic.Pointer[Handler])
	h.current.Store(ruled)
	app.register(h)
	return nil
}

// ruledBy returns a copy of the handler that enforces these policies.
func (h *Handler) ruledBy(policies *policy.Set) (*Handler, error) {
	ruled := *h
	config := h.config
	config.Policies = policies.WithResources([]policy.Resource{h.resource()})
	var err error
	if h.sessionConfig != nil {
		if ruled.sessions, err = h.sessionsRuledBy(config.Policies); err != nil {
			return nil, err
		}
		config.Sessions = ruled.sessions
	}
	if ruled.enforcer, err = enforcement.New(config); err != nil {
		return nil, err
	}
	ruled.metadata.DPoPRequired = ruled.enforcer.Enforcing() && config.DPoP != nil && config.MTLS == nil && config.PoP == nil
	ruled.counters = newCounters(h.Resource, config.Policies)
	return &ruled, nil
}

// resource is what the handler protects, as policies see it.
func (h *Handler) resource() policy.Resource {
	return policy.Resource{Name: h.Resource, DisplayName: h.DisplayName, AppID: h.AppID}
}

// handlers are those that share an app.
type handlers []*Handler

// resources are what the handlers protect.
func (hs handlers) resources() []policy.Resource {
	list := make([]policy.Resource, len(hs))
	for i, h := range hs {
		list[i] = h.resource()
	}
	return list
}

// bindSessions reports whether a handler of the resource, of any if it is
// empty, accepts bound sessions.
func (hs handlers) bindSessions(resource string) bool {
	return slices.ContainsFunc(hs, func(h *Handler) bool {
		return (resource == "" || h.Resource == resource) && h.accepts(proof.DBSC)
	})
}

// errNotConfigured is a configuration without the app.
var errNotConfigured = errors.New("the token_protection app is not configured; add the global option `token_protection { issuer <url> ... }`")

// sharedApp returns the app, which must be configured: an empty one would
// trust no issuer and enforce no policy.
func sharedApp(ctx caddy.Context) (*App, error) {
	app, err := ctx.AppIfConfigured("token_protection")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, errNotConfigured
	}
	if err != nil {
		return nil, err
	}
	return app.(*App), nil
}

func (h *Handler) setDefaults() {
	for _, known := range policy.WellKnown() {
		if known.Name == h.Resource {
			setDefault(&h.DisplayName, known.DisplayName)
			setDefault(&h.AppID, known.AppID)
		}
	}
	setDefault(&h.DisplayName, h.Resource)
	setDefault(&h.Forward, forwardUnchanged)
}

// check reports every mistake that can be seen without looking further.
func (h *Handler) check() error {
	problems := []error{h.checkResource(), h.checkProofs(), h.checkExempt(), h.checkPublicURL(), h.checkRealm(), h.checkCORSOrigins(), h.checkBlocks()}
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !slices.Contains([]string{"", anonymousChallenge, anonymousAllow, anonymousProbe}, h.Anonymous) {
		problem("anonymous: %q is not known; expected one of challenge, allow, probe", h.Anonymous)
	}
	if !slices.Contains([]string{forwardUnchanged, forwardBearer, forwardNone}, h.Forward) {
		problem("forward: %q is not known; expected one of unchanged, bearer, none", h.Forward)
	}
	if slices.Contains(h.Audience, "") {
		problem("audience: empty value; expected aud values")
	}
	return errors.Join(problems...)
}

func (h *Handler) checkResource() error {
	if h.Resource == "" {
		return errors.New("resource: missing; expected a name such as exchange, sharepoint or one of your own")
	}
	if strings.ContainsFunc(h.Resource, func(r rune) bool { return r <= ' ' || r == '"' }) || len(h.Resource) > 64 {
		return fmt.Errorf("resource: %q is not a name; expected at most 64 characters without spaces and quotes", h.Resource)
	}
	return nil
}

func (h *Handler) checkProofs() error {
	expected := "expected some of " + strings.Join(supportedProofs, ", ")
	for _, scheme := range h.Proofs {
		switch {
		case slices.Contains(supportedProofs, scheme):
		default:
			return fmt.Errorf("proofs: %q is not known; %s", scheme, expected)
		}
	}
	return h.PoP.check()
}

// checkBlocks wants no block without its scheme, for nobody must believe that
// what it demands is in force, and sessions to have theirs.
func (h *Handler) checkBlocks() error {
	for _, block := range []struct {
		scheme  proof.Scheme
		present bool
	}{{proof.MTLS, h.MTLS != nil}, {proof.PoP, h.PoP != nil}, {proof.DBSC, h.DBSC != nil}} {
		if block.present && !h.accepts(block.scheme) {
			return fmt.Errorf("%s: not among the proofs; expected `proofs` to name it", block.scheme)
		}
	}
	if h.accepts(proof.DBSC) {
		return h.DBSC.check()
	}
	return nil
}

func (h *Handler) checkExempt() error {
	_, err := target.ParsePatterns(h.Exempt)
	return err
}

func (h *Handler) checkPublicURL() error {
	const expected = "expected one such as https://mail.contoso.example"
	switch {
	case h.PublicURL == "":
		return nil
	case strings.Contains(h.PublicURL, "@"): // a password, which must not get into a log
		return errors.New("public_url: userinfo is not allowed; " + expected)
	}
	if _, err := target.ParseOrigin(h.PublicURL); err != nil {
		return fmt.Errorf("public_url: %w; %s", err, expected)
	}
	return nil
}

func (h *Handler) checkRealm() error {
	if strings.ContainsFunc(h.Realm, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		return fmt.Errorf("realm: %q is not a realm; expected printable ASCII without quotes and backslashes", h.Realm)
	}
	return nil
}

// audience completes the configured audiences. Without any, tokens for the
// application id and for the host that the client addressed are meant.
func (h *Handler) audience() (names []string, ofHost bool) {
	if len(h.Audience) > 0 {
		return h.Audience, false
	}
	if h.AppID != "" {
		names = append(names, h.AppID)
	}
	if h.publicURL.Scheme == "" {
		return names, true
	}
	origin := h.publicURL.Scheme + "://" + h.publicURL.Host
	return append(names, origin, origin+"/"), false
}

// ServeHTTP lets a request pass, or refuses it, by the policies of now.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return h.current.Load().serve(w, r, next)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	began := h.now()
	request := h.request(r)
	if h.servePreflight(w, r) {
		return nil
	}
	if served, err := h.serveMetadata(w, r, request.URL); served {
		return err
	}
	if h.serveSession(w, r) {
		return nil
	}
	decision := h.enforcer.Enforce(&request)
	h.counters.count(decision, h.now().Sub(began))
	h.setPlaceholders(r, decision)
	annotate(r.Context(), h.Resource, decision)
	h.notice(decision)
	if !decision.Allow {
		if h.probes(r, decision) {
			h.probe(w, r, next)
		}
		return h.refuse(w, r, request.URL, decision)
	}
	if !decision.Exempt {
		h.forward(r, decision)
	}
	if decision.Bound {
		open := h.opened(w, r, decision, began)
		defer open.close()
		w = open
	}
	return next.ServeHTTP(h.answering(w, r, decision), r)
}

// notice logs what an administrator should know at once.
func (h *Handler) notice(decision *enforcement.Decision) {
	h.events.announce(h.Resource, decision)
	if decision.BreakGlass && decision.Recorded {
		h.logger.Warn("an excluded account used the resource without proof of possession",
			zap.String("resource", h.Resource), zap.String("user_id", decision.UserID()))
	}
	if decision.Panicked {
		h.logger.Error("a request could not be judged because of an unexpected failure", zap.String("correlation_id", decision.CorrelationID()))
	}
}

// answering is where the backend's answer goes. It is the client itself,
// unless the administrator asked for something to be added.
func (h *Handler) answering(w http.ResponseWriter, r *http.Request, decision *enforcement.Decision) http.ResponseWriter {
	if origin := h.allowedOrigin(r); origin != "" {
		w = hookHeader(w, func(header http.Header) { shareAnswer(header, origin) })
	}
	if h.sessions != nil {
		w = h.watchSession(w, r, decision)
	}
	return w
}

// request gathers what the enforcer is to look at.
func (h *Handler) request(r *http.Request) enforcement.Request {
	sent := sentURL(r)
	path := sent.EscapedPath()
	request := enforcement.Request{HTTP: r, SentPath: path, SentQuery: sent.RawQuery}
	if strings.IndexByte(r.RequestURI, '#') >= 0 { // a raw fragment, which net/http folds into the path
		request.SentPath = ""
	}
	request.Address = clientAddress(r)
	request.AddressUnverified = h.enforcer.Policies.NeedsAddress() && listsAddresses(r)
	request.URL = h.addressed(r, path)
	return request
}

// clientAddress is the client's IP address, as Caddy's trusted_proxies tell it.
func clientAddress(r *http.Request) string {
	address, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	return address
}

// listsAddresses reports whether the client's address is the first of several
// that a trusted proxy forwards. All but the last may be the client's own
// words, unless `trusted_proxies_strict` reads them from the right.
func listsAddresses(r *http.Request) bool {
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	if !ok || !trusted || server.TrustedProxiesStrict > 0 {
		return false
	}
	addresses := 0
	for _, name := range server.ClientIPHeaders {
		for _, field := range r.Header.Values(name) {
			addresses += 1 + strings.Count(field, ",")
		}
	}
	return addresses > 1
}

// sentURL is the request's URL before any rewriting.
func sentURL(r *http.Request) *url.URL {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return original.URL
	}
	return r.URL
}

// addressed is the URL that the client addressed: the configured public URL,
// else the request's own. Forwarded headers count only from a trusted proxy.
func (h *Handler) addressed(r *http.Request, path string) target.URL {
	if h.publicURL.Scheme != "" {
		u, err := h.publicURL.WithPath(h.publicURL.Path + path)
		if err != nil {
			return target.URL{}
		}
		return u
	}
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if trusted, ok := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool); ok && trusted {
		scheme = forwarded(r.Header["X-Forwarded-Proto"], scheme)
		host = forwarded(r.Header["X-Forwarded-Host"], host)
	}
	u, err := target.New(scheme, host, path)
	if err != nil {
		return target.URL{}
	}
	return u
}

// forwarded returns what a trusted proxy says, else what the request says.
// Where there are several values the proxy has added to what it got, perhaps
// from the client: the result then is one that no URL can have.
func forwarded(values []string, own string) string {
	switch {
	case len(values) == 0:
		return own
	case len(values) > 1, strings.Contains(values[0], ","):
		return ""
	}
	return strings.TrimSpace(values[0])
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
