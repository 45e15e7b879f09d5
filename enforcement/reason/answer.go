// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package reason

import "net/http"

// Session status codes of Entra's sign-in log (tokenProtectionStatusDetails.signInSessionStatusCode).
const (
	// CodeBound: the request proved possession of the key that its token is bound to.
	CodeBound = 0
	// CodeNoBinding (1002): there is nothing to prove: no token, or a token without a confirmation.
	CodeNoBinding = 1002
	// CodeDevice (1003): the device's registration does not do, or the key is not its own.
	CodeDevice = 1003
	// CodeNotHardware (1004): the key is not known to be hardware-backed.
	CodeNotHardware = 1004
	// CodeOther (1005): any other reason.
	CodeOther = 1005
	// CodeVersion (1006): the version of the operating system or of the client is not supported.
	CodeVersion = 1006
	// CodeOwner (1007): the device is registered to another user.
	CodeOwner = 1007
	// CodeNoProof (1008): a bound token came without the proof it owes, or the client is not one that can prove.
	CodeNoProof = 1008
)

// OAuth error codes (RFC 6750, section 3.1; RFC 9449, sections 7.1 and 9).
const (
	InvalidRequest   = "invalid_request"
	InvalidToken     = "invalid_token"
	InvalidDPoPProof = "invalid_dpop_proof"
	UseDPoPNonce     = "use_dpop_nonce"
	AccessDenied     = "access_denied"
)

// Answer is what one reason looks like from outside.
type Answer struct {
	// Status is the HTTP status of the refusal.
	Status int
	// Error is the OAuth error code of the challenge, empty where the answer carries none.
	Error string
	// Code is the session status code in the sign-in record.
	Code int
	// Detail is one sentence for a person. It says what failed, never what
	// was expected, and is the same for every reason of one class, so that
	// it tells a thief nothing (RFC 9449 leaves the text open).
	Detail string
}

const (
	detailCredential = "The request must carry exactly one access token, in the Authorization header."
	detailToken      = "The access token is not valid for this resource."
	detailProof      = "The proof of possession is not valid for this request."
	detailBinding    = "The access token is not usable without proof of possession of the key it is bound to."
	detailSession    = "The session is not usable without proof of possession of the key it is bound to. Sign in again."
	detailUnbound    = "This resource requires an access token that is bound to the device."
	detailNonce      = "The proof must carry a nonce from this server."
	detailDevice     = "This resource requires a device that is registered and in good standing."
	detailRevoked    = "The access token is no longer usable on this device."
	detailVersion    = "This resource requires a newer version of the operating system or of the application."
	detailOwner      = "The device is not registered to the user of the access token."
	detailBusy       = "The request cannot be verified at the moment."
)

var (
	malformed   = Answer{http.StatusBadRequest, InvalidRequest, CodeOther, detailCredential}
	badToken    = Answer{http.StatusUnauthorized, InvalidToken, CodeOther, detailToken}
	badProof    = Answer{http.StatusUnauthorized, InvalidDPoPProof, CodeOther, detailProof}
	noProof     = Answer{http.StatusUnauthorized, InvalidToken, CodeNoProof, detailBinding}
	needsNonce  = Answer{http.StatusUnauthorized, UseDPoPNonce, CodeOther, detailNonce}
	unavailable = Answer{http.StatusServiceUnavailable, "", CodeOther, detailBusy}
	// unprovenSession has no challenge: a browser can do nothing with one.
	unprovenSession = Answer{http.StatusUnauthorized, "", CodeNoProof, detailSession}
	badDevice       = Answer{http.StatusForbidden, AccessDenied, CodeDevice, detailDevice}
	// revoked is an answer about the token, for what it is bound to is no more (RFC 6750, section 3.1).
	revoked    = Answer{http.StatusUnauthorized, InvalidToken, CodeDevice, detailRevoked}
	oldVersion = Answer{http.StatusForbidden, AccessDenied, CodeVersion, detailVersion}
	missing    = Answer{http.StatusUnauthorized, "", CodeNoBinding, detailUnbound}
)

var answers = map[Reason]Answer{
	EarlyData:        {http.StatusTooEarly, "", CodeOther, "The request must not be sent in TLS early data."},
	MethodRefused:    {http.StatusMethodNotAllowed, "", CodeOther, "The method is not allowed at this resource."},
	ConnectionHeader: malformed,

	CredentialMissing:   missing,
	CredentialForeign:   missing,
	CredentialMalformed: malformed,
	CredentialsSeveral:  malformed,

	TokenTooLarge:         badToken,
	TokenMalformed:        badToken,
	TokenType:             badToken,
	TokenIssuer:           badToken,
	TokenAlgorithm:        badToken,
	TokenKeyUnknown:       badToken,
	TokenSignature:        badToken,
	TokenClaims:           badToken,
	TokenExpired:          badToken,
	TokenNotYetValid:      badToken,
	TokenAudience:         badToken,
	ConfirmationMalformed: badToken,
	TokenInactive:         badToken,

	IntrospectionUnavailable: unavailable,
	KeySetUnavailable:        unavailable,
	ReplayUnavailable:        unavailable,

	TokenUnbound:      {http.StatusUnauthorized, InvalidToken, CodeNoBinding, detailUnbound},
	SchemeMismatch:    noProof,
	SchemeUnavailable: noProof,
	KeyMismatch:       {http.StatusUnauthorized, InvalidToken, CodeOther, detailBinding},

	ProofMissing:   noProof,
	ProofsSeveral:  {http.StatusBadRequest, InvalidRequest, CodeOther, detailProof},
	ProofTooLarge:  badProof,
	ProofMalformed: badProof,
	ProofType:      badProof,
	ProofAlgorithm: badProof,
	ProofKey:       badProof,
	ProofMethod:    badProof,
	ProofURL:       badProof,
	ProofTokenHash: badProof,
	ProofTime:      badProof,
	ProofSignature: badProof,
	ProofReplayed:  badProof,
	NonceMissing:   needsNonce,
	NonceStale:     needsNonce,

	ProofQuery:   badProof,
	ProofHeaders: badProof,
	ProofBody:    badProof,
	BodiesHeld:   unavailable,
	BodyTooLarge: {http.StatusRequestEntityTooLarge, "", CodeOther, detailProof},

	SessionGrace:      unprovenSession,
	SessionUnproven:   unprovenSession,
	SessionExpired:    unprovenSession,
	SessionMismatched: unprovenSession,
	SessionEnded:      unprovenSession,
	SessionAmbiguous:  malformed,

	CertificateMissing:   noProof,
	CertificateMalformed: malformed,
	CertificateUntrusted: {http.StatusUnauthorized, InvalidToken, CodeOther, detailBinding},

	ReplayQuota: {http.StatusTooManyRequests, "", CodeOther, "Too many requests from this device."},
	HardwareKey: {http.StatusForbidden, AccessDenied, CodeNotHardware, "This resource requires a hardware-backed device key."},

	DeviceUnknown:     badDevice,
	DeviceDisabled:    badDevice,
	DeviceUnsupported: badDevice,
	KeyNotRegistered:  badDevice,
	DeviceOwner:       {http.StatusForbidden, AccessDenied, CodeOwner, detailOwner},
	SystemVersion:     oldVersion,
	ClientVersion:     oldVersion,
	ClientUnsupported: {http.StatusForbidden, AccessDenied, CodeNoProof, "This application cannot be used with this resource."},
	DeviceRevoked:     revoked,
	KeyRevoked:        revoked,
	DeviceWithdrawn:   badDevice,

	DirectoryUnavailable: unavailable,

	Internal: {http.StatusInternalServerError, "", CodeOther, detailBusy},
}

// Answer returns what the reason looks like from outside. For [None] it is
// the zero Answer with [CodeBound]; a word outside the set answers like
// [Internal], so that a forgotten entry blocks.
func (r Reason) Answer() Answer {
	if r == None {
		return Answer{Code: CodeBound}
	}
	if answer, ok := answers[r]; ok {
		return answer
	}
	return answers[Internal]
}

// Curable reports whether one retry of a well-behaved client would have
// cured the failure, so that under report-only it is not one.
func (r Reason) Curable() bool { return r == NonceMissing || r == NonceStale }

// Known reports whether the reason is one of All. What a log from elsewhere
// says is not.
func (r Reason) Known() bool { _, ok := answers[r]; return ok }

// All returns every reason, in no particular order, for documentation and tests.
func All() []Reason {
	all := make([]Reason, 0, len(answers))
	for r := range answers {
		all = append(all, r)
	}
	return all
}
