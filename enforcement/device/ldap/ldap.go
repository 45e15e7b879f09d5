// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package ldap asks Active Directory, or another LDAP server with its schema, about devices: objects of class
// `msDS-Device` ([MS-ADSC], section 2.157). It is a [device.Source]; the cache of package device stands in front of it.
package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	client "github.com/go-ldap/ldap/v3"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
)

// Config says which directory to ask.
type Config struct {
	// URL is ldaps://host[:port], or ldap://host[:port] with StartTLS. Plain ldap only on loopback: the password would
	// be readable on its way.
	URL string
	// StartTLS asks for TLS on a plain connection (RFC 4511, section 4.14).
	StartTLS bool
	// TLS is how the server is verified; nil means the system's authorities. ServerName defaults to the URL's host.
	TLS *tls.Config
	// BindDN and BindPassword authenticate us by a simple bind; both empty means an anonymous one.
	BindDN, BindPassword string
	// BaseDN is under which device objects are looked for.
	BaseDN string
	// UserBaseDN is under which the owners of devices are looked for, so that the names of their tokens can be compared;
	// empty means BaseDN.
	UserBaseDN string
}

// Source asks an LDAP server. It is safe for concurrent use.
type Source struct {
	config Config
	idle   chan *connection
}

// maxIdle bounds the connections that are kept for the next question.
const maxIdle = 4

// New checks the configuration and reports all its mistakes. It opens no connection.
func New(config Config) (*Source, error) {
	var problems []error
	host, err := config.checkURL()
	problems = append(problems, err)
	for _, name := range []struct{ member, dn string }{{"bind_dn", config.BindDN}, {"base_dn", config.BaseDN}, {"user_base_dn", config.UserBaseDN}} {
		if _, err := client.ParseDN(name.dn); err != nil {
			problems = append(problems, fmt.Errorf("%s: %q is not a distinguished name; expected one such as DC=contoso,DC=example", name.member, name.dn))
		}
	}
	if config.BaseDN == "" {
		problems = append(problems, errors.New("base_dn: missing; expected the distinguished name under which the devices are"))
	}
	if (config.BindDN == "") != (config.BindPassword == "") { // RFC 4513, section 5.1.2: a name without password is anonymous
		problems = append(problems, errors.New("bind_dn and bind_password: expected both or none"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if config.UserBaseDN == "" {
		config.UserBaseDN = config.BaseDN
	}
	config.TLS = config.tls(host)
	return &Source{config: config, idle: make(chan *connection, maxIdle)}, nil
}

// checkURL returns the host. Its errors do not repeat the URL, in which a password may stand.
func (c Config) checkURL() (host string, err error) {
	expected := errors.New("url: expected ldaps://host[:port], or ldap://host[:port] with start_tls (without only on loopback)")
	u, err := url.Parse(c.URL)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", expected
	}
	address := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || address != nil && address.IsLoopback()
	switch {
	case u.Scheme == "ldaps" && c.StartTLS:
		return "", errors.New("start_tls: ldaps has TLS already; expected one of the two")
	case u.Scheme == "ldaps", u.Scheme == "ldap" && (c.StartTLS || loopback):
		return u.Hostname(), nil
	}
	return "", expected
}

func (c Config) tls(host string) *tls.Config {
	config := c.TLS.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	return config
}

// Close gives up the connections that are not in use.
func (s *Source) Close() {
	for {
		select {
		case c := <-s.idle:
			c.close()
		default:
			return
		}
	}
}

// Find asks about one device. A connection that waited too long may be closed by now: then it is asked once more.
func (s *Source) Find(ctx context.Context, id string) (*device.Device, error) {
	select {
	case kept := <-s.idle:
		if d, good, err := s.findOn(ctx, kept, id); good || ctx.Err() != nil {
			return d, err
		}
	default:
	}
	fresh, err := dial(ctx, &s.config)
	if err != nil {
		return nil, err
	}
	d, _, err := s.findOn(ctx, fresh, id)
	return d, err
}

// findOn asks over one connection, which nobody else uses meanwhile, and keeps it if it is still good.
func (s *Source) findOn(ctx context.Context, c *connection, id string) (d *device.Device, good bool, err error) {
	release := c.use(ctx)
	d, err = s.find(c.client, id)
	release()
	if c.broken() || client.IsErrorWithCode(err, client.ErrorNetwork) {
		c.close()
		return d, false, err
	}
	select {
	case s.idle <- c:
	default:
		c.close()
	}
	return d, true, err
}

// find searches for the device, and for its owner.
func (s *Source) find(conn *client.Conn, id string) (*device.Device, error) {
	entry, err := search(conn, s.config.BaseDN, deviceFilter(id), deviceAttributes[:])
	if err != nil {
		return nil, err
	}
	d, err := read(entry, id)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", entry.DN, err)
	}
	if owner := entry.GetEqualFoldRawAttributeValue(attrOwner); isSID(owner) {
		user, err := search(conn, s.config.UserBaseDN, "(objectSid="+escape(owner)+")", userAttributes[:])
		switch {
		case errors.Is(err, device.ErrNotFound): // known by the SID alone
		case err != nil:
			return nil, err
		default:
			d.RegisteredOwners = append(d.RegisteredOwners, userNames(user)...)
		}
	}
	return d, nil
}

// search returns the one entry that fits.
func search(conn *client.Conn, base, filter string, attributes []string) (*client.Entry, error) {
	const atMost = 2 // more than one is one too many
	result, err := conn.Search(client.NewSearchRequest(base, client.ScopeWholeSubtree, client.NeverDerefAliases, atMost, 0, false, filter, attributes, nil))
	switch {
	case client.IsErrorWithCode(err, client.LDAPResultSizeLimitExceeded):
		return nil, errors.New("several objects fit, expected one")
	case err != nil:
		return nil, fmt.Errorf("search: %w", err)
	case len(result.Entries) == 0:
		return nil, device.ErrNotFound
	case len(result.Entries) > 1:
		return nil, errors.New("several objects fit, expected one")
	}
	return result.Entries[0], nil
}
