// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func yes() *bool { return new(true) }

func no() *bool { return new(false) }

// parse reads devices that must be good.
func parse(t testing.TB, document string) []*Device {
	t.Helper()
	devices, err := ParseList([]byte(document), MaxDevices)
	if err != nil {
		t.Fatal(err)
	}
	return devices
}

func TestAnExportOfGraphIsReadVerbatim(t *testing.T) {
	document, err := os.ReadFile("testdata/graph_devices.json")
	if err != nil {
		t.Fatal(err)
	}
	got := parse(t, string(document))
	want := []*Device{{
		ID: "4c299165-6e8f-4b45-a5ba-c5d250a707ff", DisplayName: "LAPTOP-7",
		OperatingSystem: "Windows", OperatingSystemVersion: "10.0.22631.4037", TrustType: "AzureAd", ProfileType: "RegisteredDevice",
		IsCompliant: yes(), IsManaged: yes(), AccountEnabled: yes(), DeviceOwnership: "Company", EnrollmentType: "AzureDomainJoined",
		Manufacturer: "Contoso", Model: "Book 3", MDMAppID: "0000000a-0000-0000-c000-000000000000",
		PhysicalIDs:         []string{"[USER-GID]:7a8f9b", "[GID]:g:6825"},
		ExtensionAttributes: map[string]string{"extensionAttribute1": "pilot"},
		RegisteredOwners:    []string{"87d349ed-44d7-43e1-9a83-5f2406dee5bd", "alice@contoso.example"},
		complete:            Certificates,
	}, {
		ID: "d2", OperatingSystem: "Windows", TrustType: "Workplace", AccountEnabled: no(),
		Keys: []Key{
			{Thumbprint: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", HardwareBacked: true},
			{Certificate: "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"},
		},
		complete: SigningKeys | Certificates,
	}}
	if !reflect.DeepEqual(got, want) {
		for i := range got {
			t.Errorf("got %+v", *got[i])
		}
	}
	if answered, err := ParseAnswer(document); err != nil || !reflect.DeepEqual(answered, want) {
		t.Errorf("as an answer: %v, %v", answered, err)
	}
}

func TestOneDeviceAnArrayAndAWrapperAreTheSame(t *testing.T) {
	want := parse(t, `{"deviceId":"d1","displayName":"one"}`)
	for _, document := range []string{
		`[{"deviceId":"d1","displayName":"one"}]`, "\n [ {\"deviceId\":\"{D1}\",\"displayName\":\"one\"} ] \n",
		`{"value":[{"deviceId":"D1","displayName":"one"}]}`, `{"@odata.context":"x","value":[{"deviceId":"D1","displayName":"one"}]}`,
	} {
		if got := parse(t, document); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", document, got[0])
		}
	}
	for _, document := range []string{`[]`, `{"value":[]}`} {
		if got := parse(t, document); len(got) != 0 {
			t.Errorf("%s: %v", document, got)
		}
	}
}

// An empty list says that there are no keys; none says nothing.
func TestNoKeysAndNoWordOfKeysAreTwoThings(t *testing.T) {
	for document, want := range map[string]KeyKinds{
		`{"deviceId":"d"}`: 0, `{"deviceId":"d","keys":null}`: 0, `{"deviceId":"d","keys":[]}`: SigningKeys | Certificates,
		`{"deviceId":"d","alternativeSecurityIds":[]}`: Certificates,
	} {
		if got := parse(t, document)[0]; got.complete != want || len(got.Keys) != 0 {
			t.Errorf("%s: %v, %v", document, got.complete, got.Keys)
		}
	}
}

func TestAKeyMayBeGivenAsAJWK(t *testing.T) {
	// RFC 7638, section 3.1, has an RSA key; this is that of RFC 9449, section 4.2.
	d := parse(t, `{"deviceId":"d","keys":[{"jwk":{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",`+
		`"y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}}]}`)[0]
	if len(d.Keys) != 1 || d.Keys[0].Thumbprint != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" {
		t.Errorf("keys are %+v", d.Keys)
	}
}

const goodThumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"

func TestWhatGraphDoesNotHaveIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ document, want string }{
		"nothing":                    {``, "object"},
		"a word":                     {`"d1"`, "object"},
		"a list of words":            {`["d1"]`, "expected an object"},
		"something after it":         {`[{"deviceId":"d"}] x`, "octet"},
		"a second member":            {`[{"deviceId":"d"}],"x":[1]`, "unknown member"},
		"two wrappers":               {`[{"deviceId":"d"}],"value":[]`, "duplicate"},
		"a broken wrapper":           {`{"value":[{"deviceId":"d"}],"next":1}`, "next"},
		"no id":                      {`[{"displayName":"x"}]`, "device 1: deviceId: missing"},
		"an empty id":                {`{"deviceId":""}`, "1 to 128"},
		"an id with a space":         {`{"deviceId":"a b"}`, "printable"},
		"a long id":                  {`{"deviceId":"` + strings.Repeat("x", MaxID+1) + `"}`, "1 to 128"},
		"another case":               {`{"deviceid":"d"}`, "not a member"},
		"a misspelling":              {`{"deviceId":"d","accountEnable":false}`, `"accountEnable": not a member`},
		"a member twice":             {`{"deviceId":"d","deviceId":"e"}`, "duplicate"},
		"a word for a flag":          {`{"deviceId":"d","accountEnabled":"false"}`, "accountEnabled"},
		"an id twice":                {`[{"deviceId":"d"},{"deviceId":"{D}"}]`, "device 2: deviceId \"d\" is that of device 1"},
		"an extension too many":      {`{"deviceId":"d","extensionAttributes":{"extensionAttribute16":"x"}}`, "extensionAttribute16"},
		"an owner without a name":    {`{"deviceId":"d","registeredOwners":[""]}`, "empty owner"},
		"a key without a name":       {`{"deviceId":"d","keys":[{"hardwareBacked":true}]}`, "without thumbprint"},
		"a key by SHA-1 alone":       {`{"deviceId":"d","keys":[{"x5t":"T8Qp8fPmVYqb9iHyzQUaAbxBedY"}]}`, "without thumbprint"},
		"an unknown member of a key": {`{"deviceId":"d","keys":[{"kid":"1"}]}`, "kid"},
		"a short thumbprint":         {`{"deviceId":"d","keys":[{"thumbprint":"AAAA"}]}`, "expected 32"},
		"a padded thumbprint":        {`{"deviceId":"d","keys":[{"thumbprint":"` + goodThumbprint + `="}]}`, "base64"},
		"stray bits in a thumbprint": {`{"deviceId":"d","keys":[{"thumbprint":"` + goodThumbprint[:42] + `J"}]}`, "base64"},
		"a private JWK":              {`{"deviceId":"d","keys":[{"jwk":{"kty":"EC","d":"x"}}]}`, "private"},
		"one key of two devices": {
			`[{"deviceId":"d","keys":[{"thumbprint":"` + goodThumbprint + `"}]},{"deviceId":"e","keys":[{"thumbprint":"` + goodThumbprint + `","hardwareBacked":true}]}]`,
			`device 2: its key ` + goodThumbprint + ` is registered for device "d" too`,
		},
		"too many keys":     {`{"deviceId":"d","keys":[` + strings.Repeat(`{"thumbprint":"`+goodThumbprint+`"},`, MaxKeys) + `{"thumbprint":"` + goodThumbprint + `"}]}`, "more than 64"},
		"too many owners":   {`{"deviceId":"d","registeredOwners":["a"` + strings.Repeat(`,"a"`, maxOwners) + `]}`, "more than 64"},
		"not UTF-8":         {"{\"deviceId\":\"\xff\"}", "UTF-8"},
		"an odd alternate":  {`{"deviceId":"d","alternativeSecurityIds":[{"type":2,"key":"WAA1"}]}`, "UTF-16"},
		"UTF-8 in base64":   {`{"deviceId":"d","alternativeSecurityIds":[{"type":2,"key":"WDUwOTo8"}]}`, ""},
		"lists within list": {`[[{"deviceId":"d"}]]`, "expected an object"},
	} {
		t.Run(name, func(t *testing.T) {
			devices, err := ParseList([]byte(c.document), MaxDevices)
			if c.want == "" { // not a certificate's: no error and no key
				if err != nil || len(devices[0].Keys) != 0 {
					t.Errorf("%v, %v", devices, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, expected it to hold %q", err, c.want)
			}
		})
	}
}

func TestMoreDevicesThanTheLimitAreRefused(t *testing.T) {
	document := `[{"deviceId":"a"},{"deviceId":"b"},{"deviceId":"c"}]`
	if _, err := ParseList([]byte(document), 3); err != nil {
		t.Error(err)
	}
	if _, err := ParseList([]byte(document), 2); err == nil || !strings.Contains(err.Error(), "more than 2 devices") {
		t.Error(err)
	}
}

// An API may grow; a file that somebody wrote may have a typo.
func TestAnAnswerMayHaveUnknownMembers(t *testing.T) {
	document := []byte(`{"deviceId":"d","somethingNew":{"a":1}}`)
	if devices, err := ParseAnswer(document); err != nil || len(devices) != 1 {
		t.Errorf("%v, %v", devices, err)
	}
	if _, err := ParseList(document, 1); err == nil {
		t.Error("accepted in a file")
	}
}

// What is accepted has an id in its one spelling, no id twice, no key of two devices, and is within the bounds.
func FuzzParseListAcceptsOnlyWhatIsBoundedAndUnambiguous(f *testing.F) {
	document, err := os.ReadFile("testdata/graph_devices.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(document)
	f.Add([]byte(`[{"deviceId":"{D1}","keys":[{"thumbprint":"` + goodThumbprint + `"}]}]`))
	f.Add([]byte(`{"deviceId":"d","alternativeSecurityIds":[{"type":2,"identityProvider":null,"key":"WAA1AA=="}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		devices, err := ParseList(document, 10)
		if err != nil {
			if len(devices) != 0 {
				t.Error("devices beside an error")
			}
			return
		}
		ids, keys := make(map[string]bool), make(map[string]string)
		for _, d := range devices {
			if d.ID == "" || d.ID != canonicalID(d.ID) || ids[d.ID] || len(d.Keys) > MaxKeys || len(d.RegisteredOwners) > 2*maxOwners {
				t.Errorf("accepted %+v", *d)
			}
			ids[d.ID] = true
			for _, name := range keyNames(d) {
				if other, taken := keys[name]; taken && other != d.ID {
					t.Errorf("key %s belongs to %s and %s", name, other, d.ID)
				}
				keys[name] = d.ID
			}
		}
		if len(devices) > 10 {
			t.Error("more than the limit")
		}
	})
}

func ExampleParseList() {
	devices, err := ParseList([]byte(`[{"deviceId": "D1", "displayName": "LAPTOP-7", "accountEnabled": true}]`), MaxDevices)
	fmt.Println(devices[0].ID, devices[0].DisplayName, *devices[0].AccountEnabled, err)
	// Output: d1 LAPTOP-7 true <nil>
}
