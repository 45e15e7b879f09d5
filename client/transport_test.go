// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// resource is a server that demands the nonce it last gave out, and records what
// it was sent.
type resource struct {
	*httptest.Server
	mutex  sync.Mutex
	nonce  string // demanded if not empty
	proofs []string
	bodies []string
}

func newResource(t *testing.T) *resource {
	r := &resource{}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *resource) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	proof := request.Header.Get("DPoP")
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.proofs, r.bodies = append(r.proofs, proof), append(r.bodies, string(body))
	_, claims := verify(panics{}, proof)
	if r.nonce != "" && claims["nonce"] != r.nonce {
		w.Header().Set("WWW-Authenticate", `Bearer, DPoP algs="ES256", error="use_dpop_nonce"`)
		w.Header().Set("DPoP-Nonce", r.nonce)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// panics lets a handler, which is not on the test's goroutine, use verify.
type panics struct{ testing.TB }

func (panics) Helper()                           {}
func (panics) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (panics) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func send(t *testing.T, transport http.RoundTripper, method, url string, body io.Reader) *http.Response {
	t.Helper()
	request, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response
}

func TestTransportSendsTokenAndProofOfThisRequest(t *testing.T) {
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer server.Close()
	now := time.Unix(1700000000, 0)
	transport := &Transport{Key: generate(t, ES256), Token: StaticToken("tok"), Now: func() time.Time { return now }}
	send(t, transport, "PUT", server.URL+"/a%2Fb?q=1", nil)
	if v := got.Values("Authorization"); len(v) != 1 || v[0] != "DPoP tok" {
		t.Errorf("Authorization %q", v)
	}
	if v := got.Values("DPoP"); len(v) != 1 {
		t.Fatalf("%d DPoP fields, want 1", len(v))
	}
	_, claims := verify(t, got.Get("DPoP"))
	if claims["htm"] != "PUT" || claims["htu"] != server.URL+"/a%2Fb" || claims["iat"] != float64(now.Unix()) {
		t.Errorf("claims %v", claims)
	}
}

func TestTransportNamesTheHostThatIsSent(t *testing.T) {
	r := newResource(t)
	request, err := http.NewRequest("GET", r.URL+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "Mail.Example:8443"
	response, err := (&Transport{Key: generate(t, ES256), Token: StaticToken("tok")}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if _, claims := verify(t, r.proofs[0]); claims["htu"] != "http://mail.example:8443/x" {
		t.Errorf("htu %v", claims["htu"])
	}
}

func TestTransportAnswersANonceChallengeOnceAndKeepsTheNonce(t *testing.T) {
	r := newResource(t)
	r.nonce = "n1"
	transport := &Transport{Key: generate(t, ES256), Token: StaticToken("tok")}
	for range 2 {
		if response := send(t, transport, "POST", r.URL+"/x", strings.NewReader("body")); response.StatusCode != 200 {
			t.Fatalf("status %d, want 200", response.StatusCode)
		}
	}
	if len(r.proofs) != 3 {
		t.Fatalf("%d requests, want 3: the challenged one, its retry, and one that knew the nonce", len(r.proofs))
	}
	ids := map[any]bool{}
	for i, proof := range r.proofs {
		_, claims := verify(t, proof)
		ids[claims["jti"]] = true
		if r.bodies[i] != "body" {
			t.Errorf("body %q of request %d, want it whole", r.bodies[i], i)
		}
	}
	if len(ids) != 3 {
		t.Error("a proof was used twice")
	}
}

func TestTransportTakesTheNonceOfASuccess(t *testing.T) {
	r := newResource(t)
	transport := &Transport{Key: generate(t, ES256), Token: StaticToken("tok"), Base: roundTripper(func(q *http.Request) (*http.Response, error) {
		response, err := http.DefaultTransport.RoundTrip(q)
		if err == nil {
			response.Header.Set("DPoP-Nonce", "next")
		}
		return response, err
	})}
	send(t, transport, "GET", r.URL, nil)
	send(t, transport, "GET", r.URL, nil)
	if _, claims := verify(t, r.proofs[1]); claims["nonce"] != "next" {
		t.Errorf("nonce %v, want next", claims["nonce"])
	}
}

func TestTransportRetriesNoMoreThanOnceAndOnlyForANonce(t *testing.T) {
	for _, test := range []struct {
		name      string
		status    int
		challenge string
		nonces    []string
		want      int32 // requests
	}{
		{"always challenged", 401, `DPoP error="use_dpop_nonce"`, []string{"n"}, 2},
		{"another error", 401, `DPoP error="invalid_dpop_proof"`, []string{"n"}, 1},
		{"another scheme's error", 401, `Bearer error="use_dpop_nonce"`, []string{"n"}, 1},
		{"another status", 400, `DPoP error="use_dpop_nonce"`, []string{"n"}, 1},
		{"no nonce", 401, `DPoP error="use_dpop_nonce"`, nil, 1},
		{"two nonces", 401, `DPoP error="use_dpop_nonce"`, []string{"n", "m"}, 1},
		{"nonce that is not NQCHAR", 401, `DPoP error="use_dpop_nonce"`, []string{`n"m`}, 1},
		{"nonce too long", 401, `DPoP error="use_dpop_nonce"`, []string{strings.Repeat("n", maxNonce+1)}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			var requests atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				w.Header().Set("WWW-Authenticate", test.challenge)
				w.Header()["Dpop-Nonce"] = test.nonces
				w.WriteHeader(test.status)
			}))
			defer server.Close()
			response := send(t, &Transport{Key: generate(t, ES256), Token: StaticToken("tok")}, "GET", server.URL, nil)
			if response.StatusCode != test.status || requests.Load() != test.want {
				t.Errorf("status %d after %d requests, want %d after %d", response.StatusCode, requests.Load(), test.status, test.want)
			}
		})
	}
}

func TestTransportDoesNotRetryABodyThatCannotBeReplayed(t *testing.T) {
	r := newResource(t)
	r.nonce = "n1"
	body := struct{ io.Reader }{strings.NewReader("once")} // hides the type that gives a request its GetBody
	response := send(t, &Transport{Key: generate(t, ES256), Token: StaticToken("tok")}, "POST", r.URL, body)
	if response.StatusCode != 401 || len(r.proofs) != 1 {
		t.Errorf("status %d after %d requests, want 401 after 1", response.StatusCode, len(r.proofs))
	}
}

func TestTransportKeepsNoncesOfOriginsApart(t *testing.T) {
	a, b := newResource(t), newResource(t)
	a.nonce = "of-a"
	transport := &Transport{Key: generate(t, ES256), Token: StaticToken("tok")}
	send(t, transport, "GET", a.URL, nil)
	send(t, transport, "GET", b.URL, nil)
	if _, claims := verify(t, b.proofs[0]); claims["nonce"] != nil {
		t.Errorf("nonce %v of another origin", claims["nonce"])
	}
}

func TestNoncesAreBounded(t *testing.T) {
	var known nonces
	for i := range 3 * maxOrigins {
		known.learn(fmt.Sprint(i), http.Header{"Dpop-Nonce": {"n"}})
	}
	if len(known.byOrigin) != maxOrigins {
		t.Errorf("%d origins, want %d", len(known.byOrigin), maxOrigins)
	}
	if known.get(fmt.Sprint(3*maxOrigins-1)) != "n" {
		t.Error("the latest was forgotten")
	}
}

func TestTransportLeavesTheCallersRequestAlone(t *testing.T) {
	r := newResource(t)
	r.nonce = "n1"
	request, err := http.NewRequest("POST", r.URL+"/x?q", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Authorization": {"Basic own"}, "X-Own": {"1"}}
	before, body := request.Clone(context.Background()), request.Body
	response, err := (&Transport{Key: generate(t, ES256), Token: StaticToken("tok")}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if fmt.Sprint(request.Header) != fmt.Sprint(before.Header) || request.URL.String() != before.URL.String() || request.Body != body {
		t.Errorf("request was changed: %v %v", request.URL, request.Header)
	}
}

func TestTransportClosesTheBodyWhenItFails(t *testing.T) {
	for name, transport := range map[string]*Transport{
		"no key": {Token: StaticToken("tok")},
		"no token": {Key: generate(t, ES256), Token: func(context.Context) (string, error) {
			return "", errors.New("no token today")
		}},
		"URL without a host": {Key: generate(t, ES256), Token: StaticToken("tok")},
	} {
		t.Run(name, func(t *testing.T) {
			body := &closeRecorder{Reader: bytes.NewReader([]byte("body"))}
			request, err := http.NewRequest("POST", "https:///x", body)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := transport.RoundTrip(request); err == nil {
				t.Error("no error")
			}
			if !body.closed {
				t.Error("body left open")
			}
		})
	}
}

func TestTransportFollowsNoRedirectToAnotherOriginWithTheToken(t *testing.T) {
	var leaked http.Header
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { leaked = r.Header }))
	defer other.Close()
	var within atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "DPoP tok" {
			within.Add(1)
		}
		if r.URL.Path == "/first" {
			http.Redirect(w, r, "/second", http.StatusFound)
			return
		}
		http.Redirect(w, r, other.URL, http.StatusFound)
	}))
	defer server.Close()
	send(t, &Transport{Key: generate(t, ES256), Token: StaticToken("tok")}, "GET", server.URL+"/first", nil)
	if within.Load() != 2 {
		t.Errorf("%d requests with the token at its own origin, want 2", within.Load())
	}
	if leaked == nil || leaked.Get("Authorization") != "" || leaked.Get("DPoP") != "" {
		t.Errorf("other origin received %v, want a request without credentials", leaked)
	}
}

func TestTransportIsSafeForConcurrentUse(t *testing.T) {
	r := newResource(t)
	r.nonce = "n1"
	transport := &Transport{Key: generate(t, ES256), Token: StaticToken("tok")}
	var group sync.WaitGroup
	var refused atomic.Int32
	for range 32 {
		group.Go(func() {
			request, _ := http.NewRequest("GET", r.URL, nil)
			response, err := transport.RoundTrip(request)
			if err != nil || response.StatusCode != 200 {
				refused.Add(1)
				return
			}
			response.Body.Close()
		})
	}
	group.Wait()
	if refused.Load() != 0 {
		t.Errorf("%d of 32 requests failed", refused.Load())
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

type closeRecorder struct {
	io.Reader
	closed bool
}

func (c *closeRecorder) Close() error { c.closed = true; return nil }
