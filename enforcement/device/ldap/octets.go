// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package ldap

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

// escape writes octets into a filter (RFC 4515, section 3).
func escape(octets []byte) string {
	var text strings.Builder
	for _, octet := range octets {
		fmt.Fprintf(&text, `\%02x`, octet)
	}
	return text.String()
}

const guidSize = 16

// parseGUID reads 8-4-4-4-12 hexadecimal digits into the octets that Active Directory keeps, of whose fields the first three
// are little-endian ([MS-DTYP], section 2.3.4).
func parseGUID(text string) ([]byte, bool) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return nil, false
	}
	octets, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(octets) != guidSize {
		return nil, false
	}
	return swapped(octets), true
}

// formatGUID is the opposite of parseGUID.
func formatGUID(octets []byte) (string, bool) {
	if len(octets) != guidSize {
		return "", false
	}
	o := swapped(octets)
	return fmt.Sprintf("%x-%x-%x-%x-%x", o[:4], o[4:6], o[6:8], o[8:10], o[10:]), true
}

// swapped turns the first three fields around.
func swapped(octets []byte) []byte {
	out := make([]byte, guidSize)
	binary.BigEndian.PutUint32(out, binary.LittleEndian.Uint32(octets))
	binary.BigEndian.PutUint16(out[4:], binary.LittleEndian.Uint16(octets[4:]))
	binary.BigEndian.PutUint16(out[6:], binary.LittleEndian.Uint16(octets[6:]))
	copy(out[8:], octets[8:])
	return out
}

// isSID reports whether octets are a security identifier ([MS-DTYP], section 2.4.2.2): revision 1, a count, an authority of
// six octets, and so many numbers of four.
func isSID(octets []byte) bool {
	const header, most = 8, 15
	return len(octets) >= header && octets[0] == 1 && octets[1] <= most && len(octets) == header+4*int(octets[1])
}

// formatSID writes a security identifier as S-1-... ([MS-DTYP], section 2.4.2.1).
func formatSID(octets []byte) string {
	var authority uint64
	for _, octet := range octets[2:8] {
		authority = authority<<8 | uint64(octet)
	}
	text := fmt.Sprintf("S-1-%d", authority)
	for rest := octets[8:]; len(rest) > 0; rest = rest[4:] {
		text += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(rest))
	}
	return text
}

// ownerText writes an owner as a token may name one: Active Directory keeps a SID in octets, other servers text.
func ownerText(octets []byte) string {
	switch {
	case isSID(octets):
		return formatSID(octets)
	case utf8.Valid(octets) && !strings.ContainsFunc(string(octets), func(r rune) bool { return r < ' ' }):
		return string(octets)
	}
	if id, ok := formatGUID(octets); ok {
		return id
	}
	return hex.EncodeToString(octets)
}
