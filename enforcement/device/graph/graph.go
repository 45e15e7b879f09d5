// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package graph asks Microsoft Graph, or an API of the same shape, about devices. It is a [device.Source]; the cache of
// package device stands in front of it.
package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

// Bounds of a conversation.
const (
	// maxAnswer is the longest answer that is read, in octets.
	maxAnswer = 1 << 20
	// maxConnections bounds the connections to the API.
	maxConnections = 32
)

// Lookup is how a device is asked for.
type Lookup string

// The lookups. The words are those of the configuration.
const (
	// ByKey asks for `/devices(deviceId='...')`, Graph's alternate key.
	ByKey Lookup = "key"
	// ByFilter asks for `/devices?$filter=deviceId eq '...'`.
	ByFilter Lookup = "filter"
)

// Config says whom to ask about devices.
type Config struct {
	// URL is the API's base, such as https://graph.microsoft.com/v1.0; https, or http on loopback.
	URL string
	// Lookup is how a device is asked for; empty means ByKey.
	Lookup Lookup
	// Bearer returns a token that authenticates us; nil means client credentials, or none if those are missing too. It is
	// called for each question, so that a token in a file can be replaced.
	Bearer func() (string, error)
	// TokenURL, ClientID, ClientSecret and Scope get a token by client credentials (RFC 6749, section 4.4). The default
	// scope is `/.default` of the API's origin, as Entra wants it.
	TokenURL, ClientID, ClientSecret, Scope string
	// Transport sends the questions; nil means one of our own.
	Transport http.RoundTripper
}

// Source asks a device API. It is safe for concurrent use.
type Source struct {
	config Config
	base   *url.URL
	client *http.Client
	tokens *clientCredentials // nil without client credentials
}

// New checks the configuration and reports all its mistakes. It opens no connection.
func New(config Config) (*Source, error) {
	var problems []error
	if err := token.CheckURL(config.URL); err != nil {
		problems = append(problems, fmt.Errorf("url: %w", err))
	}
	switch config.Lookup {
	case "":
		config.Lookup = ByKey
	case ByKey, ByFilter:
	default:
		problems = append(problems, fmt.Errorf("lookup: %q is not known; expected key or filter", config.Lookup))
	}
	problems = append(problems, config.checkAuthentication())
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	base, err := url.Parse(strings.TrimSuffix(strings.TrimSuffix(config.URL, "/"), "/devices"))
	if err != nil {
		return nil, errors.New("url: expected an absolute https URL")
	}
	base.RawQuery = ""
	s := &Source{config: config, base: base, client: newClient(config.Transport)}
	if config.TokenURL != "" {
		if config.Scope == "" {
			config.Scope = base.Scheme + "://" + base.Host + "/.default"
		}
		s.tokens = &clientCredentials{config: config, client: s.client}
	}
	return s, nil
}

// checkAuthentication finds settings that do not go together. Its errors hold no secret.
func (c Config) checkAuthentication() error {
	if c.TokenURL == "" {
		if c.ClientID != "" || c.ClientSecret != "" || c.Scope != "" {
			return errors.New("client_id, client_secret or scope without token_url; expected the URL that gives tokens for them")
		}
		return nil
	}
	var problems []error
	if err := token.CheckURL(c.TokenURL); err != nil {
		problems = append(problems, fmt.Errorf("token_url: %w", err))
	}
	if c.Bearer != nil {
		problems = append(problems, errors.New("bearer and token_url exclude each other; expected one of them"))
	}
	if c.ClientID == "" || c.ClientSecret == "" {
		problems = append(problems, errors.New("token_url without client_id or client_secret; expected all three"))
	}
	return errors.Join(problems...)
}

// newClient follows no redirect: credentials would go along.
func newClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.MaxConnsPerHost, own.MaxIdleConnsPerHost = maxConnections, maxConnections
		own.MaxResponseHeaderBytes = 64 << 10
		transport = own
	}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("a device directory does not redirect")
	}}
}

// Close ends idle connections.
func (s *Source) Close() { s.client.CloseIdleConnections() }

// Find asks about one device. Deadlines are ctx's.
func (s *Source) Find(ctx context.Context, id string) (*device.Device, error) {
	status, answer, err := s.ask(ctx, id)
	if err == nil && status == http.StatusUnauthorized && s.tokens != nil { // it may have been revoked
		s.tokens.drop()
		status, answer, err = s.ask(ctx, id)
	}
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusNotFound && s.config.Lookup == ByKey:
		return nil, device.ErrNotFound
	case status != http.StatusOK:
		return nil, fmt.Errorf("%s answered with status %d", s.base.Host, status)
	}
	return pick(answer, id)
}

// pick takes the device out of the answer. One that was not asked for is not looked at: a server that ignores a filter
// must not hand out another's device.
func pick(answer []byte, id string) (*device.Device, error) {
	devices, err := device.ParseAnswer(answer)
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	for _, d := range devices {
		if strings.EqualFold(d.ID, id) {
			return d, nil
		}
	}
	if len(devices) > 0 {
		return nil, errors.New("the answer is about other devices than the one that was asked for")
	}
	return nil, device.ErrNotFound
}

// selected are the members that are asked for. Graph leaves some out unless they are named.
const selected = "deviceId,displayName,operatingSystem,operatingSystemVersion,trustType,isCompliant,isManaged,accountEnabled," +
	"profileType,systemLabels,enrollmentProfileName,deviceOwnership,manufacturer,model,mdmAppId,physicalIds," +
	"extensionAttributes,alternativeSecurityIds"

// location is the URL that answers about a device.
func (s *Source) location(id string) string {
	u := *s.base
	literal := "'" + strings.ReplaceAll(id, "'", "''") + "'" // OData 4.01, URL conventions, section 5.1.1.6.1
	query := "$select=" + selected + "&$expand=registeredOwners($select=id,userPrincipalName)"
	if s.config.Lookup == ByFilter {
		u.Path += "/devices"
		u.RawQuery = "$filter=" + strings.ReplaceAll(url.QueryEscape("deviceId eq "+literal), "+", "%20") + "&" + query
		return u.String()
	}
	// The quotes stay as they are, as Graph's documentation writes them.
	u.RawPath = u.EscapedPath() + "/devices(deviceId=" + strings.ReplaceAll(url.PathEscape(literal), "%27", "'") + ")"
	u.Path += "/devices(deviceId=" + literal + ")"
	u.RawQuery = query
	return u.String()
}

// ask sends one question. Errors name the host alone: the rest of the URL is long and says nothing.
func (s *Source) ask(ctx context.Context, id string) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.location(id), nil)
	if err != nil {
		return 0, nil, errors.New("the device id does not fit into a URL")
	}
	request.Header.Set("Accept", "application/json")
	bearer, err := s.bearer(ctx)
	if err != nil {
		return 0, nil, err
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	return send(s.client, request)
}

func (s *Source) bearer(ctx context.Context) (string, error) {
	switch {
	case s.tokens != nil:
		return s.tokens.get(ctx)
	case s.config.Bearer != nil:
		return s.config.Bearer()
	}
	return "", nil
}

// send reads the whole answer, within bounds.
func send(client *http.Client, request *http.Request) (status int, answer []byte, err error) {
	response, err := client.Do(request)
	if err != nil {
		var outer *url.Error
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return 0, nil, fmt.Errorf("%s: %w", request.URL.Host, err)
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("%s: %w", request.URL.Host, err)
	case len(answer) > maxAnswer:
		return 0, nil, fmt.Errorf("%s answered more than %d octets", request.URL.Host, maxAnswer)
	}
	return response.StatusCode, answer, nil
}
