// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import "time"

// Logger is the name under which records are logged, and by which [Read] tells them from a log's other lines.
const Logger = "token_protection.sign_in"

// BlockedByTokenProtection is Entra's error code for a sign-in that a token protection policy blocked: Status.ErrorCode
// and, as text, ResultType.
const BlockedByTokenProtection = 530084

// Values of Record.Decision.
const (
	Allow = "allow"
	Block = "block"
)

// Values of TokenProtectionStatusDetails.SignInSessionStatus.
const (
	Bound   = "bound"
	Unbound = "unbound"
)

// Values of Record.ConditionalAccessStatus.
const (
	StatusSuccess    = "success"
	StatusFailure    = "failure"
	StatusNotApplied = "notApplied"
)

// Values of Record.UserType. A request without a verified user has none: the empty string.
const (
	Member = "Member"
	Guest  = "Guest"
)

// A Record is one line of the sign-in log. Its members are marshalled in this order and under these names, which are the
// columns of Microsoft's tables followed by our own; schema.json describes them.
type Record struct {
	TimeGenerated                string                       `json:"TimeGenerated"` // see Timestamp
	ID                           string                       `json:"Id"`            // unique to the record; see NewID
	CorrelationID                string                       `json:"CorrelationId"` // the one the refusal shows the client
	IsInteractive                bool                         `json:"IsInteractive"`
	UserPrincipalName            string                       `json:"UserPrincipalName"`
	UserID                       string                       `json:"UserId"`
	UserType                     string                       `json:"UserType"`
	AppID                        string                       `json:"AppId"`
	AppDisplayName               string                       `json:"AppDisplayName"`
	ResourceIdentity             string                       `json:"ResourceIdentity"`
	ResourceDisplayName          string                       `json:"ResourceDisplayName"`
	IPAddress                    string                       `json:"IPAddress"`
	UserAgent                    string                       `json:"UserAgent"`
	ClientAppUsed                string                       `json:"ClientAppUsed"`
	DeviceDetail                 DeviceDetail                 `json:"DeviceDetail"`
	Status                       Status                       `json:"Status"`
	ResultType                   string                       `json:"ResultType"` // "0" or "530084"
	ConditionalAccessStatus      string                       `json:"ConditionalAccessStatus"`
	ConditionalAccessPolicies    string                       `json:"ConditionalAccessPolicies"` // JSON; see Policies
	TokenProtectionStatusDetails TokenProtectionStatusDetails `json:"TokenProtectionStatusDetails"`
	UniqueTokenIdentifier        string                       `json:"UniqueTokenIdentifier"` // the token's uti or jti

	Decision            string `json:"Decision"`
	ProofScheme         string `json:"ProofScheme"`         // dpop, mtls, pop or dbsc; empty without a proof
	DeviceKeyThumbprint string `json:"DeviceKeyThumbprint"` // RFC 7638, SHA-256, base64url
	RequestCount        int    `json:"RequestCount"`        // the requests this record stands for, at least 1
}

// DeviceDetail says what is known of the device, under Entra's names. What is unknown is empty or false.
type DeviceDetail struct {
	DeviceID        string `json:"deviceId"`
	DisplayName     string `json:"displayName"`
	OperatingSystem string `json:"operatingSystem"`
	Browser         string `json:"browser"`
	TrustType       string `json:"trustType"`
	IsCompliant     bool   `json:"isCompliant"`
	IsManaged       bool   `json:"isManaged"`
}

// Status says how the sign-in ended: error code 0, or [BlockedByTokenProtection] with the reason.
type Status struct {
	ErrorCode         int    `json:"errorCode"`
	FailureReason     string `json:"failureReason"`
	AdditionalDetails string `json:"additionalDetails"`
}

// TokenProtectionStatusDetails says whether the request proved possession of the key its token is bound to, and if not,
// why: 0 for a bound request, else Entra's code from 1002 to 1008.
type TokenProtectionStatusDetails struct {
	SignInSessionStatus     string `json:"signInSessionStatus"`
	SignInSessionStatusCode int    `json:"signInSessionStatusCode"`
}

// Timestamp is t as the log writes it: RFC 3339, in UTC, with milliseconds.
func Timestamp(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
