// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

func TestEveryFaultHasItsClassAndHint(t *testing.T) {
	for _, test := range []struct {
		err  error
		want keySetFault
	}{
		{nil, faultNone},
		{fmt.Errorf("a: %w", context.DeadlineExceeded), faultTimeout},
		{&url.Error{Err: &net.OpError{Op: "dial", Err: errors.New("refused")}}, faultUnreachable},
		{&url.Error{Err: &net.DNSError{Name: "a"}}, faultUnreachable},
		{&url.Error{Err: x509.UnknownAuthorityError{}}, faultCertificate},
		{&fs.PathError{Op: "open", Path: "a", Err: fs.ErrNotExist}, faultFile},
		{errors.New("status 404"), faultAnswer},
	} {
		got := faultOf(test.err)
		if got != test.want {
			t.Errorf("%v: %q, expected %q", test.err, got, test.want)
		}
		if (faultHints[got] == "") != (got == faultNone) {
			t.Errorf("%q: hint %q", got, faultHints[got])
		}
	}
}

// The classes hold for what really comes back from an issuer.
func TestFaultsOfRealIssuers(t *testing.T) {
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	missing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(missing.Close)
	for where, want := range map[string]keySetFault{
		untrusted.URL + "/keys":   faultCertificate,
		missing.URL + "/keys":     faultAnswer,
		"http://127.0.0.1:1/keys": faultUnreachable,
	} {
		keys, err := token.NewRemoteKeySet(issuerName, where, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Find("k1", "ES256", time.Now()); err == nil { // waits for the fetch
			t.Errorf("%s: there are keys", where)
		}
		if got := faultOf(keys.Status().Err); got != want {
			t.Errorf("%s: %q, expected %q", where, got, want)
		}
		_ = keys.Destruct() // it never returns an error
	}
}
