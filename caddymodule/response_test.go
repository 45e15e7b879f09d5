// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// responses records all that is sent for one request: informational responses
// and the final one.
type responses struct {
	header http.Header
	status []int
	sent   []http.Header
}

func (r *responses) Header() http.Header { return r.header }

func (r *responses) WriteHeader(status int) {
	if n := len(r.status); n > 0 && r.status[n-1] >= 200 {
		return
	}
	r.status, r.sent = append(r.status, status), append(r.sent, r.header.Clone())
}

func (r *responses) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return len(p), nil
}

// hinting is a backend that sends everything a session hangs on before its
// final response.
func hinting(t *testing.T) (address string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hints := http.Header{
			"Link":       {"</style.css>; rel=preload"},
			"Set-Cookie": {appCookie + "=hinted; Path=/", boundCookie + "=hinted; Path=/; Secure"}, "Clear-Site-Data": {`"cookies"`},
			"Secure-Session-Registration": {`(ES256);path="/evil";challenge="x"`}, "Secure-Session-Challenge": {`"x";id="y"`}, "Sec-Session-Registration": {"x"},
		}
		maps.Copy(w.Header(), hints)
		w.WriteHeader(http.StatusEarlyHints)
		clear(w.Header())
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// What the final response may not carry unseen, an informational one may not
// either; what the site itself adds is for the final one.
func TestInformationalResponsesCarryNoSession(t *testing.T) {
	a := &webApp{address: hinting(t)}
	setup{issuer: newIssuer(t), app: policyBrowsers, site: "header Set-Cookie own=1\n" + a.site("")}.load(t)
	got := overheard(t, request("/signin", ""))
	if !slices.Equal(got.status, []int{http.StatusEarlyHints, http.StatusOK}) {
		t.Fatalf("responses %v", got.status)
	}
	if names := slices.Sorted(maps.Keys(got.sent[0])); !slices.Contains(names, "Link") || slices.ContainsFunc(names, func(name string) bool {
		return name == "Set-Cookie" || name == "Clear-Site-Data" || name == "Sec-Session-Registration" || len(name) > 14 && name[:14] == "Secure-Session"
	}) {
		t.Errorf("the informational response has %q", names)
	}
	if cookies := got.sent[1]["Set-Cookie"]; !slices.Equal(cookies, []string{"own=1"}) {
		t.Errorf("the final response sets %q", cookies)
	}
}

func TestInformationalResponsesPassWithoutDBSC(t *testing.T) {
	setup{issuer: newIssuer(t), app: policyReportOnly, site: "token_protection exchange\nreverse_proxy " + hinting(t)}.load(t)
	got := overheard(t, request("/signin", ""))
	if len(got.sent) != 2 || len(got.sent[0]["Set-Cookie"]) != 2 || got.sent[0].Get("Secure-Session-Registration") == "" {
		t.Errorf("responses %v: %v", got.status, got.sent)
	}
}

func overheard(t *testing.T, r *http.Request) *responses {
	t.Helper()
	app, err := caddy.ActiveContext().AppIfConfigured("http")
	if err != nil {
		t.Fatal(err)
	}
	w := &responses{header: make(http.Header)}
	app.(*caddyhttp.App).Servers["srv0"].ServeHTTP(w, r)
	return w
}
