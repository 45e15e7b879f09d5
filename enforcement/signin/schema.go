// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"crypto/rand"
	_ "embed" // for schema.json
	"encoding/hex"
)

// Schema is the JSON Schema (draft 2020-12) of a [Record].
//
//go:embed schema.json
var Schema []byte

// NewID returns a random UUID (RFC 9562, section 5.4), for Record.ID.
func NewID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails; see its documentation
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[0:8], id[0:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:36], id[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}
