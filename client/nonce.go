// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"net/http"
	"strings"
	"sync"
)

const (
	// maxOrigins bounds how many servers' nonces a Transport remembers.
	maxOrigins = 256
	// maxNonce bounds, in bytes, the nonce that is taken from a server.
	maxNonce = 1024
)

// nonces remembers the latest `DPoP-Nonce` of each origin. RFC 9449, section 8.2:
// the newest value a server gave is the one to use, and it is good for that
// server only. The zero value is ready for use, by several goroutines at once.
type nonces struct {
	mutex    sync.Mutex
	byOrigin map[string]string
}

// get returns the nonce to use at origin, or "" if none is known.
func (n *nonces) get(origin string) string {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return n.byOrigin[origin]
}

// learn keeps the nonce of a response from origin, if it carries one, and reports
// whether it did.
func (n *nonces) learn(origin string, header http.Header) bool {
	nonce := nonceOf(header)
	if nonce == "" {
		return false
	}
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.byOrigin == nil {
		n.byOrigin = make(map[string]string)
	}
	if _, known := n.byOrigin[origin]; !known && len(n.byOrigin) >= maxOrigins {
		// Any will do: to have forgotten one costs one more round trip.
		for other := range n.byOrigin {
			delete(n.byOrigin, other)
			break
		}
	}
	n.byOrigin[origin] = nonce
	return true
}

// nonceOf returns the response's `DPoP-Nonce` if it has exactly one and it
// consists of NQCHAR (RFC 9449, section 8.1; RFC 6749, appendix A), else "".
func nonceOf(header http.Header) string {
	values := header.Values("DPoP-Nonce")
	if len(values) != 1 || len(values[0]) > maxNonce {
		return ""
	}
	if strings.IndexFunc(values[0], func(c rune) bool {
		return c < 0x21 || c > 0x7e || c == '"' || c == '\\'
	}) >= 0 {
		return ""
	}
	return values[0]
}
