// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package cache holds what the enforcement remembers between requests, in bounded memory and safe for concurrent use.
//
// There are two kinds of memory, and they must never be confused. An [LRU] may forget at any moment, because what it
// holds can be computed again: a verified token, the parsed key of a device. A [Replay] must not: a spent proof that it
// forgot could be spent again. It therefore forgets only what has expired, and when it is full and something must go
// all the same, it says so by raising its watermark.
//
// The package knows nothing of tokens, proofs or HTTP; it sees keys, ids and times, and it takes the time as an
// argument. It starts no goroutine.
package cache
