// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

// rollout is the share of users for whom an enabled policy is enforced.
//
// A user's place is the 64-bit FNV-1a hash of the policy's id, a zero byte and the user's id, finished with the mixer of
// MurmurHash3 (FNV alone hardly spreads the last bytes, where ids that count upwards differ), modulo 10,000. A user
// whose place is below the share is inside. So a place depends on nothing but the two ids, is another for every
// policy, and a larger share holds every smaller one. It need not resist somebody who can choose user ids.
type rollout struct {
	share uint64 // in ten-thousandths
	seed  uint64 // hash of the policy's id and the zero byte
}

// places is the number of places a user can have.
const places = 10000

// FNV-1a, 64 bit.
const (
	fnvOffset uint64 = 14695981039346656037
	fnvPrime  uint64 = 1099511628211
)

func newRollout(p Policy) rollout {
	r := rollout{share: places, seed: fnv1a(fnv1a(fnvOffset, p.ID), "\x00")}
	if share := p.TokenProtection.RolloutPercent; share != nil {
		r.share = uint64(*share) * places / 100
	}
	return r
}

// has says whether the request's user is inside the share. One with neither id nor name is: nothing says otherwise.
func (r rollout) has(c *Context) bool {
	if r.share >= places {
		return true
	}
	id := c.UserID
	if id == "" {
		id = c.User
	}
	return id == "" || mix(fnv1a(r.seed, id))%places < r.share
}

func fnv1a(hash uint64, s string) uint64 {
	for i := range len(s) {
		hash = (hash ^ uint64(s[i])) * fnvPrime
	}
	return hash
}

// mix is MurmurHash3's fmix64.
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
