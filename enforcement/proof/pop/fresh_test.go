// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package pop

import (
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/nonce"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

func nonceFor(t *testing.T, purpose string, at time.Time) string {
	t.Helper()
	source, err := nonce.New(purpose, 120*time.Second, secret)
	if err != nil {
		t.Fatal(err)
	}
	return source.Issue(at)
}

// A server nonce, where it is required, is one that lives and that was issued
// for this scheme.
func TestServerNonce(t *testing.T) {
	d := deviceOf(t, 1)
	for name, c := range map[string]struct {
		changes map[string]any
		want    reason.Reason
	}{
		"fresh":                  {map[string]any{"nonce": nonceFor(t, "pop", noon)}, reason.None},
		"fresh, with a jti":      {map[string]any{"nonce": nonceFor(t, "pop", noon), "jti": "x"}, reason.None},
		"expired":                {map[string]any{"nonce": nonceFor(t, "pop", noon.Add(-121*time.Second))}, reason.NonceStale},
		"of another scheme":      {map[string]any{"nonce": nonceFor(t, "dpop", noon)}, reason.NonceStale},
		"the client's own":       {nil, reason.NonceStale},
		"missing":                {map[string]any{"nonce": nil}, reason.NonceMissing},
		"missing beside a jti":   {map[string]any{"nonce": nil, "jti": "x"}, reason.NonceMissing},
		"empty":                  {map[string]any{"nonce": ""}, reason.NonceMissing},
		"in the place of a jti":  {map[string]any{"nonce": nil, "jti": nonceFor(t, "pop", noon)}, reason.NonceMissing},
		"with a byte more":       {map[string]any{"nonce": nonceFor(t, "pop", noon) + "A"}, reason.NonceStale},
		"a token as Microsoft's": {map[string]any{"nonce": "eyJhbGciOiJIUzI1NiJ9.eyJ0cyI6IjE3MDAwMDAwMDAifQ." + hashOf("")}, reason.NonceStale},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, requireNonce)
			b.expect(d.shr(t, c.changes), request(t, d), c.want)
		})
	}
	t.Run("issued by the verifier", func(t *testing.T) {
		b := newBench(t, requireNonce)
		binding, why := b.judge(d.shr(t, map[string]any{"nonce": b.Memory().Nonce(noon)}), request(t, d))
		if why != reason.None || !binding.NonceIssued.Equal(noon) || binding.NonceOwed {
			t.Errorf("%q, %+v", why, binding)
		}
	})
}

// Where nothing is enforced a missing nonce is noted, and nothing else is let off.
func TestExcusedNonce(t *testing.T) {
	d := deviceOf(t, 1)
	r := request(t, d)
	r.ExcuseNonce = true
	b := newBench(t, requireNonce)
	binding, why := b.judge(d.shr(t, nil), r)
	if why != reason.None || !binding.NonceOwed || !b.Memory().StillFresh(binding) {
		t.Errorf("%q, %+v", why, binding)
	}
	b.expect(d.shr(t, map[string]any{"nonce": nil}), r, reason.ProofMalformed)
	b.expect(d.shr(t, map[string]any{"p": "/y"}), r, reason.ProofURL)
}

// The replay set forgot, or began, at the watermark: what may have been spent
// before owes a nonce that was issued after.
func TestWatermarkAsksForANonce(t *testing.T) {
	d := deviceOf(t, 1)
	at := noon.Unix()
	watermark := noon.Add(-60 * time.Second)
	for name, c := range map[string]struct {
		changes map[string]any
		want    reason.Reason
	}{
		"made after, with the skew":      {map[string]any{"ts": at - 44}, reason.None},
		"made before, with the skew":     {map[string]any{"ts": at - 45}, reason.NonceStale},
		"made before, without any nonce": {map[string]any{"ts": at - 100, "nonce": nil, "jti": "x"}, reason.NonceMissing},
		"nonce issued after":             {map[string]any{"ts": at - 100, "nonce": nonceFor(t, "pop", watermark.Add(time.Second))}, reason.None},
		"nonce issued before":            {map[string]any{"ts": at - 100, "nonce": nonceFor(t, "pop", watermark.Add(-time.Second))}, reason.NonceStale},
		"nonce issued before, ts after":  {map[string]any{"ts": at, "nonce": nonceFor(t, "pop", watermark.Add(-time.Second))}, reason.None},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(config *Config) { config.Replay = replaySince(t, watermark) })
			b.expect(d.shr(t, c.changes), request(t, d), c.want)
		})
	}
}

// The look at the watermark after a signed request was recorded.
func TestStillFresh(t *testing.T) {
	b := newBench(t, func(config *Config) { config.Replay = replaySince(t, noon) })
	for name, c := range map[string]struct {
		binding proof.Binding
		want    bool
	}{
		"made after":           {proof.Binding{IssuedAt: noon.Add(16 * time.Second)}, true},
		"made within the skew": {proof.Binding{IssuedAt: noon.Add(15 * time.Second)}, false},
		"nonce issued after":   {proof.Binding{IssuedAt: noon, NonceIssued: noon}, true},
		"nonce issued before":  {proof.Binding{IssuedAt: noon, NonceIssued: noon.Add(-time.Second)}, false},
		"excused":              {proof.Binding{IssuedAt: noon, NonceOwed: true}, true},
	} {
		if got := b.Memory().StillFresh(c.binding); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Contract, "Matching": the identity is the key with jti or nonce, never the text.
func TestReplayIdentity(t *testing.T) {
	d, other := deviceOf(t, 1), deviceOf(t, 2)
	first := map[string]any{"jti": "first"}
	serverNonce := nonceFor(t, "pop", noon)
	for name, c := range map[string]struct {
		spent, then map[string]any
		by          *device
		want        reason.Reason
	}{
		"the same again":                         {first, first, d, reason.ProofReplayed},
		"the same jti with another nonce":        {first, map[string]any{"jti": "first", "nonce": "another"}, d, reason.ProofReplayed},
		"the same jti with another ts":           {first, map[string]any{"jti": "first", "ts": noon.Unix() - 1}, d, reason.ProofReplayed},
		"another jti with the same nonce":        {first, map[string]any{"jti": "second"}, d, reason.None},
		"the same nonce without a jti":           {nil, nil, d, reason.ProofReplayed},
		"another nonce without a jti":            {nil, map[string]any{"nonce": "another"}, d, reason.None},
		"the same server nonce without a jti":    {map[string]any{"nonce": serverNonce}, map[string]any{"nonce": serverNonce}, d, reason.ProofReplayed},
		"the same server nonce, each with a jti": {map[string]any{"nonce": serverNonce, "jti": "1"}, map[string]any{"nonce": serverNonce, "jti": "2"}, d, reason.None},
		"the same jti of another key":            {first, first, other, reason.None},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			binding, why := b.judge(d.shr(t, c.spent), request(t, d))
			if why != reason.None {
				t.Fatal(why)
			}
			if outcome := b.Memory().Spend(binding, noon); outcome != cache.Added {
				t.Fatal(outcome)
			}
			b.expect(c.by.shr(t, c.then), request(t, c.by), c.want)
		})
	}
	t.Run("a signature of another spelling", func(t *testing.T) {
		b := newBench(t)
		binding, _ := b.judge(d.shr(t, nil), request(t, d))
		b.Memory().Spend(binding, noon)
		again := d.shr(t, nil) // ECDSA signs differently each time
		b.expect(again, request(t, d), reason.ProofReplayed)
	})
	t.Run("refused ones spend nothing", func(t *testing.T) {
		b := newBench(t)
		b.expect(d.shr(t, map[string]any{"p": "/y"}), request(t, d), reason.ProofURL)
		b.expect(d.shr(t, nil), request(t, d), reason.None)
		if b.Replay.Stats().Entries != 0 {
			t.Error("verifying recorded something")
		}
	})
	for name, c := range map[string]struct {
		changes map[string]any
		want    reason.Reason
	}{
		"neither":                        {map[string]any{"nonce": nil}, reason.ProofMalformed},
		"both empty":                     {map[string]any{"nonce": "", "jti": ""}, reason.ProofMalformed},
		"jti empty":                      {map[string]any{"jti": ""}, reason.None},
		"jti of 128 characters":          {map[string]any{"jti": strings.Repeat("€", 128)}, reason.None},
		"jti of 129 characters":          {map[string]any{"jti": strings.Repeat("x", 129)}, reason.ProofMalformed},
		"nonce of 128 characters":        {map[string]any{"nonce": strings.Repeat("x", 128)}, reason.None},
		"nonce of 129 characters":        {map[string]any{"nonce": strings.Repeat("x", 129)}, reason.ProofMalformed},
		"nonce of 129 beside a good jti": {map[string]any{"nonce": strings.Repeat("x", 129), "jti": "x"}, reason.None},
	} {
		t.Run(name, func(t *testing.T) { newBench(t).expect(d.shr(t, c.changes), request(t, d), c.want) })
	}
}
