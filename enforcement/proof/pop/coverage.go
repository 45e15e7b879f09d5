// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package pop

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// hashLength is how many characters a SHA-256 has in base64url.
const hashLength = 43

// ofNothing is the hash of zero octets.
const ofNothing = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"

// coverage is the value of q or h: the names of what is covered, and a hash
// over the names and values in that order (the draft, sections 3.1 and 3.2).
type coverage struct {
	present bool
	names   []string
	hash    []byte
}

// read takes [["name", ...], "hash"].
func (c *coverage) read(value jose.Value) error {
	position := 0
	err := value.Elements(func(element jose.Value) (err error) {
		switch position++; position {
		case 1:
			c.names, err = element.Strings()
		case 2:
			c.hash, err = element.Bytes()
		default:
			err = errCoverage
		}
		return err
	})
	if err == nil && position != 2 {
		return errCoverage
	}
	c.present = true
	return err
}

// opaque reports whether this is what MSAL.js sends as q: no names, and the
// query itself in the place of the hash. It covers nothing and is no lie.
func (c *coverage) opaque() bool { return len(c.names) == 0 && string(c.hash) != ofNothing }

// matchQuery holds q against the query as it was sent: the hash is over
// name=value, joined with &, in the order of the list and without decoding
// anything (the draft, section 3.1). A covered parameter has exactly one "="
// and a value, and is the only one of its name, by whatever spelling, or
// backends might prefer another (section 7.5). With whole, no other parameter
// may be in the query.
func (c *coverage) matchQuery(query string, whole bool) bool {
	index := make(map[string]int, len(c.names))
	for i, name := range c.names {
		index[plain(name)] = i
	}
	pairs := make([]string, len(c.names))
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		i, covered := index[plain(name)]
		switch {
		case !covered && whole && pair != "":
			return false
		case !covered:
			continue
		case pairs[i] != "", name != c.names[i], value == "", strings.IndexByte(value, '=') >= 0:
			return false
		}
		pairs[i] = pair
	}
	digest := sha256.New()
	for i, pair := range pairs {
		if pair == "" { // missing, or a name that is twice in the list: index knows only one of them
			return false
		}
		if i > 0 {
			digest.Write([]byte{'&'})
		}
		digest.Write([]byte(pair))
	}
	return sums(digest, c.hash)
}

// plain is the name as a backend reads it. One that cannot be decoded stays as it is.
func plain(name string) string {
	if strings.IndexByte(name, '%') < 0 && strings.IndexByte(name, '+') < 0 {
		return name
	}
	if decoded, err := url.QueryUnescape(name); err == nil {
		return decoded
	}
	return name
}

// matchHeaders holds h against the headers: the hash is over "name: value",
// joined with line feeds, with lower-case names in the order of the list (the
// draft, section 3.2). A covered header comes exactly once (section 7.5) and
// reaches the backend; Authorization, which holds the hash, cannot be covered.
func (c *coverage) matchHeaders(header http.Header) bool {
	seen := make(map[string]struct{}, len(c.names))
	digest := sha256.New()
	for i, name := range c.names {
		values := header[textproto.CanonicalMIMEHeaderKey(name)]
		if name == "authorization" || !isLower(name) || len(values) != 1 || dropped(header, name) {
			return false
		}
		seen[name] = struct{}{}
		if i > 0 {
			digest.Write([]byte{'\n'})
		}
		digest.Write([]byte(name))
		digest.Write([]byte(": "))
		digest.Write([]byte(values[0]))
	}
	return len(seen) == len(c.names) && sums(digest, c.hash)
}

// isLower reports whether the name is spelled as h must spell it.
func isLower(name string) bool {
	for i := range len(name) {
		if 'A' <= name[i] && name[i] <= 'Z' {
			return false
		}
	}
	return true
}

// dropped reports whether Connection nominates the header, so that it would
// not reach the backend (RFC 9110, section 7.6.1).
func dropped(header http.Header, name string) bool {
	for _, field := range header["Connection"] {
		for nominated := range strings.SplitSeq(field, ",") {
			if equalFold(strings.Trim(nominated, " \t"), name) {
				return true
			}
		}
	}
	return false
}

// sums reports whether the claim is the digest's sum in base64url.
func sums(digest hash.Hash, claim []byte) bool {
	var sum [sha256.Size]byte
	digest.Sum(sum[:0])
	return spells(claim, sum)
}

// spells reports whether the claim is the one spelling of the hash in base64url.
func spells(claim []byte, sum [sha256.Size]byte) bool {
	var text [hashLength]byte
	base64.RawURLEncoding.Encode(text[:], sum[:])
	return subtle.ConstantTimeCompare(text[:], claim) == 1
}
