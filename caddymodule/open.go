// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
)

const (
	// patience is how long an answer may take before it is watched. What was
	// revoked meanwhile ends it when its watch begins.
	patience = 500 * time.Millisecond
	// longUpload is how many octets a request may send without being watched
	// from its beginning.
	longUpload = 1 << 20
	// piece is how much of a file is sent between two looks.
	piece = 1 << 20
)

var errRevoked = errors.New("the device or its key was revoked")

// open is an allowed request whose answer goes on: a download, an event
// stream, a WebSocket. When its device or key is revoked, nothing more is
// written to the client nor read from it. Most requests are over before they
// are watched, and pay for this value and nothing more.
type open struct {
	caddyhttp.ResponseWriterWrapper
	handler  *Handler
	r        *http.Request
	decision *enforcement.Decision
	began    time.Time
	upgraded net.Conn // what the client was given instead of a response

	mu      sync.Mutex
	ended   atomic.Bool
	over    bool // the response writer belongs to somebody else
	watched bool
}

// opened is where the answer to a request goes that proved possession.
func (h *Handler) opened(w http.ResponseWriter, r *http.Request, decision *enforcement.Decision, began time.Time) *open {
	o := &open{handler: h, r: r, decision: decision, began: began}
	o.ResponseWriter = w
	if uploads(r) {
		o.watch()
	}
	return o
}

// uploads reports whether a request sends much. HTTP/3 does not know the length
// of what a GET does not send.
func uploads(r *http.Request) bool {
	bodiless := r.ProtoMajor == 3 && (r.Method == http.MethodGet || r.Method == http.MethodHead)
	return r.ContentLength > longUpload || r.ContentLength < 0 && !bodiless
}

// WriteHeader keeps back an answer that took long and comes after a revocation:
// a redirect or an empty answer is its header alone, new cookies included.
func (o *open) WriteHeader(status int) {
	if status >= http.StatusOK && o.look() != nil {
		clear(o.Header())
		o.Header().Set("Cache-Control", "no-store")
		status = http.StatusForbidden
	}
	o.ResponseWriter.WriteHeader(status)
}

// Write writes unless what the request came from was revoked.
func (o *open) Write(p []byte) (int, error) {
	if err := o.look(); err != nil {
		return 0, err
	}
	return o.ResponseWriter.Write(p)
}

// ReadFrom sends a file, piece by piece.
func (o *open) ReadFrom(source io.Reader) (sent int64, err error) {
	for {
		if err := o.look(); err != nil {
			return sent, err
		}
		n, err := o.ResponseWriterWrapper.ReadFrom(io.LimitReader(source, piece))
		sent += n
		if err != nil || n < piece {
			return sent, err
		}
	}
}

// Hijack gives the connection away, and keeps hold of it.
func (o *open) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	connection, buffer, err := http.NewResponseController(o.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	o.mu.Lock()
	o.upgraded = connection
	ended := o.ended.Load()
	o.mu.Unlock()
	if ended { // while the backend made up its mind: there was nothing to close yet
		_ = connection.Close()
		return nil, nil, errRevoked
	}
	o.watch()
	return connection, buffer, nil
}

// look begins the watch of an answer that takes long.
func (o *open) look() error {
	if !o.watched && o.handler.now().Sub(o.began) > patience {
		o.watch()
	}
	if o.ended.Load() {
		return errRevoked
	}
	return nil
}

// watch waits beside the answer for what may end it.
func (o *open) watch() {
	if o.watched {
		return
	}
	o.watched = true
	enforcer := o.handler.enforcer
	watch, err := enforcer.Watch(o.decision)
	switch {
	case err != nil: // it could not be cut any more: fail closed
		o.cut()
		return
	case watch == nil:
		return
	}
	facts := enforcement.Opened{Address: clientAddress(o.r), UserAgent: o.r.UserAgent(), Path: o.r.URL.Path}
	go func() {
		defer watch.Close()
		select {
		case <-o.r.Context().Done():
		case <-watch.Done():
			if o.cut() {
				enforcer.End(o.decision, facts, watch.Reason())
			}
		}
	}()
}

// cut ends the answer. It reports false if the request was over already.
func (o *open) cut() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return false
	}
	o.ended.Store(true)
	if o.upgraded != nil {
		_ = o.upgraded.Close()
	} else {
		_ = http.NewResponseController(o.ResponseWriter).SetReadDeadline(time.Unix(1, 0)) // whoever serves for real supports it
	}
	return true
}

// close is called when the request is over.
func (o *open) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
}

// Interface guards
var (
	_ http.Hijacker = (*open)(nil)
	_ io.ReaderFrom = (*open)(nil)
)
