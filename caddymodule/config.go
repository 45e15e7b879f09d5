// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

// App is token protection's configuration for the whole server: which issuers
// are trusted, which Conditional Access policies apply, how proofs are judged
// and remembered, and how sign-ins are logged. The handler
// `http.handlers.token_protection` puts it in front of a resource.
type App struct {
	// The trusted issuers of access tokens. At least one is required.
	Issuers []Issuer `json:"issuer,omitempty"`

	// Who knows the devices that tokens name. Without it devices are not
	// judged.
	DeviceDirectory *DeviceDirectory `json:"device_directory,omitempty"`

	// What devices and clients must be able to do. Without it nothing is
	// required of them.
	Requirements *Requirements `json:"requirements,omitempty"`

	// The Conditional Access policies, in the shape of Microsoft Graph's
	// `conditionalAccessPolicy`.
	Policies []policy.Policy `json:"policy,omitempty"`

	// A file with further policies as Microsoft Graph exports them: one, an
	// array, or `{"value": [...]}`. It is read again when it changes; a broken
	// one never replaces a good one. Policies without `secureSignInSession`
	// are skipped.
	PoliciesFile string `json:"policies_file,omitempty"`

	// The networks that policies name, in the shape of Microsoft Graph's
	// `ipNamedLocation`.
	NamedLocations []policy.NamedLocation `json:"named_location,omitempty"`

	// How proofs of possession are judged.
	Proof Proof `json:"proof,omitzero"`

	// Where spent proofs are remembered.
	Replay Replay `json:"replay,omitzero"`

	// Sizes of the caches.
	Cache Cache `json:"cache,omitzero"`

	// How sign-ins are logged. The logger's name is `token_protection.sign_in`.
	SignInLog SignInLog `json:"sign_in_log,omitzero"`

	state
}

// Issuer is a trusted issuer of JWT access tokens.
type Issuer struct {
	// The issuer's identifier, compared byte for byte with the `iss` claim.
	// An https URL; http only on loopback.
	Issuer string `json:"issuer"`

	// Where the issuer's keys are. Default: discovered from the issuer's
	// metadata (RFC 8414, OpenID Connect Discovery).
	JWKSURL string `json:"jwks_url,omitempty"`

	// A JWK Set file to use instead of a URL. Read again when it changes.
	JWKSFile string `json:"jwks_file,omitempty"`

	// The algorithms the issuer may sign with. Default: ES256, RS256, PS256,
	// EdDSA, ES384, ES512, RS384, RS512, PS384 and PS512.
	Algorithms []string `json:"algorithms,omitempty"`

	// The `typ` headers of the issuer's access tokens: `at+jwt` (RFC 9068)
	// and `JWT`. Default: `at+jwt`, and for Entra's own issuers `JWT` too. A
	// token that says `JWT` must look like an access token in other ways, so
	// that ID tokens are not mistaken for one.
	TokenTypes []string `json:"token_types,omitempty"`

	// Whom to ask about the issuer's opaque tokens (RFC 7662). Without it, what
	// is not a JWT is refused.
	Introspection *Introspection `json:"introspection,omitempty"`

	// In which claims each fact is found; the first that is present counts.
	// Keys are `user`, `user_id`, `groups`, `roles`, `device`, `client` and
	// `platform`.
	Claims map[string][]string `json:"claim,omitempty"`
}

// Introspection is an issuer's introspection endpoint, and how this server
// authenticates there: by secret or by certificate.
type Introspection struct {
	// The endpoint's URL; https, or http on loopback.
	URL string `json:"url"`

	// The id this server has there.
	ClientID string `json:"client_id"`

	// Its secret. Placeholders such as `{env.SECRET}` and `{file./run/secret}` work.
	ClientSecret string `json:"client_secret,omitempty"`

	// PEM files with a certificate and its key, to authenticate by TLS instead.
	ClientCertificate string `json:"client_certificate,omitempty"`
	ClientKey         string `json:"client_key,omitempty"`
}

// Proof says how proofs of possession are judged.
type Proof struct {
	// How long after its `iat` a proof is accepted. Default: 60s.
	MaxAge caddy.Duration `json:"max_age,omitempty"`

	// How far the `iat` of a proof, and the times of a token, may lie beyond
	// what this node's clock says. 0 allows nothing. Default: 15s.
	ClockSkew *caddy.Duration `json:"clock_skew,omitempty"`

	// The algorithms a proof may be signed with. Default: all that are
	// supported, see an issuer's `algorithms`.
	Algorithms []string `json:"algorithms,omitempty"`

	// When a proof must carry a nonce from this server: `auto`, only where
	// spent proofs may have been forgotten, after a restart or an overflow;
	// or `required`, always. Default: auto.
	Nonce string `json:"nonce,omitempty"`

	// The secrets of server nonces, at least 32 characters each. The first
	// issues, all are accepted, so that a secret can be rotated node by
	// node. All nodes share them. Placeholders such as `{env.NONCE_SECRET}`
	// work. Default: random, for this process alone.
	NonceSecret []string `json:"nonce_secret,omitempty"`
}

// Replay says where spent proofs are remembered.
type Replay struct {
	// The kind of store: `memory`, this process's own, or `redis`, which
	// nodes share. Default: memory.
	Store string `json:"store,omitempty"`

	// How many spent proofs this process remembers itself. Beyond it the
	// oldest are forgotten, and proofs that could be among them need a fresh
	// server nonce. Default: 1000000.
	MaxEntries int `json:"max_entries,omitempty"`

	// How many live proofs one device key may have in the store, so that one
	// device cannot fill it. Default: 1000.
	MaxPerKey int `json:"max_per_key,omitempty"`

	// Where Redis or Valkey is, version 7.0 or later:
	// `redis://user:password@host:port/database`, or `rediss` for TLS. A
	// cluster and Sentinels may have several addresses, separated by commas.
	// Placeholders such as `{env.REDIS_PASSWORD}` and `{file./run/secret}` work.
	URL string `json:"url,omitempty"`

	// The server is a Redis Cluster.
	Cluster bool `json:"cluster,omitempty"`

	// The addresses are those of Sentinels, and this is the name under which
	// they know the primary.
	Sentinel string `json:"sentinel,omitempty"`

	// The user, if there is one, and the password of the Sentinels.
	// Placeholders work.
	SentinelUsername string `json:"sentinel_username,omitempty"`
	SentinelPassword string `json:"sentinel_password,omitempty"`

	// PEM files with the authorities that the servers' certificates are
	// trusted from, for `rediss`. Default: those of the system.
	CA []string `json:"ca,omitempty"`

	// What the name of every key begins with. Nodes share what they remember
	// if it is the same. Default: `token_protection:`.
	KeyPrefix string `json:"key_prefix,omitempty"`

	// What happens while Redis does not answer: `block` refuses with 503;
	// `nonce` accepts proofs with a nonce that this very node issued during
	// the outage. Default: block.
	OnOutage string `json:"on_outage,omitempty"`

	// How sure a proof must be remembered: `normal`, by the primary; or
	// `strict`, by half of the replicas too, and at least one. Default: normal.
	Consistency string `json:"consistency,omitempty"`
}

// Cache sizes the caches of what has been verified before.
type Cache struct {
	// How many verified access tokens are remembered. Default: 100000.
	Tokens int `json:"tokens,omitempty"`

	// How many device keys are remembered. Default: 100000.
	DeviceKeys int `json:"device_keys,omitempty"`
}

// SignInLog says how sign-ins are logged.
type SignInLog struct {
	// Requests of the same user, app, device, resource, address and outcome
	// are logged the first time at once, then once per interval with their
	// count. 0 logs every request. Default: 5m.
	Interval *caddy.Duration `json:"interval,omitempty"`
}

// Defaults of the configuration.
const (
	defaultMaxAge     = caddy.Duration(60 * time.Second)
	defaultClockSkew  = caddy.Duration(15 * time.Second)
	nonceLife         = 120 * time.Second
	defaultMaxEntries = 1_000_000
	defaultMaxPerKey  = 1000
	defaultTokens     = 100_000
	defaultDeviceKeys = 100_000
	defaultInterval   = caddy.Duration(5 * time.Minute)
	minSecret         = 32
	storeMemory       = "memory"
	storeRedis        = "redis"
	defaultKeyPrefix  = "token_protection:"
	outageBlock       = "block"
	outageNonce       = "nonce"
	consistencyNormal = "normal"
	consistencyStrict = "strict"
	nonceAuto         = "auto"
	nonceRequired     = "required"
)

// Handler protects one resource. It admits a request whose access token is
// bound to a device key and which proves possession of that key, refuses what
// a policy in state `on` blocks, and records what report-only policies would
// have done.
type Handler struct {
	// The resource's name, as policies call it. Required. `exchange` and
	// `sharepoint` have Entra's display names and application ids as defaults.
	Resource string `json:"resource"`

	// The resource's name in the sign-in log. Default: the resource's name.
	DisplayName string `json:"display_name,omitempty"`

	// The resource's application id, for policies and the sign-in log.
	AppID string `json:"app_id,omitempty"`

	// The `aud` values of tokens for this resource. Default: `https://` and
	// the host that the client addressed, and the application id.
	Audience []string `json:"audience,omitempty"`

	// The proof schemes that the resource accepts: `dpop`, `mtls`, `pop` and
	// `dbsc`. Which of the first three a request owes is the issuer's choice,
	// in the token's `cnf`; `dbsc` is for browsers without a token. Default:
	// dpop, mtls and pop.
	Proofs []string `json:"proofs,omitempty"`

	// How client certificates are found and judged, for the scheme `mtls`.
	MTLS *MTLS `json:"mtls,omitempty"`

	// How signed HTTP requests are judged, for the scheme `pop`.
	PoP *PoP `json:"pop,omitempty"`

	// How a web application's sessions are bound to the browser's device, for
	// the scheme `dbsc`, which needs it.
	DBSC *DBSC `json:"dbsc,omitempty"`

	// Paths that need no token, such as `/healthz` or `/public/*`. They are
	// matched on the canonical path, case-sensitively; an ambiguous spelling
	// never matches.
	Exempt []string `json:"exempt,omitempty"`

	// The URL under which clients address this site, where the server cannot
	// tell by itself: behind another proxy that is not in `trusted_proxies`,
	// or one that strips a path prefix. Default: what the request says, with
	// forwarded headers from trusted proxies.
	PublicURL string `json:"public_url,omitempty"`

	// What to do with requests that carry no credential at all: `challenge`;
	// `allow`, which leaves them to a backend that authenticates by itself; or
	// `probe`, which asks the backend and lets nothing but its challenges
	// come back, beside our own: mail clients learn from them where to get a
	// token. Default: challenge once a policy in state `on` targets the
	// resource, until then allow.
	Anonymous string `json:"anonymous,omitempty"`

	// How the access token goes to the backend: `unchanged`; `bearer`, as
	// `Authorization: Bearer` without the proof; or `none`. Default: unchanged.
	Forward string `json:"forward,omitempty"`

	// The realm of challenges.
	Realm string `json:"realm,omitempty"`

	// Publishes the resource's metadata at
	// `/.well-known/oauth-protected-resource` (RFC 9728) and names that place
	// in challenges, so that clients find the issuers by themselves.
	Metadata bool `json:"metadata,omitempty"`

	// The origins of browser applications that may call this resource from
	// elsewhere: their preflights are answered, and they can read refusals.
	CORSOrigins []string `json:"cors_origins,omitempty"`

	guard
}

// MTLS says how client certificates are found and judged. Without it only the
// certificate of the TLS connection counts, which Caddy's `client_auth` asks
// for.
type MTLS struct {
	// The TLS terminators in front that forward the client's certificate in a
	// header. From everybody else such a header is not believed.
	Forwarded []Forwarded `json:"forwarded,omitempty"`

	// Lets a certificate that was issued to a device prove the device claim
	// of tokens that have no `cnf`.
	DeviceCertificate *DeviceCertificate `json:"device_certificate,omitempty"`
}

// Forwarded describes one TLS terminator in front.
type Forwarded struct {
	// How the certificate is written: `rfc9440`, `xfcc`, `base64_der`,
	// `url_pem` or `traefik`.
	Encoding string `json:"encoding"`

	// The header it is in. Default: that of the product which the encoding
	// comes from.
	Header string `json:"header,omitempty"`

	// The terminator's addresses, as IP addresses or CIDR ranges. Whoever can
	// connect from there is believed.
	From []string `json:"from"`

	// A header by which the terminator says that it verified the certificate,
	// and the value it then has, if it also forwards what it did not verify.
	RequireHeader string `json:"require_header,omitempty"`
	RequireValue  string `json:"require_value,omitempty"`
}

// DeviceCertificate says which certificates name devices.
type DeviceCertificate struct {
	// PEM files with the authorities that issue device certificates.
	CA []string `json:"ca"`

	// Where the device id stands: `subject_cn`, `san` or `entra_extension`.
	// Default: subject_cn.
	DeviceID string `json:"device_id,omitempty"`
}

// PoP says how signed HTTP requests are judged.
type PoP struct {
	// Compares as Microsoft's own library does: the method and the path
	// without regard to case, the path without slashes around it.
	MicrosoftCompatible bool `json:"microsoft_compatible,omitempty"`

	// What must be covered beyond method, host and path: `query` asks for a
	// covered query, `whole_query` refuses parameters beside the covered ones
	// too; `headers` and `body`. What is covered without being asked is
	// verified too.
	Demand []string `json:"demand,omitempty"`

	// When a signed request must carry a nonce from this server: `auto`, only
	// where spent ones may have been forgotten, or `required`. Default: auto.
	Nonce string `json:"nonce,omitempty"`
}

// Words of the handler's configuration.
const (
	anonymousChallenge = "challenge"
	anonymousAllow     = "allow"
	anonymousProbe     = "probe"
	forwardUnchanged   = "unchanged"
	forwardBearer      = "bearer"
	forwardNone        = "none"
)
