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
		{"Outlook", 120, 4, 107, 13, 3, 89.17, 92.5, 4, 1},
		{"d3590ed6", 4, 1, 4, 0, 0, 100, 100, 0, 0},
		{"Teams", 3, 2, 1, 2, 2, 33.33, 66.67, 1, 1},
	},
	Users: []UserRow{
		{"", "Outlook", "Office 365 Exchange Online", 7, 0, 7, 0, 0, 0},
		{"ana@contoso.example", "Outlook", "Office 365 Exchange Online", 97, 97, 0, 100, 100, 0},
		{"ana@contoso.example", "Teams", "Office 365 SharePoint Online", 2, 1, 1, 50, 100, 1},
		{"ana@contoso.example", "d3590ed6", "Office 365 SharePoint Online", 4, 4, 0, 100, 100, 0},
		{"ben@contoso.example", "Outlook", "Office 365 Exchange Online", 12, 10, 2, 83.33, 83.33, 0},
		{"ben@contoso.example", "Teams", "Office 365 SharePoint Online", 1, 0, 1, 0, 0, 0},
		{"cyd@contoso.example", "Outlook", "Office 365 Exchange Online", 3, 0, 3, 0, 100, 3},
		{"cyd@contoso.example", "Outlook", "Office 365 SharePoint Online", 1, 0, 1, 0, 100, 1},
	},
}

func file(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestReportIsTheHandComputedOne(t *testing.T) {
	got, err := Summarise(bytes.NewReader(file(t, "sign_in.log")))
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
	got, err := Summarise(bytes.NewReader(whole[half:]), bytes.NewReader(whole[:half]))
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
	if want := file(t, "report.txt"); !bytes.Equal(table.Bytes(), want) {
		t.Errorf("got\n%s\nwant\n%s", &table, want)
	}
	if want := file(t, "report.csv"); !bytes.Equal(csv.Bytes(), want) {
		t.Errorf("got\n%s\nwant\n%s", &csv, want)
	}
	var back Report
	if err := json.Unmarshal(document.Bytes(), &back); err != nil || !reflect.DeepEqual(back, handComputed) {
		t.Errorf("%v:\n%s", err, &document)
	}
}

func TestAnEmptyLogIsAnEmptyReport(t *testing.T) {
	r, err := Summarise(strings.NewReader(""))
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
	r, err := Summarise(bytes.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	want := []AppRow{{blocked.AppDisplayName, 8, 1, 5, 3, 1, 62.5, 62.5, 0, 0}}
	if !reflect.DeepEqual(r.Apps, want) {
		t.Errorf("got %+v, want %+v", r.Apps, want)
	}
}
