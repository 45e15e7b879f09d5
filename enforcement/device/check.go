// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// Posture says what follows where the directory does not answer.
type Posture string

// The postures. The words are those of the configuration.
const (
	// Strict: nothing can be said of the device, and that is a failure of its own (503).
	Strict Posture = "strict"
	// BestEffort: the request is judged without a device, and the record says so.
	BestEffort Posture = "best_effort"
)

// Demand is what is asked of a device.
type Demand struct {
	// Posture is for a directory that does not answer. Empty means Strict.
	Posture Posture
	// RequireKeys asks that the directory lists the key that was proved. Without it, a directory that lists no keys for
	// a device leaves the matter to the token's own confirmation.
	RequireKeys bool
	// RequireHardware asks that the key is known to be hardware-backed.
	RequireHardware bool
}

// User is whom the token was issued to.
type User struct {
	// ID is the immutable id, Name the name. Either may be empty.
	ID, Name string
	// NameUnverified says that users can set Name to another's, so that it shows no ownership.
	NameUnverified bool
}

// Question is what a directory is asked about one request.
type Question struct {
	// ID is the device id that the token names; empty if it names none.
	ID string
	// User is whom the token was issued to.
	User User
	// Proved is what the request proved possession of. Where it proved nothing, keys are not judged.
	Proved Evidence
	// Hardware says that the issuer itself calls the key hardware-backed.
	Hardware bool
	// Patience is how long the request can wait for a directory elsewhere; 0 leaves that to the directory's own timeout.
	Patience time.Duration
}

// Notes of a verdict, for the sign-in record.
const (
	// NoteUnavailable: the directory did not answer, and the posture is best effort.
	NoteUnavailable = "the device directory did not answer: judged without a device"
	// NoteStale: the directory does not answer, and what it said before was used.
	NoteStale = "the device directory does not answer: judged by what it said before"
)

// Verdict is what follows for the request.
type Verdict struct {
	// Known says that the directory answered: a Device of nil is then one that is not registered.
	Known bool
	// Reason is the first check that failed; none did if it is empty.
	Reason reason.Reason
	// Device is the device as far as it is known; nil else. It is set for a device that is refused, too.
	Device *Device
	// Hardware says that the key which was proved is known to be hardware-backed, by the issuer or by the directory.
	Hardware bool
	// Note says what the reason leaves open, for the record; empty if nothing.
	Note string
}

// Judge looks the device up and checks it. A token that names no device is judged by the device that its key is registered
// for, where the directory can tell.
func (d *Directory) Judge(ctx context.Context, q *Question, demand Demand, now time.Time) Verdict {
	var answer Answer
	holder := d.Holder(&q.Proved)
	switch {
	case q.ID != "":
		answer = d.lookup(ctx, q.ID, q.Patience, now)
	case holder != nil:
		answer = Answer{State: Found, Device: holder}
	default:
		answer = Answer{State: NotFound}
	}
	return Check(answer, holder, q, demand)
}

// Check judges what a directory answered. Holder is the device that the proved key is registered for, nil if that is not
// known. Each failure has its own reason, whose code follows from it (contract, "Answers"); the first decides.
func Check(answer Answer, holder *Device, q *Question, demand Demand) Verdict {
	v := Verdict{Known: answer.State != Unavailable, Device: answer.Device, Hardware: q.Hardware}
	switch answer.State {
	case Unavailable:
		if demand.Posture == BestEffort {
			v.Note = NoteUnavailable
		} else {
			v.Reason = reason.DirectoryUnavailable
		}
		return v
	case NotFound:
		v.Reason = reason.DeviceUnknown
		return v
	}
	if answer.Stale {
		v.Note = NoteStale
	}
	own, backed := v.Device.own(&q.Proved, demand.complete())
	own = own && (holder == nil || holder.ID == v.Device.ID) // a directory that lists no keys of this device knows whose it is
	v.Hardware = q.Hardware || own && backed
	v.Reason = v.Device.check(holder, q, own)
	if v.Reason == reason.None && demand.RequireHardware && !v.Hardware && !q.Proved.none() {
		v.Reason = reason.HardwareKey
	}
	return v
}

// complete says of which KeyKinds of key the directory must list the one that was proved.
func (d Demand) complete() KeyKinds {
	if d.RequireKeys {
		return SigningKeys | Certificates
	}
	return 0
}

// check is the order of the checks on a device that is known.
func (d *Device) check(holder *Device, q *Question, own bool) reason.Reason {
	switch {
	case disabled(d):
		return reason.DeviceDisabled
	case !d.supported():
		return reason.DeviceUnsupported
	case !own && holder != nil && !holder.belongsTo(&q.User):
		return reason.DeviceOwner
	case !own:
		return reason.KeyNotRegistered
	case !d.belongsTo(&q.User):
		return reason.DeviceOwner
	}
	return reason.None
}

// trustTypes are the KeyKinds of registration that Entra has. Graph and the device filter spell them in different cases.
var trustTypes = [...]string{"AzureAD", "ServerAD", "Workplace"}

// supported refuses a kind of registration that is none of Entra's. A directory that says nothing of it is believed.
func (d *Device) supported() bool {
	return d.TrustType == "" || slices.ContainsFunc(trustTypes[:], func(t string) bool { return strings.EqualFold(t, d.TrustType) })
}

// belongsTo reports whether the user is one of the registered owners. A device without owners, as a shared or a
// hybrid-joined one is, is anybody's.
func (d *Device) belongsTo(user *User) bool {
	if len(d.RegisteredOwners) == 0 {
		return true
	}
	return slices.ContainsFunc(d.RegisteredOwners, func(owner string) bool {
		return user.ID != "" && strings.EqualFold(owner, user.ID) ||
			user.Name != "" && !user.NameUnverified && strings.EqualFold(owner, user.Name)
	})
}
