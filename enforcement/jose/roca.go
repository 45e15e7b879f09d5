// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import "math/big"

// fingerprint holds what gives a modulus of a broken key generator away, one entry for each small prime: which residues it can
// have.
//
// Infineon's library, in many a TPM and smart card, made primes of the form k*M + (65537^a mod M), M the product of the first
// primes: such a modulus can be factored (ROCA, CVE-2017-15361). Modulo every factor of M it is a power of 65537. For 17
// of them most residues are not, so that a sound key is taken for a broken one in 2^27 at most.
var fingerprint = func() (all []residues) {
	for _, prime := range []uint64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157} {
		r := residues{prime: prime}
		for power := uint64(1); !r.possible[power]; power = power * 65537 % prime {
			r.possible[power] = true
		}
		all = append(all, r)
	}
	return all
}()

// residues are the powers of 65537 modulo a prime.
type residues struct {
	prime    uint64
	possible [157]bool
}

// brokenGenerator says whether the modulus has the fingerprint.
func brokenGenerator(modulus *big.Int) bool {
	var remainder, prime big.Int
	for i := range fingerprint {
		remainder.Mod(modulus, prime.SetUint64(fingerprint[i].prime))
		if !fingerprint[i].possible[remainder.Uint64()] {
			return false
		}
	}
	return true
}
