// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package keycredential decodes Active Directory's msDS-KeyCredentialLink: the public keys that a device or a user
// registered ([MS-ADTS], section 2.2.20). The attribute is as trustworthy as its access control: whoever may write it adds
// keys ("shadow credentials").
package keycredential

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// MaxSize is the longest blob that is looked at, in octets.
const MaxSize = 8 << 10

// version is the only one there is ([MS-ADTS], section 2.2.20.2).
const version = 0x200

// Usage is what a key is for ([MS-ADTS], section 2.2.20.5.2).
type Usage uint8

// The usages.
const (
	// Admin is a key for administration: the PIN reset key.
	Admin Usage = 0
	// NGC is a key that a user signs in with (Windows Hello).
	NGC Usage = 1
	// STK is the transport key of a device.
	STK Usage = 2
	// FIDO is a security key's. It signs assertions of WebAuthn and nothing else.
	FIDO Usage = 7
	// FEK is for files.
	FEK Usage = 8
)

// Source is where a key was registered ([MS-ADTS], section 2.2.20.5.3).
type Source uint8

// The sources.
const (
	ActiveDirectory Source = 0
	Entra           Source = 1
)

// Credential is one registered key.
type Credential struct {
	Usage  Usage
	Source Source
	// DeviceID is the device that the key belongs to, a GUID in small letters; empty where the credential names none.
	DeviceID string
	// Key is the public key; nil for a usage that cannot sign or decrypt for the device: FIDO, FEK and Admin.
	Key *jose.Key
	// Hardware says that the key is in a TPM: its material is a blob of the TPM's key storage provider.
	Hardware bool
}

// Errors of decoding. What wraps them says more.
var (
	// ErrSyntax: the value is not what the specification describes.
	ErrSyntax = errors.New("not a key credential")
	// ErrHash: the value is not what was written: its own hash does not fit.
	ErrHash = errors.New("key credential: hash does not fit")
	// ErrKey: the key is none that we accept.
	ErrKey = errors.New("key credential: unusable key")
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrSyntax, fmt.Sprintf(format, args...))
}

// Parse reads a value of the attribute as LDAP returns it, a DN-Binary: `B:<number of digits>:<hexadecimal>:<owner>`
// ([MS-ADTS], section 3.1.1.3.1.1.4).
func Parse(value string) (*Credential, error) {
	rest, ok := strings.CutPrefix(value, "B:")
	length, rest, colon := strings.Cut(rest, ":")
	if !ok || !colon {
		return nil, malformed("expected B:<length>:<hexadecimal>:<owner>")
	}
	digits, err := strconv.ParseUint(length, 10, 16)
	if err != nil || strconv.FormatUint(digits, 10) != length || digits > 2*MaxSize {
		return nil, malformed("length: expected a number up to %d", 2*MaxSize)
	}
	encoded, _, colon := strings.Cut(rest, ":")
	if !colon || uint64(len(encoded)) != digits {
		return nil, malformed("the length is not that of the hexadecimal digits")
	}
	blob, err := hex.DecodeString(encoded)
	if err != nil {
		return nil, malformed("expected hexadecimal digits")
	}
	return Decode(blob)
}

// entryID says what an entry is ([MS-ADTS], section 2.2.20.6).
type entryID uint8

const (
	entryKeyID       entryID = 1
	entryKeyHash     entryID = 2
	entryKeyMaterial entryID = 3
	entryKeyUsage    entryID = 4
	entryKeySource   entryID = 5
	entryDeviceID    entryID = 6
)

// Decode reads a KEYCREDENTIALLINK_BLOB ([MS-ADTS], sections 2.2.20.2 and 2.2.20.3): entries in ascending order, none twice,
// whose hashes fit.
func Decode(blob []byte) (*Credential, error) {
	entries, err := split(blob)
	if err != nil {
		return nil, err
	}
	c := new(Credential)
	if c.Usage, err = octet[Usage](entries, entryKeyUsage, "usage"); err != nil {
		return nil, err
	}
	if c.Source, err = octet[Source](entries, entryKeySource, "source"); err != nil {
		return nil, err
	}
	if id := entries[entryDeviceID]; id != nil {
		if c.DeviceID, err = guid(id); err != nil {
			return nil, err
		}
	}
	material := entries[entryKeyMaterial]
	if len(material) == 0 {
		return nil, malformed("no key material")
	}
	if c.Usage != NGC && c.Usage != STK {
		return c, nil
	}
	// Of the others the key id is something else, for FIDO the credential id.
	if want := sha256.Sum256(material); !bytes.Equal(entries[entryKeyID], want[:]) {
		return nil, fmt.Errorf("%w: the key id is not that of the key", ErrHash)
	}
	c.Key, c.Hardware, err = parseMaterial(material)
	return c, err
}

// headerSize is that of an entry: a length and an id.
const headerSize = 3

// split reads the entries and verifies the hash over those behind it.
func split(blob []byte) (map[entryID][]byte, error) {
	switch {
	case len(blob) > MaxSize:
		return nil, malformed("%d octets, expected at most %d", len(blob), MaxSize)
	case len(blob) < 4 || binary.LittleEndian.Uint32(blob) != version:
		return nil, malformed("expected version %#x", version)
	}
	entries := make(map[entryID][]byte)
	last := entryID(0)
	for rest := blob[4:]; len(rest) > 0; {
		if len(rest) < headerSize {
			return nil, malformed("an entry is cut off")
		}
		length, id := int(binary.LittleEndian.Uint16(rest)), entryID(rest[2])
		rest = rest[headerSize:]
		switch {
		case length > len(rest):
			return nil, malformed("entry %d is cut off", id)
		case id <= last:
			return nil, malformed("entry %d after entry %d, expected ascending order", id, last)
		}
		entries[id], last = rest[:length:length], id
		rest = rest[length:]
		if id == entryKeyHash {
			if want := sha256.Sum256(rest); !bytes.Equal(entries[id], want[:]) {
				return nil, ErrHash
			}
		}
	}
	if entries[entryKeyID] == nil || entries[entryKeyHash] == nil {
		return nil, malformed("no key id or no key hash")
	}
	return entries, nil
}

// octet reads an entry of one octet, which must be there.
func octet[T ~uint8](entries map[entryID][]byte, id entryID, name string) (T, error) {
	value := entries[id]
	if len(value) != 1 {
		return 0, malformed("%s: %d octets, expected 1", name, len(value))
	}
	return T(value[0]), nil
}

// guid writes a GUID, whose first three fields are little-endian. One of zeros names no device.
func guid(value []byte) (string, error) {
	if len(value) != 16 {
		return "", malformed("device id: %d octets, expected 16", len(value))
	}
	if bytes.Equal(value, make([]byte, 16)) {
		return "", nil
	}
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(value), binary.LittleEndian.Uint16(value[4:]),
		binary.LittleEndian.Uint16(value[6:]), value[8:10], value[10:]), nil
}
