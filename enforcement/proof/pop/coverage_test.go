// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package pop

import (
	"net/http"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// The draft, section 3.1, and what it leaves to the recipient.
func TestQueryIsCoveredAsItWasSent(t *testing.T) {
	d := deviceOf(t, 1)
	type ours struct{ lax, whole reason.Reason }
	good, bad, partial := ours{}, ours{reason.ProofQuery, reason.ProofQuery}, ours{whole: reason.ProofQuery}
	for name, c := range map[string]struct {
		query string
		q     []any
		want  ours
	}{
		"all":                                             {"a=1&b=2", covers(hashOf("a=1&b=2"), "a", "b"), good},
		"in the order of the list":                        {"a=1&b=2", covers(hashOf("b=2&a=1"), "b", "a"), good},
		"not in the order of the query":                   {"b=2&a=1", covers(hashOf("b=2&a=1"), "a", "b"), bad},
		"reordered on the way":                            {"b=2&a=1", covers(hashOf("a=1&b=2"), "a", "b"), good},
		"nothing of nothing":                              {"", covers(hashOf("")), good},
		"nothing of something":                            {"a=1", covers(hashOf("")), partial},
		"a copy of the query":                             {"a=1", []any{[]string{}, "a=1"}, partial},
		"no copy of the query":                            {"a=1", []any{[]string{}, "a=2"}, partial}, // it is no hash, so it says nothing
		"an empty copy":                                   {"", []any{[]string{}, ""}, good},
		"parameter added":                                 {"a=1&admin=1", covers(hashOf("a=1"), "a"), partial},
		"parameter without value added":                   {"a=1&admin", covers(hashOf("a=1"), "a"), partial},
		"parameter with empty value added":                {"a=1&admin=", covers(hashOf("a=1"), "a"), partial},
		"parameter with two equals added":                 {"a=1&admin=1=1", covers(hashOf("a=1"), "a"), partial},
		"only ampersands added":                           {"&&a=1&", covers(hashOf("a=1"), "a"), good},
		"parameter removed":                               {"a=1", covers(hashOf("a=1&b=2"), "a", "b"), bad},
		"all removed":                                     {"", covers(hashOf("a=1"), "a"), bad},
		"value changed":                                   {"a=2", covers(hashOf("a=1"), "a"), bad},
		"value in another spelling":                       {"a=%31", covers(hashOf("a=1"), "a"), bad},
		"value encoded, as it was sent":                   {"a=%2f%2F", covers(hashOf("a=%2f%2F"), "a"), good},
		"name encoded, as it was sent":                    {"%61=1", covers(hashOf("%61=1"), "%61"), good},
		"name in another spelling":                        {"%61=1", covers(hashOf("a=1"), "a"), bad},
		"name encoded wrongly":                            {"%zz=1", covers(hashOf("%zz=1"), "%zz"), good},
		"named in another spelling":                       {"%61=1", covers(hashOf("%61=1"), "a"), bad},
		"name in another case":                            {"A=1", covers(hashOf("a=1"), "a"), bad},
		"names that differ in case":                       {"a=1&A=2", covers(hashOf("a=1&A=2"), "a", "A"), good},
		"repeated":                                        {"a=1&a=2", covers(hashOf("a=1"), "a"), bad},
		"repeated, the last one hashed":                   {"a=1&a=2", covers(hashOf("a=2"), "a"), bad},
		"repeated alike":                                  {"a=1&a=1", covers(hashOf("a=1"), "a"), bad},
		"repeated without value":                          {"a=1&a", covers(hashOf("a=1"), "a"), bad},
		"repeated in another spelling":                    {"a=1&%61=2", covers(hashOf("a=1"), "a"), bad},
		"repeated with a plus for a space":                {"a%20b=1&a+b=2", covers(hashOf("a%20b=1"), "a%20b"), bad},
		"not repeated in the list":                        {"a=1&a=2", covers(hashOf("a=1&a=2"), "a", "a"), bad},
		"listed twice":                                    {"a=1", covers(hashOf("a=1&a=1"), "a", "a"), bad},
		"missing, hashed as nothing":                      {"", covers(hashOf(""), "a"), bad},
		"listed twice, hashed as if the first were empty": {"a=1", covers(hashOf("&a=1"), "a", "a"), bad},
		"listed twice, in two spellings":                  {"a=1", covers(hashOf("a=1&a=1"), "a", "%61"), bad},
		"without equals":                                  {"a", covers(hashOf("a"), "a"), bad},
		"without value":                                   {"a=", covers(hashOf("a="), "a"), bad},
		"two equals":                                      {"a=b=c", covers(hashOf("a=b=c"), "a"), bad},
		"hash cut off":                                    {"a=1", covers(hashOf("a=1")[:42], "a"), bad},
		"hash with padding":                               {"a=1", covers(hashOf("a=1")+"=", "a"), bad},
		"hash empty":                                      {"a=1", covers("", "a"), bad},
		"the whole as one name":                           {"a=1&b=2", covers(hashOf("a=1&b=2"), "a=1&b"), bad},
	} {
		t.Run(name, func(t *testing.T) {
			shr := d.shr(t, map[string]any{"q": c.q})
			r := request(t, d)
			r.RawQuery = c.query
			newBench(t).expect(shr, r, c.want.lax)
			newBench(t, demanding(Demand{WholeQuery: true})).expect(shr, r, c.want.whole)
		})
	}
}

// Without q nothing of the query is covered; what then passes is for the
// administrator to say.
func TestQueryThatIsNotCovered(t *testing.T) {
	d := deviceOf(t, 1)
	for _, c := range []struct {
		query  string
		demand Demand
		want   reason.Reason
	}{
		{"a=1", Demand{}, reason.None},
		{"", Demand{WholeQuery: true}, reason.None},
		{"a=1", Demand{WholeQuery: true}, reason.ProofQuery},
		{"a", Demand{WholeQuery: true}, reason.ProofQuery},
		{"", Demand{Query: true}, reason.ProofQuery},
		{"a=1", Demand{Query: true}, reason.ProofQuery},
		{"a=1", Demand{Headers: false, Body: false}, reason.None},
	} {
		r := request(t, d)
		r.RawQuery = c.query
		newBench(t, demanding(c.demand)).expect(d.shr(t, nil), r, c.want)
	}
}

// The draft, section 3.2, and what it leaves to the recipient.
func TestHeadersAreCoveredAsTheyWereSent(t *testing.T) {
	d := deviceOf(t, 1)
	header := http.Header{
		"Content-Type": {"application/json"}, "Etag": {"742-3u8f34-3r2nvv3"}, "X-Twice": {"1", "2"}, "X-Empty": {""},
		"Authorization": {"PoP x"}, "X-Hop": {"1"}, "Connection": {"keep-alive, X-HOP", "x-other"},
	}
	for name, c := range map[string]struct {
		h    []any
		want reason.Reason
	}{
		"both":                        {covers(hashOf("content-type: application/json\netag: 742-3u8f34-3r2nvv3"), "content-type", "etag"), reason.None},
		"in the order of the list":    {covers(hashOf("etag: 742-3u8f34-3r2nvv3\ncontent-type: application/json"), "etag", "content-type"), reason.None},
		"in another order":            {covers(hashOf("etag: 742-3u8f34-3r2nvv3\ncontent-type: application/json"), "content-type", "etag"), reason.ProofHeaders},
		"none":                        {covers(hashOf("")), reason.None},
		"none, and no hash":           {covers("x"), reason.ProofHeaders},
		"an empty one":                {covers(hashOf("x-empty: "), "x-empty"), reason.None},
		"missing":                     {covers(hashOf("x-missing: "), "x-missing"), reason.ProofHeaders},
		"value changed":               {covers(hashOf("etag: 742-3u8f34-3r2nvv4"), "etag"), reason.ProofHeaders},
		"repeated":                    {covers(hashOf("x-twice: 1"), "x-twice"), reason.ProofHeaders},
		"repeated, joined":            {covers(hashOf("x-twice: 1, 2"), "x-twice"), reason.ProofHeaders},
		"listed twice":                {covers(hashOf("etag: 742-3u8f34-3r2nvv3\netag: 742-3u8f34-3r2nvv3"), "etag", "etag"), reason.ProofHeaders},
		"name in another case":        {covers(hashOf("Etag: 742-3u8f34-3r2nvv3"), "Etag"), reason.ProofHeaders},
		"authorization":               {covers(hashOf("authorization: PoP x"), "authorization"), reason.ProofHeaders},
		"authorization in capitals":   {covers(hashOf("Authorization: PoP x"), "Authorization"), reason.ProofHeaders},
		"one that Connection removes": {covers(hashOf("x-hop: 1"), "x-hop"), reason.ProofHeaders},
		"two as one name":             {covers(hashOf("content-type: application/json\netag: 742-3u8f34-3r2nvv3"), "content-type: application/json\netag"), reason.ProofHeaders},
		"empty name":                  {covers(hashOf(": "), ""), reason.ProofHeaders},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t, d)
			r.Header = header
			newBench(t).expect(d.shr(t, map[string]any{"h": c.h}), r, c.want)
			newBench(t, demanding(Demand{Headers: true})).expect(d.shr(t, map[string]any{"h": c.h}), r, c.want)
		})
	}
}
