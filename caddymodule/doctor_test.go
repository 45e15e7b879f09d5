// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/goleak"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// examined lets the doctor look at a Caddyfile.
func examined(t testing.TB, caddyfile string, change func(*doctor)) *doctor {
	t.Helper()
	path := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(path, []byte(caddyfile), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &doctor{config: path, address: silent(t), now: time.Now}
	if change != nil {
		change(d)
	}
	if err := d.examine(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// silent is an address where nobody answers.
func silent(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// says returns the findings of a check at a level, joined.
func (d *doctor) says(check string, level level) string {
	var texts []string
	for _, f := range d.findings {
		if f.Check == check && f.Level == level {
			texts = append(texts, f.Text+" "+f.Hint)
		}
	}
	return strings.Join(texts, "\n")
}

func doctored(i *issuer, global, app, site string) string {
	s := setup{issuer: i, app: app, options: global, site: site}
	return string(caddyfile.Format([]byte(strings.Replace(s.caddyfile("/tmp/caddy-doctor.sock"), "admin off", "", 1))))
}

func TestDoctorFindsNothingWrong(t *testing.T) {
	before := goleak.IgnoreCurrent()
	policy := strings.Replace(policyOn, "exclude user break-glass", "exclude user break-glass\n\t\t\t\texclude guests", 1)
	d := examined(t, doctored(newIssuer(t), "log records {\n\t\tinclude token_protection.sign_in\n\t}", policy, respond), func(d *doctor) { d.address = "" })
	for _, f := range d.findings {
		if f.Level != levelOK && f.Level != levelSkip {
			t.Errorf("%+v", f)
		}
	}
	for check, text := range map[string]string{
		"configuration": "is valid", "resources": "exchange is protected; in force: Pilot", "policies": "1 policy",
		"key set": "1 usable key", "log filter": "No access log", "sign-in log": "records", "memory": "this node alone",
	} {
		if !strings.Contains(d.says(check, levelOK), text) {
			t.Errorf("%s: %s", check, d.says(check, levelOK))
		}
	}
	if d.says("clock", levelSkip) == "" {
		t.Error("the clock was confirmed by nobody")
	}
	goleak.VerifyNone(t, before)
}

func TestDoctorFindsWhatIsWrong(t *testing.T) {
	i := newIssuer(t)
	log := "log records {\n\t\tinclude token_protection.sign_in\n\t}"
	misspelt := filepath.Join(t.TempDir(), "policies.json")
	write(t, misspelt, graphPolicy("enabled", "wikki"))
	for _, test := range []struct {
		name, caddyfile string
		check           string
		level           level
		says            string
	}{
		{"not a Caddyfile", "{", "configuration", levelFail, "unexpected"},
		{"no app", "localhost {\n\trespond a\n}\n", "configuration", levelFail, "not configured"},
		{"not formatted", strings.Replace(doctored(i, log, policyOn, respond), "\n\t", "\n  ", 1), "configuration", levelWarn, "fmt"},
		{"an unknown word", doctored(i, log, policyOn+"\nnonsense", respond), "configuration", levelFail, "nonsense"},
		{"what only provisioning finds", doctored(i, log, "proof {\n\t\tnonce_secret {env.THERE_IS_NO_SUCH}\n\t}", respond), "configuration", levelFail, "placeholder"},
		{"no handler", doctored(i, log, "", "respond in"), "resources", levelFail, "No site is protected"},
		{"no policy", doctored(i, log, "", respond), "resources", levelWarn, "No policy targets exchange"},
		{"report-only", doctored(i, log, policyReportOnly, respond), "resources", levelOK, "only watched"},
		{"several resources in some places", doctored(i, log, "named_location Office {\n\t\tranges 192.0.2.0/24\n\t}\n\tpolicy Inside {\n\t\tstate on\n\t\tusers all\n\t\tresources exchange wiki\n\t\tlocations Office\n\t}",
			respond+"handle /wiki {\n\ttoken_protection wiki\n}"), "resources", levelOK, "exchange is protected; in force: Inside"},
		{"a resource that nothing protects", doctored(i, log, "policies_file "+misspelt, respond), "policies", levelFail, "no handler protects: wikki"},
		{"an unwise policy", doctored(i, log, strings.Replace(policyOn, "exclude user break-glass", "", 1), respond), "policies", levelWarn, "no_break_glass"},
		{"no sign-in log", doctored(i, "", policyOn, respond), "sign-in log", levelWarn, "No log takes"},
		{"an access log in clear", doctored(i, log+"\n\tlog access {\n\t\tinclude http.log.access\n\t}", policyOn, "log\n"+respond), "log filter", levelWarn, "Dpop"},
		{"a filtered access log", doctored(i, log+"\n\tlog access {\n\t\t"+exampleFilter(t)+"\n\t\tinclude http.log.access\n\t}", policyOn, "log\n"+respond), "log filter", levelOK, "filtered"},
		{"sessions without a secret", doctored(i, log, policyOn, "token_protection exchange {\n\t\tproofs dpop dbsc\n\t\tdbsc {\n\t\t\tsession_cookie sid\n\t\t}\n\t}"), "memory", levelWarn, "ends all bound sessions"},
		{"a store that is not there", doctored(i, log, policyOn+"replay redis redis://:correct-horse@127.0.0.1:1/0", respond), "memory", levelFail, "cannot be used"},
		{"a secret", doctored(i, log, policyOn+"proof {\n\t\tnonce_secret 0123456789abcdef0123456789abcdef\n\t}", respond), "memory", levelOK, "survive a restart"},
		{"no key file", doctored(&issuer{file: ""}, log, policyOn, respond), "configuration", levelFail, "jwks_file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := examined(t, test.caddyfile, nil)
			if !strings.Contains(d.says(test.check, test.level), test.says) {
				t.Errorf("%+v", d.findings)
			}
		})
	}
}

func TestDoctorNamesTheFaultOfAnIssuer(t *testing.T) {
	i := newIssuer(t)
	serve := func(handler http.HandlerFunc) string {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		return server.URL
	}
	good := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(i.jwks) }
	for _, test := range []struct {
		name, keys string
		level      level
		says       string
	}{
		{"good", "jwks_url " + serve(good), levelOK, "1 usable key"},
		{"not a key set", "jwks_url " + serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }), levelFail, "answer"},
		{"down", "jwks_url http://" + silent(t), levelFail, "unreachable"},
		{"asked about tokens", "jwks_url http://" + silent(t) + "\n\t\t\tintrospection https://login.contoso.example/i {\n\t\t\t\tclient_id a\n\t\t\t\tclient_secret b\n\t\t\t}", levelWarn, "opaque"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := setup{issuer: i, keys: test.keys, app: policyOn}
			d := examined(t, s.caddyfile("/tmp/caddy-doctor.sock"), nil)
			if !strings.Contains(d.says("key set", test.level), test.says) {
				t.Errorf("%+v", d.findings)
			}
		})
	}
}

func TestDoctorComparesTheClock(t *testing.T) {
	i := newIssuer(t)
	var date time.Time
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", date.UTC().Format(http.TimeFormat))
		_, _ = w.Write(i.jwks)
	}))
	t.Cleanup(keys.Close)
	for _, test := range []struct {
		name  string
		ahead time.Duration
		built time.Time
		level level
		says  string
	}{
		{"right", 0, time.Time{}, levelOK, "agrees"},
		{"a little ahead", 10 * time.Second, time.Time{}, levelWarn, "ahead of"},
		{"a little behind", -10 * time.Second, time.Time{}, levelWarn, "behind the"},
		{"far ahead", time.Minute, time.Time{}, levelFail, "ahead of"},
		{"far behind", -time.Hour, time.Time{}, levelFail, "behind the"},
		{"before the build", 0, time.Now().Add(time.Hour), levelFail, "before this binary was made"},
	} {
		t.Run(test.name, func(t *testing.T) {
			date = time.Now().Add(-test.ahead)
			s := setup{issuer: i, keys: "jwks_url " + keys.URL, app: policyOn}
			d := examined(t, s.caddyfile("/tmp/caddy-doctor.sock"), func(d *doctor) { d.build.built = test.built })
			if !strings.Contains(d.says("clock", test.level), test.says) {
				t.Errorf("%+v", d.findings)
			}
		})
	}
}

func TestDoctorAsksTheRunningServer(t *testing.T) {
	decided := func(reasons ...string) (list []recentDecision) {
		for _, why := range reasons {
			decision := "block"
			if why == "" {
				decision = "allow"
			}
			list = append(list, recentDecision{Decision: decision, Reason: why})
		}
		return list
	}
	fresh := []keySetStatus{{Issuer: "a", Keys: 2}}
	for _, test := range []struct {
		name    string
		running status
		check   string
		level   level
		says    string
	}{
		{"ready", status{Ready: true, Version: "v1", KeySets: fresh}, "server", levelOK, "v1"},
		{"not ready", status{}, "server", levelFail, "cannot judge"},
		{"fresh keys", status{Ready: true, KeySets: fresh}, "running key set", levelOK, "2 keys"},
		{"stale keys", status{Ready: true, KeySets: []keySetStatus{{Keys: 1, Age: 900, Fault: faultCertificate}}}, "running key set", levelWarn, "900 s old"},
		{"expired keys", status{Ready: true, KeySets: []keySetStatus{{Expired: true}}}, "running key set", levelFail, "timeout"},
		{"a clock of before", status{Ready: true, Clock: clockStatus{BeforeBuild: true}}, "server", levelFail, "before its binary"},
		{"no decisions", status{Ready: true}, "last decisions", levelSkip, "nothing yet"},
		{"good decisions", status{Ready: true, LastDecisions: decided("", "", "")}, "last decisions", levelOK, "last 3 sign-in records 0 were"},
		{"blocks", status{Ready: true, LastDecisions: decided("proof_url; x", "proof_url", "token_expired", "")}, "last decisions", levelWarn, "public_url"},
	} {
		t.Run(test.name, func(t *testing.T) {
			admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == adminPath+"status" {
					_ = json.NewEncoder(w).Encode(test.running)
				}
			}))
			t.Cleanup(admin.Close)
			d := &doctor{address: admin.Listener.Addr().String(), now: time.Now}
			d.checkRunning(t.Context())
			if !strings.Contains(d.says(test.check, test.level), test.says) {
				t.Errorf("%+v", d.findings)
			}
		})
	}
}

func TestDoctorWithoutARunningServer(t *testing.T) {
	ill := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("no")) }))
	t.Cleanup(ill.Close)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	for address, says := range map[string]string{
		silent(t):                      "does not tell",
		ill.Listener.Addr().String():   "not a status",
		other.Listener.Addr().String(): "older version",
		"localhost:1-99":               "expected one such as",
	} {
		d := &doctor{address: address}
		d.checkRunning(t.Context())
		if !strings.Contains(d.says("server", levelFail), says) {
			t.Errorf("%s: %+v", address, d.findings)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d := &doctor{address: ill.Listener.Addr().String()}
	if d.checkRunning(ctx); d.failed() != 1 {
		t.Errorf("out of time: %+v", d.findings)
	}
}

func TestDoctorPrintsOneLineACheck(t *testing.T) {
	d := new(doctor)
	d.ok("policies", "Fine.")
	d.warn("clock", "synchronise it", "It is off.")
	var out bytes.Buffer
	if err := d.report(&out, false); err != nil {
		t.Error(err)
	}
	if want := "ok    policies         Fine.\nwarn  clock            It is off. Hint: synchronise it.\n"; out.String() != want {
		t.Errorf("%q", out.String())
	}
	d.fail("server", "start it", "It is down.")
	out.Reset()
	if err := d.report(&out, true); err == nil || err.Error() != "1 check failed" {
		t.Error(err)
	}
	if got := decode[[]finding](t, out.Bytes()); len(got) != 3 || got[2] != (finding{"server", levelFail, "It is down.", "start it"}) {
		t.Errorf("%+v", got)
	}
}

// A hint for a reason that does not exist would never be given.
func TestReasonHintsAreForReasons(t *testing.T) {
	known := make(map[string]bool)
	for _, why := range reasonsInUse() {
		known[why] = true
	}
	for why := range reasonHints {
		if !known[why] {
			t.Errorf("%s is no reason", why)
		}
	}
}

func reasonsInUse() (names []string) {
	for _, why := range reason.All() {
		names = append(names, string(why))
	}
	return names
}
