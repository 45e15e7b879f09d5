// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"

	"github.com/tokenprotection/caddy-token-protection/client"
)

// Sizes of the fleets.
const (
	hotDevices   = 100
	crowdDevices = 5000
	hostDevices  = 100_000
	rsaDevices   = 20 // making an RSA key takes long
)

// muster says what a fleet is made of.
type muster struct {
	algorithm client.Algorithm
	devices   int
	binding   string // the member of the tokens' confirmation
}

// mobilise makes the devices that the scenarios need.
func (a *arena) mobilise(scenarios []Scenario, issuer *issuer) error {
	a.makers = map[work]maker{}
	fleets := map[muster]*fleet{}
	bindings := map[string]binding{"jkt": byThumbprint, "kid": byKeyID, "x5t#S256": byCertificate(a.identity)}
	hot := muster{client.ES256, hotDevices, "jkt"}
	for _, kind := range []struct {
		work   work
		muster muster
		make   func(*fleet, int) (before, requests []request, err error)
	}{
		{fresh, hot, (*fleet).fresh},
		{ofCrowd, muster{client.ES256, crowdDevices, "jkt"}, (*fleet).fresh},
		{ofHost, muster{client.ES256, hostDevices, "jkt"}, (*fleet).fresh},
		{ofNewTokens, hot, (*fleet).newTokens},
		{ofEdDSA, muster{client.EdDSA, hotDevices, "jkt"}, (*fleet).fresh},
		{ofRS256, muster{client.RS256, rsaDevices, "jkt"}, (*fleet).fresh},
		{ofSignedRequests, muster{client.ES256, hotDevices, "kid"}, (*fleet).signedRequests},
		{ofCertificate, muster{client.ES256, hotDevices, "x5t#S256"}, (*fleet).bearers},
		{withoutCredential, hot, (*fleet).withoutCredential},
		{otherKey, hot, (*fleet).otherKey},
		{badSignature, hot, (*fleet).badSignature},
		{replayed, hot, (*fleet).replayed},
		{badToken, hot, (*fleet).badToken},
	} {
		if !slices.ContainsFunc(scenarios, func(s Scenario) bool { return s.asksFor(kind.work) }) {
			continue
		}
		made := fleets[kind.muster]
		if made == nil {
			var err error
			if made, err = newFleet(issuer, kind.muster, bindings[kind.muster.binding]); err != nil {
				return err
			}
			fleets[kind.muster] = made
		}
		a.makers[kind.work] = func(n int) (before, requests []request, err error) { return kind.make(made, n) }
	}
	return nil
}
