// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"unicode/utf8"
)

// MaxWhatIfSize is the largest size of a what-if request, in bytes.
const MaxWhatIfSize = 64 << 10

// WhatIfRequest describes a sign-in that has not taken place, in the shape of Microsoft Graph's
// `identity/conditionalAccess/evaluate`, for Set.WhatIf. What is left out is unknown, which policies count as in their scope.
type WhatIfRequest struct {
	// SignInIdentity is who signs in. Required.
	SignInIdentity SignInIdentity `json:"signInIdentity"`
	// SignInContext is what the sign-in is for. Required.
	SignInContext SignInContext `json:"signInContext"`
	// SignInConditions is how and from where.
	SignInConditions SignInConditions `json:"signInConditions"`
	// AppliedPoliciesOnly leaves the policies that do not apply out of the answer.
	AppliedPoliciesOnly bool `json:"appliedPoliciesOnly,omitempty"`
	// TokenProtection is what this module adds: how the token is bound.
	TokenProtection WhatIfToken `json:"tokenProtection,omitzero"`
}

// SignInIdentity is Graph's userSignIn. UserPrincipalName, Groups and Roles are this module's: it has no directory to look
// them up in.
type SignInIdentity struct {
	// ODataType is empty or `#microsoft.graph.userSignIn`.
	ODataType string `json:"@odata.type,omitempty"`
	// UserID is the user's immutable id, UserPrincipalName the user's name. One of them is required.
	UserID            string `json:"userId,omitempty"`
	UserPrincipalName string `json:"userPrincipalName,omitempty"`
	// ExternalUserType makes the user a guest, if it is neither empty nor `none`.
	ExternalUserType string `json:"externalUserType,omitempty"`
	// Groups and Roles are as a token would list them. Nil means unknown, empty means none.
	Groups []string `json:"groups,omitzero"`
	Roles  []string `json:"roles,omitzero"`
}

// SignInContext is Graph's applicationContext.
type SignInContext struct {
	// ODataType is empty or `#microsoft.graph.applicationContext`.
	ODataType string `json:"@odata.type,omitempty"`
	// IncludeApplications holds one application id, or the name of one resource.
	IncludeApplications []string `json:"includeApplications"`
}

// SignInConditions is Graph's signInConditions. Risks, country and authentication flow are accepted and not looked at, because no
// policy that is enforced here asks for them.
type SignInConditions struct {
	// DevicePlatform and ClientAppType are as in policies; `all` means unknown.
	DevicePlatform Platform  `json:"devicePlatform,omitempty"`
	ClientAppType  ClientApp `json:"clientAppType,omitempty"`
	// IPAddress is the client's.
	IPAddress string `json:"ipAddress,omitempty"`
	// DeviceInfo describes the device; nil means unknown. One without any attribute is not registered.
	DeviceInfo *DeviceInfo `json:"deviceInfo,omitempty"`
}

// WhatIfToken says how the token is bound to a key.
type WhatIfToken struct {
	// Confirmed says that the token names a key.
	Confirmed bool `json:"confirmed,omitempty"`
	// Bound says that the request proves possession of that key.
	Bound bool `json:"bound,omitempty"`
	// HardwareKey says that the key is known to be hardware-backed.
	HardwareKey bool `json:"hardwareKey,omitempty"`
}

// WhatIfError is one mistake in a what-if request.
type WhatIfError struct {
	// Member is the JSON path of the member at fault, such as signInConditions.ipAddress.
	Member string
	// Problem says what was found and what is expected.
	Problem string
}

func (e *WhatIfError) Error() string { return e.Member + ": " + e.Problem }

var whatIfShape = shape{
	"signInIdentity": {kind: object, members: shape{
		"userId":            {kind: kept},
		"userPrincipalName": {kind: kept},
		"externalUserType":  {kind: kept},
		"externalTenantId":  {kind: ignored},
		"groups":            {kind: kept},
		"roles":             {kind: kept},
	}},
	"signInContext": {kind: object, members: shape{
		"includeApplications": {kind: kept},
	}},
	"signInConditions": {kind: object, members: shape{
		"devicePlatform":            {kind: kept},
		"clientAppType":             {kind: kept},
		"ipAddress":                 {kind: kept},
		"deviceInfo":                {kind: object, members: deviceInfoShape},
		"country":                   {kind: ignored},
		"signInRiskLevel":           {kind: ignored},
		"userRiskLevel":             {kind: ignored},
		"servicePrincipalRiskLevel": {kind: ignored},
		"insiderRiskLevel":          {kind: ignored},
		"agentIdRiskLevel":          {kind: ignored},
		"authenticationFlow":        {kind: ignored},
	}},
	"appliedPoliciesOnly": {kind: kept},
	"tokenProtection": {kind: object, members: shape{
		"confirmed":   {kind: kept},
		"bound":       {kind: kept},
		"hardwareKey": {kind: kept},
	}},
}

// ReadWhatIfRequest reads a request strictly: names in another case, given twice or unknown are refused. The error joins
// every mistake found, each a *WhatIfError or, where the text is no JSON, a *DocumentError.
func ReadWhatIfRequest(from io.Reader) (WhatIfRequest, error) {
	text, err := readStrictly(from, "request", "", whatIfShape)
	if err != nil {
		return WhatIfRequest{}, err
	}
	var request WhatIfRequest
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&request); err != nil {
		return WhatIfRequest{}, typeError("", err)
	}
	return request, request.Check()
}

// readStrictly returns a JSON text of at most MaxWhatIfSize bytes whose members are those of the shape; it is what a request
// has at the path. The error is that of ReadWhatIfRequest.
func readStrictly(from io.Reader, subject, path string, members shape) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(from, MaxWhatIfSize+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > MaxWhatIfSize:
		return nil, &DocumentError{Problem: fmt.Sprintf("the %s is larger than %d bytes", subject, MaxWhatIfSize)}
	case !utf8.Valid(text):
		return nil, &DocumentError{Problem: fmt.Sprintf("the %s is not valid UTF-8", subject)}
	}
	var value json.RawMessage
	if err := json.Unmarshal(text, &value); err != nil {
		return nil, syntaxError(text, err)
	}
	r := reader{subject: subject, fail: func(member, problem string) error { return &WhatIfError{member, problem} }}
	r.object(path, text, members)
	return text, errors.Join(r.problems...)
}

// typeError says which type a member takes, if the error is about that.
func typeError(path string, err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return &WhatIfError{path + wrong.Field, fmt.Sprintf("must be %s, not %s", describe(wrong.Type.Kind()), wrong.Value)}
	}
	return err
}

// Check says what is wrong with a request, as ReadWhatIfRequest does for one in JSON.
func (r *WhatIfRequest) Check() error {
	var problems []error
	problem := func(member, format string, args ...any) {
		problems = append(problems, &WhatIfError{member, fmt.Sprintf(format, args...)})
	}
	identity, context, conditions := &r.SignInIdentity, &r.SignInContext, &r.SignInConditions
	if identity.UserID == "" && identity.UserPrincipalName == "" {
		problem("signInIdentity", "must have a userId or a userPrincipalName")
	}
	isOfType(problem, "signInIdentity.@odata.type", identity.ODataType, "userSignIn")
	isOneOf(problem, "signInIdentity.externalUserType", identity.ExternalUserType, append([]string{"", "none"}, guestKinds...))
	if len(context.IncludeApplications) != 1 || context.IncludeApplications[0] == "" {
		problem("signInContext.includeApplications", "must hold one application id or name of a resource")
	}
	isOfType(problem, "signInContext.@odata.type", context.ODataType, "applicationContext")
	isOneOf(problem, "signInConditions.devicePlatform", conditions.DevicePlatform, append([]Platform{"", AllPlatforms}, platformNames...))
	isOneOf(problem, "signInConditions.clientAppType", conditions.ClientAppType, append([]ClientApp{""}, clientAppTypes...))
	if address := conditions.IPAddress; address != "" {
		if _, err := netip.ParseAddr(address); err != nil {
			problem("signInConditions.ipAddress", "%q is not an address", address)
		}
	}
	return errors.Join(problems...)
}

func isOfType(problem func(member, format string, args ...any), member, got, want string) {
	if got != "" && got != "#microsoft.graph."+want && got != "microsoft.graph."+want {
		problem(member, "%q is not supported, only #microsoft.graph.%s", got, want)
	}
}

func isOneOf[T ~string](problem func(member, format string, args ...any), member string, got T, allowed []T) {
	if !slices.Contains(allowed, got) {
		problem(member, "%q is unknown; allowed: %s", string(got), joinList(allowed[1:]))
	}
}
