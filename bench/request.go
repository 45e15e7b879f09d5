// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/tokenprotection/caddy-token-protection/client"
)

// request is one prepared request: what is signed is signed before the clock
// starts.
type request struct {
	authorization, proof string
	want                 int // the status that must come back
}

// wire is the request in HTTP/1.1.
func (r request) wire() []byte {
	text := "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: " + agent + "\r\nAccept: application/json\r\n"
	if r.authorization != "" {
		text += "Authorization: " + r.authorization + "\r\n"
	}
	if r.proof != "" {
		text += "Dpop: " + r.proof + "\r\n"
	}
	return []byte(text + "\r\n")
}

// check holds an answer against what must come back. A request that is served
// gets the backend's answer, and not one that Caddy made up.
func (r request) check(status, length int) error {
	switch {
	case status != r.want:
		return fmt.Errorf("status %d where %d was expected", status, r.want)
	case status == http.StatusOK && length != bodySize:
		return fmt.Errorf("a body of %d bytes where the backend sends %d", length, bodySize)
	}
	return nil
}

// device is a device with an access token bound to its key.
type device struct {
	key   *client.Key
	token string
}

// fleet is a number of devices that take turns.
type fleet struct {
	issuer  *issuer
	devices []device
	next    int
}

// newFleet makes devices, one user each, with tokens that are bound to them.
func newFleet(issuer *issuer, of muster, bind binding) (*fleet, error) {
	f := &fleet{issuer: issuer, devices: make([]device, of.devices)}
	return f, parallel(of.devices, func(i int) (err error) {
		if f.devices[i].key, err = client.GenerateKey(of.algorithm); err != nil {
			return err
		}
		f.devices[i].token, err = issuer.token(i, bind(f.devices[i].key))
		return err
	})
}

// turn makes n requests, by one device after the other.
func (f *fleet) turn(n int, one func(device) (request, error)) ([]request, error) {
	requests, first := make([]request, n), f.next
	f.next += n
	return requests, parallel(n, func(i int) (err error) {
		requests[i], err = one(f.devices[(first+i)%len(f.devices)])
		return err
	})
}

// maker makes n requests. Some need others to have been served before, on the
// same server.
type maker func(n int) (before, requests []request, err error)

// fresh makes requests with a new proof each, for a token that was seen before.
func (f *fleet) fresh(n int) (before, requests []request, err error) {
	requests, err = f.turn(n, device.fresh)
	return nil, requests, err
}

// newTokens makes requests with a new token each.
func (f *fleet) newTokens(n int) (before, requests []request, err error) {
	requests, err = f.turn(n, func(d device) (request, error) {
		token, err := f.issuer.token(0, byThumbprint(d.key))
		if err != nil {
			return request{}, err
		}
		d.token = token
		return d.fresh()
	})
	return nil, requests, err
}

// withoutCredential makes requests with neither token nor proof.
func (f *fleet) withoutCredential(n int) (before, requests []request, err error) {
	requests, err = f.turn(n, func(device) (request, error) { return request{want: http.StatusUnauthorized}, nil })
	return nil, requests, err
}

// otherKey makes requests of a thief, who signs with a key of his own.
func (f *fleet) otherKey(n int) (before, requests []request, err error) {
	thief := f.devices[0].key
	requests, err = f.turn(n, func(d device) (request, error) {
		if d.key == thief {
			d.token = f.devices[1].token
		}
		d.key = thief
		return d.refused(nil)
	})
	return nil, requests, err
}

// badSignature makes requests whose proof is right in everything but its signature.
func (f *fleet) badSignature(n int) (before, requests []request, err error) {
	requests, err = f.turn(n, func(d device) (request, error) {
		return d.refused(func(r *request) { r.proof = forge(r.proof) })
	})
	return nil, requests, err
}

// badToken makes requests whose token is right in everything but its signature.
func (f *fleet) badToken(n int) (before, requests []request, err error) {
	requests, err = f.turn(n, func(d device) (request, error) {
		d.token = forge(d.token)
		return d.refused(nil)
	})
	return nil, requests, err
}

// replayed makes requests that were served before.
func (f *fleet) replayed(n int) (before, requests []request, err error) {
	if before, err = f.turn(min(n, len(f.devices)), device.fresh); err != nil {
		return nil, nil, err
	}
	requests = make([]request, n)
	for i := range requests {
		requests[i] = before[i%len(before)]
		requests[i].want = http.StatusUnauthorized
	}
	return before, requests, nil
}

// fresh signs a request that is to be served.
func (d device) fresh() (request, error) {
	proof, err := d.key.Proof(client.Proof{URL: origin + path, AccessToken: d.token})
	return request{authorization: "DPoP " + d.token, proof: proof, want: http.StatusOK}, err
}

// refused signs a request that is to be refused once it has been spoilt.
func (d device) refused(spoil func(*request)) (request, error) {
	r, err := d.fresh()
	r.want = http.StatusUnauthorized
	if spoil != nil && err == nil {
		spoil(&r)
	}
	return r, err
}

// forge changes a JWS's signature in its middle, so that it is well-formed.
func forge(jws string) string {
	place := (strings.LastIndexByte(jws, '.') + len(jws)) / 2
	other := byte('A')
	if jws[place] == other {
		other = 'B'
	}
	return jws[:place] + string(other) + jws[place+1:]
}

// parallel calls one for 0 to n-1, on two processors.
func parallel(n int, one func(i int) error) error {
	var (
		group    sync.WaitGroup
		failures [2]error
	)
	for half := range failures {
		group.Go(func() {
			for i := half; i < n && failures[half] == nil; i += len(failures) {
				failures[half] = one(i)
			}
		})
	}
	group.Wait()
	for _, err := range failures {
		if err != nil {
			return fmt.Errorf("preparing requests: %w", err)
		}
	}
	return nil
}
