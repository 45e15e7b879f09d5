// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/tokenprotection/caddy-token-protection/client"
)

// signer is a client that signs whole requests, as those of Entra do, with a
// token for Exchange that is bound to its key.
type signer struct {
	key   *client.Key
	token string

	recorded atomic.Pointer[string] // the last signed request that passed
}

// newSigner makes user's client. It names its key to the issuer as MSAL does.
func (c *cast) newSigner(ctx context.Context, user string) (*signer, error) {
	key, err := client.GenerateKey(client.PS256)
	if err != nil {
		return nil, err
	}
	request := c.tokenRequest(user, c.Exchange)
	request.Form.Set("req_cnf", encode([]byte(`{"kid":"`+key.Thumbprint()+`"}`)))
	granted, err := client.RequestUnboundToken(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("token for %s's key: %w", user, err)
	}
	return &signer{key: key, token: granted.AccessToken}, nil
}

// signed sends a signed request, and once more where the server asks for its
// own nonce.
func signed(who func(*cast) *signer, url func(*cast) string) func(context.Context, *cast) (result, error) {
	return func(ctx context.Context, c *cast) (result, error) {
		s := who(c)
		var nonce string
		for {
			text, err := s.key.SignedRequest(client.SignedRequest{URL: url(c), AccessToken: s.token, Nonce: nonce})
			if err != nil {
				return result{}, err
			}
			got, err := c.send(ctx, c.plain, http.MethodGet, url(c), nil, popHeader(text))
			if err == nil && nonce == "" && got.popNonce != "" && got.oauthError == "" {
				nonce = got.popNonce
				continue
			}
			if got.status == http.StatusOK {
				s.recorded.Store(&text)
			}
			got.nonceChallenge = nonce != ""
			return got, err
		}
	}
}

// replaySigned sends the last signed request that passed once more.
func replaySigned(who func(*cast) *signer, url func(*cast) string) func(context.Context, *cast) (result, error) {
	return func(ctx context.Context, c *cast) (result, error) {
		recorded := who(c).recorded.Load()
		if recorded == nil {
			return result{}, errNothingRecorded
		}
		return c.send(ctx, c.plain, http.MethodGet, url(c), nil, popHeader(*recorded))
	}
}

func popHeader(signed string) http.Header { return http.Header{"Authorization": {"PoP " + signed}} }
