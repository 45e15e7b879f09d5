// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

const path = "/api/x"

// device is a good client: it has a key and tokens that are bound to it, and
// retries once when it is asked for a nonce.
type device struct {
	key    harness.Key
	issuer *harness.Issuer
	claims harness.Object // of its tokens
	nonce  atomic.Pointer[string]

	mu      sync.Mutex
	token   string
	expires time.Time
}

func newDevice(world *harness.World) *device {
	key := harness.NewKey("ES256")
	d := &device{key: key, issuer: world.Issuer, claims: harness.BoundTo(key)}
	d.nonce.Store(new(string))
	return d
}

// access is the device's token. A new one comes before the old one expires.
func (d *device) access() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Now().After(d.expires) {
		d.token, d.expires = d.issuer.Mint(d.claims), time.Now().Add(10*time.Minute)
	}
	return d.token
}

// request is a new request, with a proof that was never sent.
func (d *device) request() harness.Request { return d.requestFor(path) }

func (d *device) requestFor(path string) harness.Request {
	token := d.access()
	proof := harness.Proof{Key: d.key, Token: token, Path: path, Nonce: *d.nonce.Load()}
	return harness.Request{Path: path, Header: harness.Credentials(token, proof.Sign())}
}

// outcome is what became of one use of the service.
type outcome struct {
	harness.Response
	sent    harness.Request // the last try
	retries int             // because a nonce was asked for
	err     error
}

func (o outcome) passed() bool { return o.err == nil && o.Status == http.StatusOK }

// use sends a request as a good client does.
func (d *device) use(server *harness.Server, protocol harness.Protocol) outcome {
	var o outcome
	for ; o.retries < 3; o.retries++ {
		o.sent = d.request()
		if o.Response, o.err = server.Try(protocol, o.sent); o.err != nil || o.Error != "use_dpop_nonce" {
			return o
		}
		nonce := o.Header.Get("DPoP-Nonce")
		d.nonce.Store(&nonce)
	}
	return o
}

// captured is what a thief has recorded of requests that passed.
type captured struct {
	mu       sync.Mutex
	requests []harness.Request
}

func (c *captured) add(request harness.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, request)
}

// last returns the youngest of them, at most so many.
func (c *captured) last(most int) []harness.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]harness.Request(nil), c.requests[max(0, len(c.requests)-most):]...)
}

// replay sends them all again, and returns how many passed and how many were
// answered in another way than a replay or a missing memory may be.
func replay(server *harness.Server, requests []harness.Request) (passed, wrong int64) {
	var atomicPassed, atomicWrong atomic.Int64
	parallel(8, len(requests), func(i int) {
		response, err := server.Try(harness.HTTP2, requests[i])
		switch {
		case err != nil:
			atomicWrong.Add(1)
		case response.Status == http.StatusOK:
			atomicPassed.Add(1)
		case response.Error == "invalid_dpop_proof", response.Error == "use_dpop_nonce", response.Status == http.StatusServiceUnavailable:
		default:
			atomicWrong.Add(1)
		}
	})
	return atomicPassed.Load(), atomicWrong.Load()
}

// parallel calls do for each number below count, several at a time.
func parallel(workers, count int, do func(i int)) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(count); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	group.Wait()
}

// during runs the loads side by side until do has returned. Each is called
// again and again.
func during(do func(), loads ...func()) {
	var group sync.WaitGroup
	ended := make(chan struct{})
	for _, load := range loads {
		group.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
					load()
				}
			}
		})
	}
	do()
	close(ended)
	group.Wait()
}

// longest keeps the longest of several times.
type longest struct{ atomic.Int64 }

func (l *longest) add(d time.Duration) {
	for {
		old := l.Load()
		if int64(d) <= old || l.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}
