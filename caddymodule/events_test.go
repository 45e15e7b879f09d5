// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyevents/eventsconfig"
	"github.com/golang-jwt/jwt/v5"
)

func init() { caddy.RegisterModule(recorder{}) }

// recorder is a subscriber that keeps what it is told.
type recorder struct{}

var recorded struct {
	sync.Mutex
	events []caddy.Event
}

func (recorder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.recorder", New: func() caddy.Module { return recorder{} }}
}

func (recorder) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

func (recorder) Handle(_ context.Context, e caddy.Event) error {
	recorded.Lock()
	defer recorded.Unlock()
	if strings.HasPrefix(e.Name(), "token_protection_") {
		recorded.events = append(recorded.events, e)
	}
	return nil
}

// happenings returns the names of the events since it was last asked.
func happenings(t *testing.T) (names []string) {
	t.Helper()
	recorded.Lock()
	defer recorded.Unlock()
	for _, event := range recorded.events {
		names = append(names, strings.TrimPrefix(event.Name(), "token_protection_"))
		data, err := json.Marshal(event.Data)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "eyJ") {
			t.Errorf("a token in %s", data)
		}
		if event.Data["resource"] != "exchange" || event.Data["correlation_id"] == "" {
			t.Errorf("event %s", data)
		}
	}
	recorded.events = nil
	return names
}

const everyEvent = "events {\n\t\ton token_protection_blocked recorder\n\t\ton token_protection_report_only_failure recorder\n" +
	"\t\ton token_protection_key_shared recorder\n\t\ton token_protection_replay_detected recorder\n\t\ton token_protection_break_glass recorder\n\t}"

func TestEventsTellWhatAnAdministratorWantsToKnow(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	reportOnly := strings.Replace(strings.Replace(policyReportOnly, "Pilot", "Next", 1), "user break-glass", "user nobody", 1)
	setup{issuer: i, app: policyOn + reportOnly, options: everyEvent}.load(t)
	happenings(t)
	expect := func(names ...string) {
		t.Helper()
		if got := happenings(t); !slices.Equal(got, names) {
			t.Errorf("events %q, expected %q", got, names)
		}
	}
	good := proven(t, i, device, "/ews")
	again := good.Clone(t.Context())
	expectStatus(t, send(t, good), http.StatusOK)
	expect()
	expectStatus(t, send(t, again), http.StatusUnauthorized)
	expect("blocked", "replay_detected", "report_only_failure")
	expectStatus(t, send(t, request("/ews", "Bearer "+i.token(t, nil))), http.StatusUnauthorized)
	expect("blocked") // another failure of a user who was seen to fail
	expectStatus(t, send(t, request("/ews", "Bearer "+i.token(t, nil))), http.StatusUnauthorized)
	expect() // only counted
	expectStatus(t, send(t, request("/ews", "Bearer "+i.token(t, jwt.MapClaims{"oid": "break-glass"}))), http.StatusOK)
	expect("break_glass", "report_only_failure")

	shared := confirmedBy(device)
	shared["oid"] = "user-2"
	expectStatus(t, send(t, prove(t, request("/ews", ""), device, i.token(t, shared), "http://"+siteName+"/ews")), http.StatusOK)
	expect("key_shared")
}

// What the events remember survives a reload: it would all be news again.
func TestEventsRememberAcrossReloads(t *testing.T) {
	i := newIssuer(t)
	s := setup{issuer: i, app: strings.Replace(policyReportOnly, "Pilot", t.Name(), 1), options: everyEvent}
	s.load(t)
	happenings(t)
	unbound := "Bearer " + i.token(t, jwt.MapClaims{"oid": t.Name()})
	send(t, request("/ews", unbound))
	if got := happenings(t); !slices.Equal(got, []string{"report_only_failure"}) {
		t.Fatalf("events %q", got)
	}
	s.load(t)
	send(t, request("/ews", unbound))
	if got := happenings(t); len(got) != 0 {
		t.Errorf("events %q", got)
	}
}
