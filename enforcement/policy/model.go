// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package policy is Conditional Access at the resource: it says, for one request, what every configured policy makes
// of it.
//
// A Policy is Microsoft Graph's conditionalAccessPolicy, so that a policy exported from Entra loads as it is; what of
// it this module cannot honour is refused by name and never ignored, because an ignored condition widens a policy or
// empties it. Compile checks all policies at once, reports every mistake, and turns them into an immutable Set.
// Set.Evaluate then takes the facts of one request (Context) and returns one Outcome a policy, in the configured
// order. It makes no difference between report-only and on while it evaluates: a policy's state only decides how
// the same verdict is named and whether it counts (Outcome.Enforced). Set.Lint says what is legal and yet unwise.
//
// The semantics are Conditional Access's: the assignments of a policy are ANDed, an exclusion beats every inclusion,
// a condition that is not configured matches everything. Doubt never lets a request out of a policy's scope: an
// unknown platform, an unknown client app and an unknown group membership count as included and as not excluded.
package policy

// Policy is one Conditional Access policy that requires token protection, in the shape of Microsoft Graph's
// conditionalAccessPolicy. Its zero value is not valid: see Compile for what is checked.
//
// A policy applies to a request when all of its configured conditions match. It is then satisfied if the request
// proved possession of the key that its token is bound to.
type Policy struct {
	// ID names the policy in logs and metrics, and seeds the rollout share: changing it draws another share of users.
	// Default: the slug of DisplayName.
	ID string `json:"id,omitempty"`
	// DisplayName is the policy's name, unique among the configured policies. Required.
	DisplayName string `json:"displayName"`
	// State says whether the policy is off (`disabled`), recorded only (`enabledForReportingButNotEnforced`) or
	// enforced (`enabled`). Default: `enabledForReportingButNotEnforced`.
	State State `json:"state,omitempty"`
	// Conditions say which requests the policy applies to. Users and applications are required.
	Conditions ConditionSet `json:"conditions"`
	// SessionControls must enable secureSignInSession, Graph's name for token protection: it is the only control that
	// this module enforces.
	SessionControls SessionControls `json:"sessionControls"`
	// TokenProtection holds what this module adds to Graph's policy.
	TokenProtection TokenProtection `json:"tokenProtection,omitzero"`
}

// State is a policy's state, in Graph's spelling.
type State string

const (
	// On enforces the policy: a request that fails it is blocked.
	On State = "enabled"
	// Off takes the policy out of service: its result is always notEnabled.
	Off State = "disabled"
	// ReportOnly evaluates and records the policy and changes nothing.
	ReportOnly State = "enabledForReportingButNotEnforced"
)

// ConditionSet is Graph's conditionalAccessConditionSet: conditions that must all match. One that is left out matches
// everything.
type ConditionSet struct {
	// Users says whose requests the policy applies to. Required.
	Users Users `json:"users"`
	// Applications says which resources the policy protects. Required.
	Applications Applications `json:"applications"`
	// Platforms restricts the policy to device platforms. A request from an unknown platform is in scope.
	Platforms Platforms `json:"platforms,omitzero"`
	// ClientAppTypes restricts the policy to kinds of client: `all`, `browser`, `mobileAppsAndDesktopClients`,
	// `exchangeActiveSync`, `easSupported` (read as `exchangeActiveSync`), `other`. A client of unknown kind is in
	// scope. The kind comes from the user agent, which the client chooses: it is a compatibility gate, not security.
	ClientAppTypes []ClientApp `json:"clientAppTypes,omitempty"`
	// Locations restricts the policy to networks. A request from an unknown address is in scope.
	Locations Locations `json:"locations,omitzero"`
	// Devices restricts the policy to devices. A request from a device that the directory could not be asked about is in
	// scope.
	Devices Devices `json:"devices,omitzero"`
}

// Users is Graph's conditionalAccessUsers. The include lists are ORed, and so are the exclude lists; an exclusion beats
// every inclusion. Every value is compared byte for byte: names are never folded, trimmed or normalised, because a
// look-alike of an excluded account must not be excluded too.
type Users struct {
	// IncludeUsers lists user ids (immutable: preferred) or exact user names, or `All`, `None` (alone, nobody) or
	// `GuestsOrExternalUsers`.
	IncludeUsers []string `json:"includeUsers,omitempty"`
	// ExcludeUsers lists user ids (immutable: preferred) or exact user names, or `GuestsOrExternalUsers`.
	ExcludeUsers []string `json:"excludeUsers,omitempty"`
	// IncludeGroups lists groups as the token's groups claim names them. A user whose list is cut off counts as a member.
	IncludeGroups []string `json:"includeGroups,omitempty"`
	// ExcludeGroups lists groups as the token's groups claim names them. A user whose list is cut off is excluded only
	// by a group that the list still shows.
	ExcludeGroups []string `json:"excludeGroups,omitempty"`
	// IncludeRoles lists roles as the token's roles claim names them (Entra: role template ids).
	IncludeRoles []string `json:"includeRoles,omitempty"`
	// ExcludeRoles lists roles as the token's roles claim names them (Entra: role template ids).
	ExcludeRoles []string `json:"excludeRoles,omitempty"`
	// IncludeGuestsOrExternalUsers includes guests, of whatever kind it names.
	IncludeGuestsOrExternalUsers *GuestsOrExternalUsers `json:"includeGuestsOrExternalUsers,omitempty"`
	// ExcludeGuestsOrExternalUsers excludes guests, of whatever kind it names.
	ExcludeGuestsOrExternalUsers *GuestsOrExternalUsers `json:"excludeGuestsOrExternalUsers,omitempty"`
}

// GuestsOrExternalUsers is Graph's conditionalAccessGuestsOrExternalUsers. An access token says only that its user is a
// guest, not of which kind: any kind named here stands for all guests.
type GuestsOrExternalUsers struct {
	// GuestOrExternalUserTypes is Graph's comma-separated list: `internalGuest`, `b2bCollaborationGuest`,
	// `b2bCollaborationMember`, `b2bDirectConnectUser`, `otherExternalUser`, `serviceProvider`; or `none` (nobody).
	GuestOrExternalUserTypes string `json:"guestOrExternalUserTypes,omitempty"`
}

// Applications is Graph's conditionalAccessApplications: which resources the policy protects. An exclusion beats every
// inclusion.
type Applications struct {
	// IncludeApplications lists names of resources of this configuration, application ids, `All`, `Office365` (the
	// resources `exchange` and `sharepoint`, and any with the application id of one) or `None` (alone, nothing).
	IncludeApplications []string `json:"includeApplications,omitempty"`
	// ExcludeApplications lists names of resources of this configuration, application ids, or `Office365`.
	ExcludeApplications []string `json:"excludeApplications,omitempty"`
}

// Platforms is Graph's conditionalAccessPlatforms. An exclusion beats every inclusion; a request from an unknown
// platform is included and not excluded.
type Platforms struct {
	// IncludePlatforms lists `all`, `windows`, `macOS`, `linux`, `iOS`, `android`, or `windowsPhone`, which no device
	// has any more and which never matches.
	IncludePlatforms []Platform `json:"includePlatforms,omitempty"`
	// ExcludePlatforms lists the same names, except `all`. It needs IncludePlatforms.
	ExcludePlatforms []Platform `json:"excludePlatforms,omitempty"`
}

// Locations is Graph's conditionalAccessLocations. An exclusion beats every inclusion.
type Locations struct {
	// IncludeLocations lists names or ids of named locations, `All` (every network), or `AllTrusted` (every named location
	// that is trusted).
	IncludeLocations []string `json:"includeLocations,omitempty"`
	// ExcludeLocations lists names or ids of named locations, or `AllTrusted`. It needs IncludeLocations.
	ExcludeLocations []string `json:"excludeLocations,omitempty"`
}

// Devices is Graph's conditionalAccessDevices.
type Devices struct {
	// DeviceFilter says which devices; nil says all.
	DeviceFilter *DeviceFilter `json:"deviceFilter,omitempty"`
}

// DeviceFilter is Graph's conditionalAccessFilter over devices.
type DeviceFilter struct {
	// Mode says whether the policy applies to the devices that match the rule (`include`) or to all others (`exclude`).
	// Required.
	Mode FilterMode `json:"mode"`
	// Rule is in Entra's rule language, such as `device.systemLabels -contains "CloudPC"`: see package filter. To a device that
	// is not registered, only negative operators apply. Required.
	Rule string `json:"rule"`
}

// FilterMode is Graph's filterMode.
type FilterMode string

// The modes of a filter.
const (
	IncludeDevices FilterMode = "include"
	ExcludeDevices FilterMode = "exclude"
)

// SessionControls is Graph's conditionalAccessSessionControls, of which this module knows one.
type SessionControls struct {
	// SecureSignInSession is token protection. Required.
	SecureSignInSession SecureSignInSession `json:"secureSignInSession,omitzero"`
}

// SecureSignInSession is Graph's secureSignInSessionControl.
type SecureSignInSession struct {
	// IsEnabled must be true: a policy without token protection has nothing to do here.
	IsEnabled bool `json:"isEnabled"`
}

// TokenProtection is this module's extension of Graph's policy.
type TokenProtection struct {
	// RolloutPercent is the share of users, 0 to 100, for whom a policy in state `enabled` is enforced; for the others
	// it is report-only. Who belongs to the share follows from the policy's id and the user's id: it is the same on
	// every node and after every reload, and raising the share never takes anybody out. Default: 100.
	RolloutPercent *int `json:"rolloutPercent,omitempty"`
	// RequireHardwareKey asks that the key which the request proved is known to be hardware-backed.
	RequireHardwareKey bool `json:"requireHardwareKey,omitempty"`
	// ExclusionExpiry says which exclusions end by themselves, and when. Those that it does not name do not.
	ExclusionExpiry []ExclusionExpiry `json:"exclusionExpiry,omitempty"`
}

// ExclusionExpiry is the end of one exclusion: exactly one of User, Group and Role is given, and the policy excludes it.
type ExclusionExpiry struct {
	// User, Group or Role is the entry of excludeUsers, excludeGroups or excludeRoles that ends.
	User  string `json:"user,omitempty"`
	Group string `json:"group,omitempty"`
	Role  string `json:"role,omitempty"`
	// Until is the last day of the exclusion, such as `2026-12-31` (in UTC, to its end), or the instant at which it ends
	// (RFC 3339), such as `2026-12-31T18:00:00+01:00`. Required.
	Until string `json:"until"`
}
