// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

const (
	// answerLife is how long an answer is believed at most: a token that was
	// revoked in between lives on for that long.
	answerLife = 30 * time.Second
	// introspectionTimeout bounds one question.
	introspectionTimeout = 5 * time.Second
	// shortPatience is how long a request waits for an answer where nothing is
	// enforced: the answer is then only for the record.
	shortPatience = 250 * time.Millisecond
	// maxQuestions bounds the questions under way to one endpoint; anybody can
	// send a made-up token.
	maxQuestions = 32
	// maxAnswer is the longest answer that is read, in bytes.
	maxAnswer = 64 << 10
)

// IntrospectionConfig says whom to ask about opaque tokens (RFC 7662).
type IntrospectionConfig struct {
	// Issuer is whose tokens these are: what an answer's iss must be, if it has one.
	Issuer string
	// URL is the introspection endpoint; https, or http on loopback.
	URL string
	// ClientID and ClientSecret authenticate us by HTTP Basic (RFC 6749, section 2.3.1).
	ClientID, ClientSecret string
	// Certificate authenticates us by TLS instead (RFC 8705, section 2).
	Certificate *tls.Certificate
	// Claims says where facts are found; empty lists mean [DefaultClaimNames].
	Claims ClaimNames
	// Transport sends the questions; nil means one of our own.
	Transport http.RoundTripper
}

// Introspection asks one authorization server about opaque tokens. It is safe
// for concurrent use.
type Introspection struct {
	config IntrospectionConfig
	client *http.Client
	places map[string][]place
	slots  chan struct{}

	mu      sync.Mutex
	flights map[Hash]*flight
}

// flight is a question under way, shared by all who ask it.
type flight struct {
	done  chan struct{}
	token *Verified
	why   reason.Reason
}

// NewIntrospection checks the configuration. It opens no connection.
func NewIntrospection(config IntrospectionConfig) (*Introspection, error) {
	if err := CheckURL(config.URL); err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	if (config.ClientSecret == "") == (config.Certificate == nil) {
		return nil, errors.New("introspection: expected either client_secret or a client certificate")
	}
	if config.ClientID == "" {
		return nil, errors.New("introspection: client_id is missing")
	}
	if config.Transport == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxConnsPerHost, transport.MaxIdleConnsPerHost = maxQuestions, maxQuestions
		transport.MaxResponseHeaderBytes = 64 << 10
		if config.Certificate != nil {
			transport.TLSClientConfig = &tls.Config{Certificates: []tls.Certificate{*config.Certificate}, MinVersion: tls.VersionTLS12}
		}
		config.Transport = transport
	}
	config.Claims.fill()
	return &Introspection{
		config: config, places: config.Claims.compile(), flights: make(map[Hash]*flight), slots: make(chan struct{}, maxQuestions),
		client: &http.Client{
			Transport: config.Transport, Timeout: introspectionTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return errors.New("an introspection endpoint does not redirect")
			},
		},
	}, nil
}

// Close ends idle connections.
func (i *Introspection) Close() { i.client.CloseIdleConnections() }

// ask returns what the server says of a token. Copies of one question share
// one answer. Nothing but an answer makes a token bad: a server that cannot
// be reached, or has too many questions to answer, is unavailable.
func (i *Introspection) ask(raw string, hash Hash, now time.Time, patience time.Duration) (*Verified, reason.Reason) {
	i.mu.Lock()
	f := i.flights[hash]
	if f == nil {
		select {
		case i.slots <- struct{}{}:
		default:
			i.mu.Unlock()
			return nil, reason.IntrospectionUnavailable
		}
		f = &flight{done: make(chan struct{})}
		i.flights[hash] = f
		go i.fly(f, raw, hash, now)
	}
	i.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-f.done:
		return f.token, f.why
	case <-timer.C:
		return nil, reason.IntrospectionUnavailable
	}
}

func (i *Introspection) fly(f *flight, raw string, hash Hash, now time.Time) {
	f.why = reason.IntrospectionUnavailable // unless the answer is read to its end
	defer func() {
		i.mu.Lock()
		delete(i.flights, hash)
		i.mu.Unlock()
		<-i.slots
		close(f.done)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), introspectionTimeout)
	defer cancel()
	answer, err := i.post(ctx, raw)
	if err != nil {
		return
	}
	f.token, f.why = i.read(answer, now)
}

// post is RFC 7662, section 2.1. Errors do not hold the token.
func (i *Introspection) post(ctx context.Context, raw string) ([]byte, error) {
	form := url.Values{"token": {raw}, "token_type_hint": {"access_token"}}
	if i.config.Certificate != nil {
		form.Set("client_id", i.config.ClientID) // RFC 8705, section 2
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, i.config.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	if i.config.Certificate == nil {
		request.SetBasicAuth(url.QueryEscape(i.config.ClientID), url.QueryEscape(i.config.ClientSecret))
	}
	response, err := i.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	mediaType, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || response.StatusCode != http.StatusOK || mediaType != "application/json" {
		return nil, fmt.Errorf("introspection answered %d %s, expected 200 application/json", response.StatusCode, mediaType)
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err == nil && len(answer) > maxAnswer {
		err = fmt.Errorf("introspection answered more than %d bytes", maxAnswer)
	}
	return answer, err
}

// read is RFC 7662, section 2.2: active is a boolean, and the rest means
// something only where it is true.
func (i *Introspection) read(answer []byte, now time.Time) (*Verified, reason.Reason) {
	var active bool
	var tokenType string
	err := jose.ScanObject(answer, func(name string, value jose.Value) (err error) {
		switch name {
		case "active":
			active, err = value.Bool()
		case "token_type":
			tokenType, err = value.Text()
		}
		return err
	})
	switch {
	case err != nil:
		return nil, reason.IntrospectionUnavailable
	case !active:
		return nil, reason.TokenInactive
	}
	reader := &claimReader{places: i.places, groups: i.config.Claims.Groups}
	if err := reader.read(answer); err != nil {
		if errors.Is(err, errConfirmation) {
			return nil, reason.ConfirmationMalformed
		}
		return nil, reason.TokenClaims
	}
	claims := reader.claims // a copy: the reader holds on to the answer
	if claims.Issuer != "" && claims.Issuer != i.config.Issuer {
		return nil, reason.TokenIssuer
	}
	claims.Issuer = i.config.Issuer
	if claims.Confirmation.JKT != nil && tokenType != "" && !strings.EqualFold(tokenType, "DPoP") { // RFC 9449, section 6.2
		return nil, reason.ConfirmationMalformed
	}
	until := now.Add(answerLife)
	if !reader.hasExpiry {
		claims.Expires = until.Unix()
	}
	return &Verified{Claims: claims, until: until}, reason.None
}
