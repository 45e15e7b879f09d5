// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package reason is the closed set of words that say why a request did not
// prove possession of the key its token is bound to. The same word stands in
// the sign-in record, in the metrics and in the tests' names. Each word comes
// with one answer: the HTTP status, the OAuth error code and the session
// status code of Entra's sign-in log, so that the mapping from a failed check
// to what the client sees exists once.
package reason

// Reason names the check that failed first. The empty Reason means that
// nothing failed.
type Reason string

// None says that nothing failed: the request is bound.
const None Reason = ""

// Framing and method, before any credential is looked at.
const (
	// EarlyData: the request came in TLS early data, which can be replayed (RFC 8470, section 5.2).
	EarlyData Reason = "early_data"
	// MethodRefused: CONNECT and TRACE never reach a protected resource.
	MethodRefused Reason = "method_refused"
	// ConnectionHeader: Connection names a header that was judged, so that it would not reach the backend.
	ConnectionHeader Reason = "connection_header"
)

// Credential: exactly one is expected (RFC 6750, section 2; RFC 9449, section 7.1).
const (
	// CredentialMissing: no access token in the request.
	CredentialMissing Reason = "credential_missing"
	// CredentialMalformed: the Authorization value is not `scheme SP token68`.
	CredentialMalformed Reason = "credential_malformed"
	// CredentialForeign: the Authorization scheme carries no access token, for example Basic or Negotiate.
	CredentialForeign Reason = "credential_foreign"
	// CredentialsSeveral: more than one Authorization header, or a token in the query or in the form body.
	CredentialsSeveral Reason = "credentials_several"
)

// Access token (RFC 9068, section 4).
const (
	// TokenTooLarge: longer than the published limit.
	TokenTooLarge Reason = "token_too_large"
	// TokenMalformed: not a strict compact JWS with a JSON object in it.
	TokenMalformed Reason = "token_malformed"
	// TokenType: the typ header is not one that the issuer's access tokens carry.
	TokenType Reason = "token_type"
	// TokenIssuer: iss is not a configured issuer.
	TokenIssuer Reason = "token_issuer"
	// TokenAlgorithm: alg is not allowed for this issuer, or does not fit the key.
	TokenAlgorithm Reason = "token_algorithm"
	// TokenKeyUnknown: the issuer's key set has no such key.
	TokenKeyUnknown Reason = "token_key_unknown"
	// TokenSignature: the issuer's signature does not verify.
	TokenSignature Reason = "token_signature"
	// TokenClaims: a claim is missing or has the wrong type.
	TokenClaims Reason = "token_claims"
	// TokenExpired: exp has passed.
	TokenExpired Reason = "token_expired"
	// TokenNotYetValid: nbf or iat lies in the future.
	TokenNotYetValid Reason = "token_not_yet_valid"
	// TokenAudience: aud does not name this resource.
	TokenAudience Reason = "token_audience"
	// ConfirmationMalformed: cnf is present but names no key in a way that can be enforced (RFC 7800, section 3.1).
	ConfirmationMalformed Reason = "confirmation_malformed"
	// TokenInactive: the authorization server says that the token is not active (RFC 7662, section 2.2).
	TokenInactive Reason = "token_inactive"
	// IntrospectionUnavailable: the authorization server could not be asked about the token.
	IntrospectionUnavailable Reason = "introspection_unavailable"
	// KeySetUnavailable: the issuer's key set could not be had, so nothing can be said of the token.
	KeySetUnavailable Reason = "key_set_unavailable"
)

// Proof (RFC 9449, sections 4.3 and 7.1).
const (
	// TokenUnbound: the token has no confirmation.
	TokenUnbound Reason = "token_unbound"
	// SchemeMismatch: the token's confirmation asks for another scheme than the one it came under.
	SchemeMismatch Reason = "scheme_mismatch"
	// SchemeUnavailable: the confirmation asks for a proof that this resource does not accept.
	SchemeUnavailable Reason = "scheme_unavailable"
	// ProofMissing: the request has no proof.
	ProofMissing Reason = "proof_missing"
	// ProofsSeveral: the request has more than one proof.
	ProofsSeveral Reason = "proofs_several"
	// ProofTooLarge: the proof is longer than the published limit.
	ProofTooLarge Reason = "proof_too_large"
	// ProofMalformed: not a strict compact JWS with the claims of a proof.
	ProofMalformed Reason = "proof_malformed"
	// ProofType: typ is not the scheme's own.
	ProofType Reason = "proof_type"
	// ProofAlgorithm: alg is not accepted, or does not fit the key.
	ProofAlgorithm Reason = "proof_algorithm"
	// ProofKey: the key in the proof is missing or does not pass key hygiene.
	ProofKey Reason = "proof_key"
	// KeyMismatch: the proof's key is not the confirmed one.
	KeyMismatch Reason = "key_mismatch"
	// ProofMethod: htm is not the request's method.
	ProofMethod Reason = "proof_method"
	// ProofURL: htu is not the URL that the client addressed.
	ProofURL Reason = "proof_url"
	// ProofTokenHash: ath is not the hash of the token in this request.
	ProofTokenHash Reason = "proof_token_hash"
	// ProofTime: iat, exp or nbf lies outside the accepted window.
	ProofTime Reason = "proof_time"
	// NonceMissing: a server nonce is required and the proof has none.
	NonceMissing Reason = "nonce_missing"
	// NonceStale: the proof's nonce is unknown, too old, or older than what was forgotten.
	NonceStale Reason = "nonce_stale"
	// ProofSignature: the device key's signature does not verify.
	ProofSignature Reason = "proof_signature"
	// ProofReplayed: a request with this proof was forwarded before.
	ProofReplayed Reason = "proof_replayed"
	// ReplayQuota: this key has spent its share of the replay set.
	ReplayQuota Reason = "replay_quota"
	// ReplayUnavailable: the replay set that nodes share does not answer, so that nobody knows whether the proof is spent.
	ReplayUnavailable Reason = "replay_unavailable"
	// ProofQuery: a signed HTTP request owes q and has none, or does not cover the query as it came.
	ProofQuery Reason = "proof_query"
	// ProofHeaders: a signed HTTP request owes h and has none, or does not cover the headers as they came.
	ProofHeaders Reason = "proof_headers"
	// ProofBody: a signed HTTP request owes b and has none, or it is not the hash of the body.
	ProofBody Reason = "proof_body"
	// BodyTooLarge: a signed HTTP request covers a body that is longer than what is held back to be verified.
	BodyTooLarge Reason = "body_too_large"
	// BodiesHeld: so many bodies of signed HTTP requests are held back that there is no room for this one.
	BodiesHeld Reason = "bodies_held"
	// CertificateMissing: the request came without a client certificate.
	CertificateMissing Reason = "certificate_missing"
	// CertificateMalformed: a trusted terminator forwarded something that is not one certificate.
	CertificateMalformed Reason = "certificate_malformed"
	// CertificateUntrusted: not a valid device certificate of a configured authority.
	CertificateUntrusted Reason = "certificate_untrusted"
	// SessionGrace: a session signed in a moment ago, and its browser may yet register a key. It passes, and the record says so.
	SessionGrace Reason = "session_grace"
	// SessionUnproven: the application's session cookie came without a bound cookie.
	SessionUnproven Reason = "session_unproven"
	// SessionExpired: the bound cookie is too old, and the browser did not renew it.
	SessionExpired Reason = "session_expired"
	// SessionMismatched: the bound cookie belongs to another session.
	SessionMismatched Reason = "session_mismatched"
	// SessionEnded: the session was signed out of.
	SessionEnded Reason = "session_ended"
	// SessionAmbiguous: a session cookie comes twice, or a backend may read one where we do not.
	SessionAmbiguous Reason = "session_ambiguous"
	// HardwareKey: a policy asks for a hardware-backed key and this one is not known to be.
	HardwareKey Reason = "hardware_key"
)

// Device: what the directory and the requirements say of the device behind a proof.
const (
	// DeviceUnknown: the token names no device that the directory has, or none at all.
	DeviceUnknown Reason = "device_unknown"
	// DeviceDisabled: the directory has disabled the device.
	DeviceDisabled Reason = "device_disabled"
	// DeviceUnsupported: its kind, or the way it was registered, does not do token protection.
	DeviceUnsupported Reason = "device_unsupported"
	// KeyNotRegistered: the key that was proved is none of the device's own.
	KeyNotRegistered Reason = "key_not_registered"
	// DeviceOwner: the device, or the key that was proved, is registered to another user.
	DeviceOwner Reason = "device_owner"
	// SystemVersion: the device's operating system is older than what is required.
	SystemVersion Reason = "system_version"
	// ClientVersion: the client is older than what is required.
	ClientVersion Reason = "client_version"
	// ClientUnsupported: the client is one that does not do token protection.
	ClientUnsupported Reason = "client_unsupported"
	// DeviceRevoked: an administrator revoked the device on this server.
	DeviceRevoked Reason = "device_revoked"
	// KeyRevoked: an administrator revoked the key on this server.
	KeyRevoked Reason = "key_revoked"
	// DeviceWithdrawn: the directory no longer vouches for a device that a stream is open for. It ends streams only.
	DeviceWithdrawn Reason = "device_withdrawn"
	// DirectoryUnavailable: the device directory could not be asked, so nothing can be said of the device.
	DirectoryUnavailable Reason = "directory_unavailable"
)

// Internal: an unexpected failure of our own. It never allows.
const Internal Reason = "internal"
