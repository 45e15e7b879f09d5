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
	"slices"
)

const (
	// maxInstructions bounds what is read of session instructions, in bytes.
	maxInstructions = 64 << 10
	// maxChallenges is how often one refresh may be challenged; Chromium's limit.
	maxChallenges = 5
)

// errOffer says that an offer of registration cannot be understood.
var errOffer = errors.New("the offer of a device-bound session has no path or no challenge")

// boundSession is a device-bound session of one origin.
type boundSession struct {
	id        string
	key       *Key
	refresh   *url.URL
	cookies   []string // the bound ones
	challenge string   // to be signed next; empty if the server gave none
}

// instructions are what a server says of a session (section "JSON Session
// Instruction Format"), as far as it matters here.
type instructions struct {
	ID          string `json:"session_identifier"`
	Refresh     string `json:"refresh_url"`
	Continue    *bool  `json:"continue"`
	Credentials []struct{ Type, Name string }
}

// register makes a key and registers it, if the response to a request offered
// that. The server's refusal is no error: the browser then has no session.
func (b *Browser) register(r *http.Request, offer string) error {
	if offer == "" {
		return nil
	}
	path, challenge := parameter(offer, "path"), parameter(offer, "challenge")
	endpoint, err := r.URL.Parse(path)
	if path == "" || challenge == "" || err != nil {
		return errOffer
	}
	key, err := GenerateKey(ES256)
	if err != nil {
		return err
	}
	proof, err := key.SessionProof(SessionProof{Challenge: challenge, Registration: true, Authorization: parameter(offer, "authorization")})
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &boundSession{key: key}
	response, err := b.ask(r.Context(), endpoint, http.Header{"Secure-Session-Response": {proof}})
	if err != nil {
		return fmt.Errorf("registering a device-bound session: %w", err)
	}
	if s.accept(response, endpoint) && s.id != "" {
		b.sessions[origin(r.URL)] = s
	}
	return nil
}

// refresh proves possession where a bound cookie that the request needs is
// missing. It returns what Secure-Session-Skipped has to say if it could not.
func (b *Browser) refresh(r *http.Request) (skipped string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sessions[origin(r.URL)]
	if s == nil || !slices.ContainsFunc(s.cookies, func(name string) bool { return !b.holds(r.URL, name) }) {
		return ""
	}
	for range maxChallenges {
		header := http.Header{"Sec-Secure-Session-Id": {s.id}}
		if s.challenge != "" {
			proof, err := s.key.SessionProof(SessionProof{Challenge: s.challenge})
			if err != nil {
				return ""
			}
			header.Set("Secure-Session-Response", proof)
		}
		response, err := b.ask(r.Context(), s.refresh, header)
		if err != nil {
			return `unreachable;session_identifier="` + s.id + `"`
		}
		before := s.challenge
		going := s.accept(response, s.refresh)
		switch {
		case response.StatusCode >= 500, response.StatusCode == http.StatusTooManyRequests, response.StatusCode/100 == 3:
			return `server_error;session_identifier="` + s.id + `"`
		case response.StatusCode == http.StatusForbidden && s.challenge != before:
			continue
		case !going:
			delete(b.sessions, origin(r.URL))
		}
		return ""
	}
	return ""
}

// answer is what came back from an endpoint.
type answer struct {
	*http.Response
	body []byte
}

// ask makes a request to one of the server's own endpoints as browsers do.
func (b *Browser) ask(ctx context.Context, endpoint *url.URL, header http.Header) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint.String(), nil)
	if err != nil {
		return answer{}, err
	}
	r.Header = header
	r.Header.Set("Origin", origin(endpoint))
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	response, err := b.send(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxInstructions))
	return answer{response, body}, err
}

// accept takes over the next challenge and the instructions of an answer, and
// reports whether the session goes on. Without a body they stay as they were.
func (s *boundSession) accept(got answer, endpoint *url.URL) (going bool) {
	if next := got.Header.Get("Secure-Session-Challenge"); next != "" {
		if id := parameter(next, "id"); s.id == "" || id == s.id {
			s.challenge, _, _ = quotedString(next)
		}
	}
	if got.StatusCode != http.StatusOK {
		return false
	}
	if len(got.body) == 0 {
		return true
	}
	var told instructions
	if json.Unmarshal(got.body, &told) != nil || told.Continue != nil && !*told.Continue {
		return false
	}
	refresh, err := endpoint.Parse(told.Refresh)
	if err != nil || told.ID == "" || s.id != "" && told.ID != s.id {
		return false
	}
	s.id, s.refresh, s.cookies = told.ID, refresh, nil
	for _, credential := range told.Credentials {
		if credential.Type == "cookie" {
			s.cookies = append(s.cookies, credential.Name)
		}
	}
	return true
}
