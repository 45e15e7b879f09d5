// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
)

func mustParse(t testing.TB, text string) *Rule {
	t.Helper()
	rule, err := Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return rule
}

// laptop is a registered device that some attributes are known of.
func laptop() *device.Device {
	compliant := false
	return &device.Device{
		ID: "7c0ffee0-0000-4000-8000-00000000000a", DisplayName: "ANN-Laptop", OperatingSystem: "Windows", OperatingSystemVersion: "10.0.22631.4037",
		TrustType: "AzureAD", ProfileType: "RegisteredDevice", IsCompliant: &compliant, Manufacturer: "Größe & Söhne",
		SystemLabels: []string{"M365Managed", "CloudPC"}, PhysicalIDs: []string{"[ZTDId]:abc", "[OrderId]:7"},
		ExtensionAttributes: map[string]string{"extensionAttribute1": "SAW", "extensionAttribute15": `say "hi"`},
	}
}

// Every operator on every kind of attribute, with the registered device and with none. The negative of each operator is
// checked along: it is the complement.
func TestOperators(t *testing.T) {
	tests := []struct {
		attribute, operator, value string
		want                       bool
	}{
		{"operatingSystem", "-eq", `"windows"`, true},
		{"operatingSystem", "-eq", `"Window"`, false},
		{"operatingSystem", "-eq", `"Windows "`, false},
		{"operatingSystem", "-startsWith", `"WIN"`, true},
		{"operatingSystem", "-startsWith", `"ows"`, false},
		{"operatingSystem", "-endsWith", `"OWS"`, true},
		{"operatingSystem", "-endsWith", `"Win"`, false},
		{"operatingSystem", "-endsWith", `"My Windows"`, false},
		{"operatingSystem", "-contains", `"ndo"`, true},
		{"operatingSystem", "-contains", `"nod"`, false},
		{"operatingSystem", "-contains", `""`, true},
		{"operatingSystemVersion", "-in", `["10.0.19045", "10.0.22631.4037"]`, true},
		{"operatingSystemVersion", "-in", `["10.0.19045"]`, false},
		{"operatingSystemVersion", "-in", `["10.0.22631"]`, false},
		{"deviceId", "-eq", `"7C0FFEE0-0000-4000-8000-00000000000A"`, true},
		{"displayName", "-contains", `"-lap"`, true},
		{"manufacturer", "-startsWith", `"GRÖẞE"`, false}, // not one to one: ß and ẞ are other letters to .NET too
		{"manufacturer", "-endsWith", `"SÖHNE"`, true},
		{"profileType", "-eq", `"RegisteredDevice"`, true},
		{"trustType", "-in", `["ServerAD","azuread"]`, true},
		{"extensionAttribute1", "-eq", `"saw"`, true},
		{"extensionAttribute15", "-eq", "\"say `\"hi`\"\"", true},
		{"extensionAttribute15", "-contains", `'"hi"'`, true},

		// null: neither equal nor unequal to anything but null
		{"model", "-eq", `"x"`, false},
		{"model", "-eq", `""`, false},
		{"model", "-startsWith", `""`, false},
		{"model", "-contains", `""`, false},
		{"model", "-in", `["", "x"]`, false},
		{"extensionAttribute2", "-eq", `"SAW"`, false},
		{"deviceOwnership", "-eq", `"Company"`, false},
		{"mdmAppId", "-eq", `"null"`, false},
		{"mdmAppId", "-eq", `null`, true},
		{"trustType", "-eq", `$null`, false},

		{"isCompliant", "-eq", `"False"`, true},
		{"isCompliant", "-eq", `false`, true},
		{"isCompliant", "-eq", `True`, false},
		{"isCompliant", "-eq", `null`, false},

		// lists: contains means a whole value, every other operator some value
		{"systemLabels", "-contains", `"cloudpc"`, true},
		{"systemLabels", "-contains", `"Cloud"`, false},
		{"systemLabels", "-startsWith", `"Cloud"`, true},
		{"systemLabels", "-eq", `"M365Managed"`, true},
		{"systemLabels", "-in", `["AzureResource", "CloudPC"]`, true},
		{"systemLabels", "-endsWith", `"Cloud"`, false},
		{"systemLabels", "-eq", `null`, false},
		{"physicalIds", "-contains", `"[ZTDId]:ABC"`, true},
		{"devicePhysicalIds", "-contains", `"[ZTDId]:abc"`, true},
		{"physicalIds", "-contains", `"[ZTDId]"`, false},
	}
	negative := map[string]string{
		"-eq": "-ne", "-startsWith": "-notStartsWith", "-endsWith": "-notEndsWith", "-contains": "-notContains", "-in": "-notIn",
	}
	for _, test := range tests {
		t.Run(test.attribute+" "+test.operator+" "+test.value, func(t *testing.T) {
			positive := mustParse(t, test.attribute+" "+test.operator+" "+test.value)
			complement := mustParse(t, test.attribute+" "+negative[test.operator]+" "+test.value)
			if got := positive.Matches(laptop()); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
			if complement.Matches(laptop()) == test.want {
				t.Error("the negative operator is not the complement")
			}
			null := strings.HasSuffix(test.value, "null")
			if positive.Matches(nil) != null || complement.Matches(nil) == null {
				t.Error("for a device that is not registered, only negative operators match")
			}
		})
	}
}

func TestSpellings(t *testing.T) {
	for _, text := range []string{
		`device.trustType -eq "AzureAD"`,
		`trustType -eq "AzureAD"`,
		`device.trustType eq "AzureAD"`,
		`DEVICE.trusttype -EQ 'azuread'`,
		`(device.trustType -eq "AzureAD")`,
		` ( ( device.trustType -eq"AzureAD" ) ) `,
		"device.trustType\n\t-eq\r\n\"AzureAD\"",
		`-not(device.trustType -ne "AzureAD")`,
		`not not device.trustType in ["x","AzureAD"]`,
		`device.trustType-eq"AzureAD"`,
		`device.trustType -eq "ServerAD" or device.trustType eq "AzureAD"`,
		`device.displayName -contains 'nobody''s' -or device.displayName -startsWith 'Ann'`,
	} {
		if rule := mustParse(t, text); !rule.Matches(laptop()) || rule.Matches(nil) {
			t.Errorf("%s: registered %t, unregistered %t; want true, false", text, rule.Matches(laptop()), rule.Matches(nil))
		}
	}
}

func TestPrecedence(t *testing.T) {
	const yes, no = `model -eq null`, `model -ne null`
	for text, want := range map[string]bool{
		yes + ` -or ` + yes + ` -and ` + no:        true,
		`(` + yes + ` -or ` + yes + `) -and ` + no: false,
		no + ` -and ` + no + ` -or ` + yes:         true,
		no + ` -and (` + no + ` -or ` + yes + `)`:  false,
		`-not ` + no + ` -and ` + no:               false,
		`-not (` + no + ` -and ` + no + `)`:        true,
		`-not ` + yes + ` -or ` + yes:              true,
		`-not (` + yes + ` -or ` + yes + `)`:       false,
	} {
		if got := mustParse(t, text).Matches(laptop()); got != want {
			t.Errorf("%s: got %t, want %t", text, got, want)
		}
	}
}

// A look-alike from outside of ASCII is another letter, whichever side it stands on.
func TestCaseIsFoldedWithinASCIIAlone(t *testing.T) {
	d := laptop()
	for attribute, value := range map[string]string{"K": "\u212a", "S": "\u017f", "i": "\u0131", "I": "\u0130"} {
		d.Model = attribute
		if mustParse(t, `model -eq "`+value+`"`).Matches(d) {
			t.Errorf("%q equals %q", attribute, value)
		}
		d.Model = value
		if mustParse(t, `model -eq "`+attribute+`"`).Matches(d) {
			t.Errorf("%q equals %q", value, attribute)
		}
	}
	d.Model = "Ωmega"
	if !mustParse(t, `model -eq "ωMEGA"`).Matches(d) {
		t.Error("letters outside of ASCII have cases too")
	}
}

func TestSyntaxErrors(t *testing.T) {
	const attribute = `an attribute: one of deviceId, displayName, deviceOwnership, enrollmentProfileName, isCompliant, manufacturer, mdmAppId, model, ` +
		`operatingSystem, operatingSystemVersion, physicalIds, profileType, systemLabels, trustType, extensionAttribute1 to extensionAttribute15`
	const operator = `an operator: one of -eq, -ne, -startsWith, -notStartsWith, -endsWith, -notEndsWith, -contains, -notContains, -in, -notIn`
	tests := []struct{ text, want string }{
		{``, `character 1: found the end of the rule, expected an attribute such as device.trustType, -not or (`},
		{`  `, `character 3: found the end of the rule, expected an attribute such as device.trustType, -not or (`},
		{`"x" -eq device.model`, `character 1: found the string "x", expected an attribute such as device.trustType, -not or (`},
		{`device.color -eq "x"`, `character 1: found "device.color", expected ` + attribute},
		{`user.model -eq "x"`, `character 1: found "user.model", expected ` + attribute},
		{`device.extensionAttribute16 -eq "x"`, `character 1: found "device.extensionAttribute16", expected ` + attribute},
		{`device.model`, `character 13: found the end of the rule, expected ` + operator},
		{`device.model -match "x"`, `character 14: found "-match", expected ` + operator},
		{`device.model == "x"`, `character 14: found "=", expected a word, a string in quotes, or one of ( ) [ ] ,`},
		{`device.model –eq "x"`, `character 14: found "–", expected a word, a string in quotes, or one of ( ) [ ] ,`},
		{`device.model --eq "x"`, `character 14: found "--eq", expected ` + operator},
		{`device.model -eq x`, `character 18: found "x", expected a string in quotes or null`},
		{`device.model -eq true`, `character 18: found "true", expected a string in quotes or null`},
		{`device.model -startsWith null`, `character 26: found "null", expected a string in quotes`},
		{`device.model -eq ["x"]`, `character 18: found "[", expected a string in quotes or null`},
		{`device.model -in "x"`, `character 18: found the string "x", expected a list such as ["a", "b"]`},
		{`device.model -in []`, `character 19: found "]", expected a string in quotes`},
		{`device.model -in ["x" "y"]`, `character 23: found the string "y", expected , or ]`},
		{`device.model -in ["x",]`, `character 23: found "]", expected a string in quotes`},
		{`device.model -in ["x"`, `character 22: found the end of the rule, expected , or ]`},
		{`device.isCompliant -contains "True"`, `character 20: found "-contains", expected -eq or -ne: isCompliant is true or false`},
		{`device.isCompliant -eq "yes"`, `character 24: found the string "yes", expected "True", "False" or null`},
		{`device.model -eq "x`, `character 20: found the end of the rule, expected ", which ends the string that begins at character 18`},
		{"device.model -eq \"x`\"", `character 22: found the end of the rule, expected ", which ends the string that begins at character 18`},
		{"device.model -eq \"\xff\"", `character 19: found a byte that is not UTF-8, expected valid UTF-8`},
		{`(device.model -eq "x"`, `character 22: found the end of the rule, expected -and, -or or )`},
		{`device.model -eq "x")`, `character 21: found ")", expected -and, -or or the end of the rule`},
		{`device.model -eq "ä" device`, `character 22: found "device", expected -and, -or or the end of the rule`},
		{`device.model -eq "x" -and`, `character 26: found the end of the rule, expected an attribute such as device.trustType, -not or (`},
		{`device.model -eq "x" -or -and device.model -eq "y"`, `character 26: found "-and", expected ` + attribute},
		{`-not`, `character 5: found the end of the rule, expected an attribute such as device.trustType, -not or (`},
		{strings.Repeat("(", 65) + `model -eq "x"` + strings.Repeat(")", 65), `character 65: found "(", expected at most 64 parentheses and negations inside each other`},
		{`model -eq "` + strings.Repeat("ä", MaxLength) + `"`, `character 3073: found more characters, expected at most 3072`},
	}
	for _, test := range tests {
		_, err := Parse(test.text)
		if wrong := new(SyntaxError); !errors.As(err, &wrong) || err.Error() != test.want {
			t.Errorf("%s\ngot  %v\nwant %s", test.text, err, test.want)
		}
	}
}

func TestTheLongestAndTheDeepestRule(t *testing.T) {
	const start, finish = `model -ne "`, `"`
	mustParse(t, start+strings.Repeat("ä", MaxLength-len(start)-len(finish))+finish)
	mustParse(t, strings.Repeat("(", 32)+strings.Repeat("-not ", 31)+`model -eq "x"`+strings.Repeat(")", 32))
}

func TestOnlyChangeable(t *testing.T) {
	for text, want := range map[string]bool{
		`device.displayName -startsWith "x"`:                         true,
		`device.model -eq "x" -and -not device.manufacturer -eq "y"`: true,
		`device.model -eq "x" -and device.trustType -eq "AzureAD"`:   false,
		`device.systemLabels -contains "CloudPC"`:                    false,
	} {
		if got := mustParse(t, text).OnlyChangeable(); got != want {
			t.Errorf("%s: got %t, want %t", text, got, want)
		}
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	rule := mustParse(t, `(systemLabels -contains "x" -or displayName -contains "top" -and extensionAttribute1 -in ["a", "saw"]) -and isCompliant -ne "True"`)
	d := laptop()
	if got := testing.AllocsPerRun(100, func() { rule.Matches(d); rule.Matches(nil) }); got != 0 {
		t.Errorf("got %g allocations", got)
	}
}

func BenchmarkMatches(b *testing.B) {
	rule, d := mustParse(b, `device.systemLabels -contains "AzureResource" -and device.trustType -eq "AzureAD"`), laptop()
	b.ReportAllocs()
	for b.Loop() {
		rule.Matches(d)
	}
}
