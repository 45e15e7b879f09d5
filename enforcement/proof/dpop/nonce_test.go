// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dpop

import (
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/nonce"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// startedAt makes the replay set begin to remember at this time.
func startedAt(t testing.TB, start time.Time) func(*Config) {
	return func(c *Config) { c.Replay = replaySince(t, start) }
}

func sourceOf(t testing.TB, purpose string, secrets ...string) *nonce.Source {
	t.Helper()
	var also [][]byte
	for _, s := range secrets[1:] {
		also = append(also, []byte(s))
	}
	source, err := nonce.New(purpose, nonceLife, []byte(secrets[0]), also...)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// RFC 9449, section 4.3, check 10, and section 11.3: where the set of spent
// proofs begins to remember, only a proof that is certainly younger is
// accepted without a nonce. The device's clock may be ahead by the skew.
func TestCheck10AutoAsksForANonceOnlyWhatMayHaveBeenForgotten(t *testing.T) {
	d := deviceOf(t, 1)
	skew := int64(clockSkew / time.Second)
	for name, c := range map[string]struct {
		watermark time.Time
		iat       int64
		want      reason.Reason
	}{
		"long ago":                          {noon.Add(-time.Hour), noon.Unix(), reason.None},
		"made before the watermark":         {noon, noon.Unix() - 1, reason.NonceMissing},
		"made at the watermark":             {noon, noon.Unix(), reason.NonceMissing},
		"at the watermark plus skew":        {noon, noon.Unix() + skew, reason.NonceMissing},
		"a second after watermark and skew": {noon.Add(-time.Second), noon.Unix() + skew, reason.None},
		"a nanosecond after":                {noon.Add(-1), noon.Unix() + skew, reason.None},
		"a nanosecond before":               {noon.Add(1), noon.Unix() + skew, reason.NonceMissing},
	} {
		t.Run(name, func(t *testing.T) {
			b := newRig(t, startedAt(t, c.watermark))
			b.expect(request(t, d, d.proof(t, map[string]any{"iat": c.iat})), c.want)
		})
	}
}

func TestCheck10Required(t *testing.T) {
	d := deviceOf(t, 1)
	required := func(c *Config) { c.RequireNonce = true }
	ours := sourceOf(t, "dpop", string(secret))
	for name, c := range map[string]struct {
		nonce any
		want  reason.Reason
	}{
		"none":                        {nil, reason.NonceMissing},
		"empty":                       {"", reason.NonceMissing},
		"fresh":                       {ours.Issue(noon), reason.None},
		"as old as may be":            {ours.Issue(noon.Add(-nonceLife)), reason.None},
		"a millisecond older":         {ours.Issue(noon.Add(-nonceLife - time.Millisecond)), reason.NonceStale},
		"from far in the future":      {ours.Issue(noon.Add(time.Minute)), reason.NonceStale},
		"of a foreign server":         {sourceOf(t, "dpop", "a secret of somebody else").Issue(noon), reason.NonceStale},
		"of another purpose":          {sourceOf(t, "dbsc", string(secret)).Issue(noon), reason.NonceStale},
		"of the RFC":                  {"eyJ7S_zG.eyJH0-Z.HX4w-7v", reason.NonceStale},
		"with a character too many":   {ours.Issue(noon) + "A", reason.NonceStale},
		"with its first byte changed": {"B" + ours.Issue(noon)[1:], reason.NonceStale},
	} {
		t.Run(name, func(t *testing.T) {
			newRig(t, required).expect(request(t, d, d.proof(t, map[string]any{"nonce": c.nonce})), c.want)
		})
	}
}

// A nonce proves that the proof is younger than the nonce: it must be younger
// than what was forgotten, whatever iat says.
func TestCheck10TheNonceMustBeYoungerThanTheWatermark(t *testing.T) {
	d := deviceOf(t, 1)
	ours := sourceOf(t, "dpop", string(secret))
	for name, c := range map[string]struct {
		issued time.Time
		want   reason.Reason
	}{
		"issued after":           {noon.Add(time.Millisecond), reason.None},
		"issued at":              {noon, reason.None},
		"issued before":          {noon.Add(-time.Millisecond), reason.NonceStale},
		"issued a minute before": {noon.Add(-time.Minute), reason.NonceStale},
	} {
		t.Run(name, func(t *testing.T) {
			b := newRig(t, startedAt(t, noon))
			b.expect(request(t, d, d.proof(t, map[string]any{"nonce": ours.Issue(c.issued)})), c.want)
		})
	}
	t.Run("not looked at where none is owed", func(t *testing.T) {
		newRig(t).expect(request(t, d, d.proof(t, map[string]any{"nonce": "rubbish"})), reason.None)
	})
}

// Secrets rotate: nonces of the previous and of the next one are accepted.
func TestCheck10AcceptsNoncesOfPreviousAndNextSecret(t *testing.T) {
	d := deviceOf(t, 1)
	const previous, current, next, retired = "the previous secret", "the current secret", "the next secret..", "a retired secret.."
	b := newRig(t, func(c *Config) {
		c.RequireNonce, c.Nonces = true, sourceOf(t, "dpop", current, previous, next)
	})
	for secret, want := range map[string]reason.Reason{
		previous: reason.None, current: reason.None, next: reason.None, retired: reason.NonceStale,
	} {
		t.Run(secret, func(t *testing.T) {
			nonce := sourceOf(t, "dpop", secret).Issue(noon)
			b.expect(request(t, d, d.proof(t, map[string]any{"nonce": nonce})), want)
		})
	}
	t.Run("its own", func(t *testing.T) {
		b.expect(request(t, d, d.proof(t, map[string]any{"nonce": b.Memory().Nonce(noon)})), reason.None)
	})
}

// Where nothing is enforced a missing nonce is no failure, and the only thing
// that is excused.
func TestExcusesTheNonceAndNothingElse(t *testing.T) {
	d, thief := deviceOf(t, 1), deviceOf(t, 2)
	forged := *thief
	forged.jwk = d.jwk
	for name, c := range map[string]struct {
		proof string
		want  reason.Reason
		owed  bool
	}{
		"no nonce":         {d.proof(t, nil), reason.None, true},
		"a stale nonce":    {d.proof(t, map[string]any{"nonce": "rubbish"}), reason.None, true},
		"a good nonce":     {d.proof(t, map[string]any{"nonce": sourceOf(t, "dpop", string(secret)).Issue(noon)}), reason.None, false},
		"a forged proof":   {forged.proof(t, nil), reason.ProofSignature, true},
		"another method":   {d.proof(t, map[string]any{"htm": "POST"}), reason.ProofMethod, false},
		"an old proof":     {d.proof(t, map[string]any{"iat": 1}), reason.ProofTime, false},
		"a malformed one":  {d.proof(t, map[string]any{"nonce": 1}), reason.ProofMalformed, false},
		"the thief's key":  {thief.proof(t, nil), reason.KeyMismatch, false},
		"no proof, no key": {"", reason.ProofMalformed, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newRig(t, startedAt(t, noon))
			r := request(t, d, c.proof)
			r.ExcuseNonce = true
			binding, why := b.judge(r)
			if why != c.want || binding.NonceOwed != c.owed {
				t.Errorf("got %q, nonce owed %v; want %q, %v", why, binding.NonceOwed, c.want, c.owed)
			}
		})
	}
	t.Run("a replay", func(t *testing.T) {
		b := newRig(t, startedAt(t, noon))
		r := request(t, d, d.proof(t, nil))
		r.ExcuseNonce = true
		spend(t, b, d, r)
		b.expect(r, reason.ProofReplayed)
	})
}

// spend verifies the request and records its proof, as the enforcer does.
func spend(t testing.TB, b *rig, d *device, r *Request) proof.Binding {
	t.Helper()
	binding, why := b.Verify(r, noon)
	if why != reason.None {
		t.Fatalf("refused: %q", why)
	}
	if outcome := b.Memory().Spend(binding, noon); outcome != cache.Added {
		t.Fatalf("not recorded: %v", outcome)
	}
	return binding
}

// The look at the watermark is repeated once the proof is recorded: an
// overflow in between may have forgotten an earlier copy.
func TestStillFresh(t *testing.T) {
	d := deviceOf(t, 1)
	ours := sourceOf(t, "dpop", string(secret))
	for name, c := range map[string]struct {
		excuse bool
		nonce  any
		before time.Time // watermark when the proof was verified
		after  time.Time // and when it was recorded
		want   bool
	}{
		"nothing was forgotten":              {false, nil, noon.Add(-time.Hour), noon.Add(-time.Hour), true},
		"only older ones were forgotten":     {false, nil, noon.Add(-time.Hour), noon.Add(-clockSkew - 1), true},
		"this one may be among them":         {false, nil, noon.Add(-time.Hour), noon.Add(-clockSkew), false},
		"the nonce is younger":               {false, ours.Issue(noon), noon.Add(-clockSkew), noon, true},
		"the nonce is older":                 {false, ours.Issue(noon), noon.Add(-clockSkew), noon.Add(1), false},
		"nothing is enforced, nonce excused": {true, nil, noon, noon.Add(time.Second), true},
	} {
		t.Run(name, func(t *testing.T) {
			before := newRig(t, startedAt(t, c.before))
			r := request(t, d, d.proof(t, map[string]any{"nonce": c.nonce}))
			r.ExcuseNonce = c.excuse
			binding, why := before.judge(r)
			if why != reason.None {
				t.Fatalf("refused: %q", why)
			}
			if got := newRig(t, startedAt(t, c.after)).Memory().StillFresh(binding); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
