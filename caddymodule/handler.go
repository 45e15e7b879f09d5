// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/target"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// guard is what a Handler holds once it is provisioned.
type guard struct {
	logger    *zap.Logger
	enforcer  *enforcement.Enforcer
	publicURL target.URL
	refusals  refusals
	counters  *counters
	now       func() time.Time
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
	h.logger, h.now = ctx.Logger(), time.Now
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
			return fmt.Errorf("public_url %w", err)
		}
	}
	resource := policy.Resource{Name: h.Resource, DisplayName: h.DisplayName, AppID: h.AppID}
	app.register(resource)
	policies := app.policies.WithResources([]policy.Resource{resource})
	audience, ofHost := h.audience()
	h.enforcer, err = enforcement.New(enforcement.Config{
		Resource: enforcement.Resource{
			Name: h.Resource, DisplayName: h.DisplayName, AppID: h.AppID, Audience: audience, HostAudience: ofHost,
			Exempt: exempt, AllowAnonymous: h.Anonymous == anonymousAllow,
		},
		Policies: policies, Tokens: app.tokens, DPoP: app.dpop, Replay: app.replay, Log: app.signIns,
	})
	if err != nil {
		return err
	}
	h.refusals = newRefusals(h.Realm, app.dpop.Algorithms)
	h.counters = newCounters(h.Resource, policies)
	return nil
}

// sharedApp returns the app, which must be configured: an empty one would
// trust no issuer and enforce no policy.
func sharedApp(ctx caddy.Context) (*App, error) {
	app, err := ctx.AppIfConfigured("token_protection")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, errors.New("the token_protection app is not configured; add the global option `token_protection { issuer <url> ... }`")
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
	if len(h.Proofs) == 0 {
		h.Proofs = []string{string(proof.DPoP)}
	}
}

func (h *Handler) check() error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if h.Resource == "" {
		problem("resource: missing; expected a name such as exchange, sharepoint or one of your own")
	}
	if strings.ContainsFunc(h.Resource, func(r rune) bool { return r <= ' ' || r == '"' }) || len(h.Resource) > 64 {
		problem("resource %q: expected a short name without spaces", h.Resource)
	}
	for _, scheme := range h.Proofs {
		if scheme != string(proof.DPoP) {
			problem("proofs %q: not supported yet; expected dpop", scheme)
		}
	}
	if !slices.Contains([]string{"", anonymousChallenge, anonymousAllow}, h.Anonymous) {
		problem("anonymous %q: expected challenge or allow", h.Anonymous)
	}
	if !slices.Contains([]string{"", forwardUnchanged, forwardBearer, forwardNone}, h.Forward) {
		problem("forward %q: expected unchanged, bearer or none", h.Forward)
	}
	for _, audience := range h.Audience {
		if audience == "" {
			problem("audience: expected a non-empty value")
		}
	}
	if strings.ContainsFunc(h.Realm, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		problem("realm %q: expected printable ASCII without quotes and backslashes", h.Realm)
	}
	return errors.Join(problems...)
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

// ServeHTTP lets a request pass, or refuses it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	began := h.now()
	request := h.request(r)
	decision := h.enforcer.Enforce(&request)
	h.counters.count(decision, h.now().Sub(began))
	h.setPlaceholders(r, decision)
	if decision.BreakGlass && decision.Recorded {
		h.logger.Warn("an excluded account used the resource without proof of possession",
			zap.String("resource", h.Resource), zap.String("user_id", decision.Claims.UserID))
	}
	if decision.Panicked {
		h.logger.Error("a request could not be judged because of an unexpected failure", zap.String("correlation_id", decision.CorrelationID()))
	}
	if !decision.Allow {
		return h.refuse(w, r, decision)
	}
	if !decision.Exempt {
		h.forward(r, decision)
	}
	return next.ServeHTTP(w, r)
}

// request gathers what the enforcer is to look at.
func (h *Handler) request(r *http.Request) enforcement.Request {
	path := r.URL.EscapedPath()
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		path = original.URL.EscapedPath() // before any rewriting
	}
	request := enforcement.Request{HTTP: r, SentPath: path}
	if strings.IndexByte(r.RequestURI, '#') >= 0 { // a raw fragment, which net/http folds into the path
		request.SentPath = ""
	}
	if address, ok := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string); ok {
		request.Address = address
	}
	request.URL = h.addressed(r, path)
	return request
}

// addressed is the URL that the client addressed: the configured public URL,
// else the request's own. Forwarded headers count only from a trusted proxy.
func (h *Handler) addressed(r *http.Request, path string) target.URL {
	if h.publicURL.Scheme != "" {
		u, err := target.New(h.publicURL.Scheme, h.publicURL.Host, h.publicURL.Path+path)
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
		if forwarded := single(r.Header, "X-Forwarded-Proto"); forwarded != "" {
			scheme = forwarded
		}
		if forwarded := single(r.Header, "X-Forwarded-Host"); forwarded != "" {
			host = forwarded
		}
	}
	u, err := target.New(scheme, host, path)
	if err != nil {
		return target.URL{}
	}
	return u
}

// single returns the first element of a header that a proxy may have added
// to: the value nearest to the client, which the trusted proxy vouches for.
func single(header http.Header, name string) string {
	value, _, _ := strings.Cut(header.Get(name), ",")
	return strings.TrimSpace(value)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
