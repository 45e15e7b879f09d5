// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// explanation prints how a request was judged. It shows no token, proof,
// nonce or cookie.
type explanation struct {
	out      io.Writer
	verifier *verifier
	request  enforcement.Request
	decision *enforcement.Decision
	// token and proofs are what was presented.
	token  string
	proofs []string
}

func (e *explanation) print() {
	url := "(a URL that cannot be told)"
	if e.request.URL.Scheme != "" {
		url = e.request.URL.String()
	}
	e.line("request", "%s %s at %s", e.request.HTTP.Method, url, e.verifier.at.UTC().Format(time.RFC3339))
	e.printFacts()
	d := e.decision
	if d.Exempt {
		e.line("passed", "the path is exempt: nothing else was looked at")
	} else {
		e.printChecks()
	}
	e.printPolicies()
	for _, note := range e.verifier.notes {
		e.line("note", "%s", note)
	}
	e.line("decision", "%s", verdict(d))
}

func (e *explanation) line(what, format string, args ...any) {
	_, _ = fmt.Fprintf(e.out, "%-12s %s\n", what, fmt.Sprintf(format, args...)) // nobody is left to tell
}

// printFacts shows what token and proof say of themselves, unverified.
func (e *explanation) printFacts() {
	token := e.token
	if e.decision.Credential.Scheme == enforcement.SchemePoP {
		e.line("proof", "says %s", facts(token, proofHeader[:2], signedFacts))
		token = embeddedToken(token)
	}
	if token != "" {
		e.line("token", "says %s", facts(token, tokenHeader, tokenPayload))
	}
	for _, proof := range e.proofs {
		e.line("proof", "says %s%s", facts(proof, proofHeader, proofPayload), tokenHashFact(proof, token))
	}
}

// embeddedToken is the access token in a signed HTTP request.
func embeddedToken(signed string) (token string) {
	parts := strings.Split(signed, ".")
	if len(parts) != 3 {
		return ""
	}
	if members, ok := decodePart(parts[1]); ok {
		_ = json.Unmarshal(members["at"], &token) // anything else than a string is no token
	}
	return token
}

func (e *explanation) printChecks() {
	for _, r := range explain(e.decision) {
		section := ""
		if r.section != "" {
			section = " (" + r.section + ")"
		}
		switch {
		case r.passed:
			e.line("passed", "%s%s", r.name, section)
		case r.failed:
			e.line("FAILED", "%s%s: %s", r.name, section, e.decision.Reason)
		default:
			e.line("not reached", "%s", r.name)
		}
	}
}

// printPolicies shows what each policy made of the request, as the sign-in
// record says it.
func (e *explanation) printPolicies() {
	if e.verifier.record == nil {
		return
	}
	var results []signin.PolicyResult
	if json.Unmarshal([]byte(e.verifier.record.ConditionalAccessPolicies), &results) != nil {
		return // it is our own record
	}
	for _, r := range results {
		e.line("policy", "%q: %s; conditions satisfied: %s; not satisfied: %s", r.DisplayName, r.Result, r.ConditionsSatisfied, r.ConditionsNotSatisfied)
	}
}

// verdict is the decision in one sentence.
func verdict(d *enforcement.Decision) string {
	status := "unbound"
	if d.Bound {
		status = "bound"
	}
	answer := d.Reason.Answer()
	switch {
	case d.Exempt:
		return "allow: the path is exempt"
	case d.Anonymous:
		return "allow: anonymous requests are left to the backend"
	case d.Allow && !d.Enforcing:
		return fmt.Sprintf("allow (%s, code %d): no policy in state on targets the resource", status, d.Code())
	case d.Allow:
		return fmt.Sprintf("allow (%s, code %d)", status, d.Code())
	case d.Reason == reason.None:
		return fmt.Sprintf("block (%s, code %d)", status, d.Code())
	case answer.Error == "":
		return fmt.Sprintf("block with %d %s (%s, code %d)", answer.Status, http.StatusText(answer.Status), d.Reason, d.Code())
	}
	return fmt.Sprintf("block with %d %s (%s, code %d)", answer.Status, answer.Error, d.Reason, d.Code())
}
