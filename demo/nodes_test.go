// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// inTurns is a balancer: the nodes answer in turns, and a request with a proof
// that came before gets what repeated says.
func inTurns(nodes int, repeated func(node string, next http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		turn, seen := 0, map[string]bool{}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			turn++
			node := fmt.Sprint("node-", turn%nodes)
			w.Header().Set(nodeHeader, node)
			handler, proof := next, r.Header.Get("DPoP")
			if seen[proof] {
				handler = repeated(node, next)
			}
			seen[proof] = proof != ""
			handler.ServeHTTP(w, r)
		})
	}
}

// refusesReplay answers as a proxy does that knows the proof.
var refusesReplay = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("WWW-Authenticate", `DPoP error="invalid_dpop_proof"`)
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = io.WriteString(w, `{"code":530084,"sign_in_session_status_code":1005}`)
})

func TestReplayIsTriedAtEveryNode(t *testing.T) {
	acceptedBy := func(forgetful string) func(string, http.Handler) http.Handler {
		return func(node string, next http.Handler) http.Handler {
			if node == forgetful {
				return next
			}
			return refusesReplay
		}
	}
	onlyOneAnswers := func(string, http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(nodeHeader, "node-0")
			refusesReplay(w, r)
		})
	}
	for _, test := range []struct {
		name     string
		repeated func(string, http.Handler) http.Handler
		expected bool
		reason   string
	}{
		{"refused by both", acceptedBy("nobody"), true, "invalid_dpop_proof"},
		{"accepted by one", acceptedBy("node-0"), false, ""},
		{"accepted by the other", acceptedBy("node-1"), false, ""},
		{"one node has gone", onlyOneAnswers, false, "refused by 1 nodes; 2 were expected"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				several := endpoints
				several.Nodes = 2
				outcomes, err := Run(t.Context(), io.Discard, On, several, unprotected(t, inTurns(2, test.repeated)))
				if err != nil {
					t.Fatal(err)
				}
				last := outcomes[len(outcomes)-1]
				if len(outcomes) != len(scenario())+len(acrossNodes()) || last.Expected != test.expected || !strings.Contains(last.Reason, test.reason) {
					t.Errorf("%d outcomes, the last one %+v", len(outcomes), last)
				}
			})
		})
	}
}

func TestEveryNodePassesUnderReportOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		several := endpoints
		several.Nodes = 2
		passes := func(_ string, next http.Handler) http.Handler { return next }
		outcomes, err := Run(t.Context(), io.Discard, ReportOnly, several, unprotected(t, inTurns(2, passes)))
		if err != nil || !AsExpected(outcomes) {
			t.Errorf("outcomes %v, %v", outcomes, err)
		}
	})
}

// A node that is late must not be missed by the replay at every node.
func TestWaitsForEveryNode(t *testing.T) {
	for _, test := range []struct {
		name  string
		nodes int
		late  time.Duration
		want  error
	}{
		{"the second is late", 2, 10 * time.Second, nil},
		{"the second is too late", 2, proxyPatience + time.Second, context.DeadlineExceeded},
		{"there is no third", 3, 0, context.DeadlineExceeded},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				several := endpoints
				several.Nodes = test.nodes
				ready := time.Now().Add(test.late)
				_, err := Run(t.Context(), io.Discard, ReportOnly, several, unprotected(t, func(next http.Handler) http.Handler {
					both := inTurns(2, func(_ string, next http.Handler) http.Handler { return next })(next)
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if time.Now().Before(ready) {
							w.Header().Set(nodeHeader, "node-0")
							next.ServeHTTP(w, r)
							return
						}
						both.ServeHTTP(w, r)
					})
				}))
				if !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
			})
		})
	}
}
