// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// hijackable is a response writer that gives away one end of a pipe.
type hijackable struct {
	http.ResponseWriter
	connection net.Conn
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.connection, nil, nil }

// A request may be revoked between its first octet and its upgrade.
func TestAnUpgradeThatCameTooLateIsClosed(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	o := &open{watched: true} // as an upload is
	o.ResponseWriter = hijackable{httptest.NewRecorder(), ours}
	if !o.cut() {
		t.Fatal("over already")
	}
	if _, _, err := o.Hijack(); !errors.Is(err, errRevoked) {
		t.Errorf("error %v", err)
	}
	if _, err := theirs.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is open")
	}
}

// An answer without a body is kept back too.
func TestHeaderThatComesAfterARevocationIsKeptBack(t *testing.T) {
	answer := httptest.NewRecorder()
	o := &open{watched: true}
	o.ResponseWriter = answer
	o.cut()
	o.Header().Set("Set-Cookie", "session=renewed")
	o.WriteHeader(http.StatusFound)
	if answer.Code != http.StatusForbidden || answer.Header().Get("Set-Cookie") != "" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
}

func TestUploadsAreWatchedFromTheirBeginning(t *testing.T) {
	for _, c := range []struct {
		method  string
		version int
		length  int64
		want    bool
	}{
		{"POST", 1, -1, true}, {"POST", 2, longUpload, false}, {"POST", 2, longUpload + 1, true},
		{"GET", 1, 0, false}, {"GET", 1, -1, true}, {"GET", 2, -1, true}, {"GET", 3, -1, false}, {"HEAD", 3, -1, false}, {"POST", 3, -1, true},
	} {
		r := httptest.NewRequest(c.method, "/", strings.NewReader("x"))
		r.ProtoMajor, r.ContentLength = c.version, c.length
		if got := uploads(r); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
