// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// errConfirmation marks a cnf claim that cannot be enforced.
var errConfirmation = errors.New("confirmation")

// Access token types (the typ header).
const (
	// TypeAccessToken is RFC 9068, section 2.1.
	TypeAccessToken = "at+jwt"
	// TypeJWT is what Entra's access tokens say.
	TypeJWT = "jwt"
)

// IssuerConfig describes one trusted issuer.
type IssuerConfig struct {
	// Issuer is compared byte for byte with the iss claim.
	Issuer string
	// Algorithms that the issuer signs with; empty means [DefaultAlgorithms].
	Algorithms []jose.Algorithm
	// Types are the accepted typ headers, lower-case, without the
	// "application/" prefix; empty means at+jwt, and for Entra's own issuers JWT too.
	Types []string
	// Claims says where facts are found; empty lists mean [DefaultClaimNames].
	Claims ClaimNames
	// Introspection asks about the issuer's opaque tokens; nil if it has none.
	Introspection *Introspection `json:"-"`
}

// DefaultAlgorithms are the algorithms that an issuer may sign with unless
// the configuration narrows them.
func DefaultAlgorithms() []jose.Algorithm {
	return []jose.Algorithm{
		jose.ES256, jose.RS256, jose.PS256, jose.EdDSA, jose.Ed25519,
		jose.ES384, jose.ES512, jose.RS384, jose.RS512, jose.PS384, jose.PS512,
	}
}

// entraHosts issue access tokens whose typ is plain JWT.
var entraHosts = []string{
	"sts.windows.net", "login.microsoftonline.com", "login.windows.net",
	"login.microsoftonline.us", "login.partner.microsoftonline.cn", "sts.chinacloudapi.cn",
}

// Issuer is a trusted issuer with its keys. It is immutable apart from the
// key set, and safe for concurrent use.
type Issuer struct {
	name        string
	algorithms  []jose.Algorithm
	types       []string
	places      map[string][]place
	groups      []string
	keys        *KeySet
	asks        *Introspection
	fingerprint [16]byte
}

// NewIssuer compiles a configured issuer. The key set may be shared with the
// issuer's earlier incarnations, across configuration reloads.
func NewIssuer(config IssuerConfig, keys *KeySet) (*Issuer, error) {
	if err := checkIssuer(config.Issuer); err != nil {
		return nil, err
	}
	fillDefaults(&config)
	for _, typ := range config.Types {
		if typ != TypeAccessToken && typ != TypeJWT {
			return nil, fmt.Errorf("issuer %q: token type %q: expected at+jwt or JWT", config.Issuer, typ)
		}
	}
	description, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("issuer %q: %w", config.Issuer, err)
	}
	digest := sha256.Sum256(description)
	return &Issuer{
		name:        config.Issuer,
		algorithms:  config.Algorithms,
		types:       config.Types,
		places:      config.Claims.compile(),
		groups:      config.Claims.Groups,
		keys:        keys,
		asks:        config.Introspection,
		fingerprint: [16]byte(digest[:16]),
	}, nil
}

func fillDefaults(config *IssuerConfig) {
	if len(config.Algorithms) == 0 {
		config.Algorithms = DefaultAlgorithms()
	}
	// RFC 9864 names the algorithm of an Ed25519 key Ed25519; RFC 8037 named it EdDSA.
	if slices.Contains(config.Algorithms, jose.EdDSA) && !slices.Contains(config.Algorithms, jose.Ed25519) {
		config.Algorithms = append(slices.Clone(config.Algorithms), jose.Ed25519)
	}
	if len(config.Types) == 0 {
		config.Types = []string{TypeAccessToken}
		if u, err := url.Parse(config.Issuer); err == nil && slices.Contains(entraHosts, u.Hostname()) {
			config.Types = append(config.Types, TypeJWT)
		}
	}
	config.Claims.fill()
}

// Name returns the issuer's identifier.
func (i *Issuer) Name() string { return i.name }

// acceptsType compares the typ header, lower-cased, with the issuer's types
// (RFC 9068, section 4; the "application/" prefix of RFC 7515, section 4.1.9).
func (i *Issuer) acceptsType(typ string) bool {
	return slices.Contains(i.types, strings.TrimPrefix(typ, "application/"))
}

// isAccessToken holds an ID token off where typ alone does not: one that says
// just JWT must look like an access token and not like an ID token. Entra puts
// roles in both. azp counts unless it is the audience too, as an ID token's is
// (OpenID Connect Core 1.0, section 2).
func (r *claimReader) isAccessToken(typ string) bool {
	if strings.TrimPrefix(typ, "application/") == TypeAccessToken {
		return true
	}
	forAnother := r.authorizedParty != "" && !slices.Contains(r.claims.Audience, r.authorizedParty)
	return (r.accessTokenish || forAnother) && !r.idTokenish
}
