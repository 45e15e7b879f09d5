// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tokenprotection/caddy-token-protection/client"
)

const (
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 4 << 20
	// proxyPatience is how long the scenario waits for a proxy that has not fetched
	// the issuer's keys yet, and proxyInterval how long between two looks.
	proxyPatience = 30 * time.Second
	proxyInterval = 250 * time.Millisecond
)

var (
	errContent         = errors.New("the download differs from the upload")
	errNothingRecorded = errors.New("no successful request to record")
)

// cast is everybody in the scenario, with their keys and tokens.
type cast struct {
	Endpoints
	plain *http.Client // sends what it is given

	alice, carol *device // bound devices of pilot users
	thief        *device // has alice's token, but a key of his own

	dave      *certified // has a client certificate, and a token bound to it
	daveThief *certified // has dave's token, but a certificate of his own
	erin      *signer    // signs whole requests
	frank     *webUser   // signs in with a browser

	aliceUnbound, bobUnbound, breakGlass string // tokens for Exchange without confirmation
}

// device holds a key and, by audience, tokens.
type device struct {
	key    *client.Key
	tokens map[string]string
	client *http.Client // presents the tokens with proofs

	challenges atomic.Int64                // nonce challenges that were answered
	recorded   atomic.Pointer[http.Header] // credentials of the last successful GET of /owa/
}

// newCast makes the keys and obtains the tokens.
func newCast(ctx context.Context, e Endpoints, httpClient *http.Client) (*cast, error) {
	c := &cast{Endpoints: e, plain: httpClient}
	var err error
	if c.alice, err = c.newDevice(ctx, "alice"); err != nil {
		return nil, err
	}
	if c.carol, err = c.newDevice(ctx, "carol"); err != nil {
		return nil, err
	}
	if c.thief, err = c.newThief(); err != nil {
		return nil, err
	}
	if err = c.newCertified(ctx, "dave"); err != nil {
		return nil, err
	}
	if c.erin, err = c.newSigner(ctx, "erin"); err != nil {
		return nil, err
	}
	c.frank = c.newWebUser("frank")
	for user, token := range map[string]*string{"alice": &c.aliceUnbound, "bob": &c.bobUnbound, "breakglass": &c.breakGlass} {
		granted, err := client.RequestUnboundToken(ctx, c.tokenRequest(user, e.Exchange))
		if err != nil {
			return nil, fmt.Errorf("token for %s: %w", user, err)
		}
		*token = granted.AccessToken
	}
	return c, nil
}

// newDevice makes a device of user's with bound tokens for both resources.
func (c *cast) newDevice(ctx context.Context, user string) (*device, error) {
	key, err := client.GenerateKey(client.ES256)
	if err != nil {
		return nil, err
	}
	d := &device{key: key, tokens: make(map[string]string)}
	for _, audience := range []string{c.Exchange, c.SharePoint} {
		granted, err := key.RequestToken(ctx, c.tokenRequest(user, audience))
		if err != nil {
			return nil, fmt.Errorf("bound token for %s: %w", user, err)
		}
		d.tokens[audience] = granted.AccessToken
	}
	d.client = c.clientOf(d)
	return d, nil
}

// newThief makes a device that has alice's tokens.
func (c *cast) newThief() (*device, error) {
	key, err := client.GenerateKey(client.ES256)
	if err != nil {
		return nil, err
	}
	d := &device{key: key, tokens: c.alice.tokens}
	d.client = c.clientOf(d)
	return d, nil
}

func (c *cast) tokenRequest(user, audience string) client.TokenRequest {
	return client.TokenRequest{
		Endpoint:   c.Issuer + "/token",
		Form:       url.Values{"grant_type": {grantDemo}, "user": {user}, "resource": {audience}},
		HTTPClient: c.plain,
	}
}

// clientOf returns an HTTP client with the device's credentials. The token is
// chosen by the resource that the request's context names.
func (c *cast) clientOf(d *device) *http.Client {
	own := *c.plain
	own.Transport = &client.Transport{
		Key:  d.key,
		Base: &recorder{device: d, base: c.plain.Transport},
		Token: func(ctx context.Context) (string, error) {
			audience, _ := ctx.Value(audienceKey{}).(string)
			return d.tokens[audience], nil
		},
	}
	return &own
}

// audienceKey is the context key of the base URL that a request goes to.
type audienceKey struct{}

// recorder sees what a device sends: it is where the thief listens, and where
// nonce challenges are counted.
type recorder struct {
	device *device
	base   http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	base := r.base
	if base == nil {
		base = http.DefaultTransport
	}
	response, err := base.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	switch {
	case response.StatusCode == http.StatusUnauthorized && challengeError(response.Header) == "use_dpop_nonce":
		r.device.challenges.Add(1)
	case response.StatusCode == http.StatusOK && request.Method == http.MethodGet && request.URL.Path == "/owa/":
		stolen := http.Header{"Authorization": request.Header.Values("Authorization"), "Dpop": request.Header.Values("DPoP")}
		r.device.recorded.Store(&stolen)
	}
	return response, nil
}

// awaitProxy waits until the proxy, or each of several, has the issuer's keys:
// until then it answers 503 to a request with a token. Under report-only there is
// nothing to wait for.
func (c *cast) awaitProxy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, proxyPatience)
	defer cancel()
	ready := make(map[string]bool) // a single proxy has no name
	for {
		got, err := c.send(ctx, c.alice.client, http.MethodGet, c.Exchange+"/owa/", nil, nil)
		if err != nil {
			return fmt.Errorf("reaching the proxy: %w", err)
		}
		if got.status != http.StatusServiceUnavailable {
			ready[got.node] = true
		}
		if len(ready) >= max(c.Nodes, 1) {
			return nil
		}
		select {
		case <-time.After(proxyInterval):
		case <-ctx.Done():
			return fmt.Errorf("%d of %d proxies are ready: %w", len(ready), max(c.Nodes, 1), ctx.Err())
		}
	}
}

// send makes a request and reads its answer.
func (c *cast) send(ctx context.Context, through *http.Client, method, target string, body []byte, header http.Header) (result, error) {
	audience := c.Exchange
	if strings.HasPrefix(target, c.SharePoint+"/") {
		audience = c.SharePoint
	}
	ctx = context.WithValue(ctx, audienceKey{}, audience)
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return result{}, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := through.Do(request)
	if err != nil {
		return result{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return newResult(response, content), err
}
