// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dpop

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

func TestAcceptsAGoodProof(t *testing.T) {
	d := deviceOf(t, 1)
	newRig(t).expect(request(t, d, d.proof(t, nil)), reason.None)
}

// RFC 9449, section 4.3, check 1: there is not more than one DPoP header.
func TestCheck1ExactlyOneProof(t *testing.T) {
	d := deviceOf(t, 1)
	one, two := d.proof(t, nil), d.proof(t, map[string]any{"jti": "another"})
	for name, c := range map[string]struct {
		headers []string
		want    reason.Reason
	}{
		"none":                {nil, reason.ProofMissing},
		"two":                 {[]string{one, two}, reason.ProofsSeveral},
		"the same twice":      {[]string{one, one}, reason.ProofsSeveral},
		"good after rubbish":  {[]string{"x", one}, reason.ProofsSeveral},
		"rubbish after good":  {[]string{one, ""}, reason.ProofsSeveral},
		"joined with a comma": {[]string{one + ", " + two}, reason.ProofMalformed},
		"empty":               {[]string{""}, reason.ProofMalformed},
	} {
		t.Run(name, func(t *testing.T) { newRig(t).expect(request(t, d, c.headers...), c.want) })
	}
}

// RFC 9449, section 4.3, check 2: the value is a single well-formed JWT.
func TestCheck2WellFormed(t *testing.T) {
	d := deviceOf(t, 1)
	good := d.proof(t, nil)
	header, claims := marshal(t, d.header()), marshal(t, d.claims())
	parts := strings.Split(good, ".")
	for name, proof := range map[string]string{
		"two parts":               parts[0] + "." + parts[1],
		"five parts":              good + ".e30.e30",
		"empty signature":         parts[0] + "." + parts[1] + ".",
		"padding":                 good + "=",
		"standard alphabet":       parts[0] + "." + parts[1] + ".+" + parts[2][1:],
		"line break":              parts[0] + ".\n" + parts[1] + "." + parts[2],
		"space at the end":        good + " ",
		"stray bits in signature": good[:len(good)-1] + string(good[len(good)-1]+1),
		"stray bits in payload":   parts[0] + "." + parts[1] + "A." + parts[2],
		"payload an array":        d.sign(t, header, []byte("["+string(claims)+"]")),
		"payload twice":           d.sign(t, header, append(bytes.Clone(claims), claims...)),
		"duplicate claim":         d.sign(t, header, append([]byte(`{"htm":"GET",`), claims[1:]...)),
		"duplicate unknown claim": d.sign(t, header, append([]byte(`{"x":1,"\u0078":1,`), claims[1:]...)),
		"invalid UTF-8":           d.sign(t, header, append([]byte("{\"x\":\"\xff\","), claims[1:]...)),
		"byte order mark":         d.sign(t, header, append([]byte("\xef\xbb\xbf"), claims...)),
		"too deep":                d.sign(t, header, append([]byte(`{"x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+","), claims[1:]...)),
		"duplicate header member": d.sign(t, append([]byte(`{"typ":"dpop+jwt",`), header[1:]...), claims),
		"header not an object":    d.sign(t, []byte(`"x"`), claims),
		"crit":                    d.proofWithHeader(t, map[string]any{"crit": []string{"exp"}}),
		"unencoded payload":       d.proofWithHeader(t, map[string]any{"b64": false}),
		"compressed":              d.proofWithHeader(t, map[string]any{"zip": "DEF"}),
		"typ not a string":        d.proofWithHeader(t, map[string]any{"typ": 1}),
	} {
		t.Run(name, func(t *testing.T) { newRig(t).expect(request(t, d, proof), reason.ProofMalformed) })
	}
}

// Contract, "Limits": a proof of 8 KiB, not one byte more.
func TestRefusesTooLargeAProof(t *testing.T) {
	d := deviceOf(t, 1)
	padded := func(size int) string { return d.proof(t, map[string]any{"pad": strings.Repeat("x", size)}) }
	size := MaxSize*3/4 - 500
	for len(padded(size+1)) <= MaxSize {
		size++
	}
	newRig(t).expect(request(t, d, padded(size)), reason.None)
	newRig(t).expect(request(t, d, padded(size+1)), reason.ProofTooLarge)
	newRig(t).expect(request(t, d, strings.Repeat("x", MaxSize)), reason.ProofMalformed)
	newRig(t).expect(request(t, d, strings.Repeat(".", MaxSize+1)), reason.ProofTooLarge)
}

// RFC 9449, section 4.3, check 3: all required claims are there, with their
// types; names are exact.
func TestCheck3RequiredClaims(t *testing.T) {
	d := deviceOf(t, 1)
	for _, name := range []string{"jti", "htm", "htu", "iat", "ath"} {
		for problem, changes := range map[string]map[string]any{
			"missing":    {name: nil},
			"null":       {name: json.RawMessage("null")},
			"wrong type": {name: []int{1}},
			"wrong case": {name: nil, strings.ToUpper(name): d.claims()[name]},
			"bool":       {name: true},
		} {
			t.Run(name+" "+problem, func(t *testing.T) {
				newRig(t).expect(request(t, d, d.proof(t, changes)), reason.ProofMalformed)
			})
		}
	}
	for _, name := range []string{"jti", "htm", "htu", "ath"} {
		t.Run(name+" empty", func(t *testing.T) {
			newRig(t).expect(request(t, d, d.proof(t, map[string]any{name: ""})), reason.ProofMalformed)
		})
	}
	for _, name := range []string{"iat", "exp", "nbf"} {
		for _, number := range []string{`"1700000000"`, "1700000000.0", "17e8", "1e400", "99999999999999999999", "null", "[1700000000]"} {
			t.Run(name+" "+number, func(t *testing.T) {
				proof := d.proof(t, map[string]any{name: json.RawMessage(number)})
				newRig(t).expect(request(t, d, proof), reason.ProofMalformed)
			})
		}
	}
	t.Run("nonce not a string", func(t *testing.T) {
		newRig(t).expect(request(t, d, d.proof(t, map[string]any{"nonce": 7})), reason.ProofMalformed)
	})
	t.Run("unknown claims are ignored", func(t *testing.T) {
		newRig(t).expect(request(t, d, d.proof(t, map[string]any{"x": []any{1, "2"}, "aud": 3})), reason.None)
	})
}

// RFC 9449, section 11.1, and contract, "Limits": 128 characters.
func TestBoundsTheIdentifier(t *testing.T) {
	d := deviceOf(t, 1)
	for name, c := range map[string]struct {
		id   string
		want reason.Reason
	}{
		"128 characters":                {strings.Repeat("x", 128), reason.None},
		"129 characters":                {strings.Repeat("x", 129), reason.ProofMalformed},
		"128 characters of three bytes": {strings.Repeat("€", 128), reason.None},
		"129 characters of three bytes": {strings.Repeat("€", 129), reason.ProofMalformed},
		"4096 characters":               {strings.Repeat("x", 4096), reason.ProofMalformed},
		"one character":                 {"x", reason.None},
	} {
		t.Run(name, func(t *testing.T) {
			newRig(t).expect(request(t, d, d.proof(t, map[string]any{"jti": c.id})), c.want)
		})
	}
}

// RFC 9449, section 4.3, check 4: typ is dpop+jwt.
func TestCheck4Type(t *testing.T) {
	d := deviceOf(t, 1)
	for typ, want := range map[string]reason.Reason{
		"dpop+jwt":             reason.None,
		"DPoP+JWT":             reason.None, // media types know no case (RFC 7515, section 4.1.9)
		"application/dpop+jwt": reason.ProofType,
		"jwt":                  reason.ProofType,
		"pop":                  reason.ProofType,
		"at+jwt":               reason.ProofType,
		"":                     reason.ProofType,
	} {
		t.Run(typ, func(t *testing.T) {
			newRig(t).expect(request(t, d, d.proofWithHeader(t, map[string]any{"typ": typ})), want)
		})
	}
	t.Run("missing", func(t *testing.T) {
		newRig(t).expect(request(t, d, d.proofWithHeader(t, map[string]any{"typ": nil})), reason.ProofType)
	})
}

// RFC 9449, section 4.3, check 5: alg is asymmetric, supported and acceptable.
func TestCheck5Algorithm(t *testing.T) {
	d := deviceOf(t, 1)
	for _, alg := range []string{"none", "NoNe", "", "HS256", "es256", "ES256K", "ES384", "RS256", "EdDSA", "RSA-OAEP"} {
		t.Run(alg, func(t *testing.T) {
			newRig(t).expect(request(t, d, d.proofWithHeader(t, map[string]any{"alg": alg})), reason.ProofAlgorithm)
		})
	}
	t.Run("not among the configured", func(t *testing.T) {
		b := newRig(t, func(c *Config) { c.Algorithms = []jose.Algorithm{jose.PS256, jose.EdDSA} })
		b.expect(request(t, d, d.proof(t, nil)), reason.ProofAlgorithm)
	})
	t.Run("narrowed by a reload, with the key still cached", func(t *testing.T) {
		before := newRig(t)
		before.expect(request(t, d, d.proof(t, nil)), reason.None)
		after := newRig(t, func(c *Config) { c.Keys, c.Algorithms = before.Keys, []jose.Algorithm{jose.ES384} })
		after.expect(request(t, d, d.proof(t, nil)), reason.ProofAlgorithm)
	})
	t.Run("the key's own alg is another", func(t *testing.T) {
		other := *d
		other.jwk = with(map[string]any{"alg": "ES384"}, d.jwk)
		newRig(t).expect(request(t, d, other.proof(t, nil)), reason.ProofKey) // ES384 is not for P-256
	})
}

// RFC 9449, section 4.3, check 5, seen from the other side.
func TestAcceptsEverySupportedAlgorithm(t *testing.T) {
	for _, d := range oneDevicePerAlgorithm(t) {
		t.Run(d.method.Alg(), func(t *testing.T) {
			newRig(t).expect(request(t, d, d.proof(t, nil)), reason.None)
		})
	}
}

func oneDevicePerAlgorithm(t *testing.T) (all []*device) {
	t.Helper()
	for _, c := range []struct {
		curve  elliptic.Curve
		method *jwt.SigningMethodECDSA
	}{
		{elliptic.P256(), jwt.SigningMethodES256}, {elliptic.P384(), jwt.SigningMethodES384}, {elliptic.P521(), jwt.SigningMethodES512},
	} {
		private, err := ecdsa.GenerateKey(c.curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point, err := private.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		half := len(point) / 2
		all = append(all, newDevice(t, private, c.method, map[string]any{
			"kty": "EC", "crv": c.curve.Params().Name, "x": encode(point[1 : 1+half]), "y": encode(point[1+half:]),
		}))
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, newDevice(t, private, jwt.SigningMethodEdDSA, map[string]any{"kty": "OKP", "crv": "Ed25519", "x": encode(public)}))
	big2048, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []jwt.SigningMethod{
		jwt.SigningMethodRS256, jwt.SigningMethodRS384, jwt.SigningMethodRS512,
		saltedAsHash{jwt.SigningMethodPS256}, saltedAsHash{jwt.SigningMethodPS384}, saltedAsHash{jwt.SigningMethodPS512},
	} {
		all = append(all, newDevice(t, big2048, method, map[string]any{
			"kty": "RSA", "n": encode(big2048.N.Bytes()), "e": encode(big.NewInt(int64(big2048.E)).Bytes()),
		}))
	}
	return all
}

// saltedAsHash is PSS with a salt as long as the hash (RFC 7518, section 3.5).
type saltedAsHash struct{ *jwt.SigningMethodRSAPSS }

func (m saltedAsHash) Sign(input string, key any) ([]byte, error) {
	strict := *m.SigningMethodRSAPSS
	strict.Options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	return strict.Sign(input, key)
}

// RFC 9449, section 4.3, check 6: the signature verifies with the key in the
// proof, and comes in the one form that RFC 7518, section 3.4, allows.
func TestCheck6Signature(t *testing.T) {
	d, thief := deviceOf(t, 1), deviceOf(t, 2)
	good := d.proof(t, nil)
	input := good[:strings.LastIndexByte(good, '.')]
	signature, err := jose.Decode(good[len(input)+1:])
	if err != nil {
		t.Fatal(err)
	}
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	mirrored := make([]byte, 64)
	copy(mirrored, signature[:32])
	new(big.Int).Sub(elliptic.P256().Params().N, s).FillBytes(mirrored[32:])
	order := elliptic.P256().Params().N
	for name, c := range map[string]struct {
		signature []byte
		want      reason.Reason
	}{
		"as it was":      {signature, reason.None},
		"negated s":      {mirrored, reason.None}, // the same signature to ECDSA: so the replay set does not go by it
		"all zero":       {make([]byte, 64), reason.ProofSignature},
		"r plus order":   {append(new(big.Int).Add(r, order).Bytes(), signature[32:]...), reason.ProofSignature},
		"cut off":        {signature[:63], reason.ProofSignature},
		"one byte more":  {append(bytes.Clone(signature), 0), reason.ProofSignature},
		"swapped halves": {append(bytes.Clone(signature[32:]), signature[:32]...), reason.ProofSignature},
		"one bit off":    {append(bytes.Clone(signature[:63]), signature[63]^1), reason.ProofSignature},
	} {
		t.Run(name, func(t *testing.T) {
			newRig(t).expect(request(t, d, input+"."+encode(c.signature)), c.want)
		})
	}
	t.Run("of another key", func(t *testing.T) {
		forged := *thief
		forged.jwk = d.jwk
		newRig(t).expect(request(t, d, forged.proof(t, nil)), reason.ProofSignature)
	})
	t.Run("of another proof", func(t *testing.T) {
		other := d.proof(t, map[string]any{"jti": "another"})
		newRig(t).expect(request(t, d, other[:strings.LastIndexByte(other, '.')+1]+encode(signature)), reason.ProofSignature)
	})
}

// RFC 9449, section 4.3, check 7: the key is public, and it is a good key.
func TestCheck7PublicKeyOnly(t *testing.T) {
	d := deviceOf(t, 1)
	changed := func(changes map[string]any) map[string]any { return with(with(map[string]any{}, d.jwk), changes) }
	for name, jwk := range map[string]any{
		"private member":       changed(map[string]any{"d": encode(make([]byte, 32))}),
		"empty private member": changed(map[string]any{"d": ""}),
		"symmetric member":     changed(map[string]any{"k": "AAAA"}),
		"symmetric key":        map[string]any{"kty": "oct", "k": "AAAA"},
		"off the curve":        changed(map[string]any{"y": encode(make([]byte, 32))}),
		"short coordinate":     changed(map[string]any{"x": encode(make([]byte, 31))}),
		"for encryption":       changed(map[string]any{"use": "enc"}),
		"for signing only":     changed(map[string]any{"key_ops": []string{"sign"}}),
		"wrong case":           changed(map[string]any{"kty": nil, "KTY": "EC"}),
	} {
		t.Run(name, func(t *testing.T) {
			newRig(t).expect(request(t, d, d.proofWithHeader(t, map[string]any{"jwk": jwk})), reason.ProofKey)
		})
	}
	t.Run("missing", func(t *testing.T) {
		changes := map[string]any{"jwk": nil, "jku": "https://evil.example/keys", "x5u": "https://evil.example/cert", "kid": "1"}
		newRig(t).expect(request(t, d, d.proofWithHeader(t, changes)), reason.ProofKey)
	})
	t.Run("of another kind than alg", func(t *testing.T) {
		p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point, err := p384.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		jwk := map[string]any{"kty": "EC", "crv": "P-384", "x": encode(point[1:49]), "y": encode(point[49:])}
		newRig(t).expect(request(t, d, d.proofWithHeader(t, map[string]any{"jwk": jwk})), reason.ProofAlgorithm)
	})
	t.Run("members beyond the required ones", func(t *testing.T) {
		jwk := changed(map[string]any{"use": "sig", "alg": "ES256", "kid": "1", "key_ops": []string{"verify"}, "ext": true})
		newRig(t).expect(request(t, d, d.proofWithHeader(t, map[string]any{"jwk": jwk})), reason.None)
	})
}
