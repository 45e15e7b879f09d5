// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestNamedLocationsReadAsGraphWritesThem(t *testing.T) {
	const document = `{
		"@odata.type": "#microsoft.graph.ipNamedLocation",
		"id": "0854951d-5fc0-4eb1-b392-9b2c9d7949c2",
		"createdDateTime": "2019-09-04T01:11:34.9387578Z",
		"modifiedDateTime": null,
		"deletedDateTime": null,
		"displayName": "Head office",
		"isTrusted": true,
		"ipRanges": [
			{"@odata.type": "#microsoft.graph.iPv4CidrRange", "cidrAddress": "192.0.2.11/22"},
			{"@odata.type": "#microsoft.graph.iPv6CidrRange", "cidrAddress": "2001:db8:9d38:90d6:0:0:0:0/63"}
		]
	}`
	var l NamedLocation
	if err := json.Unmarshal([]byte(document), &l); err != nil {
		t.Fatal(err)
	}
	want := NamedLocation{ID: "0854951d-5fc0-4eb1-b392-9b2c9d7949c2", DisplayName: "Head office", IsTrusted: true,
		IPRanges: []IPRange{{"192.0.2.11/22"}, {"2001:db8:9d38:90d6:0:0:0:0/63"}}}
	if !reflect.DeepEqual(l, want) {
		t.Errorf("got %+v, want %+v", l, want)
	}
	named, err := compileLocations([]NamedLocation{l})
	if err != nil {
		t.Fatal(err)
	}
	for address, inside := range map[string]bool{
		"192.0.0.0": true, "192.0.3.255": true, "191.255.255.255": false, "192.0.4.0": false,
		"2001:db8:9d38:90d7:ffff::1": true, "2001:db8:9d38:90d8::": false, "::ffff:192.0.2.1": false,
	} {
		if got := named[0].ranges.contain(netip.MustParseAddr(address)); got != inside {
			t.Errorf("%s: got %t, want %t", address, got, inside)
		}
	}
}

func TestNamedLocationsAreReadStrictly(t *testing.T) {
	for document, want := range map[string]string{
		`{"displayName": "A", "countriesAndRegions": ["DE"]}`:                          `named location "A": countriesAndRegions: not supported yet`,
		`{"displayName": "A", "IsTrusted": true}`:                                      `named location "A": IsTrusted: must be written "isTrusted"`,
		`{"displayName": "A", "displayName": "A"}`:                                     `named location "A": displayName: is given twice`,
		`{"displayName": "A", "ipRanges": [{"cidrAddress": "::/0", "except": "::1"}]}`: `named location "A": ipRanges[0].except: unknown member; it might change what the location means`,
		`[]`: `named location "?": (location): must be an object`,
		`{"displayName": "A", "ipRanges": ["::/0"]}`: `named location "A": ipRanges[0]: must be an object`,
		`{"displayName": "A", "isTrusted": "yes"}`:   `named location "A": json: cannot unmarshal string into Go struct field plain.isTrusted of type bool`,
		"{\"displayName\": \"\xff\"}":                `named location "�": (location): is not valid UTF-8`,
	} {
		var l NamedLocation
		if err := l.UnmarshalJSON([]byte(document)); err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", document, err, want)
		}
	}
}

func TestNamedLocationsAreChecked(t *testing.T) {
	one := []IPRange{{"192.0.2.0/24"}}
	for name, test := range map[string]struct {
		locations []NamedLocation
		want      string
	}{
		"no name":             {[]NamedLocation{{IPRanges: one}}, `named location "#1": displayName: "" is no name; expected one without space around it`},
		"space":               {[]NamedLocation{{DisplayName: "A ", IPRanges: one}}, `named location "A ": displayName: "A " is no name; expected one without space around it`},
		"a long name":         {[]NamedLocation{{DisplayName: strings.Repeat("ä", 257), IPRanges: one}}, fmt.Sprintf(`named location %q: displayName: must not be longer than 256 characters`, strings.Repeat("ä", 257))},
		"one of Graph's word": {[]NamedLocation{{DisplayName: "alltrusted", IPRanges: one}}, `named location "alltrusted": displayName: "alltrusted" means something else in policies; choose another name`},
		"a name twice":        {[]NamedLocation{{DisplayName: "A", IPRanges: one}, {DisplayName: "A", IPRanges: one}}, `named location "A": displayName: another named location has this name or id; they must be unique`},
		"an id for a name":    {[]NamedLocation{{DisplayName: "A", IPRanges: one}, {ID: "A", DisplayName: "B", IPRanges: one}}, `named location "B": id: another named location has "A" as its name or id; they must be unique`},
		"no range":            {[]NamedLocation{{DisplayName: "A"}}, `named location "A": ipRanges: the number of ranges is 0; allowed: 1 to 2000`},
		"many ranges":         {[]NamedLocation{{DisplayName: "A", IPRanges: slices.Repeat(one, 2001)}}, `named location "A": ipRanges: the number of ranges is 2001; allowed: 1 to 2000`},
		"an address":          {[]NamedLocation{{DisplayName: "A", IPRanges: []IPRange{{"192.0.2.1"}}}}, `named location "A": ipRanges.cidrAddress: "192.0.2.1" is not a network; expected one such as 192.0.2.0/24 or 2001:db8::/32`},
		"IPv4 in IPv6":        {[]NamedLocation{{DisplayName: "A", IPRanges: []IPRange{{"::ffff:192.0.2.0/120"}}}}, `named location "A": ipRanges.cidrAddress: "::ffff:192.0.2.0/120" is not a network; expected one such as 192.0.2.0/24 or 2001:db8::/32`},
		"many locations":      {slices.Repeat([]NamedLocation{{DisplayName: "A", IPRanges: one}}, 256), `there are 256 named locations; allowed: at most 255`},
	} {
		if s, err := Compile(nil, nil, test.locations...); s != nil || err == nil || err.Error() != test.want {
			t.Errorf("%s\ngot  %v\nwant %s", name, err, test.want)
		}
	}
}

// The last of as many locations as there may be has a bit of its own.
func TestAsManyLocationsAsThereMayBe(t *testing.T) {
	var all []NamedLocation
	for i := range maxLocations {
		all = append(all, NamedLocation{DisplayName: fmt.Sprintf("L%d", i), IPRanges: []IPRange{{fmt.Sprintf("10.0.%d.0/24", i)}}})
	}
	s, err := Compile([]Policy{plain(locations([]string{"L254"}, nil))}, nil, all...)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]Result{"10.0.254.7": Failure, "10.0.253.7": NotApplied} {
		if got := s.Evaluate(nil, ann(func(c *Context) { c.Address = netip.MustParseAddr(address) }))[0].Result; got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

// An address is in the merged ranges exactly if it is in one of the networks.
func checkRanges(t *testing.T, seed uint64) {
	t.Helper()
	w := world{rand.New(rand.NewPCG(seed, 5))}
	address := func() netip.Addr {
		if w.one(3) { // few bits, so that networks meet
			return netip.AddrFrom16([16]byte{0x20, 1, 15: byte(w.IntN(256))})
		}
		return netip.AddrFrom4([4]byte{192, 0, byte(w.IntN(2)), byte(w.IntN(256))})
	}
	var prefixes []netip.Prefix
	var all ranges
	for range w.IntN(8) + 1 {
		a := address()
		p := netip.PrefixFrom(a, a.BitLen()-w.IntN(10))
		if w.one(10) {
			p = netip.PrefixFrom(a, w.IntN(a.BitLen()+1))
		}
		prefixes, all = append(prefixes, p), append(all, rangeOf(p))
	}
	merged := all.merge()
	for range 32 {
		a := address()
		want := slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
		if got := merged.contain(a); got != want {
			t.Fatalf("%s in %s: got %t, want %t", a, prefixes, got, want)
		}
	}
}

func TestRangesAgreeWithTheirNetworks(t *testing.T) {
	for seed := range uint64(2000) {
		checkRanges(t, seed)
	}
}

func FuzzRangesAgreeWithTheirNetworks(f *testing.F) {
	f.Add(uint64(0))
	f.Fuzz(func(t *testing.T, seed uint64) { checkRanges(t, seed) })
}

// What is accepted keeps its meaning when it is written and read again.
func FuzzNamedLocationJSON(f *testing.F) {
	f.Add([]byte(`{"id":"1","displayName":"A","isTrusted":true,"ipRanges":[{"cidrAddress":"192.0.2.0/24"}]}`))
	f.Add([]byte(`{"displayName":"A","ipRanges":[null,{}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		var l, again NamedLocation
		if json.Unmarshal(document, &l) != nil {
			return
		}
		written, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(written, &again); err != nil || len(l.IPRanges) > 0 && !reflect.DeepEqual(l, again) {
			t.Fatalf("%s\nreads as  %+v\nand again %+v, %v", document, l, again, err)
		}
		_, _ = compileLocations([]NamedLocation{l})
	})
}
