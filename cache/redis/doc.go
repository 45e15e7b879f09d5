// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package redis remembers spent proofs in Redis or Valkey, so that several nodes share what they know.
//
// A [Store] is the connection; a [Replay] is one set of spent proofs in it, in front of which stands the node's own
// [cache.Replay]. Spending a proof is one atomic script in one round trip. The node's own set has the last word, so that
// a copy which comes to the same node is found out whatever happens to the store.
//
// # What a generation is
//
// A store may forget: it is flushed, it restarts with an old snapshot, a replica without the last writes takes over, the
// clock of its machine jumps so that entries expire early. None of that may pass unnoticed. So each set has a
// generation, a key of its own that names the server process that holds it, and lives shorter than any proof. Each script
// compares it. And each script is loaded under a name that contains the server process's run id, and so exists in that
// process only: one that took over does not know it. Whenever generation or process is another one, a new generation
// begins: its begin is the watermark of every node, and its id is the scope of the nonces that proofs then owe.
//
// # What an outage is
//
// No answer within 250 ms. Until the store answers again nothing waits for it. Under [Block] nothing is accepted then.
// Under [Nonce] a proof is accepted if it carries a nonce that this node has issued during an outage: its scope is this
// node's, no other node ever takes it, and this node's own set remembers what it accepted.
//
// # What is stored
//
// Names in the store are SHA-256 hashes, cut to 128 bits, of key thumbprints and proof ids. They are not keyed: nodes
// that rotate a secret at different times would not recognise each other's entries. Whoever reads the store can tell
// whether a proof that he knows is in it, and nothing else.
package redis
