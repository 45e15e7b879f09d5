// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/goleak"

	"github.com/tokenprotection/caddy-token-protection/client"
	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
	"github.com/tokenprotection/caddy-token-protection/enforcement/device/revocation"
)

// deviceFile writes a directory with the device that the sample token names.
func deviceFile(t testing.TB, path, id string, enabled bool, key *client.Key) {
	t.Helper()
	document := fmt.Sprintf(`[{"deviceId":%q,"accountEnabled":%v,"trustType":"AzureAD","registeredOwners":["user-1"],"keys":[{"thumbprint":%q}]}]`,
		id, enabled, key.Thumbprint())
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a status, for as long as it may take (issue: a second).
func eventually(t testing.TB, ask func() *http.Request, status int) *httptest.ResponseRecorder {
	t.Helper()
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		answer := send(t, ask())
		if answer.Code == status {
			return answer
		}
		if time.Since(start) > 5*time.Second {
			t.Fatalf("status is still %d, expected %d", answer.Code, status)
		}
	}
}

func TestAFileOfDevicesDecides(t *testing.T) {
	i, key := newIssuer(t), newDevice(t)
	path := filepath.Join(t.TempDir(), "devices.json")
	deviceFile(t, path, "device-1", true, key)
	setup{issuer: i, app: policyOn + "\ndevice_directory file " + path}.load(t)
	ask := func() *http.Request { return proven(t, i, key, "/ews") }
	expectStatus(t, send(t, ask()), http.StatusOK)
	deviceFile(t, path, "device-1", false, key)
	answer := eventually(t, ask, http.StatusForbidden)
	if body := answer.Body.String(); !strings.Contains(body, `"sign_in_session_status_code":1003`) || strings.Contains(body, "device-1") {
		t.Errorf("body is %s", body)
	}
	deviceFile(t, path, "device-1", true, key)
	eventually(t, ask, http.StatusOK)
	if err := os.WriteFile(path, []byte("broken"), 0o600); err != nil { // the last good one stays
		t.Fatal(err)
	}
	for start := time.Now(); running(t).devices.directory.Status().Err == nil; time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > 5*time.Second {
			t.Fatal("the broken file was not noticed")
		}
	}
	expectStatus(t, send(t, ask()), http.StatusOK)
}

func TestTheStateOfTheDirectoryIsMeasured(t *testing.T) {
	i, key := newIssuer(t), newDevice(t)
	path := filepath.Join(t.TempDir(), "devices.json")
	deviceFile(t, path, "device-1", true, key)
	setup{issuer: i, app: policyOn + "\ndevice_directory file " + path}.load(t)
	got := make(map[string]bool)
	for _, s := range gather(t) {
		got[strings.TrimPrefix(s.name, "caddy_token_protection_")] = true
	}
	for _, name := range []string{"device_directory_answers_total", "device_directory_age_seconds", "device_directory_devices", "revocations", "watched_streams"} {
		if !got[name] {
			t.Errorf("no metric %s", name)
		}
	}
}

// A stand-in for Microsoft Graph.
func TestADeviceAPIDecides(t *testing.T) {
	i, key := newIssuer(t), newDevice(t)
	var down, asked atomic.Int64
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch {
		case down.Load() == 1:
			w.WriteHeader(http.StatusBadGateway)
		case r.Header.Get("Authorization") != "Bearer t0ken" || r.URL.Path != "/v1.0/devices(deviceId='device-1')":
			w.WriteHeader(http.StatusNotFound)
		default:
			_, _ = w.Write([]byte(`{"deviceId":"device-1","accountEnabled":true,"trustType":"AzureAd"}`))
		}
	}))
	t.Cleanup(api.Close)
	t.Setenv("GRAPH_TOKEN", "t0ken")
	app := "\ndevice_directory http " + api.URL + "/v1.0 {\n\tbearer {env.GRAPH_TOKEN}\n\trenew 0s\n\tPOSTURE\n}"
	load := func(posture string) {
		setup{issuer: i, app: policyOn + strings.Replace(app, "POSTURE", posture, 1)}.load(t)
	}
	ask := func() *http.Request { return proven(t, i, key, "/ews") }
	load("")
	expectStatus(t, send(t, ask()), http.StatusOK)
	expectStatus(t, send(t, ask()), http.StatusOK)
	if n := asked.Load(); n != 1 {
		t.Errorf("%d questions", n)
	}
	load("posture best_effort") // another posture is no reason to ask anew
	expectStatus(t, send(t, ask()), http.StatusOK)
	if n := asked.Load(); n != 1 {
		t.Errorf("%d questions after a reload", n)
	}
	down.Store(1)
	if directory := running(t).devices.directory; directory != nil {
		directory.Forget("device-1")
	}
	expectStatus(t, send(t, ask()), http.StatusOK)
	load("posture strict")
	answer := send(t, ask())
	expectStatus(t, answer, http.StatusServiceUnavailable)
	if answer.Header().Get("Retry-After") == "" || answer.Header().Get("Www-Authenticate") != "" {
		t.Errorf("header is %v", answer.Header())
	}
}

// What a device API takes away counts within a second, for a device in use.
func TestADeviceAPIIsFollowed(t *testing.T) {
	i, key := newIssuer(t), newDevice(t)
	var disabled atomic.Bool
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"deviceId":"device-1","accountEnabled":%v}`, !disabled.Load())
	}))
	t.Cleanup(api.Close)
	setup{issuer: i, app: policyOn + "\ndevice_directory http " + api.URL}.load(t)
	ask := func() *http.Request { return proven(t, i, key, "/ews") }
	expectStatus(t, send(t, ask()), http.StatusOK)
	watch, err := running(t).devices.revocations.Watch("device-1")
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	disabled.Store(true)
	select { // what is open ends, without a request
	case <-watch.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("the stream stays open")
	}
	expectStatus(t, send(t, ask()), http.StatusForbidden)
}

func TestRequirementsDecide(t *testing.T) {
	i, key := newIssuer(t), newDevice(t)
	setup{issuer: i, app: policyOn + "\nrequirements microsoft365"}.load(t)
	for agent, status := range map[string]int{"Teams/1.6.00.1331": http.StatusOK, "Teams/1.6.00.1330": http.StatusForbidden, "PowerShell/7.4": http.StatusForbidden} {
		r := proven(t, i, key, "/ews")
		r.Header.Set("User-Agent", agent)
		if answer := send(t, r); answer.Code != status {
			t.Errorf("%s: status %d, expected %d", agent, answer.Code, status)
		}
	}
}

// A reload must not let a thief in again.
func TestARevocationOutlivesAReload(t *testing.T) {
	i, key := newIssuer(t), newDevice(t)
	configured := setup{issuer: i, app: policyOn}
	configured.load(t)
	expectStatus(t, send(t, proven(t, i, key, "/ews")), http.StatusOK)
	list := running(t).devices.revocations
	entry := revocation.Entry{Thumbprint: key.Thumbprint()}
	if err := list.Revoke(entry, time.Now()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = list.Restore(entry) })
	expectStatus(t, send(t, proven(t, i, key, "/ews")), http.StatusUnauthorized)
	configured.app += "\nrequirements microsoft365"
	configured.load(t)
	expectStatus(t, send(t, proven(t, i, key, "/ews")), http.StatusUnauthorized)
	if running(t).devices.revocations != list {
		t.Error("another list")
	}
	if _, err := list.Restore(entry); err != nil {
		t.Fatal(err)
	}
	expectStatus(t, send(t, proven(t, i, key, "/ews")), http.StatusOK)
}

// `caddy validate` and rejected reloads provision too.
func TestProvisioningADirectoryTouchesNothing(t *testing.T) {
	var connections atomic.Int64
	api := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { connections.Add(1) }))
	t.Cleanup(api.Close)
	before := goleak.IgnoreCurrent()
	for _, directory := range []*DeviceDirectory{
		{Source: "http", URL: api.URL}, {Source: "ldap", URL: strings.Replace(api.URL, "http", "ldap", 1), BaseDN: "dc=example"},
	} {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
		app := &App{Issuers: []Issuer{{Issuer: issuerName, JWKSFile: newIssuer(t).file}}, DeviceDirectory: directory}
		if err := app.Provision(ctx); err != nil {
			t.Fatal(err)
		}
		if err := app.Cleanup(); err != nil {
			t.Error(err)
		}
		cancel()
	}
	goleak.VerifyNone(t, before)
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestADirectoryThatCannotBeIsRefused(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	for want, directory := range map[string]*DeviceDirectory{
		"one of file, http, ldap":    {Source: "sql"},
		"path: missing":              {Source: "file"},
		"fresh: not for":             {Source: "file", Path: "x", Fresh: caddy.Duration(time.Minute)},
		"path: not for":              {Source: "http", URL: "https://graph.example", Path: "x"},
		"base_dn: not for":           {Source: "http", URL: "https://graph.example", BaseDN: "dc=example"},
		"posture":                    {Source: "file", Path: "x", Posture: "lenient"},
		missing:                      {Source: "file", Path: missing},
		"client_secret: unknown":     {Source: "http", URL: "https://graph.example", TokenURL: "https://login.example", ClientID: "app", ClientSecret: "{env.NOT_THERE_pa55}"},
		"bind_password: unknown":     {Source: "ldap", URL: "ldaps://dc.example", BaseDN: "dc=example", BindDN: "cn=x", BindPassword: "{env.NOT_THERE_pa55}"},
		"ca: open":                   {Source: "ldap", URL: "ldaps://dc.example", BaseDN: "dc=example", CA: []string{missing}},
		"entries: -1":                {Source: "ldap", URL: "ldaps://dc.example", BaseDN: "dc=example", Entries: -1},
		"url: expected an absolute ": {Source: "http", URL: "https://user:pa55@graph.example"},
	} {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
		app := &App{Issuers: []Issuer{{Issuer: issuerName, JWKSFile: newIssuer(t).file}}, DeviceDirectory: directory}
		err := app.Provision(ctx)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pa55") {
			t.Errorf("error is %v, expected it to hold %q", err, want)
		}
		if err := app.Cleanup(); err != nil {
			t.Error(err)
		}
		cancel()
	}
	for want, required := range map[string]*Requirements{
		"either": {}, "microsoft365": {Profile: "x"}, missing: {File: missing}, "profile or a file": {Profile: "microsoft365", File: "x"},
	} {
		if _, err := required.profile(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, expected it to hold %q", err, want)
		}
	}
	path := filepath.Join(t.TempDir(), "requirements.json")
	if err := os.WriteFile(path, []byte(`{"name":"mine"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if profile, err := (&Requirements{File: path}).profile(); err != nil || profile.Name != "mine" {
		t.Errorf("%+v, %v", profile, err)
	}
}

// Directories that are asked with other secrets share no answers, and the
// secrets are not readable in the pool.
func TestDirectoriesAreToldApartByTheirSecrets(t *testing.T) {
	one := &DeviceDirectory{Source: directoryHTTP, URL: "https://graph.example", Bearer: "s3cret-1"}
	two := &DeviceDirectory{Source: directoryHTTP, URL: "https://graph.example", Bearer: "s3cret-2"}
	strict := &DeviceDirectory{Source: directoryHTTP, URL: "https://graph.example", Bearer: "s3cret-1", Posture: string(device.Strict)}
	if one.key() == two.key() || one.key() != strict.key() || strings.Contains(one.key(), "s3cret") {
		t.Errorf("keys are %q, %q, %q", one.key(), two.key(), strict.key())
	}
}

// A secret that was replaced behind its placeholder counts from the next reload on.
func TestDirectoriesAreToldApartByWhatPlaceholdersStandFor(t *testing.T) {
	for name, d := range map[string]*DeviceDirectory{
		"client_secret": {Source: directoryHTTP, ClientSecret: "{env.TP_DIRECTORY}"},
		"bind_password": {Source: directoryLDAP, BindPassword: "{env.TP_DIRECTORY}"},
	} {
		t.Setenv("TP_DIRECTORY", "first")
		before := d.key()
		t.Setenv("TP_DIRECTORY", "second")
		if d.key() == before {
			t.Errorf("%s: the directory with the former secret goes on", name)
		}
	}
}
