// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"context"
	"fmt"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/livefile"
)

// NewFileKeySet returns a key set that is read from a JWK Set file, and read
// again when the file changes. It reads the file once to see that it is good.
func NewFileKeySet(issuer, path string) (*KeySet, error) {
	f := file{livefile.New(path, maxDocument)}
	document, err := f.Read()
	if err != nil {
		return nil, err
	}
	keys, err := parseKeySet(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s := newKeySet(issuer, f)
	s.replace(keys, time.Now())
	return s, nil
}

// file is a key set on disk.
type file struct{ *livefile.File }

func (f file) fetch(context.Context) ([]byte, error) { return f.Read() }
func (f file) changed() bool                         { return f.Changed() }
func (f file) close()                                {}
