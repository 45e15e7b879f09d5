// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dpop

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/target"
)

// RFC 9449, section 4.3, check 8: htm is the method. Methods have a case
// (RFC 9110, section 9.1), and one that is asked for in a header is none.
func TestCheck8Method(t *testing.T) {
	d := deviceOf(t, 1)
	for _, c := range []struct {
		claimed, used string
		want          reason.Reason
	}{
		{"GET", "GET", reason.None},
		{"POST", "POST", reason.None},
		{"PROPFIND", "PROPFIND", reason.None},
		{"POST", "GET", reason.ProofMethod},
		{"get", "GET", reason.ProofMethod},
		{"GET", "get", reason.ProofMethod},
		{"GET", "HEAD", reason.ProofMethod},
		{"GET ", "GET", reason.ProofMethod},
		{"GE", "GET", reason.ProofMethod},
	} {
		t.Run(c.claimed+" for "+c.used, func(t *testing.T) {
			r := request(t, d, d.proof(t, map[string]any{"htm": c.claimed}))
			r.Method = c.used
			newRig(t).expect(r, c.want)
		})
	}
}

// RFC 9449, section 4.3, check 9: htu is the URL, in normal form on both
// sides, query and fragment aside. What counts as the same URL is the
// business of package target; here it is only asked.
func TestCheck9URL(t *testing.T) {
	d := deviceOf(t, 1)
	for htu, want := range map[string]reason.Reason{
		sampleURL: reason.None,
		"HTTPS://MAIL.Contoso.example:443/api/me":       reason.None,
		"https://mail.contoso.example/api/./x/../me":    reason.None,
		"https://mail.contoso.example/%61pi/me":         reason.None,
		"https://mail.contoso.example/api/me?a=b#c":     reason.None,
		"https://mail.contoso.example/api/me/":          reason.ProofURL,
		"https://mail.contoso.example/api":              reason.ProofURL,
		"https://mail.contoso.example/api/ME":           reason.ProofURL,
		"https://mail.contoso.example/api%2Fme":         reason.ProofURL,
		"https://mail.contoso.example//api/me":          reason.ProofURL,
		"https://mail.contoso.example.evil/api/me":      reason.ProofURL,
		"https://evil.mail.contoso.example/api/me":      reason.ProofURL,
		"https://mail.contoso.example:8443/api/me":      reason.ProofURL,
		"http://mail.contoso.example/api/me":            reason.ProofURL,
		"http://mail.contoso.example:443/api/me":        reason.ProofURL,
		"https://mail.contoso.example@evil/api/me":      reason.ProofURL,
		"https://user@mail.contoso.example/api/me":      reason.ProofURL,
		"https:////mail.contoso.example/api/me":         reason.ProofURL,
		"https://mail.contoso.example\\api\\me":         reason.ProofURL,
		"/api/me":                                       reason.ProofURL,
		"mail.contoso.example/api/me":                   reason.ProofURL,
		"https:/::/mail.contoso.example/api/meXXXXXXXX": reason.ProofURL,
		"https+++mail.contoso.example/api/me":           reason.ProofURL,
	} {
		t.Run(htu, func(t *testing.T) {
			newRig(t).expect(request(t, d, d.proof(t, map[string]any{"htu": htu})), want)
		})
	}
	t.Run("a byte changed, wherever it is", func(t *testing.T) {
		b := newRig(t)
		for i := range sampleURL {
			changed := sampleURL[:i] + "q" + sampleURL[i+1:]
			b.expect(request(t, d, d.proof(t, map[string]any{"htu": changed})), reason.ProofURL)
		}
	})
	t.Run("a request whose URL cannot be told", func(t *testing.T) {
		for _, htu := range []string{sampleURL, "://", "x"} {
			r := request(t, d, d.proof(t, map[string]any{"htu": htu}))
			r.URL = target.URL{}
			newRig(t).expect(r, reason.ProofURL)
		}
	})
}

// RFC 9449, section 4.3, check 11: made within an acceptable time. And RFC
// 7519, sections 4.1.4 and 4.1.5: exp and nbf, which nobody must send.
func TestCheck11Time(t *testing.T) {
	d := deviceOf(t, 1)
	now := noon.Unix()
	age, skew := int64(maxAge/time.Second), int64(clockSkew/time.Second)
	for name, c := range map[string]struct {
		claims map[string]any
		want   reason.Reason
	}{
		"now":                      {map[string]any{"iat": now}, reason.None},
		"as old as may be":         {map[string]any{"iat": now - age}, reason.None},
		"a second too old":         {map[string]any{"iat": now - age - 1}, reason.ProofTime},
		"as far ahead as may be":   {map[string]any{"iat": now + skew}, reason.None},
		"a second too far ahead":   {map[string]any{"iat": now + skew + 1}, reason.ProofTime},
		"in milliseconds":          {map[string]any{"iat": noon.UnixMilli()}, reason.ProofTime},
		"before 1970":              {map[string]any{"iat": -now}, reason.ProofTime},
		"the largest number":       {map[string]any{"iat": int64(1<<63 - 1)}, reason.ProofTime},
		"the smallest number":      {map[string]any{"iat": int64(-1 << 63)}, reason.ProofTime},
		"expires in a second":      {map[string]any{"exp": now + 1}, reason.None},
		"expires now":              {map[string]any{"exp": now}, reason.ProofTime},
		"expired a second ago":     {map[string]any{"exp": now - 1}, reason.ProofTime},
		"expires at the epoch":     {map[string]any{"exp": 0}, reason.ProofTime},
		"valid from now":           {map[string]any{"nbf": now}, reason.None},
		"valid from skew on":       {map[string]any{"nbf": now + skew}, reason.None},
		"not valid yet":            {map[string]any{"nbf": now + skew + 1}, reason.ProofTime},
		"valid since the epoch":    {map[string]any{"nbf": 0}, reason.None},
		"expires before it begins": {map[string]any{"nbf": now, "exp": now - 1}, reason.ProofTime},
	} {
		t.Run(name, func(t *testing.T) {
			newRig(t).expect(request(t, d, d.proof(t, c.claims)), c.want)
		})
	}
}

// RFC 9449, section 4.3, check 12, first half: ath is the hash of the very
// token, in the one form of section 4.2.
func TestCheck12TokenHash(t *testing.T) {
	d := deviceOf(t, 1)
	hash := sha256.Sum256([]byte(sampleToken))
	other := sha256.Sum256([]byte("another.access.token"))
	text := encode(hash[:])
	for name, ath := range map[string]string{
		"of another token": encode(other[:]),
		"in hexadecimal":   hex.EncodeToString(hash[:]),
		"padded":           text + "=",
		"standard base64":  base64.StdEncoding.EncodeToString(hash[:]),
		"stray bits":       text[:42] + string(text[42]+1),
		"cut off":          text[:42],
		"the token itself": sampleToken,
		"all zero":         encode(make([]byte, 32)),
	} {
		t.Run(name, func(t *testing.T) {
			newRig(t).expect(request(t, d, d.proof(t, map[string]any{"ath": ath})), reason.ProofTokenHash)
		})
	}
}

// RFC 9449, section 4.3, check 12, second half: the key is the one that the
// token confirms.
func TestCheck12ConfirmedKey(t *testing.T) {
	d, thief := deviceOf(t, 1), deviceOf(t, 2)
	r := request(t, d, thief.proof(t, nil))
	b := newRig(t)
	binding, why := b.judge(r)
	if why != reason.KeyMismatch || binding.Scheme != "" {
		t.Errorf("got %q and %+v, want %q and no binding", why, binding, reason.KeyMismatch)
	}
}

// Performance: a wrong key must not cost a signature check. A proof whose
// signature cannot verify shows which of the two was looked at first.
func TestAWrongKeyIsRefusedBeforeItsSignatureIsLookedAt(t *testing.T) {
	d, thief := deviceOf(t, 1), deviceOf(t, 2)
	forged := *d
	forged.jwk = thief.jwk // signed by d, claims to be the thief's
	newRig(t).expect(request(t, d, forged.proof(t, nil)), reason.KeyMismatch)
	spoiled := forged.proof(t, map[string]any{"htm": "POST", "iat": 0, "ath": "x"})
	newRig(t).expect(request(t, d, spoiled), reason.KeyMismatch)
}

// Of several faults the first in the contract's order decides.
func TestChecksComeInTheContractsOrder(t *testing.T) {
	d := deviceOf(t, 1)
	changes := map[string]any{"htm": "POST", "htu": "https://evil.example/", "ath": "x", "iat": 1}
	b := newRig(t, func(c *Config) { c.RequireNonce = true })
	for _, step := range []struct {
		want reason.Reason
		mend string
	}{
		{reason.ProofMethod, "htm"}, {reason.ProofURL, "htu"}, {reason.ProofTokenHash, "ath"}, {reason.ProofTime, "iat"},
	} {
		b.expect(request(t, d, d.proof(t, changes)), step.want)
		delete(changes, step.mend)
	}
	b.expect(request(t, d, d.proof(t, changes)), reason.NonceMissing)
}
