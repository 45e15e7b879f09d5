// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"context"
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
	"github.com/tokenprotection/caddy-token-protection/enforcement/device/requirements"
	"github.com/tokenprotection/caddy-token-protection/enforcement/device/revocation"
	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// Devices is what the device step asks. Each of its parts may be nil.
type Devices struct {
	// Directory knows the devices that tokens name.
	Directory *device.Directory
	// Demand is what the directory must say of a device.
	Demand device.Demand
	// Requirements say which devices and clients can do token protection.
	Requirements *requirements.Profile
	// Revocations are the devices and keys that an administrator revoked on this server.
	Revocations *revocation.List
}

// shortPatience is how long a request waits for the directory where nothing is enforced: the answer is then only for the record.
const shortPatience = 250 * time.Millisecond

// judgeDevice is step 5 (contract, "Order of checks", 9): the device behind a proof. A request that proved nothing has failed
// before; its device still matters to policies and to the record.
func (e *Enforcer) judgeDevice(d *Decision, r *Request, now time.Time) {
	d.Device, d.requirement = device.Verdict{}, ""
	why := e.revoked(d)
	if d.Claims != nil {
		if e.Devices.Directory != nil {
			d.Device = e.askDirectory(d, r, now)
		}
		if why == reason.None {
			why = d.Device.Reason
		}
		if why == reason.None {
			why = e.checkRequirements(d, r)
		}
	}
	if why != reason.None && d.Bound {
		d.Bound, d.Reason = false, why
	}
}

// revoked looks at the list of this server.
func (e *Enforcer) revoked(d *Decision) reason.Reason {
	switch {
	case e.Devices.Revocations == nil || !d.Bound:
		return reason.None
	case d.Claims == nil:
		return e.Devices.Revocations.Check("", d.Binding.Key)
	case d.Claims.Confirmation.X5T != nil:
		return e.Devices.Revocations.Check(d.Claims.Device, d.Binding.Key, *d.Claims.Confirmation.X5T)
	}
	return e.Devices.Revocations.Check(d.Claims.Device, d.Binding.Key)
}

func (e *Enforcer) askDirectory(d *Decision, r *Request, now time.Time) device.Verdict {
	claims := d.Claims
	d.question = device.Question{
		ID:       claims.Device,
		User:     device.User{ID: claims.UserID, Name: claims.User, NameUnverified: claims.UserNameMutable},
		Hardware: claims.Confirmation.Hardware,
	}
	if !e.enforcing {
		d.question.Patience = shortPatience
	}
	if d.Bound {
		d.question.Proved = e.evidence(d, r)
	}
	verdict := e.Devices.Directory.Judge(r.HTTP.Context(), &d.question, e.Devices.Demand, now)
	// A device that only its key names may be revoked, too.
	if verdict.Device != nil && claims.Device == "" && d.Bound && e.Devices.Revocations != nil {
		if why := e.Devices.Revocations.Check(verdict.Device.ID); why != reason.None {
			verdict.Reason = why
		}
	}
	return verdict
}

// evidence is what the request proved, in a directory's terms.
func (e *Enforcer) evidence(d *Decision, r *Request) (proved device.Evidence) {
	if d.Binding.Scheme == proof.DPoP || d.Binding.Scheme == proof.PoP {
		proved.Thumbprint = &d.Binding.Key
	}
	if d.Binding.Scheme != proof.MTLS && d.Claims.Confirmation.X5T == nil {
		return proved
	}
	if certificate, why := e.MTLS.Certificate(r.HTTP); why == reason.None {
		proved.CertificateHash, proved.Certificate = &certificate.Hash, certificate.Leaf
	}
	return proved
}

func (e *Enforcer) checkRequirements(d *Decision, r *Request) reason.Reason {
	if e.Devices.Requirements == nil {
		return reason.None
	}
	verdict := e.Devices.Requirements.Check(d.Device.Device, r.HTTP.UserAgent())
	d.requirement = verdict.Name
	return verdict.Reason
}

// describeDevice tells policies what is known of the device.
func (d *Decision) describeDevice(known *policy.Context) {
	known.HardwareKey = known.HardwareKey || d.Device.Hardware
	known.DeviceKnown, known.Device = d.Device.Known, d.Device.Device
	if d.Device.Device == nil {
		return
	}
	if platform := platformOfSystem(d.Device.Device.OperatingSystem); platform != "" {
		known.Platform = platform
	}
}

// systems are the beginnings of operating systems as devices register them.
var systems = [...]struct {
	name     string
	platform policy.Platform
}{
	{"windowsphone", ""}, {"windows", policy.Windows}, {"surfacehub", policy.Windows}, {"mac", policy.MacOS}, {"ios", policy.IOS},
	{"iphone", policy.IOS}, {"ipad", policy.IOS}, {"android", policy.Android}, {"linux", policy.Linux},
}

// platformOfSystem reads the operating system that a device registered; it is empty if that is none of the platforms.
func platformOfSystem(system string) policy.Platform {
	for _, known := range systems {
		if len(system) >= len(known.name) && strings.EqualFold(system[:len(known.name)], known.name) {
			return known.platform
		}
	}
	return ""
}

// recordDevice writes what is known of the device into the sign-in record.
func (d *Decision) recordDevice(record *signin.Record) {
	for _, note := range []string{d.requirement, d.Device.Note} {
		if note == "" {
			continue
		}
		if record.Status.AdditionalDetails != "" {
			record.Status.AdditionalDetails += "; "
		}
		record.Status.AdditionalDetails += note
	}
	known := d.Device.Device
	if known == nil {
		return
	}
	detail := &record.DeviceDetail
	detail.DeviceID, detail.DisplayName, detail.TrustType = known.ID, known.DisplayName, known.TrustType
	detail.IsCompliant = known.IsCompliant != nil && *known.IsCompliant
	detail.IsManaged = known.IsManaged != nil && *known.IsManaged
	if known.OperatingSystem != "" {
		detail.OperatingSystem = strings.TrimSpace(known.OperatingSystem + " " + known.OperatingSystemVersion)
	}
}

// Watch watches a request that was allowed, for as long as its answer goes on: the watch is done when its device or key is
// revoked, or when the directory withdraws the device; also if that was between the decision and now. It is nil where nothing
// would be refused for that: where nothing is enforced, and for users whom the policies let off. The error is
// [revocation.ErrTooMany].
func (e *Enforcer) Watch(d *Decision) (*revocation.Watch, error) {
	if e.Devices.Revocations == nil || !d.Allow || !d.Bound || !e.rests(d) {
		return nil, nil
	}
	watch, err := e.Devices.Revocations.Watch(d.device(), d.keys()...)
	if err == nil && e.withdrawn(d) {
		watch.End(reason.DeviceWithdrawn)
	}
	return watch, err
}

// device is the id of the device behind the request, as far as it is known.
func (d *Decision) device() string {
	switch {
	case d.Device.Device != nil:
		return d.Device.Device.ID
	case d.Claims != nil:
		return d.Claims.Device
	}
	return ""
}

// keys are those that were proved.
func (d *Decision) keys() []jose.Thumbprint {
	if d.Claims != nil && d.Claims.Confirmation.X5T != nil {
		return []jose.Thumbprint{d.Binding.Key, *d.Claims.Confirmation.X5T}
	}
	return []jose.Thumbprint{d.Binding.Key}
}

// rests reports whether the decision rests on the proof: without it the request would be refused.
func (e *Enforcer) rests(d *Decision) bool {
	if !e.enforcing {
		return false
	}
	for i := range d.Outcomes {
		if d.Outcomes[i].Result == policy.Success {
			return true
		}
	}
	who := e.subject(d)
	return d.Confirmed && e.Policies.BoundTokenNeedsProof(&who)
}

// withdrawn reports whether the directory says something else by now.
func (e *Enforcer) withdrawn(d *Decision) bool {
	if e.Devices.Directory == nil || d.Claims == nil {
		return false
	}
	verdict := e.Devices.Directory.Judge(context.Background(), &d.question, e.Devices.Demand, e.Now())
	return verdict.Known && verdict.Reason != reason.None
}
