// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"fmt"
	"net/http"
)

const (
	// nodeHeader is where the cluster's balancer says which node has answered.
	nodeHeader = "X-Node"
	// triesPerNode bounds how often a request is repeated until all nodes have seen
	// it: a balancer may have reasons not to take them in turns.
	triesPerNode = 10
)

// acrossNodes is what is tried where several proxies stand behind a balancer: a
// proof that one of them has accepted is worth nothing at any other.
func acrossNodes() []step {
	owa := func(c *cast) string { return c.Exchange + "/owa/" }
	return []step{
		{"alice, bound device", "GET /owa/, at one of the nodes", passes, asDevice(alice, http.MethodGet, owa, nil)},
		{"thief, recorded proof", "the same request at every node", badProof, replayAtEveryNode(owa)},
	}
}

// replayAtEveryNode repeats alice's last request until each node has refused it,
// or one has not.
func replayAtEveryNode(url func(*cast) string) func(context.Context, *cast) (result, error) {
	again := replay(url)
	return func(ctx context.Context, c *cast) (got result, err error) {
		refusedBy := make(map[string]bool)
		for range c.Nodes * triesPerNode {
			if got, err = again(ctx, c); err != nil || !got.is(badProof) {
				return got, err
			}
			refusedBy[got.node] = true
			if len(refusedBy) == c.Nodes {
				return got, nil
			}
		}
		return got, fmt.Errorf("refused by %d nodes; %d were expected to answer", len(refusedBy), c.Nodes)
	}
}
