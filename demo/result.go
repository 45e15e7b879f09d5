// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/client"
)

// codeTokenProtection is Entra's code for a block by token protection.
const codeTokenProtection = "530084"

// expectation is what is to come back. The zero value is any success.
type expectation struct {
	status int
	// oauthError is the `error` of the challenge, empty for a challenge without.
	oauthError string
	// code is the sign-in session status code.
	code string
}

// result is what came back.
type result struct {
	status int
	// oauthError is the first `error` in the challenges.
	oauthError string
	// popNonce is the nonce that a signed request is to carry, if the server gave one.
	popNonce string
	// problem is the answer's problem document (RFC 9457), if it is one.
	problem problem
	// body is the answer's content.
	body []byte
	// nonceChallenge says that the server demanded a nonce before it answered so.
	nonceChallenge bool
	// node is who answered, if a balancer in front said so.
	node string
}

// problem has the members of a refusal that say why.
type problem struct {
	Detail            string      `json:"detail"`
	Code              json.Number `json:"code"`
	SessionStatusCode json.Number `json:"sign_in_session_status_code"`
}

func newResult(response *http.Response, body []byte) result {
	got := result{
		status: response.StatusCode, oauthError: challengeError(response.Header), body: body,
		node: response.Header.Get(nodeHeader),
	}
	for _, challenge := range client.Challenges(response.Header) {
		if challenge.Scheme == "PoP" {
			got.popNonce = challenge.Parameters["nonce"]
		}
	}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json") {
		// A document that does not parse has no codes, and is not what is expected.
		_ = json.Unmarshal(body, &got.problem)
	}
	return got
}

// is reports whether the result is the expected one, codes included.
func (r result) is(want expectation) bool {
	if want.status == 0 {
		return r.status >= 200 && r.status < 300
	}
	return r.status == want.status && r.oauthError == want.oauthError &&
		r.problem.Code.String() == codeTokenProtection && r.problem.SessionStatusCode.String() == want.code
}

// reason says in one line what the server said about its answer.
func (r result) reason() string {
	var parts []string
	if r.nonceChallenge {
		parts = append(parts, "answered a nonce challenge")
	}
	if r.oauthError != "" {
		parts = append(parts, r.oauthError)
	}
	if r.problem.Code != "" {
		parts = append(parts, fmt.Sprintf("%s/%s", r.problem.Code, r.problem.SessionStatusCode))
	}
	if r.problem.Detail != "" {
		parts = append(parts, r.problem.Detail)
	}
	return strings.Join(parts, ", ")
}

// challengeError returns the first `error` in the challenges of any scheme.
func challengeError(header http.Header) string {
	for _, challenge := range client.Challenges(header) {
		if code := challenge.Parameters["error"]; code != "" {
			return code
		}
	}
	return ""
}
