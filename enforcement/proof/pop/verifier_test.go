// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package pop

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

func TestAcceptsEveryKindOfKey(t *testing.T) {
	for name, d := range map[string]*device{
		"ES256": deviceOf(t, 1),
		"RS256": rsaDevice(t, jwt.SigningMethodRS256),
		"PS256": rsaDevice(t, ps256),
		"EdDSA": edwardsDevice(t),
	} {
		t.Run(name, func(t *testing.T) { newBench(t).expect(d.shr(t, nil), request(t, d), reason.None) })
	}
}

// Contract, "Limits": 24 KiB, not one byte more.
func TestRefusesTooLargeASignedRequest(t *testing.T) {
	d := deviceOf(t, 1)
	for size, want := range map[int]reason.Reason{MaxSize: reason.None, MaxSize + 1: reason.ProofTooLarge, 40 << 10: reason.ProofTooLarge} {
		base := len(d.shr(t, map[string]any{"x": ""}))
		pad := (size - base) * 3 / 4
		shr := d.shr(t, map[string]any{"x": strings.Repeat("x", pad)})
		for len(shr) < size {
			pad++
			shr = d.shr(t, map[string]any{"x": strings.Repeat("x", pad)})
		}
		newBench(t).expect(shr, request(t, d), want)
		if want == reason.None && len(shr) != MaxSize {
			t.Errorf("tried %d bytes, want %d", len(shr), MaxSize)
		}
	}
}

// RFC 7515, section 7.1, and contract, "Limits".
func TestRefusesWhatIsNoStrictJWS(t *testing.T) {
	d := deviceOf(t, 1)
	good := d.shr(t, nil)
	header, claims := marshal(t, d.header()), marshal(t, d.claims())
	parts := strings.Split(good, ".")
	for name, shr := range map[string]string{
		"empty":                      "",
		"two parts":                  parts[0] + "." + parts[1],
		"five parts":                 good + ".e30.e30",
		"empty signature":            parts[0] + "." + parts[1] + ".",
		"padding":                    good + "=",
		"line break":                 parts[0] + ".\n" + parts[1] + "." + parts[2],
		"stray bits in payload":      parts[0] + "." + parts[1] + "A." + parts[2],
		"stray bits in signature":    good[:len(good)-1] + string(good[len(good)-1]+1),
		"payload no base64url":       parts[0] + ".A." + parts[2],
		"payload an array":           d.sign(t, header, []byte("["+string(claims)+"]")),
		"payload twice":              d.sign(t, header, append(bytes.Clone(claims), claims...)),
		"ts twice":                   d.sign(t, header, append([]byte(`{"ts":1700000000,`), claims[1:]...)),
		"at twice":                   d.sign(t, header, append([]byte(`{"\u0061t":"another.access.token",`), claims[1:]...)),
		"unknown claim twice":        d.sign(t, header, append([]byte(`{"x":1,"x":1,`), claims[1:]...)),
		"cnf with jwk twice":         d.shr(t, map[string]any{"cnf": json.RawMessage(`{"jwk":1,"jwk":{}}`)}),
		"invalid UTF-8":              d.sign(t, header, append([]byte("{\"x\":\"\xff\","), claims[1:]...)),
		"byte order mark":            d.sign(t, header, append([]byte("\xef\xbb\xbf"), claims...)),
		"too deep":                   d.sign(t, header, append([]byte(`{"x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+","), claims[1:]...)),
		"header with a member twice": d.sign(t, append([]byte(`{"typ":"pop",`), header[1:]...), claims),
		"header no object":           d.sign(t, []byte(`"x"`), claims),
		"crit":                       d.shrWithHeader(t, map[string]any{"crit": []string{"exp"}}),
		"unencoded payload":          d.shrWithHeader(t, map[string]any{"b64": false}),
		"compressed":                 d.shrWithHeader(t, map[string]any{"zip": "DEF"}),
		"typ not a string":           d.shrWithHeader(t, map[string]any{"typ": 1}),
		"kid too long":               d.shrWithHeader(t, map[string]any{"kid": strings.Repeat("k", 1025)}),
	} {
		t.Run(name, func(t *testing.T) { newBench(t).expect(shr, request(t, d), reason.ProofMalformed) })
	}
}

// The draft, section 6.2.
func TestTypeIsPop(t *testing.T) {
	d := deviceOf(t, 1)
	for typ, want := range map[any]reason.Reason{
		"pop": reason.None, "PoP": reason.None, "POP": reason.None, // media types know no case (RFC 7515, section 4.1.9)
		"JWT": reason.ProofType, "at+jwt": reason.ProofType, "dpop+jwt": reason.ProofType, "": reason.ProofType,
		"application/pop": reason.ProofType, nil: reason.ProofType,
	} {
		newBench(t).expect(d.shrWithHeader(t, map[string]any{"typ": typ}), request(t, d), want)
	}
}

func TestAlgorithmIsAsymmetricAndAllowed(t *testing.T) {
	d := deviceOf(t, 1)
	for _, alg := range []string{"none", "NoNe", "", "HS256", "es256", "ES384", "RS256", "PS256"} {
		t.Run(alg, func(t *testing.T) {
			newBench(t).expect(d.shrWithHeader(t, map[string]any{"alg": alg}), request(t, d), reason.ProofAlgorithm)
		})
	}
	t.Run("missing", func(t *testing.T) {
		newBench(t).expect(d.shrWithHeader(t, map[string]any{"alg": nil}), request(t, d), reason.ProofMalformed)
	})
	t.Run("not among the configured", func(t *testing.T) {
		b := newBench(t, func(c *Config) { c.Algorithms = []jose.Algorithm{jose.RS256, jose.PS256} })
		b.expect(d.shr(t, nil), request(t, d), reason.ProofAlgorithm)
	})
	t.Run("the key's own alg is another", func(t *testing.T) {
		rsa := rsaDevice(t, ps256)
		shr := rsa.shr(t, map[string]any{"cnf": map[string]any{"jwk": with(map[string]any{"alg": "RS256"}, rsa.jwk)}})
		newBench(t).expect(shr, request(t, rsa), reason.ProofAlgorithm)
	})
}

// Exact names, and the types that the draft, section 3, gives to the claims.
func TestClaimsHaveTheirTypes(t *testing.T) {
	d := deviceOf(t, 1)
	for _, name := range []string{"at", "ts", "m", "u", "p"} {
		for problem, changes := range map[string]map[string]any{
			"missing":    {name: nil},
			"null":       {name: json.RawMessage("null")},
			"wrong type": {name: []int{1}},
			"wrong case": {name: nil, strings.ToUpper(name): d.claims()[name]},
			"bool":       {name: true},
		} {
			t.Run(name+" "+problem, func(t *testing.T) {
				newBench(t, microsoft).expect(d.shr(t, changes), request(t, d), reason.ProofMalformed)
			})
		}
	}
	for _, name := range []string{"at", "m", "u", "p"} {
		t.Run(name+" empty", func(t *testing.T) {
			newBench(t, microsoft).expect(d.shr(t, map[string]any{name: ""}), request(t, d), reason.ProofMalformed)
		})
	}
	for _, name := range []string{"ts", "exp", "nbf"} {
		for _, number := range []string{`"1700000000"`, "1700000000.0", "17e8", "1e400", "99999999999999999999", "null"} {
			t.Run(name+" "+number, func(t *testing.T) {
				newBench(t).expect(d.shr(t, map[string]any{name: json.RawMessage(number)}), request(t, d), reason.ProofMalformed)
			})
		}
	}
	for _, name := range []string{"nonce", "jti"} {
		t.Run(name+" not a string", func(t *testing.T) {
			newBench(t).expect(d.shr(t, map[string]any{name: 7}), request(t, d), reason.ProofMalformed)
		})
	}
}

// Contract, "Limits": 300 s past, 15 s future, on both sides to the second.
func TestWindowOfTS(t *testing.T) {
	d := deviceOf(t, 1)
	at := noon.Unix()
	for name, c := range map[string]struct {
		changes map[string]any
		want    reason.Reason
	}{
		"300 s old":         {map[string]any{"ts": at - 300}, reason.None},
		"301 s old":         {map[string]any{"ts": at - 301}, reason.ProofTime},
		"15 s ahead":        {map[string]any{"ts": at + 15}, reason.None},
		"16 s ahead":        {map[string]any{"ts": at + 16}, reason.ProofTime},
		"milliseconds":      {map[string]any{"ts": at * 1000}, reason.ProofTime},
		"zero":              {map[string]any{"ts": 0}, reason.ProofTime},
		"the least integer": {map[string]any{"ts": json.RawMessage("-9223372036854775808")}, reason.ProofTime},
		"the largest":       {map[string]any{"ts": json.RawMessage("9223372036854775807")}, reason.ProofTime},
		"expired":           {map[string]any{"exp": at}, reason.ProofTime},
		"not expired":       {map[string]any{"exp": at + 1}, reason.None},
		"not yet":           {map[string]any{"nbf": at + 16}, reason.ProofTime},
		"just now":          {map[string]any{"nbf": at + 15}, reason.None},
	} {
		t.Run(name, func(t *testing.T) { newBench(t).expect(d.shr(t, c.changes), request(t, d), c.want) })
	}
}

func TestMethodIsExact(t *testing.T) {
	d := deviceOf(t, 1)
	for m, want := range map[string][2]reason.Reason{
		"GET":   {reason.None, reason.None},
		"get":   {reason.ProofMethod, reason.None},
		" GeT ": {reason.ProofMethod, reason.None},
		"HEAD":  {reason.ProofMethod, reason.ProofMethod},
		"G ET":  {reason.ProofMethod, reason.ProofMethod},
	} {
		shr := d.shr(t, map[string]any{"m": m})
		newBench(t).expect(shr, request(t, d), want[0])
		newBench(t, microsoft).expect(shr, request(t, d), want[1])
	}
	post := request(t, d)
	post.Method = "POST"
	newBench(t, microsoft).expect(d.shr(t, map[string]any{"m": "po\u017ft"}), post, reason.ProofMethod) // a long s is no s
}

// Contract, "Matching": u and p after RFC 3986, sections 6.2.2 and 6.2.3.
func TestHostAndPath(t *testing.T) {
	d := deviceOf(t, 1)
	type ours struct{ strict, microsoft reason.Reason }
	good, bad, lenient := ours{}, ours{reason.ProofURL, reason.ProofURL}, ours{strict: reason.ProofURL}
	for name, c := range map[string]struct {
		url, u, p string
		want      ours
	}{
		"as it is":                       {sampleURL, "mail.contoso.example", "/api/x", good},
		"host in another case":           {sampleURL, "Mail.Contoso.EXAMPLE", "/api/x", good},
		"default port":                   {sampleURL, "mail.contoso.example:443", "/api/x", good},
		"the other scheme's port":        {sampleURL, "mail.contoso.example:80", "/api/x", bad},
		"default port of http":           {"http://mail.contoso.example/api/x", "mail.contoso.example:80", "/api/x", good},
		"other port":                     {sampleURL, "mail.contoso.example:8443", "/api/x", bad},
		"port of the request":            {"https://mail.contoso.example:8443/api/x", "mail.contoso.example:8443", "/api/x", good},
		"port of the request missing":    {"https://mail.contoso.example:8443/api/x", "mail.contoso.example", "/api/x", bad},
		"longer host":                    {sampleURL, "evil-mail.contoso.example", "/api/x", bad},
		"host as a suffix":               {sampleURL, "contoso.example", "/api/x", bad},
		"host with a path":               {sampleURL, "mail.contoso.example/api", "/x", bad},
		"host with a scheme":             {sampleURL, "https://mail.contoso.example", "/api/x", bad},
		"host with userinfo":             {sampleURL, "a@mail.contoso.example", "/api/x", bad},
		"host with a dot at its end":     {sampleURL, "mail.contoso.example.", "/api/x", bad},
		"host with a space":              {sampleURL, "mail.contoso.example ", "/api/x", bad},
		"dot segments":                   {sampleURL, "mail.contoso.example", "/api/../api/./x", good},
		"encoded dot segments":           {sampleURL, "mail.contoso.example", "/api/%2e%2E/api/x", good},
		"dot segments to somewhere else": {sampleURL, "mail.contoso.example", "/api/x/../y", bad},
		"encoded letter":                 {sampleURL, "mail.contoso.example", "/%61pi/x", good},
		"encoded slash":                  {sampleURL, "mail.contoso.example", "/api%2Fx", bad},
		"hexadecimal digits in any case": {"https://mail.contoso.example/a%2fb", "mail.contoso.example", "/a%2Fb", good},
		"other case":                     {sampleURL, "mail.contoso.example", "/API/x", lenient},
		"slash at the end":               {sampleURL, "mail.contoso.example", "/api/x/", lenient},
		"no slash in front":              {sampleURL, "mail.contoso.example", "api/x", lenient},
		"several slashes around":         {sampleURL, "mail.contoso.example", "//api/x///", lenient},
		"doubled slash":                  {sampleURL, "mail.contoso.example", "/api//x", bad},
		"slash at the request's end":     {sampleURL + "/", "mail.contoso.example", "/api/x", lenient},
		"with a query":                   {sampleURL, "mail.contoso.example", "/api/x?a=b", bad},
		"with a fragment":                {sampleURL, "mail.contoso.example", "/api/x#a", bad},
		"other path":                     {sampleURL, "mail.contoso.example", "/api/y", bad},
		"shorter path":                   {sampleURL, "mail.contoso.example", "/api", bad},
		"broken encoding":                {sampleURL, "mail.contoso.example", "/api/%zx", bad},
		"the root":                       {"https://mail.contoso.example", "mail.contoso.example", "/", good},
		"an address":                     {"https://[2001:db8::1]:8443/", "[2001:DB8::1]:8443", "/", good},
	} {
		t.Run(name, func(t *testing.T) {
			shr := d.shr(t, map[string]any{"u": c.u, "p": c.p})
			newBench(t).expect(shr, requestTo(t, d, c.url), c.want.strict)
			newBench(t, microsoft).expect(shr, requestTo(t, d, c.url), c.want.microsoft)
		})
	}
	t.Run("a request without a URL matches nothing", func(t *testing.T) {
		newBench(t, microsoft).expect(d.shr(t, nil), &Request{Method: "GET", Confirmed: &d.key.Thumbprint}, reason.ProofURL)
	})
}

// The token's confirmation wins, whatever the signed request says of its key.
func TestKeyIsTheConfirmedOne(t *testing.T) {
	d, thief := deviceOf(t, 1), deviceOf(t, 2)
	stolen := func(cnf map[string]any) string { return thief.shr(t, map[string]any{"cnf": cnf}) }
	for name, c := range map[string]struct {
		shr  string
		want reason.Reason
	}{
		"thief's key, thief's signature":     {stolen(map[string]any{"jwk": thief.jwk}), reason.KeyMismatch},
		"device's key, thief's signature":    {stolen(map[string]any{"jwk": d.jwk}), reason.ProofSignature},
		"thief's key under the device's kid": {stolen(map[string]any{"jwk": thief.jwk, "kid": d.key.Thumbprint.String()}), reason.KeyMismatch},
		"kid alone":                          {stolen(map[string]any{"kid": d.key.Thumbprint.String()}), reason.ProofKey},
		"jkt alone":                          {stolen(map[string]any{"jkt": d.key.Thumbprint.String()}), reason.ProofKey},
		"jku":                                {stolen(map[string]any{"jku": "https://evilcontoso.example/keys"}), reason.ProofKey},
		"jku beside the device's key":        {d.shr(t, map[string]any{"cnf": map[string]any{"jwk": d.jwk, "jku": "https://evilcontoso.example/keys"}}), reason.ProofKey},
		"private key":                        {d.shr(t, map[string]any{"cnf": map[string]any{"jwk": with(map[string]any{"d": ""}, d.jwk)}}), reason.ProofKey},
		"key for encryption":                 {d.shr(t, map[string]any{"cnf": map[string]any{"jwk": with(map[string]any{"use": "enc"}, d.jwk)}}), reason.ProofKey},
		"members beyond the required ones":   {d.shr(t, map[string]any{"cnf": map[string]any{"jwk": with(map[string]any{"ext": true, "kid": "x", "key_ops": []string{"verify"}}, d.jwk)}}), reason.None},
		"claimed hardware":                   {d.shr(t, map[string]any{"cnf": map[string]any{"jwk": d.jwk, "xms_ksl": "uhw"}}), reason.None}, // only the token's xms_ksl counts
		"key in the header":                  {d.shrWithHeader(t, map[string]any{"jwk": thief.jwk}), reason.None},                            // and not looked at
	} {
		t.Run(name, func(t *testing.T) { newBench(t).expect(c.shr, request(t, d), c.want) })
	}
	t.Run("nothing confirmed", func(t *testing.T) {
		r := request(t, d)
		r.Confirmed = nil
		newBench(t).expect(d.shr(t, nil), r, reason.KeyMismatch)
	})
}

func TestSignatureCoversHeaderAndPayload(t *testing.T) {
	d := deviceOf(t, 1)
	good, other := strings.Split(d.shr(t, nil), "."), strings.Split(d.shr(t, map[string]any{"nonce": "another"}), ".")
	header := encode(marshal(t, with(d.header(), map[string]any{"kid": "another"})))
	for name, shr := range map[string]string{
		"another payload":   good[0] + "." + other[1] + "." + good[2],
		"another header":    header + "." + good[1] + "." + good[2],
		"another signature": good[0] + "." + good[1] + "." + other[2],
		"all zero":          good[0] + "." + good[1] + "." + encode(make([]byte, 64)),
		"cut off":           good[0] + "." + good[1] + "." + encode(make([]byte, 63)),
	} {
		t.Run(name, func(t *testing.T) { newBench(t).expect(shr, request(t, d), reason.ProofSignature) })
	}
}

// Parse tells a bare access token from a signed request that lost its own.
func TestParseFindsTheAccessToken(t *testing.T) {
	d := deviceOf(t, 1)
	s, why := Parse(d.shr(t, map[string]any{"at": "a\u20acb"}))
	if why != reason.None || s.AccessToken() != "a\u20acb" {
		t.Errorf("%q", why)
	}
	for name, c := range map[string]struct {
		shr  string
		want reason.Reason
	}{
		"bare access token":      {d.sign(t, []byte(`{"typ":"JWT","alg":"ES256"}`), []byte(`{"aud":"x"}`)), reason.ProofMissing},
		"typ of no kind":         {d.sign(t, []byte(`{"alg":"ES256"}`), []byte(`{"aud":"x"}`)), reason.ProofMissing},
		"signed request without": {d.sign(t, []byte(`{"typ":"pop","alg":"ES256"}`), []byte(`{"aud":"x"}`)), reason.ProofMalformed},
		"header not readable":    {d.sign(t, []byte(`{"typ":"JWT","alg":"none"}`), []byte(`{"aud":"x"}`)), reason.ProofMalformed},
		"at an array":            {d.shr(t, map[string]any{"at": []string{sampleToken}}), reason.ProofMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			if s, why := Parse(c.shr); why != c.want || s != nil {
				t.Errorf("got %q, want %q", why, c.want)
			}
		})
	}
}

func TestConfiguration(t *testing.T) {
	good := newBench(t).Config
	if good.MaxAge != 300*time.Second || good.MaxBody != 10<<20 || len(good.Algorithms) != len(jose.Algorithms()) {
		t.Errorf("defaults: %v, %d, %v", good.MaxAge, good.MaxBody, good.Algorithms)
	}
	for name, spoil := range map[string]func(*Config){
		"negative age":   func(c *Config) { c.MaxAge = -1 },
		"negative skew":  func(c *Config) { c.ClockSkew = -1 },
		"negative limit": func(c *Config) { c.MaxBody = -1 },
		"no nonces":      func(c *Config) { c.Nonces = nil },
		"no replay set":  func(c *Config) { c.Replay = nil },
	} {
		config := good
		spoil(&config)
		if _, err := New(config); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
