// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"crypto/sha1" //nolint:gosec // an index that Active Directory chose, never the only check
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// readKeys reads our own member `keys`. A key may also be given as a `jwk`.
func (d *Device) readKeys(value jose.Value) error {
	return value.Elements(func(element jose.Value) error {
		if element.Kind != jose.Object {
			return fmt.Errorf("%v, expected objects", element.Kind)
		}
		var key Key
		if err := jose.ScanObject(element.Raw, key.set); err != nil {
			return err
		}
		if key.Thumbprint == "" && key.Certificate == "" && (key.CertificateSHA1 == "" || key.PublicKeyHash == "") {
			return errors.New("a key without thumbprint, jwk or x5t#S256")
		}
		return d.addKey(key)
	})
}

func (d *Device) addKey(key Key) error {
	if len(d.Keys) == MaxKeys {
		return fmt.Errorf("more than %d", MaxKeys)
	}
	d.Keys = append(d.Keys, key)
	return nil
}

// set takes one member of a key.
func (k *Key) set(name string, value jose.Value) (err error) {
	if value.Kind == jose.Null {
		return nil
	}
	switch name {
	case "thumbprint":
		k.Thumbprint, err = digest(value, sha256.Size)
	case "x5t#S256":
		k.Certificate, err = digest(value, sha256.Size)
	case "x5t":
		k.CertificateSHA1, err = digest(value, sha1.Size)
	case "publicKeyHash":
		k.PublicKeyHash, err = digest(value, sha256.Size)
	case "hardwareBacked":
		k.HardwareBacked, err = value.Bool()
	case "jwk":
		var key *jose.Key
		if key, err = jose.ParseKey(value.Raw); err == nil {
			k.Thumbprint = key.Thumbprint.String()
		}
	default:
		return fmt.Errorf("%q: expected thumbprint, jwk, x5t#S256, x5t, publicKeyHash or hardwareBacked", clip(name))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// digest reads base64url of so many octets in its one spelling, so that two spellings of one key are equal.
func digest(value jose.Value, size int) (string, error) {
	text, err := value.Text()
	if err != nil {
		return "", err
	}
	octets, err := jose.Decode(text)
	switch {
	case err != nil:
		return "", err
	case len(octets) != size:
		return "", fmt.Errorf("%d octets, expected %d in base64url", len(octets), size)
	}
	return text, nil
}

// names are what tells the key from every other.
func (k *Key) names() []string {
	var names []string
	for _, name := range []string{k.Thumbprint, k.Certificate, k.PublicKeyHash} {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// kind is how a proof can be held against the key.
func (k *Key) kind() (kind KeyKinds) {
	if k.Thumbprint != "" {
		kind |= SigningKeys
	}
	if k.Certificate != "" || k.CertificateSHA1 != "" {
		kind |= Certificates
	}
	return kind
}

// Evidence is what a request proved possession of.
type Evidence struct {
	// Thumbprint is that of the key which signed the proof; nil if none did.
	Thumbprint *jose.Thumbprint
	// CertificateHash is the SHA-256 of the client certificate; nil if none was owed.
	CertificateHash *[sha256.Size]byte
	// Certificate is the client certificate; nil where a TLS terminator forwarded only its hash.
	Certificate *x509.Certificate
}

// none says that nothing was proved.
func (e *Evidence) none() bool { return e.Thumbprint == nil && e.CertificateHash == nil }

// own finds the device's key for each thing that was proved. It reports whether the directory rules one of them out, and
// whether all of them are known to be hardware-backed.
func (d *Device) own(e *Evidence, complete KeyKinds) (ok, hardware bool) {
	complete |= d.complete
	for i := range d.Keys {
		complete |= d.Keys[i].kind() // where some of a kind are listed, all are
	}
	ok, hardware = true, !e.none()
	if e.Thumbprint != nil {
		i := slices.IndexFunc(d.Keys, e.isThumbprint)
		ok = i >= 0 || complete&SigningKeys == 0
		hardware = i >= 0 && d.Keys[i].HardwareBacked
	}
	if e.CertificateHash != nil {
		i := slices.IndexFunc(d.Keys, e.isCertificate)
		ok = ok && (i >= 0 || complete&Certificates == 0)
		hardware = hardware && i >= 0 && d.Keys[i].HardwareBacked
	}
	return ok, hardware
}

func (e *Evidence) isThumbprint(k Key) bool {
	return k.Thumbprint != "" && equals(k.Thumbprint, e.Thumbprint[:])
}

// isCertificate compares by SHA-256, or by SHA-1 and public key together.
func (e *Evidence) isCertificate(k Key) bool {
	if k.Certificate != "" {
		return equals(k.Certificate, e.CertificateHash[:])
	}
	if k.CertificateSHA1 == "" || k.PublicKeyHash == "" || e.Certificate == nil {
		return false
	}
	fingerprint := sha1.Sum(e.Certificate.Raw) //nolint:gosec // see the import
	return equals(k.CertificateSHA1, fingerprint[:]) && isPublicKeyHash(k.PublicKeyHash, e.Certificate)
}

// isPublicKeyHash accepts both readings of "public key": [MS-DVRJ], section 2.3.3, does not say whether the octets are those
// of the BIT STRING or of the whole SubjectPublicKeyInfo.
func isPublicKeyHash(hash string, certificate *x509.Certificate) bool {
	return slices.Contains(publicKeyHashes(certificate), hash)
}

func publicKeyHashes(certificate *x509.Certificate) []string {
	whole := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	hashes := []string{base64.RawURLEncoding.EncodeToString(whole[:])}
	var info struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(certificate.RawSubjectPublicKeyInfo, &info); err == nil {
		key := sha256.Sum256(info.Key.Bytes)
		hashes = append(hashes, base64.RawURLEncoding.EncodeToString(key[:]))
	}
	return hashes
}

// certificateNames are what a directory may call the certificate that was proved.
func (e *Evidence) certificateNames() []string {
	names := []string{base64.RawURLEncoding.EncodeToString(e.CertificateHash[:])}
	if e.Certificate != nil {
		names = append(names, publicKeyHashes(e.Certificate)...)
	}
	return names
}

// equals compares octets with their base64url, without allocating.
func equals(text string, octets []byte) bool {
	var buffer [44]byte
	return string(base64.RawURLEncoding.AppendEncode(buffer[:0], octets)) == text
}
