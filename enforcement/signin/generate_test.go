// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// generated returns a log of n sign-ins as Caddy writes them, the same for the same seed: a few hundred users at four apps
// and two resources over ten days, under two policies, with a share of unbound requests of every code.
func generated(t testing.TB, n int, seed uint64) []byte {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 0))
	var log bytes.Buffer
	encoder := json.NewEncoder(&log)
	encoder.SetEscapeHTML(false)
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		written := start.Add(time.Duration(i) * 10 * 24 * time.Hour / time.Duration(n))
		line := struct {
			Level  string  `json:"level"`
			TS     float64 `json:"ts"`
			Logger string  `json:"logger"`
			Msg    string  `json:"msg"`
			Record
		}{"info", float64(written.UnixMilli()) / 1000, Logger, "sign-in", randomRecord(random, i, written)}
		if err := encoder.Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	return log.Bytes()
}

func randomRecord(random *rand.Rand, i int, written time.Time) Record {
	user := random.IntN(300)
	r := blockedRecord()
	r.TimeGenerated, r.ID, r.CorrelationID = Timestamp(written), fmt.Sprintf("id-%d", i), fmt.Sprintf("correlation-%d", i)
	r.UserPrincipalName, r.UserID = fmt.Sprintf("user%d@contoso.example", user), fmt.Sprintf("user-%d", user)
	r.AppID = fmt.Sprintf("app-%d", user%4)
	r.AppDisplayName = [...]string{"Outlook", "Teams", "", "Ärger & \"Co\""}[user%4]
	r.ResourceDisplayName = [...]string{"Office 365 Exchange Online", "Office 365 SharePoint Online"}[random.IntN(2)]
	r.IPAddress = fmt.Sprintf("203.0.%d.%d", user/100, user%250)
	r.DeviceDetail.DeviceID = fmt.Sprintf("device-%d", user)
	r.RequestCount = 1 + random.IntN(20)
	r.TokenProtectionStatusDetails = TokenProtectionStatusDetails{Bound, 0}
	enforced, reported := PolicySuccess, PolicyReportOnlySuccess
	if code := []int{1002, 1003, 1004, 1005, 1006, 1007, 1008}[random.IntN(7)]; user < 100 && random.IntN(3) == 0 {
		r.TokenProtectionStatusDetails = TokenProtectionStatusDetails{Unbound, code}
		enforced, reported = PolicyFailure, PolicyReportOnlyFailure
	}
	if random.IntN(5) == 0 {
		enforced = [...]string{PolicyNotApplied, PolicyNotEnabled}[random.IntN(2)]
	}
	if user%7 == 0 { // not in the pilot group
		reported = PolicyReportOnlyNotApplied
	}
	if random.IntN(50) == 0 {
		r.UserPrincipalName, r.UserID, r.DeviceDetail = "", "", DeviceDetail{}
	}
	r.ConditionalAccessPolicies = Policies([]PolicyResult{
		{"p1", "Require token protection", enforced, "application,users", "none"},
		{"p2", "Pilot: hardware keys", reported, "application", "users"},
	})
	if random.IntN(40) == 0 {
		r.ConditionalAccessPolicies = Policies(nil)
	}
	return r
}

func BenchmarkReadSignIns(b *testing.B) {
	log := generated(b, 20000, 1)
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Read(bytes.NewReader(log), func(*Entry) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSummariseSignIns(b *testing.B) {
	log := generated(b, 20000, 1)
	b.SetBytes(int64(len(log)))
	for b.Loop() {
		if _, err := summarise(bytes.NewReader(log)); err != nil {
			b.Fatal(err)
		}
	}
}
