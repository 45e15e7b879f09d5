// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// Source is where in a device certificate the device id stands.
type Source string

// The sources.
const (
	// SubjectCN is the subject's common name (Entra-registered devices).
	SubjectCN Source = "subject_cn"
	// SAN is any DNS name, or the last segment of any URI, of the subject
	// alternative names (AD CS, Intune).
	SAN Source = "san"
	// EntraExtension is Entra's extension 1.2.840.113556.1.5.284.2.
	EntraExtension Source = "entra_extension"
)

// Sources returns all sources.
func Sources() []Source { return []Source{SubjectCN, SAN, EntraExtension} }

// entraDeviceID is the object identifier of Entra's device id extension.
var entraDeviceID = asn1.ObjectIdentifier{1, 2, 840, 113556, 1, 5, 284, 2}

// ids returns what the certificate calls its device, usually one id.
func (s Source) ids(certificate *x509.Certificate) []string {
	switch s {
	case SubjectCN:
		if name := certificate.Subject.CommonName; name != "" {
			return []string{name}
		}
	case SAN:
		ids := append([]string(nil), certificate.DNSNames...)
		for _, uri := range certificate.URIs {
			text := uri.String()
			ids = append(ids, text[strings.LastIndexAny(text, "/:")+1:])
		}
		return ids
	case EntraExtension:
		for _, extension := range certificate.Extensions {
			if extension.Id.Equal(entraDeviceID) {
				if id := entraID(extension.Value); id != "" {
					return []string{id}
				}
			}
		}
	}
	return nil
}

// entraID reads a GUID: 16 octets, bare or as an ASN.1 octet string, of which
// the first three fields are little-endian.
func entraID(value []byte) string {
	var octets []byte
	if rest, err := asn1.Unmarshal(value, &octets); err == nil && len(rest) == 0 {
		value = octets
	}
	if len(value) != 16 {
		return ""
	}
	guid := make([]byte, 16)
	binary.BigEndian.PutUint32(guid, binary.LittleEndian.Uint32(value))
	binary.BigEndian.PutUint16(guid[4:], binary.LittleEndian.Uint16(value[4:]))
	binary.BigEndian.PutUint16(guid[6:], binary.LittleEndian.Uint16(value[6:]))
	copy(guid[8:], value[8:])
	text := hex.EncodeToString(guid)
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
