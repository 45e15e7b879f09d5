// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// A form may be long. A second token in it never reaches the backend, wherever
// it is and however the form is cut into pieces.
func TestTokenLateInAFormDoesNotReachTheBackend(t *testing.T) {
	long := strings.Repeat("field=value&", maxForm/12+1)
	for name, c := range map[string]struct {
		after   string
		refused bool
	}{
		"nothing":                          {"", false},
		"another field":                    {"a=b", false},
		"a token":                          {"access_token=secret&a=b", true},
		"percent-encoded":                  {"%61%63%63%65%73%73%5f%74%6f%6b%65%6e=secret", true},
		"in capitals":                      {"Access_Token=secret", true},
		"behind a semicolon":               {"a=b;access_token=secret", true},
		"without a value":                  {"a=b&access_token", true},
		"as a value":                       {"a=access_token", false},
		"with something before":            {"x_access_token=1", false},
		"with something after":             {"access_token_hint=1", false},
		"a long name that begins like it":  {"access_token" + strings.Repeat("x", 100) + "=1", false},
		"a long name that ends like it":    {strings.Repeat("x", 100) + "access_token=1", false},
		"behind an equals sign in a value": {"a=b=access_token=1", false},
	} {
		for cut, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "in halves": iotest.HalfReader,
			"with the end": iotest.DataErrReader,
		} {
			t.Run(name+", "+cut, func(t *testing.T) {
				r := request("POST", sampleURL, wrap(strings.NewReader(long+c.after)))
				r.HTTP.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				if formCarriesToken(r.HTTP) {
					t.Fatal("found before it was there")
				}
				seen, err := io.ReadAll(r.HTTP.Body)
				if c.refused != errors.Is(err, errTokenInForm) || c.refused && strings.Contains(string(seen), "secret") {
					t.Errorf("the backend reads %q and %v", seen[max(0, len(seen)-40):], err)
				}
				if !c.refused && string(seen) != long+c.after {
					t.Errorf("%d bytes arrive of %d", len(seen), len(long+c.after))
				}
				if n, again := r.HTTP.Body.Read(make([]byte, 8)); n != 0 || again == nil {
					t.Errorf("after the end: %d bytes and %v", n, again)
				}
			})
		}
	}
}

// Both searches find the same, in whatever pieces a form comes.
func FuzzFormSearchAgreesWithTheSearchOfQueries(f *testing.F) {
	f.Add("a=b&access_token=c", 3)
	f.Add("%61ccess_token;x", 1)
	f.Add("access%zztoken=;=&&access_token", 7)
	f.Fuzz(func(t *testing.T, form string, size int) {
		if size < 1 {
			size = 1
		}
		search, found := new(formSearch), false
		for rest := []byte(form); len(rest) > 0 && !found; rest = rest[min(size, len(rest)):] {
			found = search.finds(rest[:min(size, len(rest))])
		}
		if found = found || search.endsWithToken(); found != queryCarriesToken(form) {
			t.Errorf("%q in pieces of %d: %v", form, size, found)
		}
	})
}

// What backends decode before they look at a form must not hide a token in it.
func TestEncodedFormHidesNoToken(t *testing.T) {
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, _ = writer.Write([]byte("access_token=stolen"))
	_ = writer.Close()
	for name, c := range map[string]struct {
		media, coding, body string
		refused             bool
	}{
		"plain":    {"application/x-www-form-urlencoded", "", "a=b", false},
		"identity": {"application/x-www-form-urlencoded", "identity", "a=b", false},
		"utf-8":    {"application/x-www-form-urlencoded; charset=UTF-8", "", "a=b", false},
		"gzip":     {"application/x-www-form-urlencoded", "gzip", packed.String(), true},
		"utf-16":   {"application/x-www-form-urlencoded; charset=utf-16le", "", "a\x00c\x00c\x00e\x00s\x00s\x00_\x00t\x00o\x00k\x00e\x00n\x00=\x00x\x00", true},
		"ebcdic":   {"application/x-www-form-urlencoded; charset=ibm037", "", "%81%83%83%85%A2%A2m%A3%96%92%85%95=x", true},
	} {
		r := request("POST", sampleURL, strings.NewReader(c.body))
		r.HTTP.Header.Set("Content-Type", c.media)
		if c.coding != "" {
			r.HTTP.Header.Set("Content-Encoding", c.coding)
		}
		if got := formCarriesToken(r.HTTP); got != c.refused {
			t.Errorf("%s: found %v", name, got)
		}
	}
}
