// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"crypto/sha256"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

func signedBy(name string) Evidence {
	thumbprint := jose.Thumbprint(sha256.Sum256([]byte(name)))
	return Evidence{Thumbprint: &thumbprint}
}

func keyOf(name string, hardware bool) Key {
	return Key{Thumbprint: signedBy(name).Thumbprint.String(), HardwareBacked: hardware}
}

// A device of Alice's with one key in hardware.
func laptop(change func(*Device)) *Device {
	d := &Device{
		ID: "d1", TrustType: "AzureAD", AccountEnabled: yes(), RegisteredOwners: []string{"oid-alice", "alice@contoso.example"},
		Keys: []Key{keyOf("a", true)},
	}
	if change != nil {
		change(d)
	}
	return d
}

var alice = User{ID: "oid-alice", Name: "alice@contoso.example"}

// Contract, "Answers": each situation, its reason, and through the reason its code.
func TestEachFailureHasItsReason(t *testing.T) {
	other := &Device{ID: "d2", RegisteredOwners: []string{"oid-bob"}, Keys: []Key{keyOf("b", true)}}
	second := &Device{ID: "d3", RegisteredOwners: []string{"oid-alice"}, Keys: []Key{keyOf("b", true)}}
	for name, c := range map[string]struct {
		state  State
		device *Device
		holder *Device
		user   User
		proved Evidence
		demand Demand
		want   reason.Reason
		code   int
	}{
		"in good standing":                {Found, laptop(nil), nil, alice, signedBy("a"), Demand{}, reason.None, 0},
		"unknown":                         {NotFound, nil, nil, alice, signedBy("a"), Demand{}, reason.DeviceUnknown, 1003},
		"unknown, best effort":            {NotFound, nil, nil, alice, signedBy("a"), Demand{Posture: BestEffort}, reason.DeviceUnknown, 1003},
		"unavailable":                     {Unavailable, nil, nil, alice, signedBy("a"), Demand{}, reason.DirectoryUnavailable, 1005},
		"unavailable, strict":             {Unavailable, nil, nil, alice, signedBy("a"), Demand{Posture: Strict}, reason.DirectoryUnavailable, 1005},
		"unavailable, best effort":        {Unavailable, nil, nil, alice, signedBy("a"), Demand{Posture: BestEffort}, reason.None, 0},
		"disabled":                        {Found, laptop(func(d *Device) { d.AccountEnabled = no() }), nil, alice, signedBy("a"), Demand{}, reason.DeviceDisabled, 1003},
		"not said to be enabled":          {Found, laptop(func(d *Device) { d.AccountEnabled = nil }), nil, alice, signedBy("a"), Demand{}, reason.None, 0},
		"of an unknown registration":      {Found, laptop(func(d *Device) { d.TrustType = "Printer" }), nil, alice, signedBy("a"), Demand{}, reason.DeviceUnsupported, 1003},
		"in Graph's spelling":             {Found, laptop(func(d *Device) { d.TrustType = "AzureAd" }), nil, alice, signedBy("a"), Demand{}, reason.None, 0},
		"with another key":                {Found, laptop(nil), nil, alice, signedBy("b"), Demand{}, reason.KeyNotRegistered, 1003},
		"with a key of Alice's other":     {Found, laptop(nil), second, alice, signedBy("b"), Demand{}, reason.KeyNotRegistered, 1003},
		"with a key of Bob's device":      {Found, laptop(nil), other, alice, signedBy("b"), Demand{}, reason.DeviceOwner, 1007},
		"of Bob's, with its key":          {Found, other, other, alice, signedBy("b"), Demand{}, reason.DeviceOwner, 1007},
		"of nobody's":                     {Found, laptop(func(d *Device) { d.RegisteredOwners = nil }), nil, alice, signedBy("a"), Demand{}, reason.None, 0},
		"owner by id alone":               {Found, laptop(nil), nil, User{ID: "OID-ALICE"}, signedBy("a"), Demand{}, reason.None, 0},
		"owner by name alone":             {Found, laptop(nil), nil, User{Name: "Alice@contoso.example"}, signedBy("a"), Demand{}, reason.None, 0},
		"owner by a name anybody can set": {Found, laptop(nil), nil, User{Name: "alice@contoso.example", NameUnverified: true}, signedBy("a"), Demand{}, reason.DeviceOwner, 1007},
		"owner without a name":            {Found, laptop(nil), nil, User{}, signedBy("a"), Demand{}, reason.DeviceOwner, 1007},
		"keys not known":                  {Found, laptop(func(d *Device) { d.Keys = nil }), nil, alice, signedBy("a"), Demand{}, reason.None, 0},
		"keys not known, and required":    {Found, laptop(func(d *Device) { d.Keys = nil }), nil, alice, signedBy("a"), Demand{RequireKeys: true}, reason.KeyNotRegistered, 1003},
		"known to have no key":            {Found, laptop(func(d *Device) { d.Keys, d.complete = nil, SigningKeys }), nil, alice, signedBy("a"), Demand{}, reason.KeyNotRegistered, 1003},
		"only Certificates are known":     {Found, laptop(func(d *Device) { d.Keys, d.complete = nil, Certificates }), nil, alice, signedBy("a"), Demand{}, reason.None, 0},
		"a certificate, keys are known":   {Found, laptop(nil), nil, alice, ofCertificate(t), Demand{}, reason.None, 0},
		"another certificate":             {Found, laptop(func(d *Device) { d.Keys = []Key{{Certificate: goodThumbprint}} }), nil, alice, ofCertificate(t), Demand{}, reason.KeyNotRegistered, 1003},
		"its certificate":                 {Found, laptop(func(d *Device) { d.Keys = []Key{{Certificate: "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"}} }), nil, alice, ofCertificate(t), Demand{}, reason.None, 0},
		"nothing proved":                  {Found, laptop(nil), nil, alice, Evidence{}, Demand{RequireKeys: true, RequireHardware: true}, reason.None, 0},
		"hardware required and there":     {Found, laptop(nil), nil, alice, signedBy("a"), Demand{RequireHardware: true}, reason.None, 0},
		"hardware required, not known":    {Found, laptop(func(d *Device) { d.Keys[0].HardwareBacked = false }), nil, alice, signedBy("a"), Demand{RequireHardware: true}, reason.HardwareKey, 1004},
		"disabled before all else":        {Found, laptop(func(d *Device) { d.AccountEnabled = no() }), other, User{}, signedBy("b"), Demand{RequireHardware: true}, reason.DeviceDisabled, 1003},
	} {
		t.Run(name, func(t *testing.T) {
			v := Check(Answer{State: c.state, Device: c.device}, c.holder, &Question{ID: "d1", User: c.user, Proved: c.proved}, c.demand)
			if v.Reason != c.want || v.Reason.Answer().Code != c.code {
				t.Errorf("%q with %d, expected %q with %d", v.Reason, v.Reason.Answer().Code, c.want, c.code)
			}
			if v.Device != c.device {
				t.Errorf("device is %+v", v.Device)
			}
		})
	}
}

func TestTheRecordSaysWhatWasNotAsked(t *testing.T) {
	q := &Question{ID: "d1", User: alice, Proved: signedBy("a")}
	for want, answer := range map[string]Answer{
		"": {State: Found, Device: laptop(nil)}, NoteStale: {State: Found, Device: laptop(nil), Stale: true}, NoteUnavailable: {},
	} {
		if v := Check(answer, nil, q, Demand{Posture: BestEffort}); v.Note != want || v.Reason != reason.None {
			t.Errorf("%+v, expected note %q", v, want)
		}
	}
}

func TestHardwareIsWhatIssuerOrDirectoryVouchesFor(t *testing.T) {
	for name, c := range map[string]struct {
		hardware, listed bool
		proved           Evidence
		want             bool
	}{
		"the directory":           {false, true, signedBy("a"), true},
		"the issuer":              {true, false, signedBy("a"), true},
		"neither":                 {false, false, signedBy("a"), false},
		"another key is":          {false, true, signedBy("b"), false},
		"nothing was proved":      {false, true, Evidence{}, false},
		"a key and a certificate": {false, true, Evidence{Thumbprint: signedBy("a").Thumbprint, CertificateHash: new([32]byte)}, false},
	} {
		d := laptop(func(d *Device) { d.Keys[0].HardwareBacked = c.listed })
		v := Check(Answer{State: Found, Device: d}, nil, &Question{ID: "d1", User: alice, Proved: c.proved, Hardware: c.hardware}, Demand{})
		if v.Hardware != c.want {
			t.Errorf("%s: %v", name, v.Hardware)
		}
	}
}

// A token that names no device is judged by whom its key is registered for.
func TestATokenWithoutADeviceIsJudgedByItsKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.json")
	write(t, path, `[{"deviceId":"d1","registeredOwners":["oid-alice"],"keys":[{"thumbprint":"`+keyOf("a", false).Thumbprint+`"},
		{"x5t#S256":"A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"}]},
		{"deviceId":"d2","registeredOwners":["oid-bob"],"keys":[{"thumbprint":"`+keyOf("b", false).Thumbprint+`"}]}]`)
	d, err := NewFile(path, Watch{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Destruct() }()
	for name, c := range map[string]struct {
		proved Evidence
		want   reason.Reason
		device string
	}{
		"its own": {signedBy("a"), reason.None, "d1"}, "of its certificate": {ofCertificate(t), reason.None, "d1"},
		"of Bob's": {signedBy("b"), reason.DeviceOwner, "d2"}, "of none": {signedBy("c"), reason.DeviceUnknown, ""}, "nothing": {Evidence{}, reason.DeviceUnknown, ""},
	} {
		v := d.Judge(t.Context(), &Question{User: alice, Proved: c.proved}, Demand{}, time.Now())
		if v.Reason != c.want || (v.Device == nil) != (c.device == "") || v.Device != nil && v.Device.ID != c.device {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// No device passes that the directory has disabled, whatever else is said of it, and none fails by best effort that passes strictly.
func TestLawsOfTheCheck(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	coin := func() bool { return random.IntN(2) == 0 }
	for range 5000 {
		d := laptop(func(d *Device) {
			if coin() {
				d.AccountEnabled = no()
			}
			if coin() {
				d.RegisteredOwners = []string{"oid-bob"}
			}
			if coin() {
				d.Keys[0] = keyOf("b", coin())
			}
			if coin() {
				d.Keys = nil
			}
		})
		q := &Question{ID: "d1", User: alice, Proved: signedBy("a"), Hardware: coin()}
		answer := Answer{State: State(random.IntN(3)), Stale: coin()}
		if answer.State == Found {
			answer.Device = d
		}
		demand := Demand{Posture: Strict, RequireKeys: coin(), RequireHardware: coin()}
		strict := Check(answer, nil, q, demand)
		if answer.State == Found && disabled(d) && strict.Reason == reason.None {
			t.Fatalf("a disabled device passed: %+v", *d)
		}
		demand.Posture = BestEffort
		best := Check(answer, nil, q, demand)
		if strict.Reason == reason.None && best.Reason != reason.None || answer.State != Unavailable && best.Reason != strict.Reason {
			t.Fatalf("strict %q, best effort %q", strict.Reason, best.Reason)
		}
	}
}

func TestACheckAllocatesNothing(t *testing.T) {
	answer, q := Answer{State: Found, Device: laptop(nil)}, &Question{ID: "d1", User: alice, Proved: signedBy("a")}
	if n := testing.AllocsPerRun(1000, func() { Check(answer, nil, q, Demand{}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
