// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	client "github.com/go-ldap/ldap/v3"
)

// maxAnswer bounds what one question may bring, in octets on the wire.
const maxAnswer = 1 << 20

// errTooLong ends a connection whose server answers without end.
var errTooLong = fmt.Errorf("more than %d octets in an answer", maxAnswer)

// connection is a bound connection, used by one question at a time.
type connection struct {
	client *client.Conn
	wire   *bounded
}

// bounded is the wire: it carries so many octets per question, and ends with the question's context.
type bounded struct {
	net.Conn
	left atomic.Int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if b.left.Add(-int64(n)) < 0 {
		return 0, errTooLong
	}
	return n, err
}

// dial connects, asks for TLS and binds. Errors hold no password.
func dial(ctx context.Context, config *Config) (*connection, error) {
	u, err := url.Parse(config.URL)
	if err != nil {
		return nil, errors.New("url: malformed")
	}
	secure := u.Scheme == "ldaps"
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port(u)))
	if err != nil {
		return nil, err
	}
	wire := &bounded{Conn: raw}
	wire.left.Store(maxAnswer)
	var carried net.Conn = wire
	if secure {
		encrypted := tls.Client(wire, config.TLS)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, fmt.Errorf("TLS: %w", err)
		}
		carried = encrypted
	}
	c := &connection{client: client.NewConn(carried, secure), wire: wire}
	c.client.Start()
	release := c.use(ctx)
	defer release()
	if err := c.open(config); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// open asks for TLS where it is configured, and binds.
func (c *connection) open(config *Config) error {
	if config.StartTLS {
		if err := c.client.StartTLS(config.TLS); err != nil {
			return fmt.Errorf("StartTLS: %w", err)
		}
	}
	if config.BindDN == "" {
		return nil
	}
	if err := c.client.Bind(config.BindDN, config.BindPassword); err != nil {
		return fmt.Errorf("bind as %q: %w", config.BindDN, err)
	}
	return nil
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "ldaps":
		return client.DefaultLdapsPort
	}
	return client.DefaultLdapPort
}

// use gives the connection to a question: until release is called, it ends when ctx does.
func (c *connection) use(ctx context.Context) (release func()) {
	c.wire.left.Store(maxAnswer)
	past := time.Unix(1, 0)
	stop := context.AfterFunc(ctx, func() { _ = c.wire.SetDeadline(past) })
	return func() { stop() }
}

// broken reports whether the connection is of no more use.
func (c *connection) broken() bool { return c.client.IsClosing() }

func (c *connection) close() { _ = c.client.Close() }
