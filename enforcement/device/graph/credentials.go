// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

const (
	// renewBefore is how long before its end a token is replaced.
	renewBefore = time.Minute
	// defaultLife is that of a token whose answer does not say.
	defaultLife = 5 * time.Minute
	// maxLife bounds what the answer may say.
	maxLife = 24 * time.Hour
)

// clientCredentials gets tokens by client id and secret (RFC 6749, section 4.4), and keeps the last one.
type clientCredentials struct {
	config Config
	client *http.Client

	mu    sync.Mutex // held while asking: one question at a time
	token string
	until time.Time
}

// get returns a token that is good for a while.
func (c *clientCredentials) get(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.token != "" && now.Before(c.until) {
		return c.token, nil
	}
	token, life, err := c.ask(ctx)
	if err != nil {
		return "", err
	}
	c.token, c.until = token, now.Add(max(life-renewBefore, life/2))
	return token, nil
}

// drop forgets a token that the API did not take.
func (c *clientCredentials) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = ""
}

// ask is one request of a token. Errors hold neither the secret nor the answer.
func (c *clientCredentials) ask(ctx context.Context) (string, time.Duration, error) {
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {c.config.ClientID}, "client_secret": {c.config.ClientSecret}, "scope": {c.config.Scope},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.config.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, errors.New("token_url: expected an absolute https URL")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	status, answer, err := send(c.client, request)
	switch {
	case err != nil:
		return "", 0, err
	case status != http.StatusOK:
		return "", 0, fmt.Errorf("%s answered the request of a token with status %d", request.URL.Host, status)
	}
	return readToken(answer)
}

// readToken is RFC 6749, section 5.1.
func readToken(answer []byte) (token string, life time.Duration, err error) {
	seconds, typ := int64(defaultLife/time.Second), "Bearer"
	err = jose.ScanObject(answer, func(name string, value jose.Value) (err error) {
		switch name {
		case "access_token":
			token, err = value.Text()
		case "token_type":
			typ, err = value.Text()
		case "expires_in":
			seconds, err = integer(value)
		}
		return err
	})
	switch {
	case err != nil:
		return "", 0, fmt.Errorf("answer to the request of a token: %w", err)
	case token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", 0, errors.New("answer to the request of a token: no usable access_token")
	case !strings.EqualFold(typ, "Bearer"):
		return "", 0, errors.New("answer to the request of a token: expected token_type Bearer")
	case seconds <= 0:
		return "", 0, errors.New("answer to the request of a token: expected a positive expires_in")
	}
	return token, min(time.Duration(seconds), maxLife/time.Second) * time.Second, nil
}

// integer reads a number, which some servers write as a string.
func integer(value jose.Value) (int64, error) {
	if value.Kind != jose.String {
		return value.Integer()
	}
	text, err := value.Text()
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}
