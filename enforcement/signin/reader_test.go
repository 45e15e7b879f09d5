// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// read returns all entries of a log.
func read(r io.Reader) (entries []Entry, err error) {
	err = Read(r, func(e *Entry) error {
		entries = append(entries, *e)
		return nil
	})
	return entries, err
}

func TestReadsEveryShapeOfARecord(t *testing.T) {
	policies := []PolicyRow{{
		ID: "p", DisplayName: "P", Result: "failure",
		EnforcedSessionControls: Controls{"SignInTokenProtection"}, SessionControlsNotSatisfied: Controls{"SignInTokenProtection"},
	}}
	const row = `{"id":"p","displayName":"P","result":"failure","enforcedSessionControls":["SignInTokenProtection"],"sessionControlsNotSatisfied":["SignInTokenProtection"]}`
	const quoted = `"[{\"id\":\"p\",\"displayName\":\"P\",\"result\":\"failure\",\"enforcedSessionControls\":\"[\\\"SignInTokenProtection\\\"]\",\"sessionControlsNotSatisfied\":[\"SignInTokenProtection\"]}]"`
	for name, test := range map[string]struct {
		line string
		want Entry
	}{
		"array and object": {
			`{"ConditionalAccessPolicies":[` + row + `],"TokenProtectionStatusDetails":{"signInSessionStatus":"unbound","signInSessionStatusCode":1003}}`,
			Entry{ConditionalAccessPolicies: policies, TokenProtectionStatusDetails: StatusDetails{"unbound", 1003}, RequestCount: 1},
		},
		"strings": {
			`{"ConditionalAccessPolicies":` + quoted + `,"TokenProtectionStatusDetails":"{\"signInSessionStatus\":\"unbound\",\"signInSessionStatusCode\":\"1003\"}"}`,
			Entry{ConditionalAccessPolicies: policies, TokenProtectionStatusDetails: StatusDetails{"unbound", 1003}, RequestCount: 1},
		},
		"empty and null": {
			`{"ConditionalAccessPolicies":"","TokenProtectionStatusDetails":null,"RequestCount":null}`,
			Entry{RequestCount: 1},
		},
		"ours": {
			`{"logger":"token_protection.sign_in","ConditionalAccessPolicies":"[]","AppId":"a","RequestCount":42,"level":"info","DeviceDetail":{"isManaged":true}}`,
			Entry{AppID: "a", ConditionalAccessPolicies: []PolicyRow{}, RequestCount: 42, DeviceDetail: DeviceDetail{IsManaged: true}},
		},
		"device and status as strings": {
			`{"ConditionalAccessPolicies":null,"DeviceDetail":"{}","Status":"not even JSON","UserPrincipalName":"ana"}`,
			Entry{UserPrincipalName: "ana", RequestCount: 1},
		},
	} {
		for _, end := range []string{"", "\n", "\r\n"} {
			got, err := read(strings.NewReader(test.line + end))
			if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], test.want) {
				t.Errorf("%s: got %+v, %v, want %+v", name, got, err, test.want)
			}
		}
	}
}

func TestSkipsLinesThatAreNotSignIns(t *testing.T) {
	for _, line := range []string{
		"",
		"2026/03/04 INFO console line",
		`{"logger":"http.log.access","status":200}`,
		`{"logger":"http.log.access","ConditionalAccessPolicies":"[]"}`,
		`{"logger":"token_protection.sign_in.other","ConditionalAccessPolicies":"[]"}`,
		`{"logger":"","ConditionalAccessPolicies":"[]"}`,
		`{"ConditionalAccessPolicies":"[]","cut":`, // the last line, cut short
	} {
		if got, err := read(strings.NewReader(line)); err != nil || len(got) != 0 {
			t.Errorf("%s: got %+v, %v", line, got, err)
		}
	}
}

func TestMalformedRecordsAreReportedAndTheOthersRead(t *testing.T) {
	const good = `{"ConditionalAccessPolicies":"[]"}` + "\n"
	for name, bad := range map[string]string{
		"cut in the middle": `{"ConditionalAccessPolicies":"[]"`,
		"policies":          `{"ConditionalAccessPolicies":"[{"}`,
		"policies' type":    `{"ConditionalAccessPolicies":5}`,
		"controls' type":    `{"ConditionalAccessPolicies":[{"enforcedSessionControls":[1]}]}`,
		"details":           `{"ConditionalAccessPolicies":"[]","TokenProtectionStatusDetails":"bound"}`,
		"code":              `{"ConditionalAccessPolicies":"[]","TokenProtectionStatusDetails":{"signInSessionStatusCode":10.5}}`,
		"count of zero":     `{"ConditionalAccessPolicies":"[]","RequestCount":0}`,
		"negative count":    `{"ConditionalAccessPolicies":"[]","RequestCount":-1}`,
		"enormous count":    `{"ConditionalAccessPolicies":"[]","RequestCount":1099511627777}`,
		"logger's type":     `{"ConditionalAccessPolicies":"[]","logger":1}`,
		"too long":          `{"ConditionalAccessPolicies":"[]","x":"` + strings.Repeat("x", MaxLine) + `"}`,
	} {
		got, err := read(strings.NewReader(good + bad + "\n" + good + bad + "\n" + good))
		var malformed *MalformedError
		if !errors.As(err, &malformed) || malformed.Records != 2 || malformed.First != 2 || malformed.Reason == nil || len(got) != 3 {
			t.Errorf("%s: %d entries, %v", name, len(got), err)
		}
		if text := fmt.Sprint(err); !strings.HasPrefix(text, "2 sign-in records could not be read, the first in line 2: ") || len(text) > 300 {
			t.Errorf("%s: the error reads %q", name, text)
		}
	}
}

func TestTheLongestLineIsRead(t *testing.T) {
	const start, end = `{"ConditionalAccessPolicies":"[]","x":"`, `"}`
	line := start + strings.Repeat("x", MaxLine-len(start)-len(end)) + end
	if got, err := read(strings.NewReader(line + "\n" + line)); err != nil || len(got) != 2 {
		t.Errorf("%d entries, %v", len(got), err)
	}
	if _, err := read(strings.NewReader(line + " \n")); !errors.Is(err, errLong) {
		t.Errorf("one byte more: %v", err)
	}
}

func TestErrorsOfReaderAndCallbackEndTheReading(t *testing.T) {
	const good = `{"ConditionalAccessPolicies":"[]"}` + "\n"
	broken := errors.New("broken")
	got, err := read(io.MultiReader(strings.NewReader(good), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || len(got) != 1 {
		t.Errorf("reader: %d entries, %v", len(got), err)
	}
	calls := 0
	err = Read(strings.NewReader(good+good), func(*Entry) error {
		calls++
		return broken
	})
	if !errors.Is(err, broken) || calls != 1 {
		t.Errorf("callback: %d calls, %v", calls, err)
	}
}

func TestReadingDoesNotDependOnHowBytesArrive(t *testing.T) {
	log := file(t, "sign_in.log")
	want, err := read(bytes.NewReader(log))
	if err != nil || len(want) != 16 {
		t.Fatalf("%d entries, %v", len(want), err)
	}
	got, err := read(iotest.OneByteReader(bytes.NewReader(log)))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%d entries, %v", len(got), err)
	}
}

func FuzzReadKeepsCountsConsistent(f *testing.F) {
	f.Add(file(f, "sign_in.log"))
	f.Add(file(f, "record.json"))
	for _, s := range []string{`{"ConditionalAccessPolicies":"[{}]"}`, `{"ConditionalAccessPolicies":"[`, "\n\n", "[]"} {
		f.Add([]byte(s + "\n"))
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		r, err := summarise(bytes.NewReader(log))
		var malformed *MalformedError
		if err != nil && !errors.As(err, &malformed) {
			t.Fatalf("an error that is not about records: %v", err)
		}
		users := make(map[string]int)
		for _, u := range r.Users {
			users[u.AppDisplayName] += u.Requests
			if u.Allow+u.Block != u.Requests || u.BlockSelfRemediable > u.Block {
				t.Errorf("%+v", u)
			}
		}
		for _, a := range r.Apps {
			if a.Allow+a.Block != a.Requests || a.Requests != users[a.AppDisplayName] || a.Requests < a.Users ||
				a.BlockedUsers > min(a.Users, a.Block) || a.BlockedUsersSelfRemediable > a.BlockedUsers ||
				a.PctAllowed > a.PctEnforceable || a.PctEnforceable > 100 {
				t.Errorf("%+v", a)
			}
		}
		if err := errors.Join(r.WriteTable(io.Discard), r.WriteCSV(io.Discard), r.WriteJSON(io.Discard)); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkReadAccessLogWithSignIns(b *testing.B) {
	access := fmt.Sprintf(`{"level":"info","logger":"http.log.access","request":{"uri":"/%s"},"status":200}`, strings.Repeat("x", 1000))
	log := strings.Repeat(access+"\n", 99) + `{"ConditionalAccessPolicies":"[]"}` + "\n"
	b.SetBytes(int64(len(log)))
	for b.Loop() {
		if err := Read(strings.NewReader(log), func(*Entry) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
