// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// scannedAlike checks the scanner's law: what it takes it reads as parse does.
func scannedAlike(t *testing.T, s *scanner, line []byte) (ok bool) {
	t.Helper()
	got, ok := s.scan(line)
	if !ok {
		return false
	}
	if want, err := parse(line); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%s\nscanned %+v\nparsed  %+v, %v", line, got, want, err)
	}
	return true
}

func TestTheScannerTakesOurRecordsAndReadsThemAsParseDoes(t *testing.T) {
	var s scanner
	log := append(generated(t, 500, 7), marshal(t, blockedRecord())...)
	for line := range bytes.Lines(log) {
		if !scannedAlike(t, &s, bytes.TrimSuffix(line, []byte("\n"))) {
			t.Fatalf("not scanned: %s", line)
		}
	}
}

func TestTheScannerLeavesOddLinesToParse(t *testing.T) {
	const rest = `"ConditionalAccessPolicies":"[]"`
	for name, line := range map[string]string{
		"not an object":         `[` + rest + `]`,
		"cut":                   `{` + rest,
		"trailing data":         `{` + rest + `}{}`,
		"another logger":        `{"logger":"http.log.access",` + rest + `}`,
		"logger null":           `{"logger":null,` + rest + `}`,
		"name with an escape":   `{"App\u0049d":"a",` + rest + `}`,
		"name in other case":    `{"appid":"a",` + rest + `}`,
		"name that folds":       "{\"Re\u017fourceIdentity\":\"a\"," + rest + `}`,
		"column twice":          `{"AppId":"a","AppId":"b",` + rest + `}`,
		"tab":                   "{\t" + rest + `}`,
		"control character":     "{\"AppId\":\"a\x01\"," + rest + `}`,
		"invalid UTF-8":         "{\"AppId\":\"a\xff\"," + rest + `}`,
		"invalid escape":        `{"AppId":"\x",` + rest + `}`,
		"number for a name":     `{"AppId":5,` + rest + `}`,
		"null for a name":       `{"AppId":null,` + rest + `}`,
		"broken other value":    `{"level":nul,` + rest + `}`,
		"broken foreign object": `{"x":{"a":]},` + rest + `}`,
		"broken policies":       `{"ConditionalAccessPolicies":"[{"}`,
		"broken device":         `{"DeviceDetail":{"a":},` + rest + `}`,
		"broken status":         `{"Status":{"a"},` + rest + `}`,
		"count zero":            `{"RequestCount":0,` + rest + `}`,
		"count with a plus":     `{"RequestCount":+1,` + rest + `}`,
		"count as text":         `{"RequestCount":"1",` + rest + `}`,
		"string without end":    `{"AppId":"a\"` + rest + `}`,
		"empty":                 ``,
	} {
		if e, ok := new(scanner).scan([]byte(line)); ok {
			t.Errorf("%s: scanned %+v", name, e)
		}
	}
}

func TestTheScannerReadsEscapesAndForeignColumns(t *testing.T) {
	for _, line := range []string{
		`{"AppDisplayName":"a\"\\\u00e4","x":"\\","y":{"z":["}\"",1]},"w":-1.5e3,"ConditionalAccessPolicies":[]}`,
		`{ "AppId" : "a" , "RequestCount" : 7 , "ConditionalAccessPolicies" : "[]" }`,
		`{"TimeGenerated":"2026-03-04T05:07:08.009+01:00","ConditionalAccessPolicies":"[]"}`,
		`{"ts":1772600828.25,"ConditionalAccessPolicies":""}`,
		`{"DeviceDetail":"{\"deviceId\":\"d\"}","Status":"no JSON","ConditionalAccessPolicies":null}`,
	} {
		if !scannedAlike(t, new(scanner), []byte(line)) {
			t.Errorf("not scanned: %s", line)
		}
	}
}

func TestCachesBeginAnewWhenFull(t *testing.T) {
	var c cache[int]
	long := strings.Repeat("x", cacheBytes/4)
	for i := range 20 {
		if v, ok := cached(&c, []byte(long[i:]), func(b []byte) (int, bool) { return len(b), true }); !ok || v != len(long)-i {
			t.Fatalf("%d, %v", v, ok)
		}
		if len(c.values) > 5 {
			t.Fatalf("%d values", len(c.values))
		}
	}
	if _, ok := cached(&c, []byte("bad"), func([]byte) (int, bool) { return 0, false }); ok || c.values["bad"] != 0 {
		t.Error("what cannot be decoded was kept")
	}
}

func FuzzTheScannerReadsWhatItTakesAsParseDoes(f *testing.F) {
	for line := range bytes.Lines(generated(f, 3, 2)) {
		f.Add(line)
	}
	f.Add([]byte(`{"AppDisplayName":"a\"\\\u00e4","x":"\\","y":{"z":["}\"",1]},"ConditionalAccessPolicies":[]}`))
	f.Add([]byte(`{"TimeGenerated":"","DeviceDetail":"{}","RequestCount":7,"ConditionalAccessPolicies":"[]","Status":null}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var s scanner
		scannedAlike(t, &s, line)
		scannedAlike(t, &s, line) // from the caches
	})
}
