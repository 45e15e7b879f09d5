// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// pool holds what must outlive a configuration: spent proofs, key sets and
// caches. A reload provisions the new configuration before the old one goes,
// so the state is handed over; a rejected reload only takes its own hold back.
// A key names what makes two states incompatible, and no more than that.
var pool = caddy.NewUsagePool()

// started is when this process began to remember: what was spent before is
// unknown to it.
var started = time.Now()

// processSecret signs server nonces where none is configured.
var processSecret = sync.OnceValue(func() []byte {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // crypto/rand.Read never returns an error
	return secret
})

// kept makes any value a caddy.Destructor, as the pool demands.
type kept[T any] struct{ value T }

func (kept[T]) Destruct() error { return nil }

// holds are the pool's entries that one app instance took.
type holds []string

// take returns the pool's value for the key, making it if need be.
func take[T any](h *holds, key string, create func() (T, error)) (T, error) {
	value, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) {
		value, err := create()
		if err != nil {
			return nil, err
		}
		if destructor, ok := any(value).(caddy.Destructor); ok {
			return destructor, nil
		}
		return kept[T]{value}, nil
	})
	if err != nil {
		var none T
		return none, err
	}
	*h = append(*h, key)
	if wrapped, ok := value.(kept[T]); ok {
		return wrapped.value, nil
	}
	return value.(T), nil
}

// release gives back only what this instance took: Cleanup runs for rejected
// configurations too.
func (h *holds) release() error {
	var problems []error
	for _, key := range *h {
		if _, err := pool.Delete(key); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", key, err))
		}
	}
	*h = nil
	return errors.Join(problems...)
}
