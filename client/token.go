// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxTokenResponse bounds, in bytes, what is read of a token endpoint's answer.
const maxTokenResponse = 1 << 20

// TokenRequest is a request to a token endpoint (RFC 6749, section 3.2).
type TokenRequest struct {
	// Endpoint is the absolute URL of the token endpoint. Required.
	Endpoint string
	// Form has the parameters of the grant, such as grant_type, scope and
	// resource. Without a grant_type it is client_credentials.
	Form url.Values
	// ClientID and ClientSecret authenticate the client with HTTP Basic (RFC 6749,
	// section 2.3.1) if ClientSecret is set; otherwise ClientID, if set, goes into
	// the form.
	ClientID, ClientSecret string
	// HTTPClient sends the request. Nil means [http.DefaultClient].
	HTTPClient *http.Client
}

// Token is a token endpoint's successful answer (RFC 6749, section 5.1).
type Token struct {
	// AccessToken is what to present to the resource.
	AccessToken string
	// Type is "DPoP" for a token bound to the request's key, else "Bearer".
	Type string
	// ExpiresIn is how long the token is valid, zero if the server did not say.
	ExpiresIn time.Duration
}

// TokenError is a token endpoint's error answer (RFC 6749, section 5.2).
type TokenError struct {
	// Status is the HTTP status.
	Status int
	// Code and Description are the members `error` and `error_description`; empty
	// if the answer had none.
	Code, Description string
}

// Error names the status and the error code.
func (e *TokenError) Error() string {
	text := fmt.Sprintf("token endpoint answered %d", e.Status)
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Description != "" {
		text += ": " + e.Description
	}
	return text
}

// RequestToken asks for a token bound to the key (RFC 9449, section 5). If the
// server demands a nonce it asks once more with it (section 8). It fails with a
// [*TokenError] if the server refuses, and with another error if the server gives
// a token that is not bound.
func (k *Key) RequestToken(ctx context.Context, request TokenRequest) (Token, error) {
	token, err := requestToken(ctx, request, k)
	if err == nil && !strings.EqualFold(token.Type, "DPoP") {
		return Token{}, errors.New("the token endpoint ignored the proof: token_type must be DPoP")
	}
	return token, err
}

// RequestUnboundToken asks for a token without a proof, as a client does that
// knows nothing of token binding. It fails with a [*TokenError] if the server
// refuses.
func RequestUnboundToken(ctx context.Context, request TokenRequest) (Token, error) {
	return requestToken(ctx, request, nil)
}

func requestToken(ctx context.Context, request TokenRequest, key *Key) (Token, error) {
	var nonce string
	for attempt := 1; ; attempt++ {
		token, header, err := request.post(ctx, key, nonce)
		var refused *TokenError
		// RFC 9449, section 8: the token endpoint says 400, not 401.
		if key == nil || attempt > 1 || !errors.As(err, &refused) ||
			refused.Status != http.StatusBadRequest || refused.Code != "use_dpop_nonce" {
			return token, err
		}
		if nonce = nonceOf(header); nonce == "" {
			return Token{}, err
		}
	}
}

// post makes one attempt and returns, beside its result, the response's header.
func (r TokenRequest) post(ctx context.Context, key *Key, nonce string) (Token, http.Header, error) {
	post, err := r.build(ctx)
	if err != nil {
		return Token{}, nil, err
	}
	if key != nil {
		proof, err := key.Proof(Proof{Method: post.Method, URL: r.Endpoint, Nonce: nonce})
		if err != nil {
			return Token{}, nil, err
		}
		post.Header.Set("DPoP", proof)
	}
	httpClient := r.HTTPClient
	if httpClient == nil {
		httpClient = http.DefaultClient
	}
	response, err := httpClient.Do(post)
	if err != nil {
		return Token{}, nil, fmt.Errorf("requesting a token: %w", err)
	}
	defer response.Body.Close()
	document, err := io.ReadAll(io.LimitReader(response.Body, maxTokenResponse))
	if err != nil {
		return Token{}, nil, fmt.Errorf("requesting a token: %w", err)
	}
	token, err := parseTokenResponse(response.StatusCode, document)
	return token, response.Header, err
}

// build makes the request without a proof.
func (r TokenRequest) build(ctx context.Context) (*http.Request, error) {
	form := url.Values{}
	for name, values := range r.Form {
		form[name] = values
	}
	if !form.Has("grant_type") {
		form.Set("grant_type", "client_credentials")
	}
	if r.ClientID != "" && r.ClientSecret == "" {
		form.Set("client_id", r.ClientID)
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, r.Endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("requesting a token: %w", err)
	}
	post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	post.Header.Set("Accept", "application/json")
	if r.ClientSecret != "" {
		post.SetBasicAuth(url.QueryEscape(r.ClientID), url.QueryEscape(r.ClientSecret))
	}
	return post, nil
}

func parseTokenResponse(status int, document []byte) (Token, error) {
	var answer struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int64  `json:"expires_in"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	err := json.Unmarshal(document, &answer)
	if status != http.StatusOK {
		return Token{}, &TokenError{Status: status, Code: answer.Error, Description: answer.Description}
	}
	if err != nil || answer.AccessToken == "" || answer.TokenType == "" {
		// The parser's text could quote the token.
		return Token{}, errors.New("token endpoint's answer must be a JSON object with access_token and token_type")
	}
	return Token{
		AccessToken: answer.AccessToken,
		Type:        answer.TokenType,
		ExpiresIn:   time.Duration(answer.ExpiresIn) * time.Second,
	}, nil
}
