// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package keycredential

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/big"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// parseMaterial reads a public key in whichever of its forms it is ([MS-ADTS], section 2.2.20.5.1), and reports whether the
// form says that the key is in a TPM.
func parseMaterial(material []byte) (key *jose.Key, hardware bool, err error) {
	switch {
	case bytes.HasPrefix(material, []byte(rsaMagic)):
		key, err = parseRSABlob(material)
	case bytes.HasPrefix(material, []byte(tpmMagic)):
		key, err = parseTPMBlob(material)
		hardware = true
	default:
		key, err = parseDER(material)
	}
	if err != nil {
		return nil, false, err
	}
	return key, hardware, nil
}

// parseDER reads a SubjectPublicKeyInfo (RFC 5280, section 4.1), or an RSAPublicKey alone (RFC 8017, appendix A.1.1).
func parseDER(der []byte) (*jose.Key, error) {
	if key, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return fromRSA(key.N.Bytes(), big.NewInt(int64(key.E)).Bytes())
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: neither DER nor a blob of Windows", ErrKey)
	}
	switch key := public.(type) {
	case *rsa.PublicKey:
		return fromRSA(key.N.Bytes(), big.NewInt(int64(key.E)).Bytes())
	case *ecdsa.PublicKey:
		return fromEC(key)
	}
	return nil, fmt.Errorf("%w: expected RSA or elliptic curves", ErrKey)
}

// rsaMagic begins a BCRYPT_RSAPUBLIC_BLOB.
const rsaMagic = "RSA1"

// parseRSABlob reads a BCRYPT_RSAKEY_BLOB with a public key: the magic, then five numbers, little-endian: the bits of the
// key, the octets of exponent and modulus, and those of the two primes, which a public key has not. Exponent and modulus
// follow, big-endian.
func parseRSABlob(blob []byte) (*jose.Key, error) {
	const header = 24
	if len(blob) < header {
		return nil, fmt.Errorf("%w: RSA1 is cut off", ErrKey)
	}
	number := func(i int) int { return int(binary.LittleEndian.Uint32(blob[4*i:])) }
	bits, exponent, modulus := number(1), number(2), number(3)
	switch {
	case number(4) != 0 || number(5) != 0:
		return nil, fmt.Errorf("%w: RSA1 with primes, expected a public key", ErrKey)
	case exponent > len(blob) || modulus > len(blob) || header+exponent+modulus != len(blob):
		return nil, fmt.Errorf("%w: RSA1 of another length than it says", ErrKey)
	case 8*modulus < bits || 8*modulus >= bits+8:
		return nil, fmt.Errorf("%w: RSA1 of another size than it says", ErrKey)
	}
	return fromRSA(blob[header+exponent:], blob[header:header+exponent])
}

// tpmMagic begins a PCP_KEY_BLOB_WIN8: a key of Windows' TPM key storage provider.
const tpmMagic = "PCPM"

// Numbers of the TPM 2.0 Library, part 2.
const (
	tpmVersion2  = 2
	algRSA       = 0x0001 // TPM_ALG_RSA
	algNull      = 0x0010 // TPM_ALG_NULL
	usualE       = 65537  // what an exponent of 0 stands for (section 12.2.3.5)
	maxTPMPublic = 1 << 10
)

// parseTPMBlob reads the public part: after a header, whose second number is its length, whose third is the TPM's version
// and whose fifth is the length of the public part, comes a TPM2B_PUBLIC.
func parseTPMBlob(blob []byte) (*jose.Key, error) {
	const header = 20
	if len(blob) < header {
		return nil, fmt.Errorf("%w: PCPM is cut off", ErrKey)
	}
	number := func(i int) uint32 { return binary.LittleEndian.Uint32(blob[4*i:]) }
	start, public := uint64(number(1)), uint64(number(4))
	switch {
	case number(2) != tpmVersion2:
		return nil, fmt.Errorf("%w: PCPM of TPM %d, expected 2", ErrKey, number(2))
	case start < header || public > maxTPMPublic || start+public > uint64(len(blob)):
		return nil, fmt.Errorf("%w: PCPM of another length than it says", ErrKey)
	}
	return parseTPMPublic(blob[start : start+public])
}

// parseTPMPublic reads a TPM2B_PUBLIC with a TPMT_PUBLIC in it (TPM 2.0 Library, part 2, sections 12.2.4 and 12.2.5).
func parseTPMPublic(public []byte) (*jose.Key, error) {
	r := bigEndian{rest: public}
	if size := r.uint16(); int(size) != len(r.rest) || r.uint16() != algRSA {
		return nil, fmt.Errorf("%w: expected an RSA key of a TPM", ErrKey)
	}
	r.skip(2 + 4)              // the name's algorithm and the attributes
	r.skip(int(r.uint16()))    // the policy's digest
	if r.uint16() != algNull { // a symmetric cipher comes with key size and mode
		r.skip(2 + 2)
	}
	if r.uint16() != algNull { // a scheme comes with its hash
		r.skip(2)
	}
	bits, exponent := int(r.uint16()), r.uint32()
	modulus := r.take(int(r.uint16()))
	if r.short || len(r.rest) != 0 || 8*len(modulus) != bits {
		return nil, fmt.Errorf("%w: the public part of the TPM's key is malformed", ErrKey)
	}
	if exponent == 0 {
		exponent = usualE
	}
	return fromRSA(modulus, binary.BigEndian.AppendUint32(nil, exponent))
}

// bigEndian reads numbers; once something is missing it is short for good.
type bigEndian struct {
	rest  []byte
	short bool
}

func (r *bigEndian) take(n int) []byte {
	if r.short || n > len(r.rest) {
		r.short, r.rest = true, nil
		return make([]byte, min(n, 4))
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *bigEndian) skip(n int)     { r.take(n) }
func (r *bigEndian) uint16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *bigEndian) uint32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }

// fromRSA makes a key of its numbers by way of a JWK, so that the same rules hold for it as for the key in a proof.
func fromRSA(modulus, exponent []byte) (*jose.Key, error) {
	modulus, exponent = bytes.TrimLeft(modulus, "\x00"), bytes.TrimLeft(exponent, "\x00")
	return fromJWK(fmt.Sprintf(`{"kty":"RSA","n":"%s","e":"%s"}`,
		base64.RawURLEncoding.EncodeToString(modulus), base64.RawURLEncoding.EncodeToString(exponent)))
}

func fromEC(key *ecdsa.PublicKey) (*jose.Key, error) {
	point, err := key.Bytes() // SEC 1, section 2.3.3: the octet 4 and both coordinates
	if err != nil {
		return nil, fmt.Errorf("%w: not a point on its curve", ErrKey)
	}
	size := (len(point) - 1) / 2
	return fromJWK(fmt.Sprintf(`{"kty":"EC","crv":"%s","x":"%s","y":"%s"}`, key.Curve.Params().Name,
		base64.RawURLEncoding.EncodeToString(point[1:1+size]), base64.RawURLEncoding.EncodeToString(point[1+size:])))
}

func fromJWK(jwk string) (*jose.Key, error) {
	key, err := jose.ParseKey([]byte(jwk))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return key, nil
}
