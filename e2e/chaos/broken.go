// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// brokenConfigurations must not come into force. Some are found out when they
// are adapted, some when they are provisioned, some when they start.
var brokenConfigurations = []struct {
	kind    string
	options harness.Options
}{
	{"unknown word in the app", harness.Options{App: "nonsense"}},
	{"number that is none", harness.Options{App: "replay memory {\n max_entries none\n}"}},
	{"replay set without room", harness.Options{App: "replay memory {\n max_entries 0\n}"}},
	{"unknown replay store", harness.Options{App: "replay disk"}},
	{"replay store without a host", harness.Options{App: "replay redis redis://"}},
	{"two replay stores", harness.Options{App: "replay memory\nreplay memory"}},
	{"duration that is none", harness.Options{Proof: "max_age never"}},
	{"proofs that live too long", harness.Options{Proof: "max_age 2h"}},
	{"clocks too far apart", harness.Options{Proof: "clock_skew 1h"}},
	{"short secret", harness.Options{Proof: "nonce_secret short"}},
	{"secret that is not there", harness.Options{Proof: "nonce_secret {env.NO_SUCH_SECRET_ANYWHERE}"}},
	{"symmetric algorithm", harness.Options{Proof: "algorithms HS256"}},
	{"unknown word in the handler", harness.Options{Handler: "forward sideways"}},
	{"exemption that is ambiguous", harness.Options{Handler: "exempt /a//b"}},
	{"unknown scheme", harness.Options{Handler: "proofs bearer"}},
	{"Caddyfile that ends early", harness.Options{Global: "servers {"}},
	{"issuer over http", harness.Options{Issuers: "issuer http://login.example"}},
	{"no issuer", harness.Options{Issuers: "cache {\n tokens 5\n}"}},
	{"policy for a resource that nobody protects", harness.Options{Policies: strings.Replace(harness.PolicyOn, "resources exchange", "resources elsewhere", 1)}},
	{"policy in an unknown state", harness.Options{Policies: strings.Replace(harness.PolicyOn, "state on", "state maybe", 1)}},
	{"certificate that is not there", harness.Options{Site: "tls /nonexistent.crt /nonexistent.key"}},
}

// brokenReloads tries each kind, and asks after each whether the policy is
// still in force.
func brokenReloads(r *run) {
	server := r.start(harness.Options{})
	d := newDevice(server.World)
	first := d.use(server, harness.HTTP2)
	var refused, enforced, forgotten int64
	for _, broken := range brokenConfigurations {
		if err := server.Reload(broken.options); err == nil {
			r.Errorf("%s: it came into force", broken.kind)
		} else {
			refused++
		}
		unbound, err := server.Try(harness.HTTP2, harness.Request{Path: path, Header: http.Header{"Authorization": {"Bearer " + server.World.ATb}}})
		good := d.use(server, harness.HTTP2)
		if err == nil && unbound.Status == http.StatusUnauthorized && good.passed() && good.retries == 0 {
			enforced++
		}
		if passed, _ := replay(server, []harness.Request{first.sent}); passed > 0 {
			forgotten++
		}
	}
	kinds := int64(len(brokenConfigurations))
	r.count("kinds", kinds)
	r.count("refused", refused)
	r.atMost("after which the old policy does not enforce", kinds-enforced, 0)
	r.atMost("after which a replay passes", forgotten, 0)
}
