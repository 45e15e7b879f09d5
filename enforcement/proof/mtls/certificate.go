// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/url"
	"strings"
)

// MaxCertificate is the longest forwarded certificate that is looked at, in
// decoded bytes.
const MaxCertificate = 16 << 10

// maxChain is how many other certificates a forwarded chain may have.
const maxChain = 8

// Encoding is how a TLS terminator writes a certificate into a header.
type Encoding string

// The encodings, with the products that use them.
const (
	// RFC9440 is `:base64 of DER:` (RFC 9440; Cloudflare, Google Cloud).
	RFC9440 Encoding = "rfc9440"
	// XFCC is Envoy's and Istio's X-Forwarded-Client-Cert.
	XFCC Encoding = "xfcc"
	// Base64DER is the DER in base64 without armour (Azure App Service, OpenShift).
	Base64DER Encoding = "base64_der"
	// URLPEM is a percent-encoded PEM block, or a chain that begins with the leaf (nginx, AWS).
	URLPEM Encoding = "url_pem"
	// Traefik is PEM without armour and line breaks, a comma between the chain's members.
	Traefik Encoding = "traefik"
)

// defaultHeaders are where the encodings' products put the certificate.
var defaultHeaders = map[Encoding]string{
	RFC9440:   "Client-Cert",
	XFCC:      "X-Forwarded-Client-Cert",
	Base64DER: "X-Arr-Clientcert",
	URLPEM:    "X-Ssl-Client-Cert",
	Traefik:   "X-Forwarded-Tls-Client-Cert",
}

// Encodings returns all encodings.
func Encodings() []Encoding { return []Encoding{RFC9440, XFCC, Base64DER, URLPEM, Traefik} }

// Certificate is a client certificate that a request came with.
type Certificate struct {
	// Hash is the SHA-256 of its DER, as presented: what x5t#S256 names.
	Hash [sha256.Size]byte
	// Leaf is the certificate; nil where a terminator forwarded only its hash.
	Leaf *x509.Certificate
	// Intermediates are the other certificates of the chain, where known.
	Intermediates []*x509.Certificate
}

var (
	errEncoding = errors.New("not a certificate in the configured encoding")
	errSize     = errors.New("certificate too large")
)

// fromDER hashes the bytes as they came: a certificate that were written anew
// would be another one.
func fromDER(der []byte) (*Certificate, error) {
	if len(der) > MaxCertificate {
		return nil, errSize
	}
	leaf, err := x509.ParseCertificate(der) // refuses trailing data
	if err != nil {
		return nil, errEncoding
	}
	return &Certificate{Hash: sha256.Sum256(der), Leaf: leaf}, nil
}

// decode reads a certificate in the given encoding.
func decode(encoding Encoding, value string) (*Certificate, error) {
	if len(value) > 4*MaxCertificate {
		return nil, errSize
	}
	switch encoding {
	case RFC9440:
		return decodeRFC9440(value)
	case XFCC:
		return decodeXFCC(value)
	case Base64DER:
		return decodeBase64(value)
	case URLPEM:
		return decodeURLPEM(value)
	case Traefik:
		return decodeTraefik(value)
	}
	return nil, errEncoding
}

// decodeRFC9440 reads a structured field byte sequence (RFC 9440, section
// 2.1; RFC 9651, section 3.3.5): one, without parameters, strictly encoded.
func decodeRFC9440(value string) (*Certificate, error) {
	value = strings.Trim(value, " ")
	if len(value) < 2 || value[0] != ':' || value[len(value)-1] != ':' {
		return nil, errEncoding
	}
	return decodeBase64(value[1 : len(value)-1])
}

// decodeChain reads the other certificates of the chain, the leaf excluded
// (RFC 9440, section 2.3): a list, which may be spread over lines.
func decodeChain(lines []string) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for _, line := range lines {
		if len(line) > 4*MaxCertificate {
			return nil, errSize
		}
		for member := range strings.SplitSeq(line, ",") {
			certificate, err := decodeRFC9440(member)
			if err != nil {
				return nil, err
			}
			if chain = append(chain, certificate.Leaf); len(chain) > maxChain {
				return nil, errSize
			}
		}
	}
	return chain, nil
}

func decodeBase64(value string) (*Certificate, error) {
	if strings.ContainsAny(value, "\r\n") { // the decoder would skip them
		return nil, errEncoding
	}
	der, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil {
		return nil, errEncoding
	}
	return fromDER(der)
}

// decodeURLPEM reads one PEM block, or several of which the first is the leaf.
// Only percent signs are decoded: AWS leaves "+" as it is.
func decodeURLPEM(value string) (*Certificate, error) {
	text, err := url.PathUnescape(value)
	if err != nil {
		return nil, errEncoding
	}
	return decodePEM([]byte(text))
}

func decodePEM(text []byte) (*Certificate, error) {
	var certificate *Certificate
	for blocks := 0; len(strings.TrimSpace(string(text))) > 0; {
		if blocks++; blocks > maxChain+1 {
			return nil, errSize
		}
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil || block.Type != "CERTIFICATE" || len(block.Headers) > 0 {
			return nil, errEncoding
		}
		next, err := fromDER(block.Bytes)
		switch {
		case err != nil:
			return nil, err
		case certificate == nil:
			certificate = next
		default:
			certificate.Intermediates = append(certificate.Intermediates, next.Leaf)
		}
	}
	if certificate == nil {
		return nil, errEncoding
	}
	return certificate, nil
}

func decodeTraefik(value string) (*Certificate, error) {
	text, err := url.PathUnescape(value)
	if err != nil {
		return nil, errEncoding
	}
	var certificate *Certificate
	for member := range strings.SplitSeq(text, ",") {
		next, err := decodeBase64(member)
		switch {
		case err != nil:
			return nil, err
		case certificate == nil:
			certificate = next
		default:
			certificate.Intermediates = append(certificate.Intermediates, next.Leaf)
		}
	}
	return certificate, nil
}

// decodeXFCC reads the last element, which the nearest hop wrote: what comes
// before it may be the client's own. Where it has both the certificate and its
// hash, they must agree.
func decodeXFCC(value string) (*Certificate, error) {
	elements, err := parseXFCC(value)
	if err != nil {
		return nil, err
	}
	last := elements[len(elements)-1]
	var hash []byte
	if text, ok := last["hash"]; ok {
		if hash, err = hex.DecodeString(text); err != nil || len(hash) != sha256.Size {
			return nil, errEncoding
		}
	}
	var certificate *Certificate
	switch {
	case last["cert"] != "":
		certificate, err = decodeURLPEM(last["cert"])
	case last["chain"] != "":
		certificate, err = decodeURLPEM(last["chain"])
	case hash != nil:
		return &Certificate{Hash: [sha256.Size]byte(hash)}, nil
	default:
		return nil, errEncoding
	}
	if err != nil {
		return nil, err
	}
	if hash != nil && [sha256.Size]byte(hash) != certificate.Hash {
		return nil, errEncoding
	}
	return certificate, nil
}
