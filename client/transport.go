// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxDrained is how many bytes of a challenge's body are read so that its
// connection can be used again.
const maxDrained = 64 << 10

// Transport is an [http.RoundTripper] that presents an access token with a fresh
// DPoP proof on each request (RFC 9449, section 7.1). If the server answers that
// it wants a nonce, the request is sent once more with it, unless its body cannot
// be sent twice (it has one and no GetBody); the server's second answer is the
// caller's, whatever it is.
//
// After a redirect to another origin the request goes out without credentials:
// a token is for the server that the caller addressed.
//
// The zero value of every optional field is useful. A Transport must not be
// copied after first use; its methods may be called by several goroutines.
type Transport struct {
	// Key signs the proofs. Required.
	Key *Key
	// Token returns the access token for a request with the given context; see
	// [StaticToken]. Required.
	Token func(ctx context.Context) (string, error)
	// Base sends the requests. Nil means [http.DefaultTransport].
	Base http.RoundTripper
	// Now is the clock for the proofs' `iat`. Nil means [time.Now].
	Now func() time.Time

	nonces nonces
}

// StaticToken returns a function for [Transport.Token] that always returns token.
func StaticToken(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}

// RoundTrip implements [http.RoundTripper]. It does not modify request, and it
// closes the request's body in every case, errors included.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if redirectedElsewhere(request) {
		return t.base().RoundTrip(request)
	}
	if t.Key == nil || t.Token == nil {
		closeBody(request)
		return nil, errors.New("client.Transport: Key and Token are required")
	}
	token, err := t.Token(request.Context())
	if err != nil {
		closeBody(request)
		return nil, fmt.Errorf("obtaining the access token: %w", err)
	}
	response, err := t.send(request, request.Body, token)
	if err != nil || !wantsNonce(response) {
		return response, err
	}
	body, ok := replayBody(request)
	if !ok {
		return response, nil
	}
	_, _ = io.CopyN(io.Discard, response.Body, maxDrained)
	_ = response.Body.Close()
	return t.send(request, body, token)
}

// send makes one attempt: a copy of the request with the given body and the
// credentials, of whose response the nonce is kept.
func (t *Transport) send(request *http.Request, body io.ReadCloser, token string) (*http.Response, error) {
	origin := originOf(request)
	proof := Proof{
		Method:      request.Method,
		URL:         origin + request.URL.EscapedPath(),
		AccessToken: token,
		Nonce:       t.nonces.get(origin),
	}
	if t.Now != nil {
		proof.IssuedAt = t.Now()
	}
	signed, err := t.Key.Proof(proof)
	if err != nil {
		if body != nil {
			_ = body.Close()
		}
		return nil, err
	}
	attempt := request.Clone(request.Context())
	attempt.Body = body
	if attempt.Header == nil {
		attempt.Header = make(http.Header)
	}
	attempt.Header.Set("Authorization", "DPoP "+token)
	attempt.Header.Set("DPoP", signed)
	response, err := t.base().RoundTrip(attempt)
	if err != nil {
		return nil, err
	}
	t.nonces.learn(origin, response.Header)
	return response, nil
}

func (t *Transport) base() http.RoundTripper {
	if t.Base == nil {
		return http.DefaultTransport
	}
	return t.Base
}

// wantsNonce reports whether the response is a resource server's demand for a
// nonce, and brings one (RFC 9449, section 9).
func wantsNonce(response *http.Response) bool {
	return response.StatusCode == http.StatusUnauthorized &&
		nonceOf(response.Header) != "" &&
		challengeError(response.Header, "DPoP") == "use_dpop_nonce"
}

// replayBody returns the request's body from its beginning; ok is false if that
// cannot be had.
func replayBody(request *http.Request) (body io.ReadCloser, ok bool) {
	if request.Body == nil || request.Body == http.NoBody {
		return request.Body, true
	}
	if request.GetBody == nil {
		return nil, false
	}
	body, err := request.GetBody()
	return body, err == nil
}

func closeBody(request *http.Request) {
	if request.Body != nil {
		_ = request.Body.Close()
	}
}

// originOf is scheme and authority of the request's target URI, in lower case.
// The authority is what the Host header field will say (RFC 9110, section 7.1).
func originOf(request *http.Request) string {
	host := request.Host
	if host == "" {
		host = request.URL.Host
	}
	return strings.ToLower((&url.URL{Scheme: request.URL.Scheme, Host: host}).String())
}

// redirectedElsewhere reports whether the request follows from a redirect that
// led away from the origin the caller addressed.
func redirectedElsewhere(request *http.Request) bool {
	origin := originOf(request)
	for cause := request.Response; cause != nil && cause.Request != nil; cause = cause.Request.Response {
		if originOf(cause.Request) != origin {
			return true
		}
	}
	return false
}
