// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// network is a transport that answers by URL, and counts. Nothing leaves the process, so that time may be virtual.
type network struct {
	mu      sync.Mutex
	answers map[string]answer
	calls   map[string]int
}

// answer is what one URL says.
type answer struct {
	status   int // 0 means 200
	body     string
	location string        // of a redirect
	after    time.Duration // until the header
	drip     time.Duration // until the body
	err      error         // instead of a response
}

var errDown = errors.New("connection refused")

func (n *network) set(url string, a answer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.answers == nil {
		n.answers, n.calls = make(map[string]answer), make(map[string]int)
	}
	n.answers[url] = a
}

func (n *network) called(url string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.calls[url]
}

func (n *network) total() (total int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, calls := range n.calls {
		total += calls
	}
	return total
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	url := r.URL.String()
	a, ok := n.answers[url]
	if n.calls != nil {
		n.calls[url]++
	}
	n.mu.Unlock()
	if !ok {
		a = answer{status: http.StatusNotFound, body: "not found"}
	}
	select {
	case <-time.After(a.after):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if a.err != nil {
		return nil, a.err
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	header := make(http.Header)
	if a.location != "" {
		header.Set("Location", a.location)
	}
	body := io.NopCloser(&dripping{request: r, rest: strings.NewReader(a.body), pause: a.drip})
	return &http.Response{StatusCode: a.status, Header: header, Body: body, Request: r, ContentLength: -1}, nil
}

// dripping is a body that comes late.
type dripping struct {
	request *http.Request
	rest    io.Reader
	pause   time.Duration
}

func (d *dripping) Read(p []byte) (int, error) {
	select {
	case <-time.After(d.pause):
	case <-d.request.Context().Done():
		return 0, d.request.Context().Err()
	}
	return d.rest.Read(p)
}

const jwksURL = contoso + "/jwks"

// started runs a test in virtual time with a key set that has fetched once.
func started(t *testing.T, first answer, test func(t *testing.T, n *network, set *KeySet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := new(network)
		n.set(jwksURL, first)
		set, err := NewRemoteKeySet(contoso, jwksURL, n)
		if err != nil {
			t.Fatal(err)
		}
		set.Start()
		defer destruct(t, set)
		synctest.Wait()
		test(t, n, set)
	})
}

func destruct(t testing.TB, set *KeySet) {
	t.Helper()
	if err := set.Destruct(); err != nil {
		t.Error(err)
	}
}

// expect fails the test unless Find gives the number of keys or the error.
func expect(t *testing.T, set *KeySet, kid string, want int, wantErr error) {
	t.Helper()
	keys, err := set.Find(kid, "ES256", time.Now())
	if len(keys) != want || !errors.Is(err, wantErr) {
		t.Errorf("%q at %v: %d keys, %v; expected %d, %v", kid, time.Now().Format(time.TimeOnly), len(keys), err, want, wantErr)
	}
}
