// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// deviceKey is the key of RFC 7638, section 3.1, and its thumbprint.
const (
	deviceKey = `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`
	deviceJKT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
)

// owed says in one word each which proofs a confirmation asks for.
func owed(c Confirmation) string {
	var all []string
	if c.JKT != nil {
		all = append(all, "jkt "+c.JKT.String()[:4])
	}
	if c.X5T != nil {
		all = append(all, "x5t "+jose.Thumbprint(*c.X5T).String()[:4])
	}
	if c.SignedRequest != nil {
		all = append(all, "signed "+c.SignedRequest.String()[:4])
	}
	return strings.Join(all, ", ")
}

// Contract, "Order of checks", the table of confirmations.
func TestConfirmationSaysWhichProofsAreOwed(t *testing.T) {
	v, _ := standard(t)
	s := signers()[jose.ES256]
	q := func(text string) string { return `"` + text + `"` }
	for _, test := range []struct {
		name, cnf, want string
		hardware        bool
	}{
		{"none: unbound", "", "", false},
		{"jkt", `{"jkt":` + q(jkt) + `}`, "jkt iIYs", false},
		{"x5t#S256", `{"x5t#S256":` + q(jkt2) + `}`, "x5t s0_e", false},
		{"kid of Entra", `{"kid":` + q(jkt) + `,"xms_ksl":"sw"}`, "signed iIYs", false},
		{"kid of Entra in hardware", `{"kid":` + q(jkt) + `,"xms_ksl":"uhw"}`, "signed iIYs", true},
		{"jwk", `{"jwk":` + deviceKey + `}`, "signed NzbL", false},
		{"jwk and its own thumbprint", `{"jwk":` + deviceKey + `,"kid":` + q(deviceJKT) + `}`, "signed NzbL", false},
		{"jkt and x5t#S256: both", `{"jkt":` + q(jkt) + `,"x5t#S256":` + q(jkt2) + `}`, "jkt iIYs, x5t s0_e", false},
		{"all three", `{"jkt":` + q(jkt) + `,"x5t#S256":` + q(jkt2) + `,"kid":` + q(jkt) + `}`, "jkt iIYs, x5t s0_e, signed iIYs", false},
		{"an unknown member beside a known one", `{"jkt":` + q(jkt) + `,"x":{"y":[1]}}`, "jkt iIYs", false},
		{"escaped name", `{"\u006akt":` + q(jkt) + `}`, "jkt iIYs", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, why := v.Verify(s.mint(t, typAT, rfc9068().with("cnf", test.cnf)), forMail, now)
			if why != reason.None {
				t.Fatalf("refused: %s", why)
			}
			c := got.Claims.Confirmation
			if owed(c) != test.want || c.Hardware != test.hardware || c.Present != (test.want != "") {
				t.Errorf("owed %q, %+v", owed(c), c)
			}
		})
	}
}

// A confirmation that cannot be enforced is not the same as none: it fails closed.
func TestRefusesConfirmationsThatCannotBeEnforced(t *testing.T) {
	v, _ := standard(t)
	s := signers()[jose.ES256]
	good := `"jkt":"` + jkt + `"`
	for _, test := range []struct{ name, cnf string }{
		{"empty", `{}`},
		{"null", `null`},
		{"string", `"` + jkt + `"`},
		{"array", `[{` + good + `}]`},
		{"number", `1`},
		{"boolean", `true`},
		{"unknown member only", `{"x-new":"1"}`},
		{"known names in another case", `{"JKT":"` + jkt + `","x5t#s256":"` + jkt + `","Kid":"` + jkt + `"}`},
		{"storage only", `{"xms_ksl":"uhw"}`},
		{"storage of the wrong type", `{` + good + `,"xms_ksl":1}`},
		{"jwe", `{"jwe":"eyJ"}`},
		{"jwe beside jkt", `{` + good + `,"jwe":"eyJ"}`},
		{"jku", `{"jku":"https://keys.example.net/pop-keys.json","kid":"2015-08-28"}`},
		{"jku beside jkt", `{` + good + `,"jku":"https://keys.example.net/pop-keys.json"}`},
		{"Token Binding", `{"tbh":"` + jkt + `"}`},
		{"Token Binding beside jkt", `{` + good + `,"tbh":"` + jkt + `"}`},
		{"jkt empty", `{"jkt":""}`},
		{"jkt null", `{"jkt":null}`},
		{"jkt an array", `{"jkt":["` + jkt + `"]}`},
		{"jkt padded", `{"jkt":"` + jkt + `="}`},
		{"jkt too short", `{"jkt":"` + jkt[1:] + `"}`},
		{"jkt with stray bits", `{"jkt":"` + jkt[:42] + `J"}`},
		{"jkt in hexadecimal", `{"jkt":"` + strings.Repeat("0f", 32) + `"}`},
		{"jkt good and kid bad", `{` + good + `,"kid":"x"}`},
		{"kid that is not a thumbprint", `{"kid":"dfd1aa97-6d8d-4575-a0fe-34b96de2bfad"}`},
		{"x5t#S256 a number", `{"x5t#S256":1}`},
		{"x5t (SHA-1)", `{"x5t":"` + jkt + `"}`},
		{"jwk a string", `{"jwk":"` + jkt + `"}`},
		{"jwk empty", `{"jwk":{}}`},
		{"jwk symmetric", `{"jwk":{"kty":"oct","k":"ZoRSOrFzN_FzUA5XKMYoVHyzff5oRJxl-IXRtztJ6uE"}}`},
		{"jwk private", `{"jwk":` + strings.TrimSuffix(deviceKey, "}") + `,"d":"AQAB"}}`},
		{"jwk and the thumbprint of another key", `{"jwk":` + deviceKey + `,"kid":"` + jkt + `"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			refuses(t, v, s.mint(t, typAT, rfc9068().with("cnf", test.cnf)), reason.ConfirmationMalformed)
		})
	}
	t.Run("the forged one counts as forged first", func(t *testing.T) {
		refuses(t, v, another(t, "p256").mint(t, typAT, rfc9068().with("cnf", `{}`)), reason.TokenSignature)
	})
}

func TestConfirmationIsTheTopLevelClaimOfThatName(t *testing.T) {
	for _, pairs := range [][]string{{"CNF", `{"jkt":"` + jkt + `"}`}, {"act", `{"cnf":{"jkt":"` + jkt + `"}}`}} {
		c, err := read(t, rfc9068().with("cnf", "").with(pairs...))
		if err != nil || c.Confirmation != (Confirmation{}) {
			t.Errorf("%v: %+v, %v", pairs, c, err)
		}
	}
}

// RFC 7800, sections 3.2 to 3.5: the examples. The kid is arbitrary there; here it must be a thumbprint.
func TestExamplesOfRFC7800(t *testing.T) {
	document, err := os.ReadFile("testdata/rfc7800.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cnf []json.RawMessage }
	if err := json.Unmarshal(document, &file); err != nil {
		t.Fatal(err)
	}
	accepted := []bool{true, false, false, false} // jwk; kid that is no thumbprint; jku; what is inside a jwe
	if len(file.Cnf) != len(accepted) {
		t.Fatalf("%d examples", len(file.Cnf))
	}
	for i, cnf := range file.Cnf {
		c, err := parseConfirmation(jose.Value{Kind: jose.Object, Raw: cnf})
		if (err == nil) != accepted[i] || (c.SignedRequest != nil) != accepted[i] {
			t.Errorf("%s: %+v, %v", cnf, c, err)
		}
	}
}

func FuzzParseConfirmation(f *testing.F) {
	for _, seed := range []string{
		`{"jkt":"` + jkt + `"}`, `{"kid":"` + jkt + `","xms_ksl":"uhw"}`, `{"x5t#S256":"` + jkt + `"}`, `{"jwk":` + deviceKey + `}`,
		`{"jwe":""}`, `{"jku":""}`, `{"tbh":""}`, `{}`, `{"x":1}`, `{"jkt":null}`, `[]`, `1`, `"x"`,
	} {
		f.Add([]byte(`{"exp":1,"cnf":` + seed + `}`))
	}
	names := DefaultClaimNames()
	places := names.compile()
	f.Fuzz(func(t *testing.T, payload []byte) {
		r, err := readClaims(payload, places, names.Groups)
		if err != nil {
			if r != nil {
				t.Fatal("claims beside an error")
			}
			return
		}
		c := r.claims.Confirmation
		if owes := c.JKT != nil || c.X5T != nil || c.SignedRequest != nil; c.Present != owes {
			t.Fatalf("present %v, owed %q", c.Present, owed(c))
		}
		if !c.Present && !reflect.ValueOf(c).IsZero() {
			t.Fatalf("absent and not empty: %+v", c)
		}
		var generic map[string]any
		if err := json.Unmarshal(payload, &generic); err != nil {
			t.Fatalf("read what encoding/json refuses: %v", err)
		}
		if _, has := generic["cnf"]; has != c.Present {
			t.Fatalf("cnf in the payload %v, present %v", has, c.Present)
		}
	})
}

// A confirmation's error is told from every other, because it has a reason of its own.
func TestConfirmationErrorsAreMarked(t *testing.T) {
	if _, err := read(t, rfc9068().with("cnf", `{}`)); !errors.Is(err, errConfirmation) {
		t.Errorf("got %v", err)
	}
	if _, err := read(t, rfc9068().with("exp", `"x"`)); err == nil || errors.Is(err, errConfirmation) {
		t.Errorf("got %v", err)
	}
}
