// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.RegisterModule(Admin{})
}

// Admin adds what operators ask for to Caddy's admin API, under
// `/token_protection/`. It needs no configuration. Admin routers are made
// before apps and never cleaned up, so each request looks for the app that
// runs.
type Admin struct{}

// CaddyModule returns the Caddy module information.
func (Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.token_protection",
		New: func() caddy.Module { return new(Admin) },
	}
}

// adminPath is where the routes begin.
const adminPath = "/token_protection/"

// adminRoute is one endpoint. What it does not take is refused.
type adminRoute struct {
	name   string // after adminPath
	method string
	// query lists the parameters that it takes, each at most once.
	query []string
	// body is the longest body that it reads, 0 if it takes none.
	body int64
	// serve answers from the app that runs. What it returns is written as
	// JSON, with the status; an error becomes Caddy's own error document.
	serve func(a *App, r *http.Request, now time.Time) (status int, answer any, err error)
	// page answers instead of serve, for people.
	page func(a *App) http.Handler
	// idle answers where no app runs; nil means 503 and an error.
	idle func() (status int, answer any)
}

// adminRoutes are the endpoints.
var adminRoutes = []adminRoute{
	{name: "status", method: http.MethodGet, serve: serveStatus},
	revocationsRoute, revokeRoute, restoreRoute, whatIfRoute, insightsRoute,
	{name: "ready", method: http.MethodGet, serve: serveReady, idle: idleReady},
}

// Routes implements caddy.AdminRouter.
func (Admin) Routes() []caddy.AdminRoute {
	var routes []caddy.AdminRoute
	for _, route := range adminRoutes {
		routes = append(routes, caddy.AdminRoute{Pattern: adminPath + route.name, Handler: caddy.AdminHandlerFunc(route.answer)})
	}
	return routes
}

// answer checks the request's form and answers it.
func (route adminRoute) answer(w http.ResponseWriter, r *http.Request) error {
	if err := route.check(w, r); err != nil {
		return err
	}
	app := live.latest()
	if app != nil && route.page != nil {
		route.page(app).ServeHTTP(w, r)
		return nil
	}
	var status int
	var answer any
	var err error
	switch {
	case app != nil:
		status, answer, err = route.serve(app, r, time.Now())
	case route.idle != nil:
		status, answer = route.idle()
	default:
		err = adminError(http.StatusServiceUnavailable, "no configuration with token_protection runs")
	}
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "\t")
	return encoder.Encode(answer)
}

// check refuses what the route does not take, and bounds the body.
func (route adminRoute) check(w http.ResponseWriter, r *http.Request) error {
	if r.Method != route.method && (r.Method != http.MethodHead || route.method != http.MethodGet) {
		w.Header().Set("Allow", route.method)
		return adminError(http.StatusMethodNotAllowed, "expected the method %s", route.method)
	}
	query, err := parseAdminQuery(r)
	if err != nil {
		return err
	}
	for name, values := range query {
		switch {
		case !slices.Contains(route.query, name):
			return adminError(http.StatusBadRequest, "unknown query parameter; expected %s", anyOf(route.query))
		case len(values) > 1:
			return adminError(http.StatusBadRequest, "query parameter %s is given twice", name)
		}
	}
	if route.body == 0 && r.ContentLength != 0 { // -1 if it is not known
		return adminError(http.StatusBadRequest, "expected no body")
	}
	r.Body = http.MaxBytesReader(w, r.Body, route.body)
	return nil
}

// maxAdminQuery bounds the query that is looked at, in bytes.
const maxAdminQuery = 4 << 10

func parseAdminQuery(r *http.Request) (url.Values, error) {
	if len(r.URL.RawQuery) > maxAdminQuery {
		return nil, adminError(http.StatusBadRequest, "the query is longer than %d bytes", maxAdminQuery)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, adminError(http.StatusBadRequest, "the query is malformed; expected name=value, percent-encoded, and & in between")
	}
	return query, nil
}

func anyOf(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return "some of " + strings.Join(names, ", ")
}

// decodeAdminBody reads one JSON object: known members only, and nothing
// after it. The route's body limit is already in force.
func decodeAdminBody(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return adminError(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", tooLong.Limit)
	case err != nil:
		return adminError(http.StatusBadRequest, "the body: %v", err)
	case decoder.Decode(new(json.RawMessage)) != io.EOF:
		return adminError(http.StatusBadRequest, "the body has something after the JSON object")
	}
	return nil
}

// adminError is what the admin API answers where it cannot do what was asked.
func adminError(status int, format string, args ...any) error {
	return caddy.APIError{HTTPStatus: status, Err: fmt.Errorf(format, args...)}
}

// Interface guards
var (
	_ caddy.Module      = Admin{}
	_ caddy.AdminRouter = Admin{}
)
