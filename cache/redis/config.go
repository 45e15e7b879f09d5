// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// Outage says what happens to proofs while the store does not answer.
type Outage int

const (
	// Block accepts none.
	Block Outage = iota
	// Nonce accepts those that carry a nonce which this very node issued during the outage.
	Nonce
)

// Config describes a [Store].
type Config struct {
	// Addresses are host:port, at least one: of the server, of a cluster's nodes, or of Sentinels.
	Addresses []string
	// Sentinel is the name under which the Sentinels at Addresses know the primary; empty where there are none.
	Sentinel string
	// Cluster says that the servers are a Redis Cluster.
	Cluster bool
	// Database is the number of the database; a cluster has only 0.
	Database int
	// Username and Password are those of an ACL user; both empty for a server that asks for none.
	Username, Password string
	// SentinelUsername and SentinelPassword are those of the Sentinels.
	SentinelUsername, SentinelPassword string
	// TLS is the configuration of connections; nil for plain ones.
	TLS *tls.Config
	// Prefix begins the name of every key, so that several installations can share a store.
	Prefix string
	// OnOutage says what happens while the store does not answer.
	OnOutage Outage
	// Strict asks that half of the replicas, and at least one, have confirmed a proof before it is accepted.
	Strict bool
	// Report is told when the store stops answering, with the reason, and with nil when it answers again. It is not
	// called concurrently. Nil means nobody.
	Report func(error)

	deadline time.Duration // 0 means Deadline
}

// Deadline is how long a request waits for the store.
const Deadline = 250 * time.Millisecond

const (
	// distance is how far the clocks of two nodes may be apart.
	distance = time.Minute
	// generationLife is how long a generation lives that no node refreshes, and how much longer every proof does.
	generationLife = 30 * time.Second
	// A store is looked after so often while it answers, and while it does not.
	watchInterval, retryInterval = time.Second, 100 * time.Millisecond
	// maxInFlight bounds the commands that wait for an answer. It is less than what a connection can queue, where a
	// request would wait longer than it may.
	maxInFlight = 512
	// A cluster's keys are spread over so many hash slots, each of which has a generation of its own.
	clusterParts = 64
)

// check names what is out of its bounds. It shows no user and no password.
func (c *Config) check() error {
	var errs []error
	if len(c.Addresses) == 0 {
		errs = append(errs, errors.New("redis: no address; expected at least one host:port"))
	}
	for _, address := range c.Addresses {
		if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
			errs = append(errs, fmt.Errorf("redis: address %q: expected host:port", address))
		}
	}
	switch {
	case c.Cluster && c.Sentinel != "":
		errs = append(errs, errors.New("redis: cluster and sentinel exclude each other; expected one of them"))
	case c.Cluster && c.Database != 0:
		errs = append(errs, fmt.Errorf("redis: database %d of a cluster; a cluster must use 0", c.Database))
	case c.Database < 0:
		errs = append(errs, fmt.Errorf("redis: database %d; expected 0 or more", c.Database))
	case !c.Cluster && c.Sentinel == "" && len(c.Addresses) > 1:
		errs = append(errs, fmt.Errorf("redis: %d addresses; expected one, or cluster or sentinel", len(c.Addresses)))
	}
	if c.Username != "" && c.Password == "" {
		errs = append(errs, errors.New("redis: a user without a password; expected both"))
	}
	return errors.Join(errs...)
}
