// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"context"
	"crypto/sha1" //nolint:gosec // an index that Active Directory chose
	"crypto/sha256"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
	"github.com/tokenprotection/caddy-token-protection/enforcement/device/requirements"
	"github.com/tokenprotection/caddy-token-protection/enforcement/device/revocation"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// annsLaptop is the record of the device that the sample token names.
func annsLaptop(changes ...members) members {
	return with(members{
		"deviceId": "device-1", "displayName": "LAPTOP-7", "operatingSystem": "Windows", "operatingSystemVersion": "10.0.22631.4037",
		"trustType": "AzureAD", "accountEnabled": true, "isCompliant": true, "registeredOwners": []string{"id-of-ann"},
		"keys": []members{{"thumbprint": laptop.key.Thumbprint.String()}},
	}, changes...)
}

// listing makes the rig ask a file with these devices.
func listing(t testing.TB, devices ...members) func(*setup) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "devices.json")
	if err := os.WriteFile(path, must(json.Marshal(append([]members{}, devices...))), 0o600); err != nil {
		t.Fatal(err)
	}
	directory := ok(device.NewFile(path, device.Watch{}))(t)
	t.Cleanup(func() { _ = directory.Destruct() })
	return func(s *setup) { s.Devices.Directory = directory }
}

// source is a directory elsewhere that tests play.
type source struct {
	mu     sync.Mutex
	device *device.Device
	err    error
}

func (s *source) set(d *device.Device, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.device, s.err = d, err
}

func (s *source) Find(context.Context, string) (*device.Device, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.device == nil && s.err == nil {
		return nil, device.ErrNotFound
	}
	return s.device, s.err
}

func (s *source) Close() {}

// fingerprint is the SHA-1 by which Active Directory indexes certificates.
func fingerprint(der []byte) []byte {
	sum := sha1.Sum(der) //nolint:gosec // an index that Active Directory chose
	return sum[:]
}

// elsewhere makes the rig ask a source whose answers are believed for a while.
func elsewhere(t testing.TB, s *source, fresh time.Duration) func(*setup) {
	t.Helper()
	directory := ok(device.NewCached(s, device.CacheConfig{Fresh: fresh}))(t)
	t.Cleanup(func() { _ = directory.Destruct() })
	return func(s *setup) { s.Devices.Directory = directory }
}

// Contract, "Order of checks", 9, and "Answers": each situation has its status and code, and is recorded with what is known.
func TestTheDeviceBehindAProofIsJudged(t *testing.T) {
	other := annsLaptop(members{"deviceId": "device-2", "registeredOwners": []string{"id-of-bob"}})
	otherKey := members{"keys": []members{{"thumbprint": thief.key.Thumbprint.String()}}}
	for name, c := range map[string]struct {
		devices []members
		want    reason.Reason
		code    int
	}{
		"in good standing":          {[]members{annsLaptop()}, reason.None, 0},
		"unknown":                   {[]members{annsLaptop(members{"deviceId": "device-9", "keys": nil})}, reason.DeviceUnknown, 1003},
		"disabled":                  {[]members{annsLaptop(members{"accountEnabled": false})}, reason.DeviceDisabled, 1003},
		"unsupported registration":  {[]members{annsLaptop(members{"trustType": "Printer"})}, reason.DeviceUnsupported, 1003},
		"key not its own":           {[]members{annsLaptop(otherKey)}, reason.KeyNotRegistered, 1003},
		"key of another's device":   {[]members{annsLaptop(otherKey), other}, reason.DeviceOwner, 1007},
		"registered to another":     {[]members{annsLaptop(members{"registeredOwners": []string{"id-of-bob"}})}, reason.DeviceOwner, 1007},
		"its keys are not known":    {[]members{annsLaptop(members{"keys": nil})}, reason.None, 0},
		"but it is another's":       {[]members{annsLaptop(members{"keys": nil}), other}, reason.DeviceOwner, 1007},
		"but it is another one's":   {[]members{annsLaptop(members{"keys": nil}), annsLaptop(members{"deviceId": "device-2"})}, reason.KeyNotRegistered, 1003},
		"known to have no key":      {[]members{annsLaptop(members{"keys": []members{}})}, reason.KeyNotRegistered, 1003},
		"its certificate is listed": {[]members{annsLaptop(members{"keys": []members{{"x5t#S256": thief.key.Thumbprint.String()}}})}, reason.KeyNotRegistered, 1003},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, enforced(), listing(t, c.devices...))
			var d *Decision
			if c.want == reason.None {
				d = g.allows(proven(), reason.None)
			} else {
				d = g.blocks(proven(), c.want)
			}
			record := g.last()
			if status := record.TokenProtectionStatusDetails; status.SignInSessionStatusCode != c.code || (status.SignInSessionStatus == "bound") != (c.code == 0) {
				t.Errorf("status is %+v, expected %d", status, c.code)
			}
			if d.Device.Device != nil && (record.DeviceDetail.DisplayName != "LAPTOP-7" || record.DeviceDetail.TrustType == "" || !record.DeviceDetail.IsCompliant) {
				t.Errorf("detail is %+v", record.DeviceDetail)
			}
			if want := c.want.Answer(); c.code != 0 && (want.Status != 403 || want.Error != reason.AccessDenied) {
				t.Errorf("answer is %+v", want)
			}
		})
	}
}

// Invariant: report-only changes nothing, whatever a directory says or whether it answers.
func TestReportOnlyOnlyRecordsTheDevice(t *testing.T) {
	down := new(source)
	down.set(nil, errors.New("down"))
	for name, edit := range map[string]func(*setup){
		"unknown": listing(t), "disabled": listing(t, annsLaptop(members{"accountEnabled": false})), "down": elsewhere(t, down, time.Minute),
	} {
		g := newRig(t, reported(), edit)
		if d := g.Enforce(proven()); !d.Allow || d.Reason == reason.None || d.Bound {
			t.Errorf("%s: allow %v, %q", name, d.Allow, d.Reason)
		}
		if got := g.last().ConditionalAccessPolicies; !strings.Contains(got, string("reportOnlyFailure")) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Invariant: fail closed. Under best effort the administrator chose otherwise, and the record says so.
func TestADirectoryThatIsDownBlocksUnlessBestEffort(t *testing.T) {
	down := new(source)
	down.set(nil, errors.New("down"))
	g := newRig(t, enforced(), elsewhere(t, down, time.Minute))
	d := g.blocks(proven(), reason.DirectoryUnavailable)
	if answer := d.Reason.Answer(); answer.Status != 503 || d.RetryAfter == 0 || d.Code() != 1005 || d.Device.Known {
		t.Errorf("answer is %+v after %v", answer, d.RetryAfter)
	}
	best := func(s *setup) { s.Devices.Demand.Posture = device.BestEffort }
	g = newRig(t, enforced(), elsewhere(t, down, time.Minute), best)
	if d := g.allows(proven(), reason.None); !d.Bound || d.Device.Known {
		t.Errorf("decision is %+v", d)
	}
	if got := g.last().Status.AdditionalDetails; got != device.NoteUnavailable {
		t.Errorf("details are %q", got)
	}
	g.blocks(get("Bearer "+mint(unbound)), reason.TokenUnbound)
}

// An excluded account comes in whatever becomes of the directory.
func TestAnExcludedUserIsNotKeptOutByTheDirectory(t *testing.T) {
	down := new(source)
	down.set(nil, errors.New("down"))
	g := newRig(t, enforced(excludeAnn), elsewhere(t, down, time.Minute))
	if d := g.allows(proven(), reason.DirectoryUnavailable); !d.BreakGlass {
		t.Error("not counted as break-glass")
	}
}

// The first failure decides, and a refused request spends nothing.
func TestWhatFailedBeforeIsNotHiddenByTheDevice(t *testing.T) {
	replay := ok(NewReplay(100, 100, maxAge, clockSkew, noon.Add(-time.Hour)))(t)
	sharing := func(s *setup) { s.replay = replay }
	g := newRig(t, enforced(), listing(t), sharing)
	g.blocks(get("Bearer "+mint(unbound)), reason.TokenUnbound)
	accessToken := mint()
	g.blocks(get("DPoP "+accessToken, thief.prove(accessToken)), reason.KeyMismatch)
	listed := newRig(t, enforced(), listing(t, annsLaptop()), sharing)
	g.blocks(proven(), reason.DeviceUnknown)
	listed.allows(proven(), reason.None) // the very proof
}

func TestAHardwareKeyIsWhatTheDirectoryCallsOne(t *testing.T) {
	hardware := members{"keys": []members{{"thumbprint": laptop.key.Thumbprint.String(), "hardwareBacked": true}}}
	newRig(t, enforced(needsHardware), listing(t, annsLaptop(hardware))).allows(proven(), reason.None)
	newRig(t, enforced(needsHardware), listing(t, annsLaptop())).blocks(proven(), reason.HardwareKey)
}

// Design, section 7: the platform comes from the directory, then from the token, then from the user agent.
func TestThePlatformIsTheDirectorys(t *testing.T) {
	pretending := func() *Request { return asLinux(get("Bearer " + mint(unbound))) }
	newRig(t, enforced(onlyWindows)).allows(pretending(), reason.TokenUnbound)
	newRig(t, enforced(onlyWindows), listing(t, annsLaptop())).blocks(pretending(), reason.TokenUnbound)
	mac := annsLaptop(members{"operatingSystem": "MacMDM"})
	newRig(t, enforced(onlyWindows), listing(t, mac)).allows(get("Bearer "+mint(unbound)), reason.TokenUnbound)
	for system, want := range map[string]policy.Platform{
		"": "", "Plan9": "", "Windows": policy.Windows, "WindowsPhone": "", "Windows Server 2019": policy.Windows, "MacOS": policy.MacOS, "MacMDM": policy.MacOS,
		"iOS": policy.IOS, "IPhone": policy.IOS, "iPad": policy.IOS, "AndroidForWork": policy.Android, "Linux": policy.Linux,
	} {
		if got := platformOfSystem(system); got != want {
			t.Errorf("%q: %q, expected %q", system, got, want)
		}
	}
}

func TestRequirementsAreHeldAgainstDeviceAndClient(t *testing.T) {
	profile := ok(requirements.Find("microsoft365"))(t)
	demanding := func(s *setup) { s.Devices.Requirements = profile }
	for name, c := range map[string]struct {
		change members
		agent  string
		want   reason.Reason
		detail string
	}{
		"met":                {nil, windows, reason.None, ""},
		"Cloud PC":           {members{"systemLabels": []string{"CloudPC"}}, windows, reason.DeviceUnsupported, "Cloud PC"},
		"Windows 8.1":        {members{"operatingSystemVersion": "6.3.9600"}, windows, reason.SystemVersion, "Windows"},
		"an old Teams":       {nil, "Teams/1.6.00.1330", reason.ClientVersion, "Teams native client"},
		"PowerShell":         {nil, "Mozilla/5.0 WindowsPowerShell/5.1", reason.ClientUnsupported, "PowerShell module"},
		"disabled, and old":  {members{"accountEnabled": false}, "Teams/1.0", reason.DeviceDisabled, ""},
		"a device that asks": {members{"displayName": "x"}, "", reason.None, ""},
	} {
		g := newRig(t, enforced(), listing(t, annsLaptop(c.change)), demanding)
		r := proven()
		r.HTTP.Header.Set("User-Agent", c.agent)
		if d := g.Enforce(r); d.Reason != c.want || d.Allow != (c.want == reason.None) {
			t.Errorf("%s: allow %v, %q", name, d.Allow, d.Reason)
		}
		if got := g.last().Status.AdditionalDetails; !strings.HasSuffix(got, c.detail) {
			t.Errorf("%s: details are %q", name, got)
		}
	}
	alone := newRig(t, enforced(), demanding) // without a directory
	r := proven()
	r.HTTP.Header.Set("User-Agent", "Teams/1.0")
	alone.blocks(r, reason.ClientVersion)
}

// POL-018: the directory's answer is cached for five minutes, the key is taken out of it, and an administrator revokes it.
// The next request is refused as one with a token that is no longer usable, and what is open ends.
func TestARevocationBeatsACachedAnswer(t *testing.T) {
	key := device.Key{Thumbprint: laptop.key.Thumbprint.String()}
	for want, entry := range map[reason.Reason]revocation.Entry{
		reason.KeyRevoked: {Thumbprint: key.Thumbprint}, reason.DeviceRevoked: {Device: "DEVICE-1"},
	} {
		t.Run(string(want), func(t *testing.T) {
			held := &source{device: &device.Device{ID: "device-1", Keys: []device.Key{key}}}
			list := revocation.New(0, 0)
			g := newRig(t, enforced(), elsewhere(t, held, 5*time.Minute), func(s *setup) { s.Devices.Revocations = list })
			watch := ok(g.Watch(g.allows(proven(), reason.None)))(t)
			defer watch.Close()
			held.set(&device.Device{ID: "device-1"}, nil)
			g.allows(proven(members{"jti": "proof-2"}), reason.None) // cached
			if err := list.Revoke(entry, noon); err != nil {
				t.Fatal(err)
			}
			select {
			case <-watch.Done():
			default:
				t.Error("the stream stays open")
			}
			d := g.blocks(proven(members{"jti": "proof-3"}), want)
			if answer := d.Reason.Answer(); answer.Status != 401 || answer.Error != reason.InvalidToken {
				t.Errorf("answer is %+v", answer)
			}
			if watch.Reason() != want || !strings.HasPrefix(g.last().Status.AdditionalDetails, string(want)) {
				t.Errorf("ended for %q, recorded %q", watch.Reason(), g.last().Status.AdditionalDetails)
			}
			if _, err := list.Restore(entry); err != nil {
				t.Fatal(err)
			}
			g.allows(proven(members{"jti": "proof-4"}), reason.None)
		})
	}
}

// A device that no token names is known by its key.
func TestARevokedDeviceIsKnownByItsKey(t *testing.T) {
	list := revocation.New(0, 0)
	if err := list.Revoke(revocation.Entry{Device: "device-1"}, noon); err != nil {
		t.Fatal(err)
	}
	g := newRig(t, enforced(), listing(t, annsLaptop()), func(s *setup) { s.Devices.Revocations = list })
	accessToken := mint(members{"deviceid": nil})
	g.blocks(get("DPoP "+accessToken, laptop.prove(accessToken)), reason.DeviceRevoked)
}

// Excluded users are judged as if nothing were on; a nonce that they owe must not hide their device.
func TestANonceThatIsExcusedDoesNotHideTheDevice(t *testing.T) {
	demanding := func(s *setup) { s.requireNonce = true }
	newRig(t, enforced(excludeAnn), listing(t, annsLaptop()), demanding).allows(proven(), reason.None)
	newRig(t, enforced(excludeAnn), listing(t), demanding).allows(proven(), reason.DeviceUnknown)
	newRig(t, enforced(), listing(t), demanding).blocks(proven(), reason.NonceMissing)
}

// [MS-DVRJ], section 2.3.3: a directory may name a certificate by SHA-1 and public key.
func TestACertificateIsHeldAgainstTheDevice(t *testing.T) {
	certificate := laptop.certificate()
	hash, other := sha256.Sum256(certificate.Raw), sha256.Sum256([]byte("another"))
	spki := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	sha1OfIt := encode(fingerprint(certificate.Raw))
	accessToken := mint(members{"cnf": members{"x5t#S256": encode(hash[:])}})
	claimed := mint(unbound)
	for name, c := range map[string]struct {
		key  members
		want reason.Reason
	}{
		"its own":                     {members{"x5t#S256": encode(hash[:])}, reason.None},
		"another":                     {members{"x5t#S256": encode(other[:])}, reason.KeyNotRegistered},
		"by SHA-1 and key":            {members{"x5t": sha1OfIt, "publicKeyHash": encode(spki[:])}, reason.None},
		"by SHA-1 and another's key":  {members{"x5t": sha1OfIt, "publicKeyHash": encode(other[:])}, reason.KeyNotRegistered},
		"no certificate, but its key": {members{"thumbprint": laptop.key.Thumbprint.String()}, reason.KeyNotRegistered},
	} {
		g := newRig(t, enforced(), bindingDevices, listing(t, annsLaptop(members{"keys": []members{c.key}})))
		for _, presented := range []string{accessToken, claimed} {
			r := get("Bearer " + presented).over(certificate)
			if d := g.Enforce(r); d.Reason != c.want || d.Allow != (c.want == reason.None) {
				t.Errorf("%s: allow %v, %q", name, d.Allow, d.Reason)
			}
		}
	}
}

func TestASignedRequestIsHeldAgainstTheDevice(t *testing.T) {
	accessToken := mint(members{"cnf": members{"kid": laptop.key.Thumbprint.String()}})
	signed := func() *Request { return get("PoP " + laptop.signRequest(accessToken)) }
	newRig(t, enforced(), accepting(proof.PoP), listing(t, annsLaptop())).allows(signed(), reason.None)
	newRig(t, enforced(), accepting(proof.PoP), listing(t)).blocks(signed(), reason.DeviceUnknown)
}

// A bound session has no token and names no device; its key can be revoked.
func TestASessionEndsWithItsKey(t *testing.T) {
	w := signedIn(t, enforced())
	list := revocation.New(0, 0)
	w.Devices.Revocations = list
	watch := ok(w.Watch(w.registered().allows(w.browse(), reason.None)))(t)
	defer watch.Close()
	if err := list.Revoke(revocation.Entry{Thumbprint: laptop.key.Thumbprint.String()}, noon); err != nil {
		t.Fatal(err)
	}
	w.blocks(w.browse(), reason.KeyRevoked)
	if watch.Reason() != reason.KeyRevoked {
		t.Errorf("ended for %q", watch.Reason())
	}
}

// A session whose key was revoked is no unbound one: the platform that its thief claims cannot let it off.
func TestARevokedSessionIsNotLetOffByAnotherPlatform(t *testing.T) {
	list := revocation.New(0, 0)
	w := signedIn(t, enforced(onlyWindows)).registered()
	w.Devices.Revocations = list
	w.allows(asLinux(w.browse()), reason.None)
	if err := list.Revoke(revocation.Entry{Thumbprint: laptopID}, noon); err != nil {
		t.Fatal(err)
	}
	w.blocks(w.browse(), reason.KeyRevoked)
	w.blocks(asLinux(w.browse()), reason.KeyRevoked)
}

// Invariant: report-only changes nothing, so that nothing is ended either. Nor is it for users whom the policies let off.
func TestOnlyWhatRestsOnTheProofIsWatched(t *testing.T) {
	list := revocation.New(0, 0)
	bound := func() *Request { return proven() }
	for name, c := range map[string]struct {
		policies []policy.Policy
		request  func() *Request
		watched  bool
	}{
		"enforced":                      {enforced(), bound, true},
		"user not included":             {enforced(includeGroup), bound, true}, // a bound token needs its proof
		"report-only":                   {reported(), bound, false},
		"excluded":                      {enforced(excludeAnn), bound, false},
		"another resource":              {enforced(onlySharepoint), bound, false},
		"unbound, no policy for it":     {enforced(onlyBrowsers), func() *Request { return get("Bearer " + mint(unbound)) }, false},
		"refused":                       {enforced(), func() *Request { return get("Bearer " + mint()) }, false},
		"without a credential, allowed": {reported(), func() *Request { return get("") }, false},
	} {
		g := newRig(t, c.policies, func(s *setup) { s.Devices.Revocations = list })
		watch, err := g.Watch(g.Enforce(c.request()))
		if (watch != nil) != c.watched || err != nil {
			t.Errorf("%s: watched %v, %v", name, watch != nil, err)
		}
		if watch != nil {
			watch.Close()
		}
	}
	g := newRig(t, enforced())
	if watch, err := g.Watch(g.Enforce(proven())); watch != nil || err != nil {
		t.Errorf("without a list: %v, %v", watch, err)
	}
}

// Most requests are over before they are watched; what the directory withdrew meanwhile must not stay open.
func TestWhatWasWithdrawnBeforeTheWatchBeganEndsAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		after *device.Device
		err   error
		ends  bool
	}{
		"unchanged": {&device.Device{ID: "device-1"}, nil, false}, "disabled": {&device.Device{ID: "device-1", AccountEnabled: new(false)}, nil, true},
		"gone": {nil, nil, true}, "down": {nil, errors.New("down"), false},
	} {
		held := &source{device: &device.Device{ID: "device-1"}}
		directory := elsewhere(t, held, time.Minute)
		g := newRig(t, enforced(), directory, func(s *setup) { s.Devices.Revocations = revocation.New(0, 0) })
		d := g.allows(proven(), reason.None)
		held.set(c.after, c.err)
		g.Devices.Directory.Forget("device-1")
		watch := ok(g.Watch(d))(t)
		if (watch.Reason() == reason.DeviceWithdrawn) != c.ends {
			t.Errorf("%s: ended for %q", name, watch.Reason())
		}
		watch.Close()
	}
}

// The step costs a request nothing that the collector must clean up.
func TestTheDeviceStepAllocatesNothing(t *testing.T) {
	profile := ok(requirements.Find("microsoft365"))(t)
	list := revocation.New(0, 0)
	if err := list.Revoke(revocation.Entry{Device: "another"}, noon); err != nil {
		t.Fatal(err)
	}
	g := newRig(t, enforced(), listing(t, annsLaptop()), func(s *setup) { s.Devices.Requirements, s.Devices.Revocations = profile, list })
	r := proven()
	d := g.allows(r, reason.None)
	if n := testing.AllocsPerRun(1000, func() { g.judgeDevice(d, r, noon) }); n != 0 || !d.Bound {
		t.Errorf("%v allocations, bound %v", n, d.Bound)
	}
}
