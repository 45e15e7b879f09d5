// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func mustReadWhatIf(t testing.TB, text string) WhatIfRequest {
	t.Helper()
	r, err := ReadWhatIfRequest(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return r
}

// told writes a response down: the decision, and for each policy whether it applies, why, with what result, and what is missing.
func told(r WhatIfResponse) string {
	lines := []string{r.Decision}
	for _, v := range r.Value {
		line := fmt.Sprintf("%s: applies %t, %s, %s", v.DisplayName, v.PolicyApplies, v.AnalysisReasons, v.Result)
		if v.MissingInformation != nil {
			line += ", missing " + strings.Join(v.MissingInformation, " ")
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// The request of Microsoft's first example, about a set of policies of every kind.
func TestWhatIfAnswersAsGraphDoes(t *testing.T) {
	s := mustCompile(t,
		plain(named("All"), applicationsOf(Applications{IncludeApplications: []string{"Office365"}})),
		plain(named("Reported"), state(ReportOnly), applicationsOf(Applications{IncludeApplications: []string{"sharepoint"}})),
		plain(named("Off"), state(Off)),
		plain(named("Others"), users(Users{IncludeUsers: []string{"id-bob"}}), applicationsOf(Applications{IncludeApplications: []string{"intranet"}}), clientApps(OtherClients)),
		plain(named("Here"), applicationsOf(Applications{IncludeApplications: []string{"All"}}), locations([]string{"Office"}, nil), platforms([]Platform{Windows}, nil),
			deviceFilter("exclude", `device.isCompliant -eq "True"`)),
	)
	const request = `{
		"signInIdentity": {"@odata.type": "#microsoft.graph.userSignIn", "userId": "15dc174b-f34c-4588-ac45-61d6e05dce93"},
		"signInContext": {"@odata.type": "#microsoft.graph.applicationContext", "includeApplications": ["00000003-0000-0FF1-CE00-000000000000"]},
		"signInConditions": {
			"devicePlatform": "android",
			"clientAppType": "browser",
			"signInRiskLevel": "high",
			"userRiskLevel": "high",
			"country": "US",
			"ipAddress": "40.77.182.32",
			"insiderRiskLevel": "elevated",
			"authenticationFlow": {"transferMethod": "deviceCodeFlow"},
			"deviceInfo": {"isCompliant": true}
		},
		"appliedPoliciesOnly": %t
	}`
	for applied, want := range map[bool]string{
		true: "block\nAll: applies true, notSet, failure\nReported: applies true, notSet, reportOnlyFailure",
		false: "block\nAll: applies true, notSet, failure\nReported: applies true, notSet, reportOnlyFailure\n" +
			"Off: applies false, policyNotEnabled, notEnabled\n" +
			"Others: applies false, users,application,clientApps, notApplied\n" +
			"Here: applies false, devicePlatform,devices,location, notApplied",
	} {
		response, err := s.WhatIf(mustReadWhatIf(t, fmt.Sprintf(request, applied)), midsummer)
		if err != nil {
			t.Fatal(err)
		}
		if got := told(response); got != want {
			t.Errorf("applied only %t\ngot\n%s\nwant\n%s", applied, got, want)
		}
	}
}

func TestWhatIf(t *testing.T) {
	group := plain(named("P"), users(Users{IncludeGroups: []string{"pilot"}, ExcludeGroups: []string{"break-glass"}}))
	role := plain(named("P"), users(Users{IncludeRoles: []string{"admin"}, ExcludeUsers: []string{"id-bob"}}))
	noRole := plain(named("P"), users(Users{IncludeUsers: []string{"All"}, ExcludeRoles: []string{"admin"}}))
	noGuests := plain(named("P"), users(Users{IncludeUsers: []string{"All"}, ExcludeUsers: []string{"GuestsOrExternalUsers"}}))
	ending := plain(named("P"), users(Users{IncludeUsers: []string{"All"}, ExcludeUsers: []string{"id-ann"}}), ends(ExclusionExpiry{User: "id-ann", Until: "2026-06-24"}))
	const ann, exchange = `"signInIdentity": {"userId": "id-ann", "groups": [], "roles": []}`, `"signInContext": {"includeApplications": ["exchange"]}`
	tests := []struct {
		name    string
		policy  Policy
		request string
		want    string
	}{
		{"unbound", plain(), ann, "block: true, notSet, failure"},
		{"bound", plain(), ann + `, "tokenProtection": {"confirmed": true, "bound": true}`, "allow: true, notSet, success"},
		{"bound by a soft key", plain(hardware), ann + `, "tokenProtection": {"confirmed": true, "bound": true}`, "block: true, notSet, failure"},
		{"bound by a hardware key", plain(hardware), ann + `, "tokenProtection": {"confirmed": true, "bound": true, "hardwareKey": true}`, "allow: true, notSet, success"},
		{"report-only", plain(state(ReportOnly)), ann, "allow: true, notSet, reportOnlyFailure"},
		{"on for nobody", plain(share(0)), ann, "allow: true, notSet, reportOnlyFailure"},
		{"off", plain(state(Off)), ann, "allow: false, policyNotEnabled, notEnabled"},
		{"another platform, unbound", plain(platforms([]Platform{Windows}, nil)), ann + `, "signInConditions": {"devicePlatform": "linux"}`, "allow: false, devicePlatform, notApplied"},
		{"another platform, and a key without its proof", plain(platforms([]Platform{Windows}, nil)),
			ann + `, "signInConditions": {"devicePlatform": "linux"}, "tokenProtection": {"confirmed": true}`, "block: false, devicePlatform, notApplied"},
		{"no platform", plain(platforms([]Platform{Windows}, nil)), ann, "block: true, notEnoughInformation, failure, signInConditions.devicePlatform"},
		{"a platform that says nothing", plain(platforms([]Platform{Windows}, nil)), ann + `, "signInConditions": {"devicePlatform": "all"}`, "block: true, notEnoughInformation, failure, signInConditions.devicePlatform"},
		{"no platform where none matters", plain(platforms([]Platform{AllPlatforms}, nil)), ann, "block: true, notSet, failure"},
		{"no client app", plain(clientApps(Browser)), ann, "block: true, notEnoughInformation, failure, signInConditions.clientAppType"},
		{"no client app where none matters", plain(clientApps(AllClientApps)), ann, "block: true, notSet, failure"},
		{"no address", plain(locations([]string{"All"}, []string{"AllTrusted"})), ann, "block: true, notEnoughInformation, failure, signInConditions.ipAddress"},
		{"no address where none matters", plain(locations([]string{"All"}, nil)), ann, "block: true, notSet, failure"},
		{"an address", plain(locations([]string{"All"}, []string{"AllTrusted"})), ann + `, "signInConditions": {"ipAddress": "::ffff:192.0.2.1"}`, "allow: false, location, notApplied"},
		{"no device", plain(deviceFilter("include", `trustType -eq "AzureAD"`)), ann, "block: true, notEnoughInformation, failure, signInConditions.deviceInfo"},
		{"a device that is not registered", plain(deviceFilter("include", `trustType -eq "AzureAD"`)), ann + `, "signInConditions": {"deviceInfo": {}}`, "allow: false, devices, notApplied"},
		{"a device", plain(deviceFilter("include", `extensionAttribute15 -eq "SAW" and deviceOwnership -eq "Company"`)),
			ann + `, "signInConditions": {"deviceInfo": {"extensionAttribute15": "SAW", "ownership": "Company"}}`, "block: true, notSet, failure"},
		{"nothing at all", plain(clientApps(Browser), platforms([]Platform{Linux}, nil)), ann, "block: true, notEnoughInformation, failure, signInConditions.devicePlatform signInConditions.clientAppType"},
		{"what is unknown does not matter where what is known decides", plain(clientApps(Browser), platforms([]Platform{Linux}, nil)),
			ann + `, "signInConditions": {"clientAppType": "other"}`, "allow: false, clientApps, notApplied"},
		{"in a group", group, `"signInIdentity": {"userId": "id-ann", "groups": ["pilot"]}`, "block: true, notSet, failure"},
		{"in no group", group, ann, "allow: false, users, notApplied"},
		{"in unknown groups", group, `"signInIdentity": {"userId": "id-ann"}`, "block: true, notEnoughInformation, failure, signInIdentity.groups"},
		{"groups that do not matter", plain(), `"signInIdentity": {"userId": "id-ann"}`, "block: true, notSet, failure"},
		{"in a role", role, `"signInIdentity": {"userId": "id-ann", "groups": [], "roles": ["admin"]}`, "block: true, notSet, failure"},
		{"in no role", role, ann, "allow: false, users, notApplied"},
		{"in unknown roles", role, `"signInIdentity": {"userId": "id-ann", "groups": []}`, "allow: false, notEnoughInformation,users, notApplied, signInIdentity.roles"},
		{"in unknown roles, and excluded anyway", role, `"signInIdentity": {"userId": "id-bob", "groups": []}`, "allow: false, users, notApplied"},
		{"excluded by role", noRole, `"signInIdentity": {"userId": "id-ann", "roles": ["admin"]}`, "allow: false, users, notApplied"},
		{"perhaps excluded by role", noRole, `"signInIdentity": {"userId": "id-ann"}`, "block: true, notEnoughInformation, failure, signInIdentity.roles"},
		{"by name", plain(users(Users{IncludeUsers: []string{"ann@contoso.example"}})), `"signInIdentity": {"userPrincipalName": "ann@contoso.example", "groups": []}`, "block: true, notSet, failure"},
		{"a guest", noGuests, `"signInIdentity": {"userId": "id-ann", "externalUserType": "b2bCollaborationGuest", "externalTenantId": "t"}`, "allow: false, users, notApplied"},
		{"a member", noGuests, `"signInIdentity": {"userId": "id-ann", "externalUserType": "none"}`, "block: true, notSet, failure"},
		{"excluded until tonight", ending, ann, "allow: false, users, notApplied"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := mustReadWhatIf(t, "{"+test.request+", "+exchange+"}")
			response, err := mustCompile(t, test.policy).WhatIf(r, midsummer)
			if err != nil {
				t.Fatal(err)
			}
			v := response.Value[0]
			got := fmt.Sprintf("%s: %t, %s, %s", response.Decision, v.PolicyApplies, v.AnalysisReasons, v.Result)
			if v.MissingInformation != nil {
				got += ", " + strings.Join(v.MissingInformation, " ")
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestWhatIfKnowsApplicationsByIDAndByName(t *testing.T) {
	s := mustCompile(t, plain(applicationsOf(Applications{IncludeApplications: []string{"intranet", "99999999-9999-9999-9999-99999999999a"}})))
	for application, want := range map[string]bool{
		"intranet": true, "11111111-1111-1111-1111-111111111111": true, "99999999-9999-9999-9999-99999999999A": true, "exchange": false, "wiki": false,
	} {
		r := WhatIfRequest{SignInIdentity: SignInIdentity{UserID: "id-ann"}, SignInContext: SignInContext{IncludeApplications: []string{application}}}
		response, err := s.WhatIf(r, midsummer)
		if err != nil {
			t.Fatal(err)
		}
		if got := response.Value[0].PolicyApplies; got != want {
			t.Errorf("%s: got %t, want %t", application, got, want)
		}
	}
}

func TestWhatIfRefusesWhatItWouldMisread(t *testing.T) {
	const identity, context = `"signInIdentity": {"userId": "a"}`, `"signInContext": {"includeApplications": ["b"]}`
	for text, want := range map[string]string{
		`{`:                  `line 1, column 1: unexpected end of JSON input`,
		"{\n\"a\": 1,}":      `line 2, column 8: invalid character '}' looking for beginning of object key string`,
		"\"\xff\"":           `the request is not valid UTF-8`,
		`[]`:                 `(request): must be an object`,
		`{}`:                 "signInIdentity: must have a userId or a userPrincipalName\nsignInContext.includeApplications: must hold one application id or name of a resource",
		`{` + identity + `}`: `signInContext.includeApplications: must hold one application id or name of a resource`,
		`{"signInIdentity": {"@odata.type": "#microsoft.graph.servicePrincipalSignIn", "userId": "a"}, ` + context + `}`:     `signInIdentity.@odata.type: "#microsoft.graph.servicePrincipalSignIn" is not supported, only #microsoft.graph.userSignIn`,
		`{` + identity + `, "signInContext": {"@odata.type": "#microsoft.graph.authContext", "includeApplications": ["b"]}}`: `signInContext.@odata.type: "#microsoft.graph.authContext" is not supported, only #microsoft.graph.applicationContext`,
		`{` + identity + `, "signInContext": {"authenticationContextValue": "c37"}}`:                                         `signInContext.authenticationContextValue: unknown member; it might change what the request means`,
		`{` + identity + `, "signInContext": {"includeApplications": ["b", "c"]}}`:                                           `signInContext.includeApplications: must hold one application id or name of a resource`,
		`{` + identity + `, ` + context + `, "signInConditions": {"ipAddress": "192.0.2.0/24"}}`:                             `signInConditions.ipAddress: "192.0.2.0/24" is not an address`,
		`{` + identity + `, ` + context + `, "signInConditions": {"devicePlatform": "Windows"}}`:                             `signInConditions.devicePlatform: "Windows" is unknown; allowed: all, windows, macOS, linux, iOS, android, windowsPhone`,
		`{` + identity + `, ` + context + `, "signInConditions": {"clientAppType": "mobile"}}`:                               `signInConditions.clientAppType: "mobile" is unknown; allowed: all, browser, mobileAppsAndDesktopClients, exchangeActiveSync, easSupported, other`,
		`{` + identity + `, ` + context + `, "signInConditions": {"deviceInfo": {"deviceOwnership": "Company"}}}`:            `signInConditions.deviceInfo.deviceOwnership: unknown member; it might change what the request means`,
		`{` + identity + `, ` + context + `, "signInConditions": {"deviceInfo": {"extensionAttribute1": 1}}}`:                `signInConditions.deviceInfo.extensionAttribute1: must be a string`,
		`{` + identity + `, ` + context + `, "signInConditions": {"deviceInfo": {"isCompliant": "yes"}}}`:                    `signInConditions.deviceInfo.isCompliant: must be true or false, not string`,
		`{` + identity + `, ` + context + `, "appliedPoliciesOnly": "yes"}`:                                                  `appliedPoliciesOnly: must be true or false, not string`,
		`{` + identity + `, ` + context + `, "AppliedPoliciesOnly": true}`:                                                   `AppliedPoliciesOnly: must be written "appliedPoliciesOnly"`,
		`{` + identity + `, ` + identity + `, ` + context + `}`:                                                              `signInIdentity: is given twice`,
		`{"signInIdentity": {"userId": "a", "externalUserType": "tourist"}, ` + context + `}`: `signInIdentity.externalUserType: "tourist" is unknown; allowed: none, internalGuest, b2bCollaborationGuest, b2bCollaborationMember, ` +
			`b2bDirectConnectUser, otherExternalUser, serviceProvider`,
		`{"a": "` + strings.Repeat("x", MaxWhatIfSize) + `"}`: `the request is larger than 65536 bytes`,
	} {
		if _, err := ReadWhatIfRequest(strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%.200s\ngot  %v\nwant %s", text, err, want)
		}
	}
	if _, err := mustCompile(t, plain()).WhatIf(WhatIfRequest{}, midsummer); err == nil {
		t.Error("a request without anything is answered")
	}
}

// A device by itself is read as the request that has it.
func TestADeviceIsReadAsStrictlyAsARequest(t *testing.T) {
	for text, want := range map[string]string{
		`{"deviceId": "d", "isCompliant": true}`: "",
		`{}`:                                     "",
		`{"deviceOwnership": "Company"}`:         `signInConditions.deviceInfo.deviceOwnership: unknown member; it might change what the device means`,
		`{"isCompliant": "yes"}`:                 `signInConditions.deviceInfo.isCompliant: must be true or false, not string`,
		`{"extensionAttribute1": 1}`:             `signInConditions.deviceInfo.extensionAttribute1: must be a string`,
		`[]`:                                     `signInConditions.deviceInfo: must be an object`,
		`{`:                                      `line 1, column 1: unexpected end of JSON input`,
		"\"\xff\"":                               `the device is not valid UTF-8`,
		`"` + strings.Repeat("x", MaxWhatIfSize) + `"`: `the device is larger than 65536 bytes`,
	} {
		info, err := ReadDeviceInfo(strings.NewReader(text))
		if got := fmt.Sprint(err); want != "" && got != want || want == "" && (err != nil || info == nil) {
			t.Errorf("%.200s\ngot  %v\nwant %s", text, err, want)
		}
	}
	info, err := ReadDeviceInfo(strings.NewReader(`{"deviceId": "d", "isCompliant": true}`))
	if err != nil || info.ID != "d" || info.IsCompliant == nil || !*info.IsCompliant {
		t.Errorf("%+v, %v", info, err)
	}
}

// A client of this module can write requests and read answers with the same types.
func TestWhatIfTypesReadWhatTheyWrite(t *testing.T) {
	request := mustReadWhatIf(t, `{
		"signInIdentity": {"@odata.type": "#microsoft.graph.userSignIn", "userId": "id-ann", "userPrincipalName": "ann@contoso.example", "groups": [], "roles": ["reader"]},
		"signInContext": {"includeApplications": ["exchange"]},
		"signInConditions": {"devicePlatform": "windows", "clientAppType": "browser", "ipAddress": "192.0.2.1", "deviceInfo": {
			"deviceId": "d", "displayName": "n", "enrollmentProfileName": "e", "isCompliant": false, "manufacturer": "m", "mdmAppId": "a", "model": "o",
			"operatingSystem": "Windows", "operatingSystemVersion": "10.0", "ownership": "Company", "physicalIds": ["p"], "profileType": "IoT",
			"systemLabels": ["l"], "trustType": "AzureAD", "extensionAttribute1": "1", "extensionAttribute15": "15"}},
		"appliedPoliciesOnly": true,
		"tokenProtection": {"confirmed": true, "bound": true, "hardwareKey": true}
	}`)
	written, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	if again := mustReadWhatIf(t, string(written)); !reflect.DeepEqual(again, request) {
		t.Errorf("%s\nreads as %+v, want %+v", written, again, request)
	}
	response, err := mustCompile(t, plain(share(50), locations([]string{"All"}, []string{"Office"}))).WhatIf(request, midsummer)
	if err != nil {
		t.Fatal(err)
	}
	if written, err = json.Marshal(response); err != nil {
		t.Fatal(err)
	}
	var again WhatIfResponse
	response.Value = []WhatIfResult{} // appliedPoliciesOnly
	if err := json.Unmarshal(written, &again); err != nil || !reflect.DeepEqual(again, response) {
		t.Errorf("%s\nreads as %+v, %v", written, again, err)
	}
}

// What is accepted has an answer, and keeps its meaning when it is written and read again.
func FuzzWhatIf(f *testing.F) {
	f.Add([]byte(`{"signInIdentity":{"userId":"id-ann","groups":["pilot"]},"signInContext":{"includeApplications":["exchange"]},"signInConditions":{"deviceInfo":{"trustType":"AzureAD"}}}`))
	f.Add([]byte(`{"signInIdentity":{"userId":"a"},"signInContext":{"includeApplications":["b"]},"signInConditions":{"deviceInfo":{"systemLabels":[null],"extensionAttribute1":null},"ipAddress":"fe80::1%eth0"}}`))
	s := benchmarkSet(f, 3)
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ReadWhatIfRequest(strings.NewReader(string(text)))
		if err != nil {
			return
		}
		response, err := s.WhatIf(r, midsummer)
		if err != nil {
			t.Fatalf("accepted, and not answered: %v", err)
		}
		written, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.WhatIf(mustReadWhatIf(t, string(written)), midsummer)
		if err != nil || !reflect.DeepEqual(response, again) {
			t.Fatalf("%s\nis answered %+v\nand again %+v, %v", text, response, again, err)
		}
	})
}
