// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
)

// handComputed is what testdata/sign_in.log comes to, worked out on paper.
var handComputed = Report{
	Apps: []AppRow{
		{"Outlook", 129, 5, 116, 13, 4, 3, 1, 89.92, 93.02},
		{"d3590ed6", 4, 1, 4, 0, 0, 0, 0, 100, 100},
		{"Teams", 3, 2, 1, 2, 1, 2, 1, 33.33, 66.67},
	},
	Users: []UserRow{
		{"", "Outlook", "Office 365 Exchange Online", 7, 0, 7, 0, 0, 0},
		{"ana@contoso.example", "Outlook", "Office 365 Exchange Online", 97, 97, 0, 0, 100, 100},
		{"ana@contoso.example", "Teams", "Office 365 SharePoint Online", 2, 1, 1, 1, 50, 100},
		{"ana@contoso.example", "d3590ed6", "Office 365 SharePoint Online", 4, 4, 0, 0, 100, 100},
		{"ben@contoso.example", "Outlook", "Office 365 Exchange Online", 12, 10, 2, 0, 83.33, 83.33},
		{"ben@contoso.example", "Teams", "Office 365 SharePoint Online", 1, 0, 1, 0, 0, 0},
		{"cyd@contoso.example", "Outlook", "Office 365 Exchange Online", 6, 3, 3, 3, 50, 100},
		{"cyd@contoso.example", "Outlook", "Office 365 SharePoint Online", 2, 1, 1, 1, 50, 100},
		{"dan@contoso.example", "Outlook", "Office 365 Exchange Online", 5, 5, 0, 0, 100, 100},
	},
}

// summarise reads logs, each as Read does, and reports on all of them together. What could not be read is the error; the
// report is about the rest.
func summarise(logs ...io.Reader) (Report, error) {
	var s Summary
	var failed []error
	for _, log := range logs {
		failed = append(failed, Read(log, func(e *Entry) error {
			s.Add(e)
			return nil
		}))
	}
	return s.Report(), errors.Join(failed...)
}

func file(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// golden compares an output with a file, or with UPDATE=1 writes the file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("testdata/"+name, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want := file(t, name); !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func TestReportIsTheHandComputedOne(t *testing.T) {
	got, err := summarise(bytes.NewReader(file(t, "sign_in.log")))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, handComputed) {
		t.Errorf("got  %+v\nwant %+v", got, handComputed)
	}
}

func TestSeveralLogsAreOneReport(t *testing.T) {
	whole := file(t, "sign_in.log")
	half := bytes.IndexByte(whole[len(whole)/2:], '\n') + len(whole)/2 + 1
	got, err := summarise(bytes.NewReader(whole[half:]), bytes.NewReader(whole[:half]))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, handComputed) {
		t.Errorf("got  %+v\nwant %+v", got, handComputed)
	}
}

func TestWritesTableCSVAndJSON(t *testing.T) {
	var table, csv, document bytes.Buffer
	if err := errors.Join(handComputed.WriteTable(&table), handComputed.WriteCSV(&csv), handComputed.WriteJSON(&document)); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", table.Bytes())
	golden(t, "report.csv", csv.Bytes())
	golden(t, "report.json", document.Bytes())
	var back Report
	if err := json.Unmarshal(document.Bytes(), &back); err != nil || !reflect.DeepEqual(back, handComputed) {
		t.Errorf("%v:\n%s", err, &document)
	}
}

func TestAnEmptyLogIsAnEmptyReport(t *testing.T) {
	r, err := summarise(strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	var table, document bytes.Buffer
	if err := errors.Join(r.WriteTable(&table), r.WriteJSON(&document)); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(table.String(), "AppDisplayName  Requests") {
		t.Errorf("got %q", &table)
	}
	if want := "{\n  \"Apps\": [],\n  \"Users\": []\n}\n"; document.String() != want {
		t.Errorf("got %q", &document)
	}
}

func TestNamesCannotSteerATerminalOrASpreadsheet(t *testing.T) {
	long := strings.Repeat("é", 300)
	r := Report{Apps: []AppRow{{AppDisplayName: "\x1b]0;x\a\n\u202etest"}, {AppDisplayName: "=1+1"}, {AppDisplayName: long}}}
	var table, csv bytes.Buffer
	if err := errors.Join(r.WriteTable(&table), r.WriteCSV(&csv)); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(table.String(), "\x1b\a\u202e") || strings.Count(table.String(), "\n") != 6 {
		t.Errorf("table %q", &table)
	}
	if strings.Contains(table.String(), long) || !strings.Contains(table.String(), strings.Repeat("é", 63)+"…") {
		t.Errorf("the long name is not cut: %q", &table)
	}
	if !strings.Contains(csv.String(), "\n'=1+1,") || !strings.Contains(csv.String(), long) {
		t.Errorf("csv %q", &csv)
	}
}

func TestNoCellIsAFormula(t *testing.T) {
	for cell, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", " =1": "' =1", "\t=1": "'\t=1", "\n=1": "'\n=1",
		"\r\n\t @x": "'\r\n\t @x", "＝1": "'＝1", "\u00a0=1": "'\u00a0=1", "\ufeff=1": "'\ufeff=1", "\tplain": "'\tplain",
		"": "", "ana@contoso.example": "ana@contoso.example", "a=b": "a=b", "'x": "'x",
	} {
		if got := inert(cell); got != want {
			t.Errorf("%q: got %q, want %q", cell, got, want)
		}
	}
}

func TestNamesAreCutToTheLengthThatRecordsHave(t *testing.T) {
	long := strings.Repeat("x", 10*MaxName)
	var s Summary
	r := Readiness{MinRequests: 1}
	e := Entry{UserPrincipalName: long, UserID: long, AppDisplayName: long, ResourceDisplayName: long, RequestCount: 1,
		ConditionalAccessPolicies:    []PolicyRow{{Result: PolicySuccess, EnforcedSessionControls: Controls{SessionControl}}},
		TokenProtectionStatusDetails: StatusDetails{SignInSessionStatus: Bound}}
	s.Add(&e)
	r.Add(&e)
	for _, name := range []string{s.Report().Users[0].UserPrincipalName, s.Report().Users[0].ResourceDisplayName, s.Report().Apps[0].AppDisplayName, r.Report().KnownGood[0].UserID} {
		if len(name) != MaxName {
			t.Errorf("a name of %d bytes", len(name))
		}
	}
}

func TestBeyondItsRowsAReportCountsTogetherAndSaysSo(t *testing.T) {
	s := Summary{MaxRows: 2}
	policies := []PolicyRow{{Result: PolicyFailure, EnforcedSessionControls: Controls{SessionControl}, SessionControlsNotSatisfied: Controls{SessionControl}}}
	for i := range 10 {
		s.Add(&Entry{UserPrincipalName: string(rune('a' + i)), AppID: string(rune('A' + i/3)), RequestCount: 2, ConditionalAccessPolicies: policies})
	}
	s.Add(&Entry{UserPrincipalName: Others, AppID: "A", RequestCount: 1, ConditionalAccessPolicies: policies})
	r := s.Report()
	if len(r.Apps) != 3 || len(r.Users) != 3 || r.FoldedRequests != 8*2+1 {
		t.Fatalf("%+v", r)
	}
	requests := 0
	for _, row := range r.Apps {
		requests += row.Block
	}
	if requests != 21 || r.Apps[0].AppDisplayName != Others || r.Apps[0].Users != 0 || r.Apps[1].Users != 2 {
		t.Errorf("%+v", r.Apps)
	}
}

// full refuses to be written to.
type full struct{}

var errFull = errors.New("disk full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrorsAreReturned(t *testing.T) {
	for name, write := range map[string]func(io.Writer) error{
		"table": handComputed.WriteTable, "json": handComputed.WriteJSON, "csv": handComputed.WriteCSV,
	} {
		if err := write(full{}); !errors.Is(err, errFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARecordIsReportedAsItWasWritten(t *testing.T) {
	blocked, allowed := blockedRecord(), blockedRecord()
	allowed.ConditionalAccessPolicies = Policies([]PolicyResult{{ID: "p1", Result: PolicySuccess}})
	allowed.TokenProtectionStatusDetails = TokenProtectionStatusDetails{Bound, 0}
	allowed.RequestCount = 5
	log := append(marshal(t, blocked), marshal(t, allowed)...)
	r, err := summarise(bytes.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	want := []AppRow{{blocked.AppDisplayName, 8, 1, 5, 3, 0, 1, 0, 62.5, 62.5}}
	if !reflect.DeepEqual(r.Apps, want) {
		t.Errorf("got %+v, want %+v", r.Apps, want)
	}
}
