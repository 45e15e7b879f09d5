// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

// shape says what may stand in an object of Graph's conditionalAccessPolicy, v1.0 and beta.
type shape map[string]rule

// rule says what becomes of one member.
type rule struct {
	kind    kind
	members shape  // of an object
	value   string // of only
}

type kind int

const (
	// kept: read into Policy.
	kept kind = iota
	// ignored: it says nothing about which requests the policy applies to or what it asks.
	ignored
	// unsupported: it would change the policy's meaning; null or empty, or refused.
	unsupported
	// control: another session control; null, empty, disabled, or refused.
	control
	// only: refused unless null, empty or this one value.
	only
	// object: look inside.
	object
	// objects: a list; look inside of each.
	objects
)

var policyShape = shape{
	"id":               {kind: kept},
	"displayName":      {kind: kept},
	"state":            {kind: kept},
	"createdDateTime":  {kind: ignored},
	"modifiedDateTime": {kind: ignored},
	"description":      {kind: ignored},
	"templateId":       {kind: ignored},
	// A deleted policy is not one in another state; exports of the recycle bin are not policies to load.
	"deletedDateTime":           {kind: unsupported},
	"partialEnablementStrategy": {kind: unsupported},
	"conditions": {kind: object, members: shape{
		"users":          {kind: object, members: usersShape},
		"applications":   {kind: object, members: applicationsShape},
		"clientAppTypes": {kind: kept},
		"platforms": {kind: object, members: shape{
			"includePlatforms": {kind: kept},
			"excludePlatforms": {kind: kept},
		}},
		"locations": {kind: object, members: shape{
			"includeLocations": {kind: kept},
			"excludeLocations": {kind: kept},
		}},
		"devices": {kind: object, members: shape{
			"deviceFilter": {kind: object, members: shape{
				"mode": {kind: kept},
				"rule": {kind: kept},
			}},
			"includeDevices":      {kind: unsupported},
			"excludeDevices":      {kind: unsupported},
			"includeDeviceStates": {kind: unsupported},
			"excludeDeviceStates": {kind: unsupported},
		}},
		"deviceStates":               {kind: unsupported},
		"userRiskLevels":             {kind: unsupported},
		"signInRiskLevels":           {kind: unsupported},
		"servicePrincipalRiskLevels": {kind: unsupported},
		"agentIdRiskLevels":          {kind: unsupported},
		"insiderRiskLevels":          {kind: unsupported},
		"clientApplications":         {kind: unsupported},
		"clients":                    {kind: unsupported},
		"authenticationFlows":        {kind: unsupported},
		"times":                      {kind: unsupported},
	}},
	// Grant controls would ask for more than the policy's owner sees enforced here. An operator alone asks for nothing.
	"grantControls": {kind: object, members: shape{
		"operator":                    {kind: ignored},
		"builtInControls":             {kind: unsupported},
		"customAuthenticationFactors": {kind: unsupported},
		"termsOfUse":                  {kind: unsupported},
		"authenticationStrength":      {kind: unsupported},
	}},
	"sessionControls": {kind: object, members: shape{
		"secureSignInSession": {kind: object, members: shape{
			"isEnabled": {kind: kept},
		}},
		// Entra's behaviour in an outage of Entra: this module fails closed whatever it says.
		"disableResilienceDefaults":          {kind: ignored},
		"applicationEnforcedRestrictions":    {kind: control},
		"cloudAppSecurity":                   {kind: control},
		"continuousAccessEvaluation":         {kind: control},
		"globalSecureAccessFilteringProfile": {kind: control},
		"networkAccessSecurity":              {kind: control},
		"persistentBrowser":                  {kind: control},
		"signInFrequency":                    {kind: control},
	}},
	"tokenProtection": {kind: object, members: shape{
		"rolloutPercent":     {kind: kept},
		"requireHardwareKey": {kind: kept},
		"exclusionExpiry": {kind: objects, members: shape{
			"user":  {kind: kept},
			"group": {kind: kept},
			"role":  {kind: kept},
			"until": {kind: kept},
		}},
	}},
}

var usersShape = shape{
	"includeUsers":                 {kind: kept},
	"excludeUsers":                 {kind: kept},
	"includeGroups":                {kind: kept},
	"excludeGroups":                {kind: kept},
	"includeRoles":                 {kind: kept},
	"excludeRoles":                 {kind: kept},
	"includeGuestsOrExternalUsers": {kind: object, members: guestsShape},
	"excludeGuestsOrExternalUsers": {kind: object, members: guestsShape},
}

var guestsShape = shape{
	"guestOrExternalUserTypes": {kind: kept},
	// Guests of some tenants only: a token's guest flag does not say which tenant is home.
	"externalTenants": {kind: object, members: shape{
		"membershipKind": {kind: only, value: "all"},
		"members":        {kind: unsupported},
	}},
}

var applicationsShape = shape{
	"includeApplications":                         {kind: kept},
	"excludeApplications":                         {kind: kept},
	"includeUserActions":                          {kind: unsupported},
	"includeAuthenticationContextClassReferences": {kind: unsupported},
	"applicationFilter":                           {kind: unsupported},
	"networkAccess":                               {kind: unsupported},
	"globalSecureAccess":                          {kind: unsupported},
}
