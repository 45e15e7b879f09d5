// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

func TestAcceptsEveryAlgorithmWithItsKey(t *testing.T) {
	v, _ := standard(t)
	for _, alg := range jose.Algorithms() {
		t.Run(string(alg), func(t *testing.T) {
			raw := signers()[alg].mint(t, typAT, rfc9068())
			got, why := v.Verify(raw, forMail, now)
			if why != reason.None {
				t.Fatalf("refused: %s", why)
			}
			if got.Hash != sha256.Sum256([]byte(raw)) {
				t.Error("the hash is not the token's SHA-256")
			}
			if got.Claims.Confirmation.JKT.String() != jkt {
				t.Errorf("confirmation is %+v", got.Claims.Confirmation)
			}
		})
	}
}

// RFC 9068, section 4: the algorithms are the issuer's, not the token's.
func TestRefusesAlgorithmsThatTheIssuerDoesNotUse(t *testing.T) {
	all := signers()
	keys := fixed(t, all[jose.ES256], all[jose.RS256])
	v := verifierOf(t, issuer(t, IssuerConfig{Issuer: contoso, Algorithms: []jose.Algorithm{jose.ES256, jose.PS256}}, keys))
	for alg, want := range map[jose.Algorithm]reason.Reason{
		jose.ES256: reason.None, jose.PS256: reason.None,
		jose.RS256: reason.TokenAlgorithm, jose.PS512: reason.TokenAlgorithm, jose.EdDSA: reason.TokenAlgorithm,
	} {
		if _, why := v.Verify(all[alg].mint(t, typAT, rfc9068()), forMail, now); why != want {
			t.Errorf("%s: %q, expected %q", alg, why, want)
		}
	}
}

// RFC 9864 renames EdDSA; an issuer that was configured by the old name may move on.
func TestConfiguredEdDSAAdmitsItsNewName(t *testing.T) {
	all := signers()
	for _, test := range []struct {
		configured jose.Algorithm
		old        reason.Reason
	}{{jose.EdDSA, reason.None}, {jose.Ed25519, reason.TokenAlgorithm}} {
		v := verifierOf(t, issuer(t, IssuerConfig{Issuer: contoso, Algorithms: []jose.Algorithm{test.configured}}, fixed(t, all[jose.EdDSA])))
		if _, why := v.Verify(all[jose.Ed25519].mint(t, typAT, rfc9068()), forMail, now); why != reason.None {
			t.Errorf("%s configured: Ed25519 refused: %s", test.configured, why)
		}
		if _, why := v.Verify(all[jose.EdDSA].mint(t, typAT, rfc9068()), forMail, now); why != test.old {
			t.Errorf("%s configured: EdDSA %q, expected %q", test.configured, why, test.old)
		}
	}
}

// RFC 8725, section 3.1: the algorithm is tied to the key that kid names, and asymmetric.
func TestRefusesAlgorithmConfusion(t *testing.T) {
	v, _ := standard(t)
	all := signers()
	rsaKey := all[jose.RS256]
	der, err := x509.MarshalPKIXPublicKey(rsaKey.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	hs256 := func(secret []byte) string {
		input := b64([]byte(`{"typ":"at+jwt","alg":"HS256","kid":"rsa"}`)) + "." + b64([]byte(rfc9068().json()))
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return input + "." + b64(mac.Sum(nil))
	}
	header := func(alg, kid string) string { return fmt.Sprintf(`{"typ":"at+jwt","alg":"%s","kid":"%s"}`, alg, kid) }
	signed := func(alg jose.Algorithm, header string) string { return all[alg].sign(t, header, rfc9068().json()) }
	unsigned := func(alg string) string {
		return b64([]byte(header(alg, "p256"))) + "." + b64([]byte(rfc9068().json())) + "."
	}
	for _, test := range []struct {
		name, raw string
		want      reason.Reason
	}{
		{"HS256 with the public key in PEM", hs256(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), reason.TokenAlgorithm},
		{"HS256 with the public key in DER", hs256(der), reason.TokenAlgorithm},
		{"HS256 with the public key as JWK", hs256([]byte(rsaKey.jwk(""))), reason.TokenAlgorithm},
		{"HS256 with an empty secret", hs256(nil), reason.TokenAlgorithm},
		{"none with a signature", signed(jose.ES256, header("none", "p256")), reason.TokenAlgorithm},
		{"None with a signature", signed(jose.ES256, header("None", "p256")), reason.TokenAlgorithm},
		{"none without signature", unsigned("none"), reason.TokenMalformed},
		{"ES256 without signature", unsigned("ES256"), reason.TokenMalformed},
		{"alg missing", signed(jose.ES256, `{"typ":"at+jwt","kid":"p256"}`), reason.TokenMalformed},
		{"alg not a string", signed(jose.ES256, `{"typ":"at+jwt","alg":["ES256"],"kid":"p256"}`), reason.TokenMalformed},
		{"ES256 with the kid of an RSA key", signed(jose.ES256, header("ES256", "rsa")), reason.TokenAlgorithm},
		{"RS256 with the kid of an EC key", signed(jose.RS256, header("RS256", "p256")), reason.TokenAlgorithm},
		{"ES256 with the kid of a P-384 key", signed(jose.ES256, header("ES256", "p384")), reason.TokenAlgorithm},
		{"RS256 header over a PS256 signature", signed(jose.PS256, header("RS256", "rsa")), reason.TokenSignature},
		{"ES256K", signed(jose.ES256, header("ES256K", "p256")), reason.TokenAlgorithm},
	} {
		t.Run(test.name, func(t *testing.T) { refuses(t, v, test.raw, test.want) })
	}
}

// RFC 9068, section 4: the signature is the issuer's, over exactly these bytes.
func TestRefusesForgeries(t *testing.T) {
	v, entra := standard(t)
	good := signers()[jose.ES256]
	raw := good.mint(t, typAT, rfc9068())
	parts := strings.Split(raw, ".")
	flipped := []byte(parts[2])
	if flipped[10]++; !isBase64(flipped[10]) {
		flipped[10] = 'A'
	}
	zero := b64(make([]byte, 64))
	for _, test := range []struct {
		name, raw string
		want      reason.Reason
	}{
		{"another key with the same kid", another(t, "p256").mint(t, typAT, rfc9068()), reason.TokenSignature},
		{"the key of another configured issuer", entra.mint(t, typAT, rfc9068()), reason.TokenKeyUnknown},
		{"the key of another configured issuer under our kid", signer{"p256", jose.ES256, entra.private}.mint(t, typAT, rfc9068()), reason.TokenSignature},
		{"payload exchanged", parts[0] + "." + b64([]byte(rfc9068().with("sub", `"admin"`).json())) + "." + parts[2], reason.TokenSignature},
		{"header exchanged", b64([]byte(`{"typ":"at+jwt","alg":"ES256","kid":"p256","x":1}`)) + "." + parts[1] + "." + parts[2], reason.TokenSignature},
		{"all-zero signature", parts[0] + "." + parts[1] + "." + zero, reason.TokenSignature},
		{"truncated signature", parts[0] + "." + parts[1] + "." + b64(make([]byte, 63)), reason.TokenSignature},
		{"a character of the signature exchanged", parts[0] + "." + parts[1] + "." + string(flipped), reason.TokenSignature},
	} {
		t.Run(test.name, func(t *testing.T) { refuses(t, v, test.raw, test.want) })
	}
	if _, why := v.Verify(raw, forMail, now); why != reason.None {
		t.Errorf("the token that the forgeries were made of is refused: %s", why)
	}
}

func isBase64(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '-' || c == '_'
}

// RFC 7515, section 4.1: what a token says about where its key is found is not believed. The key sets' transport
// fails the test when it is called.
func TestNeverDereferencesWhatTheHeaderNames(t *testing.T) {
	v, _ := standard(t)
	thief := another(t, "p256")
	for name, extra := range map[string]string{
		"jku": `"jku":"https://evil.example/jwks"`,
		"x5u": `"x5u":"https://evil.example/cert"`,
		"x5c": `"x5c":["MIIB"]`,
		"jwk": `"jwk":` + thief.jwk(""),
	} {
		t.Run(name, func(t *testing.T) {
			header := `{"typ":"at+jwt","alg":"ES256","kid":"p256",` + extra + `}`
			refuses(t, v, thief.sign(t, header, rfc9068().json()), reason.TokenSignature)
		})
	}
	t.Run("jwk alone", func(t *testing.T) {
		header := `{"typ":"at+jwt","alg":"ES256","kid":"x","jwk":` + thief.jwk("") + `}`
		refuses(t, v, thief.sign(t, header, rfc9068().json()), reason.TokenKeyUnknown)
	})
}

func TestRefusesOddKeyIDs(t *testing.T) {
	v, _ := standard(t)
	good := signers()[jose.ES256]
	for _, test := range []struct {
		name, kid string
		want      reason.Reason
	}{
		{"unknown", `"nope"`, reason.TokenKeyUnknown},
		{"case", `"P256"`, reason.TokenKeyUnknown},
		{"path traversal", `"../../../../dev/null"`, reason.TokenKeyUnknown},
		{"SQL", `"' OR 1=1--"`, reason.TokenKeyUnknown},
		{"CRLF", `"p256\r\nX: y"`, reason.TokenKeyUnknown},
		{"of the issuer next door", `"entra"`, reason.TokenKeyUnknown},
		{"too long", `"` + strings.Repeat("k", 1025) + `"`, reason.TokenMalformed},
		{"number", `256`, reason.TokenMalformed},
		{"null", `null`, reason.TokenMalformed},
		{"object", `{}`, reason.TokenMalformed},
		{"twice", `"p256","kid":"p256"`, reason.TokenMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			refuses(t, v, good.sign(t, `{"typ":"at+jwt","alg":"ES256","kid":`+test.kid+`}`, rfc9068().json()), test.want)
		})
	}
}

// RFC 7515, section 4.1.4: kid is optional. Without one there is a key only where just one fits.
func TestTokenWithoutKeyIDNeedsASingleFittingKey(t *testing.T) {
	all, header := signers(), `{"typ":"at+jwt","alg":"ES256"}`
	raw := all[jose.ES256].sign(t, header, rfc9068().json())
	one := verifierOf(t, issuer(t, IssuerConfig{Issuer: contoso}, fixed(t, all[jose.ES256], all[jose.RS256])))
	if _, why := one.Verify(raw, forMail, now); why != reason.None {
		t.Errorf("one key fits, refused: %s", why)
	}
	two := verifierOf(t, issuer(t, IssuerConfig{Issuer: contoso}, fixed(t, all[jose.ES256], another(t, "b"))))
	refuses(t, two, raw, reason.TokenKeyUnknown)
	none := verifierOf(t, issuer(t, IssuerConfig{Issuer: contoso}, fixed(t, all[jose.RS256])))
	refuses(t, none, raw, reason.TokenKeyUnknown)
}

// RFC 7517, section 4.5: kids should be distinct, but an issuer may get that wrong during a rotation.
func TestTriesAtMostTwoKeysOfOneKeyID(t *testing.T) {
	first, second, third := another(t, "k"), another(t, "k"), another(t, "k")
	v := verifierOf(t, issuer(t, IssuerConfig{Issuer: contoso}, fixed(t, first, second, third)))
	for _, s := range []signer{first, second} {
		if _, why := v.Verify(s.mint(t, typAT, rfc9068()), forMail, now); why != reason.None {
			t.Errorf("refused: %s", why)
		}
	}
	refuses(t, v, third.mint(t, typAT, rfc9068()), reason.TokenSignature)
}

func TestRefusesWhatIsNotAStrictJWS(t *testing.T) {
	v, _ := standard(t)
	good := signers()[jose.ES256]
	raw := good.mint(t, typAT, rfc9068())
	parts := strings.Split(raw, ".")
	signed := func(header, payload string) string { return good.sign(t, header, payload) }
	header, payload := `{"typ":"at+jwt","alg":"ES256","kid":"p256"}`, rfc9068().json()
	for _, test := range []struct {
		name, raw string
		want      reason.Reason
	}{
		{"empty", "", reason.TokenMalformed},
		{"opaque", "2YotnFZFEjr1zCsicMWpAA", reason.TokenMalformed},
		{"two parts", parts[0] + "." + parts[1], reason.TokenMalformed},
		{"four parts", raw + ".AA", reason.TokenMalformed},
		{"five parts, an encrypted token", raw + ".AA.AA", reason.TokenMalformed},
		{"ten thousand dots", strings.Repeat(".", 10_000), reason.TokenTooLarge},
		{"eight thousand dots", strings.Repeat(".", 8_000), reason.TokenMalformed},
		{"8 KiB and one octet", strings.Repeat("a", MaxSize+1), reason.TokenTooLarge},
		{"not ASCII", "é" + raw, reason.TokenMalformed},
		{"padding", raw + "=", reason.TokenMalformed},
		{"space behind", raw + " ", reason.TokenMalformed},
		{"stray bits in the signature", parts[0] + "." + parts[1] + "." + strayBits(parts[2]), reason.TokenMalformed},
		{"stray bits in the payload", parts[0] + "." + strayBits(b64([]byte(payload+strings.Repeat(" ", 2-len(payload)%3)))) + "." + parts[2], reason.TokenMalformed},
		{"header is not JSON", signed("x", payload), reason.TokenMalformed},
		{"header twice", signed(header+header, payload), reason.TokenMalformed},
		{"crit", signed(`{"typ":"at+jwt","alg":"ES256","kid":"p256","crit":["exp"]}`, payload), reason.TokenMalformed},
		{"b64", signed(`{"typ":"at+jwt","alg":"ES256","kid":"p256","b64":false}`, payload), reason.TokenMalformed},
		{"zip", signed(`{"typ":"at+jwt","alg":"ES256","kid":"p256","zip":"DEF"}`, payload), reason.TokenMalformed},
		{"alg in another case beside", signed(`{"typ":"at+jwt","ALG":"ES256","kid":"p256"}`, payload), reason.TokenMalformed},
		{"payload is an array", signed(header, `[`+payload+`]`), reason.TokenMalformed},
		{"payload is followed by another", signed(header, payload+payload), reason.TokenMalformed},
		{"payload with a byte order mark", signed(header, "\uFEFF"+payload), reason.TokenMalformed},
		{"payload with invalid UTF-8", signed(header, strings.Replace(payload, "5ba5", "\xff\xfe", 1)), reason.TokenMalformed},
		{"payload nested too deep", signed(header, strings.Replace(payload, "{", `{"x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+",", 1)), reason.TokenMalformed},
		{"claim twice", signed(header, strings.Replace(payload, "{", `{"sub":"admin",`, 1)), reason.TokenMalformed},
		{"claim twice, once escaped", signed(header, strings.Replace(payload, "{", `{"\u0073ub":"admin",`, 1)), reason.TokenMalformed},
		{"member of cnf twice", signed(header, rfc9068().with("cnf", `{"jkt":"`+jkt+`","jkt":"`+jkt2+`"}`).json()), reason.TokenMalformed},
	} {
		t.Run(test.name, func(t *testing.T) { refuses(t, v, test.raw, test.want) })
	}
}

// strayBits spells the last octets differently: base64 has bits to spare there.
func strayBits(segment string) string {
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", segment[len(segment)-1])
	return segment[:len(segment)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last|1])
}

// The longest token that is looked at is exactly 8 KiB.
func TestAcceptsATokenOfTheLimit(t *testing.T) {
	v, _ := standard(t)
	s := signers()[jose.ES256]
	bare := len(s.mint(t, typAT, rfc9068().with("pad", `""`)))
	c := rfc9068().with("pad", `"`+strings.Repeat("x", (MaxSize-bare)*3/4)+`"`)
	raw := s.mint(t, typAT, c)
	if len(raw) < MaxSize-4 || len(raw) > MaxSize {
		t.Fatalf("the test's token has %d octets", len(raw))
	}
	if _, why := v.Verify(raw, forMail, now); why != reason.None {
		t.Errorf("refused: %s", why)
	}
}

// RFC 9068, section 4: iss exactly matches the identifier of the issuer.
func TestIssuerIsExact(t *testing.T) {
	v, entra := standard(t)
	s := signers()[jose.ES256]
	for _, test := range []struct {
		name, iss string
		want      reason.Reason
	}{
		{"missing", "", reason.TokenIssuer},
		{"empty", `""`, reason.TokenIssuer},
		{"trailing slash", `"` + contoso + `/"`, reason.TokenIssuer},
		{"case", `"https://STS.contoso.example"`, reason.TokenIssuer},
		{"http", `"http://sts.contoso.example"`, reason.TokenIssuer},
		{"default port", `"` + contoso + `:443"`, reason.TokenIssuer},
		{"look-alike", `"https://sts.cont\u043eso.example"`, reason.TokenIssuer},
		{"space", `"` + contoso + ` "`, reason.TokenIssuer},
		{"Entra without its trailing slash", `"` + strings.TrimSuffix(entraV1, "/") + `"`, reason.TokenIssuer},
		{"array", `["` + contoso + `"]`, reason.TokenMalformed},
		{"number", `1`, reason.TokenMalformed},
		{"null", `null`, reason.TokenMalformed},
		{"escaped, the same characters", `"https:\/\/sts.contoso.example"`, reason.None},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, why := v.Verify(s.mint(t, typAT, rfc9068().with("iss", test.iss)), forMail, now); why != test.want {
				t.Errorf("%q, expected %q", why, test.want)
			}
		})
	}
	if _, why := v.Verify(entra.mint(t, typEntra, entraUserV1()), forMail, now); why != reason.None {
		t.Errorf("Entra's issuer with its trailing slash: %s", why)
	}
}

// RFC 9068, section 4; contract: aud, string or array, contains one of the resource's.
func TestAudience(t *testing.T) {
	v, _ := standard(t)
	s := signers()[jose.ES256]
	appID := "00000002-0000-0ff1-ce00-000000000000"
	names := Audience{Names: []string{mail, appID}}
	host, hostPort := Audience{Host: "mail.contoso.example"}, Audience{Host: "mail.contoso.example:8443"}
	v6, v6Port := Audience{Host: "[2001:db8::1]"}, Audience{Host: "[2001:db8::1]:8443"}
	for _, test := range []struct {
		name, aud string
		audience  Audience
		want      reason.Reason
	}{
		{"string", `"` + mail + `"`, names, reason.None},
		{"the other name", `"` + appID + `"`, names, reason.None},
		{"array with us", `["https://graph.microsoft.com","` + mail + `"]`, names, reason.None},
		{"array without us", `["https://graph.microsoft.com","https://sp.contoso.example"]`, names, reason.TokenAudience},
		{"empty array", `[]`, names, reason.TokenAudience},
		{"empty", `""`, names, reason.TokenAudience},
		{"missing", "", names, reason.TokenAudience},
		{"prefix of ours", `"https://mail.contoso"`, names, reason.TokenAudience},
		{"ours is its prefix", `"` + mail + `.evil.example"`, names, reason.TokenAudience},
		{"trailing slash on a configured name", `"` + mail + `/"`, names, reason.TokenAudience},
		{"case", `"https://MAIL.contoso.example"`, names, reason.TokenAudience},
		{"nothing configured", `"` + mail + `"`, Audience{}, reason.TokenAudience},
		{"nothing configured, https alone", `"https://"`, Audience{}, reason.TokenAudience},
		{"number", `1`, names, reason.TokenClaims},
		{"object", `{"aud":"` + mail + `"}`, names, reason.TokenClaims},
		{"null", `null`, names, reason.TokenClaims},
		{"array with a number", `["` + mail + `",1]`, names, reason.TokenClaims},
		{"nested array", `[["` + mail + `"]]`, names, reason.TokenClaims},

		{"host", `"` + mail + `"`, host, reason.None},
		{"host with a slash", `"` + mail + `/"`, host, reason.None},
		{"host with two slashes", `"` + mail + `//"`, host, reason.TokenAudience},
		{"host with a path", `"` + mail + `/owa"`, host, reason.TokenAudience},
		{"host over http", `"http://mail.contoso.example"`, host, reason.TokenAudience},
		{"host without scheme", `"mail.contoso.example"`, host, reason.TokenAudience},
		{"host with a port that is not ours", `"` + mail + `:8443"`, host, reason.TokenAudience},
		{"host and port", `"` + mail + `:8443"`, hostPort, reason.None},
		{"host and port with a slash", `"` + mail + `:8443/"`, hostPort, reason.None},
		{"host without its port", `"` + mail + `"`, hostPort, reason.None},
		{"host with another port", `"` + mail + `:9443"`, hostPort, reason.TokenAudience},
		{"host with an empty port", `"` + mail + `:"`, hostPort, reason.TokenAudience},
		{"other host", `"https://sp.contoso.example"`, hostPort, reason.TokenAudience},
		{"IPv6", `"https://[2001:db8::1]"`, v6, reason.None},
		{"IPv6, cut at a colon", `"https://[2001:db8:"`, v6, reason.TokenAudience},
		{"IPv6 without its port", `"https://[2001:db8::1]"`, v6Port, reason.None},
		{"IPv6 with its port", `"https://[2001:db8::1]:8443"`, v6Port, reason.None},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, why := v.Verify(s.mint(t, typAT, rfc9068().with("aud", test.aud)), test.audience, now); why != test.want {
				t.Errorf("%q, expected %q", why, test.want)
			}
		})
	}
}

// RFC 7519, sections 4.1.4 to 4.1.6, with 15 seconds of clock skew; each bound at its edge.
func TestTimes(t *testing.T) {
	v, _ := standard(t)
	s := signers()[jose.ES256]
	for _, test := range []struct {
		name, claim, value string
		want               reason.Reason
	}{
		{"exp in a second", "exp", at(1), reason.None},
		{"exp now", "exp", at(0), reason.None},
		{"exp passed within the skew", "exp", at(-14), reason.None},
		{"exp passed by the skew", "exp", at(-15), reason.TokenExpired},
		{"exp passed", "exp", at(-16), reason.TokenExpired},
		{"exp zero", "exp", "0", reason.TokenExpired},
		{"exp negative", "exp", "-1", reason.TokenExpired},
		{"exp the largest integer", "exp", "9223372036854775807", reason.None},
		{"exp the smallest integer", "exp", "-9223372036854775808", reason.TokenExpired},
		{"exp missing", "exp", "", reason.TokenClaims},
		{"exp string", "exp", `"` + at(60) + `"`, reason.TokenClaims},
		{"exp float", "exp", at(60) + ".5", reason.TokenClaims},
		{"exp float of a whole number", "exp", at(60) + ".0", reason.TokenClaims},
		{"exp exponent", "exp", "2e9", reason.TokenClaims},
		{"exp beyond range", "exp", "9223372036854775808", reason.TokenClaims},
		{"exp absurd", "exp", "1e400", reason.TokenClaims},
		{"exp null", "exp", "null", reason.TokenClaims},
		{"exp boolean", "exp", "true", reason.TokenClaims},
		{"EXP is another claim", "EXP", at(60), reason.None},
		{"nbf now", "nbf", at(0), reason.None},
		{"nbf ahead by the skew", "nbf", at(15), reason.None},
		{"nbf ahead by more", "nbf", at(16), reason.TokenNotYetValid},
		{"nbf the largest integer", "nbf", "9223372036854775807", reason.TokenNotYetValid},
		{"nbf string", "nbf", `"0"`, reason.TokenClaims},
		{"nbf float", "nbf", "1.5", reason.TokenClaims},
		{"nbf null", "nbf", "null", reason.TokenClaims},
		{"iat ahead by the skew", "iat", at(15), reason.None},
		{"iat ahead by more", "iat", at(16), reason.TokenNotYetValid},
		{"iat in milliseconds", "iat", at(0) + "000", reason.TokenNotYetValid},
		{"iat missing", "iat", "", reason.None},
		{"iat string", "iat", `"` + at(0) + `"`, reason.TokenClaims},
		{"iat negative", "iat", "-1", reason.None},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, why := v.Verify(s.mint(t, typAT, rfc9068().with(test.claim, test.value)), forMail, now); why != test.want {
				t.Errorf("%q, expected %q", why, test.want)
			}
		})
	}
	t.Run("the later of nbf and iat counts", func(t *testing.T) {
		for _, c := range []claims{rfc9068().with("nbf", at(100), "iat", at(-5)), rfc9068().with("nbf", at(-5), "iat", at(100))} {
			refuses(t, v, s.mint(t, typAT, c), reason.TokenNotYetValid)
		}
	})
	t.Run("a fraction of a second after exp and skew", func(t *testing.T) {
		raw := s.mint(t, typAT, rfc9068().with("exp", at(0)))
		for after, want := range map[time.Duration]reason.Reason{skew - time.Nanosecond: reason.None, skew: reason.TokenExpired} {
			if _, why := v.Verify(raw, forMail, now.Add(after)); why != want {
				t.Errorf("%v after exp: %q, expected %q", after, why, want)
			}
		}
	})
}

// The cases of testdata/access_tokens.json: real signatures, made by another program.
func TestPublishedAccessTokens(t *testing.T) {
	document, err := os.ReadFile("testdata/access_tokens.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Now    int64 `json:"now_unix"`
		Issuer struct {
			Iss, Aud string
			JWK      json.RawMessage
		}
		Cases []struct {
			ID, Token string
			Want      reason.Reason
		}
	}
	if err := json.Unmarshal(document, &file); err != nil {
		t.Fatal(err)
	}
	keys, err := parseKeySet([]byte(`{"keys":[` + string(file.Issuer.JWK) + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	then := time.Unix(file.Now, 0)
	set := newKeySet(file.Issuer.Iss, &remote{})
	set.replace(keys, then)
	v := verifierOf(t, issuer(t, IssuerConfig{Issuer: file.Issuer.Iss}, set))
	for _, test := range file.Cases {
		t.Run(test.ID, func(t *testing.T) {
			if _, why := v.Verify(test.Token, Audience{Names: []string{file.Issuer.Aud}}, then); why != test.Want {
				t.Errorf("%q, expected %q", why, test.Want)
			}
		})
	}
}

// An issuer is configured once; two of one name would make the choice of keys a matter of order.
func TestRefusesAnIssuerConfiguredTwice(t *testing.T) {
	i := issuer(t, IssuerConfig{Issuer: contoso}, nil)
	if v, err := NewVerifier([]*Issuer{i, i}, nil, 0); err == nil {
		t.Errorf("accepted: %v", v)
	}
}
