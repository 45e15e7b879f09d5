// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package pop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// row is one row of the tests of Microsoft's library.
type row struct {
	Claim   string
	ID      string
	Outcome string `json:"ms_library_default_outcome"`
	TS      string
	Method  string `json:"request_method"`
	M       *string
	URI     string
	U, P    *string
	Headers map[string][]string
	Q, H    json.RawMessage
}

// claim returns the row's claim as it goes into the signed request.
func (row *row) claim() any {
	text := map[string]*string{"m": row.M, "u": row.U, "p": row.P}[row.Claim]
	switch {
	case text != nil:
		return *text
	case row.Claim == "q":
		return row.Q
	case row.Claim == "h":
		return row.H
	}
	return nil
}

// request returns the row's request, as it would be on the wire.
func (row *row) request(t *testing.T, d *device) *Request {
	t.Helper()
	url := sampleURL
	if row.URI != "" {
		url = strings.ReplaceAll(row.URI, " ", "%20")
	}
	r := requestTo(t, d, url)
	if row.Method != "" {
		r.Method = strings.TrimSpace(row.Method)
	}
	for name, values := range row.Headers {
		for _, value := range values {
			r.Header.Add(name, value)
		}
	}
	return r
}

// The library's outcomes for m, u, p, q and h, in the mode that is made like
// it and in ours, which is stricter where the second list says so.
func TestRowsOfMicrosoftsLibrary(t *testing.T) {
	var vectors struct{ Cases []row }
	load(t, "shr.json", &vectors)
	d := deviceOf(t, 1)
	reasons := map[string]reason.Reason{
		"m": reason.ProofMethod, "u": reason.ProofURL, "p": reason.ProofURL, "q": reason.ProofQuery, "h": reason.ProofHeaders,
	}
	stricter := map[string]reason.Reason{
		`m "get"`: reason.ProofMethod, `m " gEt "`: reason.ProofMethod,
		`p "/path1/"`: reason.ProofURL, `p "path1"`: reason.ProofURL, `p "path1/"`: reason.ProofURL,
		`p "/path1/more/andmore/"`: reason.ProofURL,
	}
	ran, differed := 0, 0
	for i, row := range vectors.Cases {
		refusal, ours := reasons[row.Claim]
		if !ours {
			continue
		}
		ran++
		t.Run(fmt.Sprintf("%s %d", row.Claim, i), func(t *testing.T) {
			claim := row.claim()
			r := row.request(t, d)
			changes := map[string]any{"u": r.URL.Host, "p": r.URL.Path, "m": r.Method, row.Claim: claim}
			want := reason.None
			switch {
			case strings.HasPrefix(row.Outcome, "reject") && claim == nil:
				want = reason.ProofMalformed
			case strings.HasPrefix(row.Outcome, "reject"):
				want = refusal
			}
			shr := d.shr(t, changes)
			newBench(t, microsoft).expect(shr, r, want)
			if strict, differs := stricter[row.Claim+" "+string(marshal(t, claim))]; differs {
				want = strict
				differed++
			}
			newBench(t).expect(shr, r, want)
		})
	}
	if ran != 37 || differed < len(stricter) {
		t.Errorf("ran %d rows, of which %d are refused by the strict mode", ran, differed)
	}
}

// What SignedHttpRequestValidationTests.cs and PopKeyResolvingTests.cs have
// beyond those rows, by the names they have there. Where a name is followed by
// "here", the library decides otherwise.
func TestCasesOfMicrosoftsLibrary(t *testing.T) {
	d := deviceOf(t, 1)
	type change = map[string]any
	everything := Demand{Query: true, Headers: true, Body: true}
	headers := func(pairs ...string) http.Header {
		header := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			header.Add(pairs[i], pairs[i+1])
		}
		return header
	}
	empty := hashOf("")
	for name, c := range map[string]struct {
		changes change
		query   string
		header  http.Header
		demand  Demand
		want    reason.Reason
	}{
		"ValidateTsClaim:InvalidNotLong":         {changes: change{"ts": "1700000000"}, want: reason.ProofMalformed},
		"ValidateTsClaim:InvalidClaimNotPresent": {changes: change{"ts": nil}, want: reason.ProofMalformed},

		"ValidateHClaim:ValidH5":                  {changes: change{"h": covers(hashOf("headername1: 1\nheadername2: 2"), "headername1", "headername2")}, header: headers("headerName1", "1", "headerName2", "2")},
		"ValidateHClaim:ValidH6":                  {changes: change{"h": covers(hashOf("headername3: 3\nheadername1: 1\nheadername2: 2"), "headername3", "headername1", "headername2")}, header: headers("headerName1", "1", "headerName2", "2", "headerName3", "3")},
		"ValidateHClaim:ValidHRepeated1":          {changes: change{"h": covers(empty)}, header: headers("headerName1", "1", "headerName1", "2")},
		"ValidateHClaim:ValidHRepeated3":          {changes: change{"h": covers(hashOf("headername2: 2"), "headername2")}, header: headers("headerName1", "1", "headerName2", "2", "headername1", "3")},
		"ValidateHClaim:ValidHRepeated7":          {changes: change{"h": covers(hashOf("headername3: 3\nheadername2: 2"), "headername3", "headername2")}, header: headers("headerName1", "1", "headerName2", "2", "HEADERNAME1", "4", "headerName3", "3")},
		"ValidateHClaim:repeated and covered":     {changes: change{"h": covers(hashOf("headername1: 1"), "headername1")}, header: headers("headerName1", "1", "headerName1", "1"), want: reason.ProofHeaders},
		"ValidateHClaim:InvalidNumberOfArguments": {changes: change{"h": []any{"headername1"}}, header: headers("headerName1", "1"), want: reason.ProofMalformed},
		"ValidateHClaim:InvalidClaimType":         {changes: change{"h": "notAnArray"}, want: reason.ProofMalformed},
		"ValidateHClaim:InvalidClaimNotPresent":   {demand: Demand{Headers: true}, want: reason.ProofHeaders},

		"ValidateQClaim:ValidQ7":                    {changes: change{"q": covers(hashOf("queryParam1=val%20ue1"), "queryParam1")}, query: "queryParam1=val%20ue1"},
		"ValidateQClaim:ValidQRepeated2":            {changes: change{"q": covers(hashOf("q1=1"), "q1")}, query: "q2=2&q2=22&q1=1&q2=3"},
		"ValidateQClaim:ValidQRepeated4":            {changes: change{"q": covers(empty)}, query: "q1=1&q1=2&q1=3"},
		"ValidateQClaim:ValidAcceptUnsigned":        {changes: change{"q": covers(hashOf("q1=1"), "q1")}, query: "q1=1&q2=2", demand: Demand{Query: true}},
		"ValidateQClaim:InvalidDontAcceptUnsigned":  {changes: change{"q": covers(hashOf("q1=1"), "q1")}, query: "q1=1&q2=2", demand: Demand{WholeQuery: true}, want: reason.ProofQuery},
		"ValidateQClaim:InvalidNumberOfArguments":   {changes: change{"q": []any{"q1"}}, query: "q1=1", want: reason.ProofMalformed},
		"ValidateQClaim:no arguments":               {changes: change{"q": []any{}}, query: "q1=1", want: reason.ProofMalformed},
		"ValidateQClaim:only names":                 {changes: change{"q": []any{[]string{"q1"}}}, query: "q1=1", want: reason.ProofMalformed},
		"ValidateQClaim:three arguments":            {changes: change{"q": []any{[]string{"q1"}, hashOf("q1=1"), 1}}, query: "q1=1", want: reason.ProofMalformed},
		"ValidateQClaim:InvalidClaimType":           {changes: change{"q": "notAnArray"}, want: reason.ProofMalformed},
		"ValidateQClaim:names are no strings":       {changes: change{"q": []any{[]int{1}, empty}}, want: reason.ProofMalformed},
		"ValidateQClaim:the hash is no string":      {changes: change{"q": []any{[]string{"a"}, 1}}, want: reason.ProofMalformed},
		"ValidateQClaim:InvalidClaimNotPresent":     {query: "q1=1", demand: Demand{Query: true}, want: reason.ProofQuery},
		"ValidateQClaim:not present, nothing there": {demand: Demand{Query: true}, want: reason.ProofQuery},

		"ValidateBClaim:ValidB1 without a body":         {changes: change{"b": empty}, demand: Demand{Body: true}},
		"ValidateBClaim:InvalidMismatch":                {changes: change{"b": hashOf("x")}, want: reason.ProofBody},
		"ValidateBClaim:InvalidClaimNotPresent":         {demand: Demand{Body: true}, want: reason.ProofBody},
		"ValidateBClaim:not a string":                   {changes: change{"b": 1}, want: reason.ProofMalformed},
		"ValidPresentAllClaimsCalls":                    {changes: change{"q": covers(empty), "h": covers(empty), "b": empty}, demand: everything},
		"ValidPresentDefaultClaimsCalls":                {},
		"ValidTokenSpuriousClaims":                      {changes: change{"x": []int{1}, "client_claims": `{"a":1}`, "T": nil}},
		"ValidTokenNullClaims here":                     {changes: change{"q": json.RawMessage("null")}, want: reason.ProofMalformed},
		"ValidNoClaimsPresent here":                     {changes: change{"ts": nil, "m": nil, "u": nil, "p": nil}, want: reason.ProofMalformed},
		"InvalidNoAccessToken":                          {changes: change{"at": nil}, want: reason.ProofMalformed},
		"InvalidEmptyAcccessToken":                      {changes: change{"at": ""}, want: reason.ProofMalformed},
		"InvalidCnfIsNull":                              {changes: change{"cnf": json.RawMessage("null")}, want: reason.ProofKey},
		"InvalidNoCnfClaimFound":                        {changes: change{"cnf": nil}, want: reason.ProofKey},
		"ValidTestCnfAsAsString here":                   {changes: change{"cnf": string(marshal(t, change{"jwk": d.jwk}))}, want: reason.ProofKey},
		"ResolvePopKeyFromJwk:InvalidEmptyPopKey":       {changes: change{"cnf": change{"jwk": change{}}}, want: reason.ProofKey},
		"ResolvePopKeyFromJwk:InvalidPopKeyNotAJWK":     {changes: change{"cnf": change{"jwk": "x"}}, want: reason.ProofKey},
		"ResolvePopKeyFromJwk:NotSymmetricKey":          {changes: change{"cnf": change{"jwk": change{"kty": "oct", "k": "AAAA"}}}, want: reason.ProofKey},
		"ResolvePopKeyFromJwe here":                     {changes: change{"cnf": change{"jwe": "a.b.c.d.e"}}, want: reason.ProofKey},
		"ResolvePopKeyFromJku here":                     {changes: change{"cnf": change{"jku": "https://contoso.example/keys"}}, want: reason.ProofKey},
		"ResolvePopKeyFromKeyIdentifier:CheckRecursion": {changes: change{"cnf": change{"kid": d.key.Thumbprint.String()}}, want: reason.ProofKey},
		"InvalidCnfReference":                           {changes: change{"cnf": change{"jwk": deviceOf(t, 2).jwk}}, want: reason.KeyMismatch},
		"Roundtrip:InvalidNoUClaim":                     {changes: change{"u": nil}, want: reason.ProofMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t, d)
			r.RawQuery = c.query
			if c.header != nil {
				r.Header = c.header
			}
			newBench(t, microsoft, demanding(c.demand)).expect(d.shr(t, c.changes), r, c.want)
		})
	}
}
