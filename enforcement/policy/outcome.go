// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

// Outcome is what one policy makes of one request. It is small, because a request carries one for every policy there is.
type Outcome struct {
	// Policy says whose outcome this is. It is shared by all outcomes of that policy and never changes.
	Policy *Identity
	// Result is the verdict, in the words of Entra's sign-in log. It is a report-only one where the policy is report-only
	// for this user, be it by state or by rollout share.
	Result Result
	// Satisfied and NotSatisfied are the policy's configured conditions that matched the request, and those that did not.
	// The policy applies if NotSatisfied is empty. Both are empty for a policy that is off.
	Satisfied    Conditions
	NotSatisfied Conditions
	// Indeterminate says that the policy applies because the user's groups are not known in full: they might not include,
	// or might exclude, the user.
	Indeterminate bool
	// Enforced says that this outcome counts for the decision: the policy is on and the user inside its rollout share. The
	// request is blocked if some enforced outcome is a Failure.
	Enforced bool
	// HardwareKeyMissing says that the policy failed only because the proved key is not known to be hardware-backed.
	HardwareKeyMissing bool
}

// Identity is what logs and metrics call a policy.
type Identity struct {
	// ID and Name are the policy's id and display name.
	ID   string
	Name string
	// State is the policy's configured state.
	State State
}

// Blocks says whether this outcome alone blocks the request.
func (o *Outcome) Blocks() bool { return o.Enforced && o.Result == Failure }

// Result is the verdict of one policy. String gives its name in Graph's appliedConditionalAccessPolicyResult.
type Result uint8

const (
	// Success: the policy applies and the request is bound as it asks.
	Success Result = iota + 1
	// Failure: the policy applies and the request is not bound as it asks.
	Failure
	// NotApplied: some condition of the policy does not match.
	NotApplied
	// NotEnabled: the policy is off.
	NotEnabled
	// ReportOnlySuccess, ReportOnlyFailure and ReportOnlyNotApplied are the same verdicts where they are only recorded.
	ReportOnlySuccess
	ReportOnlyFailure
	ReportOnlyNotApplied
)

// Results is how many results there are, and the largest of them.
const Results = int(ReportOnlyNotApplied)

var resultNames = [...]string{
	Success:              "success",
	Failure:              "failure",
	NotApplied:           "notApplied",
	NotEnabled:           "notEnabled",
	ReportOnlySuccess:    "reportOnlySuccess",
	ReportOnlyFailure:    "reportOnlyFailure",
	ReportOnlyNotApplied: "reportOnlyNotApplied",
}

// String returns the result's name in Entra's sign-in log, and "" for what is no result.
func (r Result) String() string {
	if int(r) < len(resultNames) {
		return resultNames[r]
	}
	return ""
}

// SessionControl is the name that sign-in records have for the control that these policies enforce.
const SessionControl = "SignInTokenProtection"

// Conditions is a set of conditions: Graph's conditionalAccessConditions, with its bits.
type Conditions uint16

// The conditions that this module knows.
const (
	ConditionApplication    Conditions = 1
	ConditionUsers          Conditions = 2
	ConditionDevicePlatform Conditions = 4
	ConditionLocation       Conditions = 8
	ConditionClientType     Conditions = 16
	// ConditionDeviceState is the condition on devices: Graph has no other name for the device filter.
	ConditionDeviceState Conditions = 256
)

// conditionNames are Graph's names, in the order of their bits.
var conditionNames = [...]struct {
	condition Conditions
	name      string
}{
	{ConditionApplication, "application"},
	{ConditionUsers, "users"},
	{ConditionDevicePlatform, "devicePlatform"},
	{ConditionLocation, "location"},
	{ConditionClientType, "clientType"},
	{ConditionDeviceState, "deviceState"},
}

// conditionStrings holds String's answers, so that a record costs no allocation for them.
var conditionStrings = func() (all [ConditionDeviceState << 1]string) {
	for set := range all {
		s := ""
		for _, c := range conditionNames {
			if Conditions(set)&c.condition == 0 {
				continue
			}
			if s != "" {
				s += ","
			}
			s += c.name
		}
		if s == "" {
			s = "none"
		}
		all[set] = s
	}
	return all
}()

// String returns Graph's names of the conditions, comma-separated without spaces, always in the order application, users,
// devicePlatform, location, clientType, deviceState; "none" if there are none.
func (c Conditions) String() string {
	return conditionStrings[c&(ConditionDeviceState<<1-1)]
}
