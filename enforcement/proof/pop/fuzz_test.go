// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package pop

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// Whatever comes as a credential is refused for a reason or has an access
// token in it, and none but the device's own signed request is accepted.
func FuzzParse(f *testing.F) {
	d := deviceOf(f, 1)
	good := d.shr(f, nil)
	input := good[:strings.LastIndexByte(good, '.')] // the same whenever it is signed
	f.Add(good)
	f.Add(d.shr(f, map[string]any{"q": covers("x", "a"), "h": covers("y"), "b": "z", "jti": "1"}))
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Add("e30.e30.e30")
	f.Fuzz(func(t *testing.T, credential string) {
		s, why := Parse(credential)
		if (why == reason.None) != (s != nil) {
			t.Fatalf("%q and %v", why, s)
		}
		if s == nil {
			return
		}
		if s.AccessToken() == "" || len(credential) > MaxSize || strings.Count(credential, ".") != 2 {
			t.Error("no signed request")
		}
		if _, why := newBench(t).Verify(s, request(t, d), noon); why == reason.None && s.compact.SigningInput != input {
			t.Error("accepted what the device never signed")
		}
	})
}

// A payload of any shape does not bring the reader of claims to a fall, and
// what it accepts is a strict JSON object.
func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"at":"a","ts":1,"m":"GET","u":"h","p":"/","q":[["a"],"b"],"h":[[],""],"b":"","cnf":{"jwk":{}}}`))
	f.Add([]byte(`{"q":[[],"a"],"q":[]}`))
	f.Add([]byte(`{"h":[["a",1]]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var c claims
		if c.read(payload) != nil {
			return
		}
		if jose.ScanObject(payload, nil) != nil {
			t.Error("accepted what is no strict object")
		}
		if _, named := c.identity(); named && len(c.id)+len(c.nonce) == 0 {
			t.Error("an identity out of nothing")
		}
		c.key(jose.ES256)
	})
}

// q covers a query exactly where the plain reading of the draft's rules says
// so; and what passes for the whole query passes for a part of it, too.
func FuzzQuery(f *testing.F) {
	f.Add("b=bar&a=foo&c=duck", "b,a,c")
	f.Add("a=1&a=2", "a")
	f.Add("a=1&%61=2", "a")
	f.Add("a==&b", "a,b")
	f.Add("%61=1", "a")
	f.Add("a+b=1", "a+b")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, query, list string) {
		names := split(list)
		pairs, coverable := plainQuery(query, names)
		signed := strings.Join(pairs, "&")
		c := coverage{present: true, names: names, hash: []byte(hashOf(signed))}
		lax, whole := c.matchQuery(query, false), c.matchQuery(query, true)
		if lax != coverable {
			t.Errorf("covered is %v, want %v", lax, coverable)
		}
		if others := len(strings.FieldsFunc(query, func(r rune) bool { return r == '&' })) - len(names); whole != (lax && others == 0) {
			t.Errorf("covered as a whole is %v, with %d other parameters", whole, others)
		}
		c.hash = []byte(hashOf(signed + "x"))
		if c.matchQuery(query, false) {
			t.Error("covered by another hash")
		}
	})
}

// plainQuery finds each of the names in the query, and says whether each can be covered.
func plainQuery(query string, names []string) (pairs []string, coverable bool) {
	decode := func(name string) string {
		if decoded, err := url.QueryUnescape(name); err == nil {
			return decoded
		}
		return name
	}
	for i, name := range names {
		found, alike := "", 0
		for _, piece := range strings.Split(query, "&") {
			if decode(strings.Split(piece, "=")[0]) == decode(name) {
				alike++
				found = piece
			}
		}
		parts := strings.Split(found, "=")
		if alike != 1 || len(parts) != 2 || parts[0] != name || parts[1] == "" {
			return nil, false
		}
		for _, other := range names[:i] {
			if decode(other) == decode(name) {
				return nil, false
			}
		}
		pairs = append(pairs, found)
	}
	return pairs, true
}

// h covers headers exactly where the plain reading of the draft's rules says so.
func FuzzHeaders(f *testing.F) {
	f.Add("content-type", "application/json", "etag", "742-3u8f34-3r2nvv3", "content-type,etag")
	f.Add("a", "1", "A", "2", "a")
	f.Add("a", "1", "connection", "x , A", "a")
	f.Add("authorization", "1", "", "", "authorization")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2, list string) {
		header := http.Header{}
		header.Add(name1, value1)
		header.Add(name2, value2)
		names := split(list)
		lines, coverable := plainHeaders(header, names)
		signed := strings.Join(lines, "\n")
		c := coverage{present: true, names: names, hash: []byte(hashOf(signed))}
		if covered := c.matchHeaders(header); covered != coverable {
			t.Errorf("covered is %v, want %v", covered, coverable)
		}
		c.hash = []byte(hashOf(signed + "x"))
		if c.matchHeaders(header) {
			t.Error("covered by another hash")
		}
	})
}

// plainHeaders makes a line of each of the names, and says whether each can be covered.
func plainHeaders(header http.Header, names []string) (lines []string, coverable bool) {
	const capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for i, name := range names {
		values := header.Values(name)
		if len(values) != 1 || name == "authorization" || strings.ContainsAny(name, capitals) || slices.Contains(names[:i], name) {
			return nil, false
		}
		for _, nominated := range strings.Split(strings.Join(header["Connection"], ","), ",") {
			if strings.Map(toLower, strings.Trim(nominated, " \t")) == name {
				return nil, false
			}
		}
		lines = append(lines, name+": "+values[0])
	}
	return lines, true
}

func toLower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}
