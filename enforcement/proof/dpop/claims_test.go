// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dpop

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

var errNaive = errors.New("refused")

// naive reads claims the obvious way, with encoding/json into a map, and adds
// what that lets through: it is what the scanner is held against.
func naive(payload []byte) (claims, error) {
	if !utf8.Valid(payload) {
		return claims{}, errNaive
	}
	if err := strictTokens(payload); err != nil {
		return claims{}, err
	}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	var members map[string]any
	if decoder.Decode(&members) != nil || members == nil {
		return claims{}, errNaive
	}
	if _, err := decoder.Token(); err != io.EOF { // something after the object
		return claims{}, errNaive
	}
	var c claims
	for name, into := range map[string]*[]byte{"jti": &c.id, "htm": &c.method, "htu": &c.url, "ath": &c.tokenHash, "nonce": &c.nonce} {
		if value, ok := members[name]; ok {
			text, ok := value.(string)
			if !ok {
				return claims{}, errNaive
			}
			*into = []byte(text)
		}
	}
	for name, into := range map[string]struct {
		has    *bool
		number *int64
	}{
		"iat": {&c.hasIssuedAt, &c.issuedAt}, "exp": {&c.hasExpiry, &c.expires}, "nbf": {&c.hasNotBefore, &c.notBefore},
	} {
		if value, ok := members[name]; ok {
			number, ok := value.(json.Number)
			if !ok {
				return claims{}, errNaive
			}
			var err error
			if *into.number, err = strconv.ParseInt(number.String(), 10, 64); err != nil {
				return claims{}, errNaive
			}
			*into.has = true
		}
	}
	if len(c.id) == 0 || utf8.RuneCount(c.id) > 128 || len(c.method) == 0 || len(c.url) == 0 || len(c.tokenHash) == 0 || !c.hasIssuedAt {
		return claims{}, errNaive
	}
	return c, nil
}

// strictTokens refuses duplicate names and too much depth, anywhere.
func strictTokens(payload []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	type level struct {
		names   map[string]bool // nil for an array
		atValue bool
	}
	var open []level
	for {
		token, err := decoder.Token()
		if err == io.EOF && len(open) == 0 {
			return nil
		}
		if err != nil {
			return errNaive
		}
		if len(open) > 0 {
			top := &open[len(open)-1]
			name, isText := token.(string)
			switch {
			case top.names == nil || token == json.Delim('}'):
			case !top.atValue && isText:
				if top.names[name] {
					return errNaive
				}
				top.names[name], top.atValue = true, true
				continue
			default:
				top.atValue = false
			}
		}
		switch token {
		case json.Delim('{'):
			open = append(open, level{names: map[string]bool{}})
		case json.Delim('['):
			open = append(open, level{})
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
		if len(open) > 32 {
			return errNaive
		}
	}
}

func FuzzProofClaims(f *testing.F) {
	const good = `{"jti":"a","htm":"GET","htu":"https://x/","iat":1700000000,"ath":"h"}`
	for _, seed := range []string{
		good, " \r\n\t" + good + " ", good + good, good + "x", "[" + good + "]", "null", "", "{}", `{"a":`,
		strings.Replace(good, "}", `,"exp":-0,"nbf":9223372036854775807,"nonce":"n"}`, 1),
		strings.Replace(good, "}", `,"exp":9223372036854775808}`, 1),
		strings.Replace(good, "}", `,"exp":-9223372036854775808,"nbf":1.0}`, 1),
		strings.Replace(good, "}", `,"x":{"y":[1,{"z":null,"z":2}]}}`, 1),
		strings.Replace(good, "}", `,"\u006ati":"b"}`, 1),
		strings.Replace(good, "}", `,"JTI":"b","x":[true,false,1e5,"\ud83d\ude00\/\b"]}`, 1),
		strings.Replace(good, "}", `,"x":`+strings.Repeat("[", 31)+strings.Repeat("]", 31)+"}", 1),
		strings.Replace(good, "}", `,"x":`+strings.Repeat("[", 32)+strings.Repeat("]", 32)+"}", 1),
		strings.Replace(good, `"a"`, `"`+strings.Repeat("é", 128)+`"`, 1),
		strings.Replace(good, `"a"`, `"\u0000\n"`, 1),
		strings.Replace(good, `"a"`, "\"\u2028\ufffd\"", 1),
		strings.Replace(good, "1700000000", "01", 1),
		strings.Replace(good, "1700000000", "+1", 1),
		"\ufeff" + good,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if lower := bytes.ToLower(payload); bytes.Contains(lower, []byte(`\ud`)) {
			return // encoding/json mends lone surrogates, which the scanner refuses; package jose tests those
		}
		want, naiveErr := naive(payload)
		var got claims
		err := got.read(payload)
		if (err == nil) != (naiveErr == nil) {
			t.Fatalf("scanner: %v, encoding/json: %v", err, naiveErr)
		}
		if err == nil && !got.same(want) {
			t.Errorf("scanner: %+v, encoding/json: %+v", got, want)
		}
	})
}

func (c claims) same(o claims) bool {
	return bytes.Equal(c.id, o.id) && bytes.Equal(c.method, o.method) && bytes.Equal(c.url, o.url) &&
		bytes.Equal(c.tokenHash, o.tokenHash) && bytes.Equal(c.nonce, o.nonce) &&
		c.issuedAt == o.issuedAt && c.expires == o.expires && c.notBefore == o.notBefore &&
		c.hasIssuedAt == o.hasIssuedAt && c.hasExpiry == o.hasExpiry && c.hasNotBefore == o.hasNotBefore
}

// A lone surrogate is no character: a jti with one is refused, not mended.
func TestRefusesLoneSurrogates(t *testing.T) {
	var c claims
	if err := c.read([]byte(`{"jti":"\ud800","htm":"GET","htu":"u","iat":1,"ath":"h"}`)); err == nil {
		t.Errorf("read as %q", c.id)
	}
}
