// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// maxDocument is the longest key set or metadata document that is read.
const maxDocument = 1 << 20

// NewRemoteKeySet returns a key set that is fetched from an issuer: from
// jwksURL, or, if that is empty, from where the issuer's metadata says. The
// transport may be nil.
func NewRemoteKeySet(issuer, jwksURL string, transport http.RoundTripper) (*KeySet, error) {
	if err := checkIssuer(issuer); err != nil {
		return nil, err
	}
	if jwksURL != "" {
		if err := CheckURL(jwksURL); err != nil {
			return nil, fmt.Errorf("key set URL: %w", err)
		}
	}
	if transport == nil {
		base := http.DefaultTransport.(*http.Transport).Clone()
		base.MaxIdleConnsPerHost = 1
		base.MaxResponseHeaderBytes = 64 << 10
		base.TLSHandshakeTimeout = fetchTimeout
		transport = base
	}
	client := &http.Client{Transport: transport, CheckRedirect: checkRedirect, Timeout: fetchTimeout}
	return newKeySet(issuer, &remote{issuer: issuer, jwksURL: jwksURL, client: client}), nil
}

// remote is a key set behind a URL.
type remote struct {
	issuer, jwksURL string
	client          *http.Client
}

func (r *remote) changed() bool { return false }

// close ends the idle connections, whose goroutines would outlive the key set.
func (r *remote) close() { r.client.CloseIdleConnections() }

func (r *remote) fetch(ctx context.Context) ([]byte, error) {
	location := r.jwksURL
	if location == "" {
		var err error
		if location, err = r.discover(ctx); err != nil {
			return nil, err
		}
	}
	return r.get(ctx, location)
}

// discover asks the metadata places of RFC 8414 and OpenID Connect in turn,
// each for its share of the time, so that one that hangs does not hide the others.
func (r *remote) discover(ctx context.Context) (string, error) {
	var problems []error
	for _, place := range metadataPlaces(r.issuer) {
		share, cancel := context.WithTimeout(ctx, fetchTimeout/4)
		location, err := r.metadata(share, place)
		cancel()
		if err == nil {
			return location, nil
		}
		problems = append(problems, err)
	}
	return "", errors.Join(problems...)
}

// metadataPlaces are the well-known URLs of an issuer (RFC 8414, sections 3.1
// and 5; OpenID Connect Discovery 1.0, section 4.1).
func metadataPlaces(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil
	}
	origin, path := u.Scheme+"://"+u.Host, strings.TrimSuffix(u.EscapedPath(), "/")
	places := []string{
		origin + "/.well-known/oauth-authorization-server" + path,
		origin + path + "/.well-known/openid-configuration",
	}
	if path != "" {
		places = append(places, origin+"/.well-known/openid-configuration"+path)
	}
	return places
}

// metadata reads one metadata document. Its issuer must be the configured
// one, byte for byte (RFC 8414, section 3.3).
func (r *remote) metadata(ctx context.Context, place string) (string, error) {
	document, err := r.get(ctx, place)
	if err != nil {
		return "", err
	}
	var issuer, location string
	err = jose.ScanObject(document, func(name string, value jose.Value) (err error) {
		switch name {
		case "issuer":
			issuer, err = value.Text()
		case "jwks_uri":
			location, err = value.Text()
		}
		return err
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("metadata at %s: %w", place, err)
	case issuer != r.issuer:
		return "", fmt.Errorf("metadata at %s: issuer is another one, expected %q", place, r.issuer)
	}
	if err := CheckURL(location); err != nil {
		return "", fmt.Errorf("metadata at %s: jwks_uri: %w", place, err)
	}
	return location, nil
}

func (r *remote) get(ctx context.Context, location string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json, application/jwk-set+json")
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d", location, response.StatusCode)
	}
	document, err := io.ReadAll(io.LimitReader(response.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", location, err)
	case len(document) > maxDocument:
		return nil, fmt.Errorf("%s: longer than %d bytes", location, maxDocument)
	}
	return document, nil
}

// checkRedirect follows a redirect only to the same host, and never to http.
func checkRedirect(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch {
	case len(via) > 3:
		return errors.New("too many redirects")
	case next.URL.Host != first.Host:
		return errors.New("redirect to another host")
	case next.URL.Scheme != first.Scheme && next.URL.Scheme != "https":
		return errors.New("redirect to http")
	}
	return nil
}

var errURL = errors.New("expected an absolute https URL without userinfo and fragment (http only on loopback)")

// checkIssuer refuses what cannot be an issuer identifier (RFC 8414, section
// 2). The error repeats it only where it cannot hold a password.
func checkIssuer(issuer string) error {
	switch {
	case strings.Contains(issuer, "@"):
		return fmt.Errorf("issuer: %w", errURL)
	case CheckURL(issuer) != nil, strings.ContainsAny(issuer, "?#"):
		return fmt.Errorf("issuer %q: %w", issuer, errURL)
	}
	return nil
}

// CheckURL refuses what must not be asked for keys or about tokens: anything
// but an absolute https URL without userinfo and fragment, http on loopback
// excepted. The error does not repeat the URL.
func CheckURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errURL
	}
	switch u.Scheme {
	case "https":
		return nil
	case "http":
		if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
			return nil
		}
	}
	return errURL
}

// parseKeySet reads a JWK Set (RFC 7517, section 5). A key that we refuse does
// not spoil the others; a set without a usable key is an error.
func parseKeySet(document []byte) ([]*jose.Key, error) {
	var keys []*jose.Key
	total := 0
	err := jose.ScanObject(document, func(name string, value jose.Value) error {
		if name != "keys" {
			return nil
		}
		return value.Elements(func(member jose.Value) error {
			total++
			if key, err := jose.ParseKey(member.Raw); err == nil {
				keys = append(keys, key)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("key set: none of its %d keys is usable", total)
	}
	return keys, nil
}

// Age returns how long ago the key set was fetched, 0 if it never was.
func (s KeySetStatus) Age(now time.Time) time.Duration {
	if s.Fetched.IsZero() {
		return 0
	}
	return now.Sub(s.Fetched)
}
