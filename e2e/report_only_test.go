// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestReportOnlyChangesNothing sends the same requests to a server with the
// module, under a report-only policy and all defaults, and to one without it.
// What comes back, and what the backend sees, is the same to the byte.
func TestReportOnlyChangesNothing(t *testing.T) {
	const requests, seed, workers = 3000, 20261125, 8
	t.Logf("seed %d", seed)
	world := harness.NewWorld(t)
	world.Backend.Handle("/status/", answerAnything)
	with := world.Start(t, harness.Options{Policies: harness.PolicyReportOnly, Site: "log_skip"})
	without := world.Start(t, harness.Options{Unprotected: true, Site: "log_skip"})
	generator := generator{Rand: rand.New(rand.NewPCG(seed, 0)), world: world}
	generated := make(chan harness.Request)
	go func() {
		defer close(generated)
		for range requests {
			generated <- generator.request()
		}
	}()
	var group sync.WaitGroup
	var judged atomic.Int64
	for worker := range workers {
		group.Go(func() {
			for request := range generated {
				protocol := harness.Protocols[worker%2] // HTTP/1.1 and HTTP/2
				if _, upgrade := request.Header["Upgrade"]; upgrade {
					protocol = harness.HTTP1
				}
				if compare(t, protocol, request, with, without) && !exempt(request.Path) {
					judged.Add(1)
				}
			}
		})
	}
	group.Wait()
	if records := int64(len(with.Records(t))); records != judged.Load() || records < requests/2 {
		t.Errorf("%d sign-in records of %d requests that were judged", records, judged.Load())
	}
}

// exempt says which of the generated paths need no token.
func exempt(path string) bool {
	path, _, _ = strings.Cut(path, "?")
	return path == "/public/a" || path == "/healthz"
}

// compare sends one request to both servers, and says whether it got there.
func compare(t *testing.T, protocol harness.Protocol, request harness.Request, with, without *harness.Server) (sent bool) {
	var seen [2]string
	for i, server := range []*harness.Server{with, without} {
		response, err := server.Try(protocol, request)
		if err != nil {
			seen[i] = "no answer"
			continue
		}
		seen[i] = describe(response)
	}
	if seen[0] != seen[1] {
		t.Errorf("%v %s %s, with fields %v: %s", protocol, request.Method, request.Path, slices.Sorted(maps.Keys(request.Header)), difference(seen[0], seen[1]))
	}
	return seen[0] != "no answer"
}

// difference is the first line in which two texts differ.
func difference(with, without string) string {
	a, b := strings.Split(with, "\n"), strings.Split(without, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("with the module %.200q, without %.200q", a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines with the module, %d without", len(a), len(b))
}

// describe is all of an answer and of what arrived, apart from what differs
// between any two requests.
func describe(response harness.Response) string {
	var text strings.Builder
	header := func(h http.Header) {
		for _, name := range slices.Sorted(maps.Keys(h)) {
			if name != "Date" && name != http.CanonicalHeaderKey(harness.IDHeader) && name != "Alt-Svc" { // names the port
				fmt.Fprintf(&text, "  %s: %q\n", name, h[name])
			}
		}
	}
	fmt.Fprintf(&text, "%d\n", response.Status)
	header(response.Header)
	fmt.Fprintf(&text, "%q\n", response.Body)
	for _, arrival := range response.Arrivals() {
		fmt.Fprintf(&text, "arrived: %s %s at %s\n", arrival.Method, arrival.URI, arrival.Host)
		header(arrival.Header)
		fmt.Fprintf(&text, "%q\n", arrival.Body)
	}
	return text.String()
}

// answerAnything answers with the status that the path names, and header
// fields that a token protecting proxy could be tempted to touch.
func answerAnything(w http.ResponseWriter, r *http.Request) {
	status := 200
	_, _ = fmt.Sscanf(r.URL.Path, "/status/%d", &status)
	for _, value := range []string{`Negotiate`, `Basic realm="backend"`, `DPoP algs="ES256"`} {
		w.Header().Add("WWW-Authenticate", value)
	}
	w.Header().Set("DPoP-Nonce", "the-backends-own")
	w.Header().Set("Set-Cookie", "session=1; Path=/")
	w.Header().Set("Cache-Control", "max-age=60")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "status %d\n", status)
}

// TestReportOnlyPolicyNeverChangesADecision: under a policy that is on, one
// that only reports changes neither answers nor what the backend sees.
func TestReportOnlyPolicyNeverChangesADecision(t *testing.T) {
	const requests, seed = 500, 7
	t.Logf("seed %d", seed)
	world := harness.NewWorld(t)
	secret := harness.Options{Proof: "nonce_secret " + strings.Repeat("s", 40), Site: "log_skip"}
	alone, both := secret, secret
	alone.Policies = harness.PolicyOn
	both.Policies = strings.Replace(harness.PolicyReportOnly, "exclude user breakglass", "exclude user alice-id", 1) + "\n" + harness.PolicyOn
	first, second := world.Start(t, alone), world.Start(t, both)
	generator := generator{Rand: rand.New(rand.NewPCG(seed, 0)), world: world, nonce: first.Nonce(t)}
	for range requests {
		request := generator.request()
		one, err := first.Try(harness.HTTP1, request)
		if err != nil {
			continue // a request that no client can send
		}
		other, err := second.Try(harness.HTTP1, request)
		if err != nil {
			t.Fatal(err)
		}
		got, want := summary(other), summary(one)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s %s: %v with a report-only policy beside, %v without", request.Method, request.Path, got, want)
		}
	}
}

func summary(response harness.Response) []any {
	var arrived []harness.Arrival
	for _, arrival := range response.Arrivals() {
		arrival.Header = arrival.Header.Clone()
		arrival.Header.Del(harness.IDHeader)
		arrived = append(arrived, arrival)
	}
	return []any{response.Status, response.Error, arrived}
}
