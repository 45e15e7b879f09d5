// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

func thumbprint(t testing.TB, text string) *jose.Thumbprint {
	t.Helper()
	thumb, err := jose.ParseThumbprint(text)
	if err != nil {
		t.Fatal(err)
	}
	return &thumb
}

// What is read from the three shapes that the project is for.
func TestReadsTheShapesOfAccessTokens(t *testing.T) {
	v, entra := standard(t)
	for _, test := range []struct {
		name, raw string
		want      Claims
	}{
		{"RFC 9068", signers()[jose.ES256].mint(t, typAT, rfc9068()), Claims{
			Issuer: contoso, ID: "dbe39bf3a3ba4238a513f51d6e1691c4", User: "5ba552d67", UserID: "5ba552d67",
			Client: "s6BhdRkqt3", Audience: []string{mail}, Expires: now.Unix() + 3600, NotBefore: now.Unix() - 60,
			Confirmation: Confirmation{Present: true, JKT: thumbprint(t, jkt)},
		}},
		{"Entra v2", entra.mint(t, typEntra, entraUserV2()), Claims{
			Issuer: entraV2, ID: "fqiBqXLPj0eQa82S-IYFAA", User: "abeli@contoso.example", UserID: "690222be-ff1a-4d56-abd1-7e4f7d38e474",
			Groups: []string{"0760b6cf-170e-4a14-91b3-4b78e0739963"}, Roles: []string{"b79fbf4d-3ef9-4689-8143-76b194e85509"},
			Device: "1db38f1e-3d04-4a7a-8f0c-5a0a5a5f5a11", Client: "1fec8e78-bce4-4aaf-ab1b-5451cc387264", ClaimsChallenge: true,
			Audience: []string{mail}, Expires: now.Unix() + 4200, NotBefore: now.Unix() - 300,
			Confirmation: Confirmation{Present: true, SignedRequest: thumbprint(t, jkt), Hardware: true},
		}},
		{"Entra v1, a guest in too many groups, unbound", entra.mint(t, typEntra, entraUserV1()), Claims{
			Issuer: entraV1, ID: "fqiBqXLPj0eQa82S-IYFAA", User: "abeli@contoso.example", UserID: "690222be-ff1a-4d56-abd1-7e4f7d38e474",
			GroupsCut: true, Guest: true, Device: "1db38f1e-3d04-4a7a-8f0c-5a0a5a5f5a11", Client: "d3590ed6-52b3-4102-aeff-aad2292ab01c",
			Audience: []string{mail}, Expires: now.Unix() + 3600, NotBefore: now.Unix() - 300,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, why := v.Verify(test.raw, forMail, now)
			if why != reason.None {
				t.Fatalf("refused: %s", why)
			}
			if !reflect.DeepEqual(got.Claims, test.want) {
				t.Errorf("got  %+v\nwant %+v", got.Claims, test.want)
			}
		})
	}
}

// read returns what the payload says under the default claim names.
func read(t *testing.T, c claims) (*Claims, error) {
	t.Helper()
	return readBy(t, DefaultClaimNames(), c)
}

func readBy(t *testing.T, names ClaimNames, c claims) (*Claims, error) {
	t.Helper()
	r, err := readClaims([]byte(c.json()), names.compile(), names.Groups)
	if err != nil {
		return nil, err
	}
	return &r.claims, nil
}

func TestFirstClaimThatIsNotEmptyWins(t *testing.T) {
	for _, test := range []struct {
		name         string
		pairs        []string
		user, userID string
		mutable      bool
	}{
		{"sub alone", nil, "5ba552d67", "5ba552d67", false},
		{"upn over all", []string{"upn", `"u"`, "preferred_username", `"p"`, "email", `"e"`, "oid", `"o"`}, "u", "o", false},
		{"preferred_username over email", []string{"preferred_username", `"p"`, "email", `"e"`}, "p", "5ba552d67", true},
		{"email over sub", []string{"email", `"e"`}, "e", "5ba552d67", true},
		{"empty upn", []string{"upn", `""`, "email", `"e"`}, "e", "5ba552d67", true},
		{"null upn", []string{"upn", `null`, "oid", `null`}, "5ba552d67", "5ba552d67", false},
		{"none", []string{"sub", ""}, "", "", false},
		{"names are exact", []string{"UPN", `"u"`, "Oid", `"o"`}, "5ba552d67", "5ba552d67", false},
		{"inside another claim is elsewhere", []string{"address", `{"upn":"u","oid":"o"}`}, "5ba552d67", "5ba552d67", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := read(t, rfc9068().with(test.pairs...))
			if err != nil {
				t.Fatal(err)
			}
			if c.User != test.user || c.UserID != test.userID || c.UserNameMutable != test.mutable {
				t.Errorf("user %q, id %q, mutable %v", c.User, c.UserID, c.UserNameMutable)
			}
		})
	}
}

// The order of members in the token does not matter, only the configured one.
func TestClaimOrderIsTheConfigurations(t *testing.T) {
	names := DefaultClaimNames()
	for _, payload := range []string{`{"exp":1,"upn":"u","email":"e","sub":"s"}`, `{"sub":"s","email":"e","upn":"u","exp":1}`} {
		for want, order := range map[string][]string{"u": {"upn", "email"}, "e": {"email", "upn"}, "s": {"sub"}} {
			names.User = order
			r, err := readClaims([]byte(payload), names.compile(), nil)
			if err != nil || r.claims.User != want {
				t.Errorf("%v: %q, %v, expected %q", order, r.claims.User, err, want)
			}
		}
	}
}

func TestConfiguredClaimNamesReplaceTheDefaults(t *testing.T) {
	s := signers()[jose.ES256]
	config := IssuerConfig{Issuer: contoso, Claims: ClaimNames{
		User: []string{"login"}, UserID: []string{"uuid"}, Groups: []string{"https://contoso.example/groups"}, Roles: []string{"permissions"},
		Device: []string{"did"}, Client: []string{"cid"}, Platform: []string{"os"},
	}}
	v := verifierOf(t, issuer(t, config, fixed(t, s)))
	c := rfc9068().with("login", `"l"`, "uuid", `"i"`, "https://contoso.example/groups", `"a b"`, "permissions", `["r"]`, "did", `"d"`,
		"cid", `"c"`, "os", `"windows"`, "upn", `"u"`, "oid", `"o"`, "groups", `["no"]`, "_claim_names", `{"https://contoso.example/groups":"s"}`)
	got, why := v.Verify(s.mint(t, typAT, c), forMail, now)
	if why != reason.None {
		t.Fatal(why)
	}
	facts := []string{got.Claims.User, got.Claims.UserID, strings.Join(got.Claims.Groups, "+"), strings.Join(got.Claims.Roles, "+"),
		got.Claims.Device, got.Claims.Client, got.Claims.Platform}
	if want := []string{"l", "i", "a+b", "r", "d", "c", "windows"}; !slices.Equal(facts, want) {
		t.Errorf("got %v, expected %v", facts, want)
	}
	if !got.Claims.GroupsCut {
		t.Error("the overage of the configured groups claim is not seen")
	}
}

// Contract, "Matching": an array, or one string with spaces or commas.
func TestGroupsAndRoles(t *testing.T) {
	for _, test := range []struct {
		name, value string
		want        []string
	}{
		{"array", `["a","b c"]`, []string{"a", "b c"}},
		{"spaces", `"a b  c"`, []string{"a", "b", "c"}},
		{"commas", `"a,b,,c"`, []string{"a", "b", "c"}},
		{"both", `" a, b "`, []string{"a", "b"}},
		{"one", `"a"`, []string{"a"}},
		{"empty array", `[ ]`, nil},
		{"empty", `""`, nil},
		{"null", `null`, nil},
		{"missing", "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := read(t, rfc9068().with("groups", test.value, "roles", test.value))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(c.Groups, test.want) || !slices.Equal(c.Roles, test.want) || c.GroupsCut {
				t.Errorf("groups %q, roles %q, cut %v", c.Groups, c.Roles, c.GroupsCut)
			}
		})
	}
	t.Run("wids over roles, unless empty", func(t *testing.T) {
		for wids, want := range map[string]string{`["w"]`: "w", `[]`: "r", `[ ]`: "r", `null`: "r", `""`: "r"} {
			if c, err := read(t, rfc9068().with("wids", wids, "roles", `["r"]`)); err != nil || strings.Join(c.Roles, "+") != want {
				t.Errorf("wids %s: %v, %v", wids, c, err)
			}
		}
	})
}

// Entra leaves groups out when there are more than 200 (150 in SAML, 5 in the implicit flow's hasgroups).
func TestGroupOverage(t *testing.T) {
	for _, test := range []struct {
		name  string
		pairs []string
		want  bool
	}{
		{"_claim_names", []string{"_claim_names", `{"groups":"src1"}`}, true},
		{"_claim_names, escaped", []string{"_claim_names", `{"gr\u006fups":"src1"}`}, true},
		{"_claim_names of something else", []string{"_claim_names", `{"address":"src1"}`}, false},
		{"_claim_names empty", []string{"_claim_names", `{}`}, false},
		{"hasgroups", []string{"hasgroups", `true`}, true},
		{"hasgroups as a string", []string{"hasgroups", `"true"`}, true},
		{"hasgroups false", []string{"hasgroups", `false`}, false},
		{"hasgroups false beside _claim_names", []string{"_claim_names", `{"groups":"src1"}`, "hasgroups", `false`}, true},
		{"neither", nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if c, err := read(t, rfc9068().with(test.pairs...)); err != nil || c.GroupsCut != test.want {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
}

func TestGuestsAreThoseOfAcctOne(t *testing.T) {
	for value, want := range map[string]bool{
		`1`: true, `"1"`: true, `0`: false, `"0"`: false, `2`: false, `true`: false, `"guest"`: false, `null`: false, `[1]`: false, "": false,
	} {
		if c, err := read(t, rfc9068().with("acct", value)); err != nil || c.Guest != want {
			t.Errorf("acct %s: %+v, %v", value, c, err)
		}
	}
}

func TestIDForLogsIsUtiElseJti(t *testing.T) {
	for want, pairs := range map[string][]string{
		"u": {"uti", `"u"`, "jti", `"j"`}, "j": {"jti", `"j"`}, "k": {"uti", `""`, "jti", `"k"`}, "": {"jti", ""},
	} {
		if c, err := read(t, rfc9068().with(pairs...)); err != nil || c.ID != want {
			t.Errorf("%v: %+v, %v", pairs, c, err)
		}
	}
}

func TestClaimsChallengeOnlyForClientsThatSayCp1(t *testing.T) {
	for value, want := range map[string]bool{
		`["cp1"]`: true, `["protapp","CP1","cp1"]`: true, `"cp1"`: true,
		`["CP1"]`: false, `[]`: false, `["cp10"]`: false, `"cp1 x"`: false, "": false,
	} {
		if c, err := read(t, rfc9068().with("xms_cc", value)); err != nil || c.ClaimsChallenge != want {
			t.Errorf("xms_cc %s: %+v, %v", value, c, err)
		}
	}
}

// A claim that decides something and has another type than the standard gives it refuses the token.
func TestRefusesClaimsOfTheWrongType(t *testing.T) {
	v, _ := standard(t)
	s := signers()[jose.ES256]
	for claim, values := range map[string][]string{
		"uti": {`1`, `null`, `{}`}, "jti": {`1`, `["a"]`, `true`}, "sub": {`1`, `["a"]`}, "upn": {`{}`, `true`}, "oid": {`7`},
		"groups": {`1`, `{}`, `[1]`, `["a",null]`, `true`}, "roles": {`1`, `[{}]`}, "wids": {`{"a":1}`},
		"deviceid": {`1`, `["d"]`}, "client_id": {`1`, `["c"]`}, "azp": {`1`, `["c"]`, `null`}, "device_platform": {`1`},
		"xms_cc": {`1`, `[1]`, `null`}, "_claim_names": {`"groups"`, `["groups"]`, `true`, `null`},
	} {
		for _, value := range values {
			t.Run(claim+" "+value, func(t *testing.T) {
				refuses(t, v, s.mint(t, typAT, rfc9068().with(claim, value)), reason.TokenClaims)
			})
		}
	}
}

// The cache holds a hundred thousand of these: not the reader, not the payload.
func TestClaimsAreCopies(t *testing.T) {
	payload := []byte(entraUserV2().with("device_platform", `"windows"`).json())
	names := DefaultClaimNames()
	r, err := readClaims(payload, names.compile(), names.Groups)
	if err != nil {
		t.Fatal(err)
	}
	before := r.claims
	before.Groups, before.Roles, before.Audience = slices.Clone(before.Groups), slices.Clone(before.Roles), slices.Clone(before.Audience)
	text := []*string{&before.Issuer, &before.ID, &before.User, &before.UserID, &before.Device, &before.Platform, &before.Client}
	for _, list := range [][]string{before.Groups, before.Roles, before.Audience} {
		for i := range list {
			text = append(text, &list[i])
		}
	}
	for _, s := range text {
		if *s = strings.Clone(*s); *s == "" {
			t.Fatal("a claim is empty, so that the test shows nothing")
		}
	}
	clear(payload)
	if !reflect.DeepEqual(before, r.claims) {
		t.Errorf("claims changed with the payload: %+v", r.claims)
	}
}
