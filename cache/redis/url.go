// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Location is what a URL says of a store.
type Location struct {
	Addresses          []string
	TLS                bool
	Username, Password string
	Database           int
}

// defaultPort is that of addresses without one.
const defaultPort = "6379"

// syntax is what errors say is expected.
const syntax = "expected redis:// or rediss://[user:secret@]host[:port][,host[:port]]...[/database]"

// ParseURL reads a URL of the form redis://[user:password@]host[:port][,host[:port]]...[/database]; rediss asks for TLS.
// Each part with a brace in it goes through resolve first, which puts in what a placeholder stands for; the result is
// taken as it is, while user and password are percent-decoded otherwise. The errors show
// nothing of the text: who forgets the host has written a password in its place.
func ParseURL(text string, resolve func(string) (string, error)) (Location, error) {
	var l Location
	scheme, rest, ok := strings.Cut(text, "://")
	switch {
	case !ok || scheme != "redis" && scheme != "rediss":
		return l, errors.New("redis: not the URL of a store; " + syntax)
	case scheme == "rediss":
		l.TLS = true
	}
	if at := outside(rest, '@', true); at >= 0 {
		if err := l.login(rest[:at], resolve); err != nil {
			return l, err
		}
		rest = rest[at+1:]
	}
	if strings.Contains(rest, "{") {
		var err error
		if rest, err = resolve(rest); err != nil {
			return l, fmt.Errorf("redis: address: %w", err)
		}
	}
	hosts, database, _ := strings.Cut(rest, "/")
	if strings.ContainsAny(rest, "?#@ ") {
		return l, errors.New("redis: a URL with a query, a fragment, a space or a second @; " + syntax)
	}
	if database != "" {
		number, err := strconv.Atoi(database)
		if err != nil || number < 0 || strconv.Itoa(number) != database {
			return l, errors.New("redis: a database that is not a number; " + syntax)
		}
		l.Database = number
	}
	for host := range strings.SplitSeq(hosts, ",") {
		address, err := withPort(host)
		if err != nil {
			return l, err
		}
		l.Addresses = append(l.Addresses, address)
	}
	return l, nil
}

// login reads user and password.
func (l *Location) login(text string, resolve func(string) (string, error)) error {
	user, password := text, ""
	if colon := outside(text, ':', false); colon >= 0 {
		user, password = text[:colon], text[colon+1:]
	}
	if password == "" {
		return errors.New("redis: a URL with a user and no password; " + syntax)
	}
	for _, part := range []struct {
		text string
		into *string
	}{{user, &l.Username}, {password, &l.Password}} {
		value, err := part.text, error(nil)
		if strings.Contains(value, "{") {
			value, err = resolve(value)
		} else if value, err = url.PathUnescape(value); err != nil {
			err = errors.New("not percent-encoded")
		}
		if err != nil {
			return fmt.Errorf("redis: user or password: %w", err)
		}
		*part.into = value
	}
	return nil
}

// withPort adds the default port to an address that has none.
func withPort(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]"), defaultPort
		if strings.Contains(host, ":") == (host == address) && strings.Contains(address, ":") {
			return "", errors.New("redis: an address that is not host or host:port; " + syntax)
		}
	}
	if number, err := strconv.ParseUint(port, 10, 16); host == "" || err != nil || number == 0 || strings.ContainsAny(host, "[]") {
		return "", errors.New("redis: an address that is not host or host:port; " + syntax)
	}
	return net.JoinHostPort(host, port), nil
}

// outside returns the position of a byte outside of braces, the first or the last, -1 if there is none.
func outside(text string, wanted byte, last bool) int {
	found, depth := -1, 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == wanted && depth <= 0:
			found = i
			if !last {
				return found
			}
		}
	}
	return found
}
