// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// design lists the columns in the order in which they are promised.
const design = "TimeGenerated, Id, CorrelationId, IsInteractive, UserPrincipalName, UserId, UserType, AppId, AppDisplayName, " +
	"ResourceIdentity, ResourceDisplayName, IPAddress, UserAgent, ClientAppUsed, DeviceDetail, Status, ResultType, " +
	"ConditionalAccessStatus, ConditionalAccessPolicies, TokenProtectionStatusDetails, UniqueTokenIdentifier, " +
	"Decision, ProofScheme, DeviceKeyThumbprint, RequestCount"

// blockedRecord is a request with a stolen token, refused by one policy and reported by another.
func blockedRecord() Record {
	return Record{
		TimeGenerated:       Timestamp(time.Date(2026, 3, 4, 6, 7, 8, 9_900_000, time.FixedZone("", 3600))),
		ID:                  "4f5c1c9e-6c55-4b2a-9d7c-0d5a8f1f8a11",
		CorrelationID:       "b1946ac9-2490-4b2f-8f53-4a3a8f4d1c22",
		UserPrincipalName:   "ana@contoso.example",
		UserID:              "8c1f",
		UserType:            Member,
		AppID:               "d3590ed6-52b3-4102-aeff-aad2292ab01c",
		AppDisplayName:      "Outlook <desktop> & \"mobile\"",
		ResourceIdentity:    "00000002-0000-0ff1-ce00-000000000000",
		ResourceDisplayName: "Office 365 Exchange Online",
		IPAddress:           "203.0.113.7",
		UserAgent:           "Microsoft Office/16.0 (Windows NT 10.0)",
		ClientAppUsed:       "Mobile Apps and Desktop clients",
		DeviceDetail:        DeviceDetail{DeviceID: "dev-1", OperatingSystem: "Windows", TrustType: "Azure AD joined", IsManaged: true},
		Status: Status{
			ErrorCode:         BlockedByTokenProtection,
			FailureReason:     "The request did not prove possession of the key its token is bound to.",
			AdditionalDetails: "proof_missing",
		},
		ResultType:              "530084",
		ConditionalAccessStatus: StatusFailure,
		ConditionalAccessPolicies: Policies([]PolicyResult{
			{"p1", "Require token protection", PolicyFailure, "application,users", "none"},
			{"p2", "Pilot", PolicyReportOnlyNotApplied, "application", "users"},
		}),
		TokenProtectionStatusDetails: TokenProtectionStatusDetails{Unbound, 1008},
		UniqueTokenIdentifier:        "uti-1",
		Decision:                     Block,
		DeviceKeyThumbprint:          "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
		RequestCount:                 3,
	}
}

// marshal encodes without HTML escaping, as the log does.
func marshal(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRecordIsTheGoldenLine(t *testing.T) {
	want, err := os.ReadFile("testdata/record.json")
	if err != nil {
		t.Fatal(err)
	}
	if got := marshal(t, blockedRecord()); !bytes.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestColumnsAreTheDesignsInOrder(t *testing.T) {
	var columns []string
	for field := range reflect.TypeFor[Record]().Fields() {
		columns = append(columns, field.Tag.Get("json"))
	}
	if got := strings.Join(columns, ", "); got != design {
		t.Errorf("got  %s\nwant %s", got, design)
	}
}

func TestTimestampIsUTCWithMilliseconds(t *testing.T) {
	for _, test := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "2026-01-02T03:04:05.000Z"},
		{time.Date(2026, 1, 2, 3, 4, 5, 999_999_999, time.UTC), "2026-01-02T03:04:05.999Z"},
		{time.Date(2026, 1, 1, 1, 0, 0, 0, time.FixedZone("CET", 3600)), "2026-01-01T00:00:00.000Z"},
	} {
		if got := Timestamp(test.at); got != test.want {
			t.Errorf("Timestamp(%v) = %s, want %s", test.at, got, test.want)
		}
	}
}

func TestIDsAreDistinctVersion4UUIDs(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := make(map[string]bool)
	for range 1000 {
		id := NewID()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("NewID() = %q, seen before: %v", id, seen[id])
		}
		seen[id] = true
	}
}
