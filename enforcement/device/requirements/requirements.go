// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package requirements says which devices and clients can do token protection at all: minimum versions of operating systems
// and clients, and kinds of device and client that are not supported. What it knows of a device comes from the device
// directory. What it knows of a client comes from the User-Agent field, which the client writes as it likes: that part is a
// gate for compatibility, and not security.
package requirements

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/version"
)

// MaxProfile is the longest profile that is read, in octets.
const MaxProfile = 1 << 20

// microsoft365 is what Microsoft publishes of its own token protection.
//
//go:embed microsoft365.json
var microsoft365 []byte

// Builtin is the names of the profiles that come with this module.
func Builtin() []string { return []string{"microsoft365"} }

// Profile is a set of requirements. It is immutable, and safe for concurrent use.
type Profile struct {
	// Name names the profile.
	Name    string
	systems []system
	kinds   []kind
	clients []client
}

// file is a profile as it is written.
type file struct {
	Name    string   `json:"name"`
	Sources []string `json:"sources"`
	Systems []struct {
		OperatingSystem string `json:"operatingSystem"`
		Minimum         string `json:"minimum"`
		Why             string `json:"why"`
	} `json:"systems"`
	Devices []kind       `json:"devices"`
	Clients []fileClient `json:"clients"`
}

// system is the oldest version of an operating system.
type system struct {
	name    string // as normal writes it
	minimum version.Version
}

// Find returns the built-in profile of that name.
func Find(name string) (*Profile, error) {
	if name != "microsoft365" {
		return nil, fmt.Errorf("requirements: %q is not known; expected one of %s", name, strings.Join(Builtin(), ", "))
	}
	return Parse(microsoft365)
}

// Parse reads a profile in the shape of the built-in one: a name, `systems`, `devices` and `clients`. Unknown members, versions
// that are none, and rules that would match everything are errors.
func Parse(document []byte) (*Profile, error) {
	if len(document) > MaxProfile {
		return nil, fmt.Errorf("requirements: longer than %d octets", MaxProfile)
	}
	if err := jose.ScanObject(document, nil); err != nil { // what encoding/json would let pass
		return nil, fmt.Errorf("requirements: %w", err)
	}
	var written file
	decoder := json.NewDecoder(strings.NewReader(string(document)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&written); err != nil {
		return nil, fmt.Errorf("requirements: %w", err)
	}
	return written.compile()
}

func (f *file) compile() (*Profile, error) {
	p := &Profile{Name: f.Name}
	var problems []error
	if f.Name == "" {
		problems = append(problems, errors.New("name: missing"))
	}
	for i, s := range f.Systems {
		minimum, err := version.Parse(s.Minimum)
		if err != nil || normal(s.OperatingSystem) == "" {
			problems = append(problems, fmt.Errorf("systems, number %d: expected operatingSystem and minimum, a version", i+1))
		}
		p.systems = append(p.systems, system{normal(s.OperatingSystem), minimum})
	}
	for i := range f.Devices {
		if err := f.Devices[i].compile(); err != nil {
			problems = append(problems, fmt.Errorf("devices, number %d: %w", i+1, err))
		}
	}
	for i := range f.Clients {
		c, err := f.Clients[i].compile()
		if err != nil {
			problems = append(problems, fmt.Errorf("clients, number %d: %w", i+1, err))
		}
		p.clients = append(p.clients, c)
	}
	p.kinds = f.Devices
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("requirements: %w", err)
	}
	return p, nil
}

// Verdict is what follows from the requirements.
type Verdict struct {
	// Reason is the requirement that is not met; all are if it is empty.
	Reason reason.Reason
	// Name is what the profile calls the kind of device or client; empty if all are met. It does not come from the request.
	Name string
}

// Check holds a device, nil if none is known, and the client's User-Agent field against the profile. What is not known, such
// as the version of a client that does not tell, meets every requirement.
func (p *Profile) Check(d *device.Device, userAgent string) Verdict {
	if d != nil {
		if v := p.checkDevice(d); v.Reason != reason.None {
			return v
		}
	}
	return p.checkClient(userAgent)
}

func (p *Profile) checkDevice(d *device.Device) Verdict {
	running, known := leading(d.OperatingSystemVersion)
	for i := range p.kinds {
		if p.kinds[i].is(d, running, known) {
			return Verdict{reason.DeviceUnsupported, p.kinds[i].Name}
		}
	}
	for _, s := range p.systems {
		if rest, ok := cutNormal(d.OperatingSystem, s.name); ok && rest == "" && known && running.Compare(s.minimum) < 0 {
			return Verdict{reason.SystemVersion, d.OperatingSystem}
		}
	}
	return Verdict{}
}

// normal makes names of operating systems comparable: `Windows Server 2016` and `WindowsServer2016` are one.
func normal(name string) string { return strings.ToLower(strings.ReplaceAll(name, " ", "")) }

// cutNormal cuts the beginning that is word, as normal writes it, off a name, without writing the name anew.
func cutNormal(name, word string) (rest string, found bool) {
	for name != "" && (word != "" || name[0] == ' ') {
		c := name[0]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		switch {
		case c == ' ':
		case c != word[0]:
			return name, false
		default:
			word = word[1:]
		}
		name = name[1:]
	}
	return name, word == ""
}

// kind is a kind of device that is not supported. All that is given must match; of a list, one member.
type kind struct {
	Name string `json:"name"`
	// OperatingSystem, EnrollmentType and Owner are beginnings, the others parts, of what the directory says.
	OperatingSystem       []string `json:"operatingSystem,omitempty"`
	EnrollmentType        []string `json:"enrollmentType,omitempty"`
	Owner                 []string `json:"owner,omitempty"`
	Model                 []string `json:"model,omitempty"`
	EnrollmentProfileName []string `json:"enrollmentProfileName,omitempty"`
	ProfileType           []string `json:"profileType,omitempty"`
	SystemLabels          []string `json:"systemLabels,omitempty"`
	// TrustType is the kind of registration.
	TrustType string `json:"trustType,omitempty"`
	// Unless is what lifts it.
	Unless *struct {
		TrustType string `json:"trustType"`
		Minimum   string `json:"minimum"`
	} `json:"unless,omitempty"`
	Why string `json:"why,omitempty"`

	unless version.Version
}

func (k *kind) compile() (err error) {
	given := 0
	for _, list := range [][]string{k.OperatingSystem, k.EnrollmentType, k.Owner, k.Model, k.EnrollmentProfileName, k.ProfileType, k.SystemLabels} {
		given += len(list)
		if slices.Contains(list, "") {
			return errors.New("an empty word would match everything")
		}
	}
	switch {
	case k.Name == "":
		return errors.New("name: missing")
	case given == 0:
		return errors.New("nothing to match; expected one of operatingSystem, enrollmentType, owner, model, enrollmentProfileName, profileType, systemLabels")
	}
	for i := range k.OperatingSystem {
		k.OperatingSystem[i] = normal(k.OperatingSystem[i])
	}
	if k.Unless != nil {
		k.unless, err = version.Parse(k.Unless.Minimum)
	}
	return err
}

func (k *kind) is(d *device.Device, running version.Version, known bool) bool {
	switch {
	case k.Unless != nil && strings.EqualFold(d.TrustType, k.Unless.TrustType) && known && running.Compare(k.unless) >= 0:
		return false
	case k.TrustType != "" && !strings.EqualFold(d.TrustType, k.TrustType):
		return false
	}
	owned := len(k.Owner) == 0 || slices.ContainsFunc(d.RegisteredOwners, func(owner string) bool { return begins(owner, k.Owner) })
	labelled := len(k.SystemLabels) == 0 || slices.ContainsFunc(d.SystemLabels, func(label string) bool { return equal(label, k.SystemLabels) })
	return owned && labelled &&
		(len(k.OperatingSystem) == 0 || isSystem(d.OperatingSystem, k.OperatingSystem)) &&
		(len(k.EnrollmentType) == 0 || begins(d.EnrollmentType, k.EnrollmentType)) &&
		(len(k.Model) == 0 || contains(d.Model, k.Model)) &&
		(len(k.EnrollmentProfileName) == 0 || contains(d.EnrollmentProfileName, k.EnrollmentProfileName)) &&
		(len(k.ProfileType) == 0 || equal(d.ProfileType, k.ProfileType))
}

func isSystem(name string, words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool { _, found := cutNormal(name, word); return found })
}

func begins(text string, words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return len(text) >= len(word) && strings.EqualFold(text[:len(word)], word) })
}

func equal(text string, words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.EqualFold(text, word) })
}

func contains(text string, words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool {
		for at := range max(0, len(text)-len(word)+1) {
			if strings.EqualFold(text[at:at+len(word)], word) {
				return true
			}
		}
		return false
	})
}
