// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"crypto/sha1" //nolint:gosec // an index that Active Directory chose, never the only check
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// altSecPrefix begins the value for a device certificate ([MS-DVRJ], section 2.3.3).
const altSecPrefix = "X509:<SHA1-TP-PUBKEY>"

var errAltSec = errors.New("expected X509:<SHA1-TP-PUBKEY>, 40 hexadecimal digits and 44 characters of base64")

// ParseAltSecurityIdentity reads one value of Active Directory's altSecurityIdentities: the SHA-1 of the device's certificate
// and the SHA-256 of its public key. A value of another kind, such as a Kerberos name, is no error; found is then false.
func ParseAltSecurityIdentity(text string) (key Key, found bool, err error) {
	rest, ok := strings.CutPrefix(text, altSecPrefix)
	if !ok {
		return Key{}, false, nil
	}
	const digits = 2 * sha1.Size
	if len(rest) != digits+base64.StdEncoding.EncodedLen(sha256.Size) {
		return Key{}, false, errAltSec
	}
	fingerprint, err := hex.DecodeString(rest[:digits])
	if err != nil {
		return Key{}, false, errAltSec
	}
	hash, err := base64.StdEncoding.Strict().DecodeString(rest[digits:])
	if err != nil || len(hash) != sha256.Size {
		return Key{}, false, errAltSec
	}
	return Key{
		CertificateSHA1: base64.RawURLEncoding.EncodeToString(fingerprint),
		PublicKeyHash:   base64.RawURLEncoding.EncodeToString(hash),
	}, true, nil
}

// keyOfX509 is the type of an alternative security id that names a certificate.
const keyOfX509 = 2

// readAlternativeSecurityIDs reads Graph's alternativeSecurityIds: base64 of the same text in UTF-16.
func (d *Device) readAlternativeSecurityIDs(value jose.Value) error {
	return value.Elements(func(element jose.Value) error {
		var typ int64
		var text string
		if element.Kind != jose.Object {
			return fmt.Errorf("%v, expected objects", element.Kind)
		}
		err := jose.ScanObject(element.Raw, func(name string, value jose.Value) (err error) {
			switch {
			case value.Kind == jose.Null:
			case name == "type":
				typ, err = value.Integer()
			case name == "key":
				text, err = value.Text()
			}
			return err
		})
		if err != nil || typ != keyOfX509 {
			return err
		}
		return d.addAlternative(text)
	})
}

func (d *Device) addAlternative(encoded string) error {
	octets, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(octets)%2 != 0 {
		return errors.New("key: expected base64 of UTF-16")
	}
	units := make([]uint16, len(octets)/2)
	for i := range units {
		units[i] = uint16(octets[2*i]) | uint16(octets[2*i+1])<<8
	}
	key, found, err := ParseAltSecurityIdentity(string(utf16.Decode(units)))
	switch {
	case err != nil:
		return fmt.Errorf("key: %w", err)
	case !found:
		return nil
	}
	return d.addKey(key)
}
