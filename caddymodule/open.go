// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"sync"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
)

// patience is how long a request is open before it is watched. Most are over
// by then, and cost no more than a timer; what was revoked meanwhile ends the
// others when their watch begins.
const patience = 500 * time.Millisecond

// open is an allowed request whose answer goes on: a download, an event
// stream, a WebSocket. It is cut when its device or key is revoked.
type open struct {
	timer    *time.Timer
	handler  *Handler
	w        http.ResponseWriter
	r        *http.Request
	decision *enforcement.Decision
	facts    enforcement.Opened

	mu   sync.Mutex
	over bool // the response writer belongs to somebody else
}

// opens are those that were over before they were watched.
var opens = sync.Pool{New: func() any {
	o := new(open)
	o.timer = time.AfterFunc(time.Hour, o.watch)
	o.timer.Stop()
	return o
}}

// opened begins to watch a request; nil if there is nothing to watch.
func (h *Handler) opened(w http.ResponseWriter, r *http.Request, address string, decision *enforcement.Decision) *open {
	if !decision.Bound {
		return nil
	}
	o := opens.Get().(*open)
	o.handler, o.w, o.r, o.decision = h, w, r, decision
	o.facts = enforcement.Opened{Address: address, UserAgent: r.UserAgent(), Path: r.URL.Path}
	o.timer.Reset(patience)
	return o
}

// close ends the watch with the request.
func (o *open) close() {
	if o == nil {
		return
	}
	if o.timer.Stop() {
		o.handler, o.w, o.r, o.decision, o.facts = nil, nil, nil, nil, enforcement.Opened{}
		opens.Put(o)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
}

// watch waits until the request is over, or has to be.
func (o *open) watch() {
	enforcer := o.handler.enforcer
	watch, err := enforcer.Watch(o.decision)
	switch {
	case err != nil: // it could not be cut any more: fail closed
		o.cut()
		return
	case watch == nil:
		return
	}
	defer watch.Close()
	select {
	case <-o.r.Context().Done():
	case <-watch.Done():
		if o.cut() {
			enforcer.End(o.decision, o.facts, watch.Reason())
		}
	}
}

// cut makes every further read from the client and write to it fail, whatever
// the protocol, and after an upgrade too. It reports false if the request was
// over already.
func (o *open) cut() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return false
	}
	past := time.Unix(1, 0)
	controller := http.NewResponseController(o.w)
	_ = controller.SetReadDeadline(past) // whoever serves for real supports both
	_ = controller.SetWriteDeadline(past)
	return true
}
