// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// Bounds of one device.
const (
	// MaxID is the longest device id, in octets.
	MaxID = 128
	// MaxKeys is how many keys a device may have.
	MaxKeys = 64
	// maxOwners is how many owners a device may have. Entra has one at most.
	maxOwners = 64
)

// ParseList reads devices as a Graph export writes them: one `device`, an array of them, or `{"value": [...]}`. It refuses
// what Graph does not have, names in another case, a device id or a key that comes twice (whose it is cannot be told), and
// more than limit devices. Names in a `value` wrapper that begin with `@odata.` are ignored.
func ParseList(document []byte, limit int) ([]*Device, error) {
	list := listReader{limit: limit, strict: true, ids: make(map[string]int), keys: make(map[string]string)}
	if err := list.document(document); err != nil {
		return nil, err
	}
	return list.devices, nil
}

// ParseAnswer reads what a device API answers: one device, or `{"value": [...]}`. Members that this module does not know are
// ignored, because an API may grow.
func ParseAnswer(document []byte) ([]*Device, error) {
	list := listReader{limit: maxAnswers, ids: make(map[string]int), keys: make(map[string]string)}
	if err := list.document(document); err != nil {
		return nil, err
	}
	return list.devices, nil
}

// maxAnswers is how many devices an answer about one may hold.
const maxAnswers = 1000

// listReader gathers devices.
type listReader struct {
	limit   int
	strict  bool
	devices []*Device
	ids     map[string]int
	keys    map[string]string // whose each key is
}

func (l *listReader) document(document []byte) error {
	if trimmed := bytes.TrimLeft(document, " \t\r\n"); bytes.HasPrefix(trimmed, []byte("[")) {
		// The scanner takes objects only: an array is checked as a member of one.
		document = slices.Concat([]byte(`{"value":`), document, []byte("}"))
	}
	wrapped := false
	if err := jose.ScanObject(document, func(name string, value jose.Value) error {
		wrapped = wrapped || name == "value" && value.Kind == jose.Array
		return nil
	}); errors.Is(err, jose.ErrNotObject) {
		return errors.New(`expected a JSON object with a device, an array of devices, or {"value": [...]}`)
	} else if err != nil {
		return err
	}
	if !wrapped {
		return l.add(jose.Value{Kind: jose.Object, Raw: document})
	}
	return jose.ScanObject(document, func(name string, value jose.Value) error {
		switch {
		case name == "value":
			return value.Elements(l.add)
		case l.strict && !strings.HasPrefix(name, "@odata."):
			return fmt.Errorf("%q: unknown member beside value", clip(name))
		}
		return nil
	})
}

// add reads one device.
func (l *listReader) add(value jose.Value) error {
	if len(l.devices) == l.limit {
		return fmt.Errorf("more than %d devices", l.limit)
	}
	d, err := parseDevice(value, l.strict)
	if err != nil {
		return fmt.Errorf("device %d: %w", len(l.devices)+1, err)
	}
	if other, twice := l.ids[d.ID]; twice {
		return fmt.Errorf("device %d: deviceId %q is that of device %d too", len(l.devices)+1, d.ID, other)
	}
	l.devices = append(l.devices, d)
	l.ids[d.ID] = len(l.devices)
	for i := range d.Keys {
		for _, name := range d.Keys[i].names() {
			if other, taken := l.keys[name]; taken && other != d.ID {
				return fmt.Errorf("device %d: its key %s is registered for device %q too", len(l.devices), name, other)
			}
			l.keys[name] = d.ID
		}
	}
	return nil
}

// parseDevice reads one object in the shape of Graph's device.
func parseDevice(value jose.Value, strict bool) (*Device, error) {
	if value.Kind != jose.Object {
		return nil, fmt.Errorf("%v, expected an object", value.Kind)
	}
	d := new(Device)
	err := jose.ScanObject(value.Raw, func(name string, value jose.Value) error {
		if value.Kind == jose.Null { // as good as absent
			return nil
		}
		known, err := d.set(name, value)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		case !known && strict && !elsewhere(name):
			return fmt.Errorf("%q: not a member of Graph's device", clip(name))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if d.ID == "" {
		return nil, errors.New("deviceId: missing")
	}
	return d, nil
}

// set takes one member, and reports whether it is one that this module reads.
func (d *Device) set(name string, value jose.Value) (known bool, err error) {
	if place := d.text(name); place != nil {
		*place, err = value.Text()
		return true, err
	}
	if place := d.flag(name); place != nil {
		var says bool
		says, err = value.Bool()
		*place = &says
		return true, err
	}
	switch name {
	case "deviceId":
		d.ID, err = readID(value)
	case "systemLabels":
		d.SystemLabels, err = value.Strings()
	case "physicalIds":
		d.PhysicalIDs, err = value.Strings()
	case "extensionAttributes":
		d.ExtensionAttributes, err = readExtensions(value)
	case "registeredOwners":
		d.RegisteredOwners, err = readOwners(value)
	case "keys":
		d.complete |= SigningKeys | Certificates
		err = d.readKeys(value)
	case "alternativeSecurityIds":
		d.complete |= Certificates
		err = d.readAlternativeSecurityIDs(value)
	default:
		return false, nil
	}
	return true, err
}

func (d *Device) text(name string) *string {
	switch name {
	case "displayName":
		return &d.DisplayName
	case "operatingSystem":
		return &d.OperatingSystem
	case "operatingSystemVersion":
		return &d.OperatingSystemVersion
	case "trustType":
		return &d.TrustType
	case "profileType":
		return &d.ProfileType
	case "deviceOwnership":
		return &d.DeviceOwnership
	case "enrollmentProfileName":
		return &d.EnrollmentProfileName
	case "enrollmentType":
		return &d.EnrollmentType
	case "manufacturer":
		return &d.Manufacturer
	case "model":
		return &d.Model
	case "mdmAppId":
		return &d.MDMAppID
	}
	return nil
}

func (d *Device) flag(name string) **bool {
	switch name {
	case "isCompliant":
		return &d.IsCompliant
	case "isManaged":
		return &d.IsManaged
	case "accountEnabled":
		return &d.AccountEnabled
	}
	return nil
}

// elsewhere reports whether a member is one of Graph's that nothing here asks for.
func elsewhere(name string) bool {
	return strings.Contains(name, "@odata.") || strings.HasPrefix(name, "extension_") || slices.Contains(graphMembers[:], name)
}

// graphMembers are the members of Graph's device, v1.0 and beta, that this module does not read.
var graphMembers = [...]string{
	"approximateLastSignInDateTime", "commands", "complianceExpirationDateTime", "createdDateTime", "deletedDateTime",
	"deviceCategory", "deviceMetadata", "deviceTemplate", "deviceVersion", "domainName", "extensions",
	"externalSourceName", "hostnames", "id", "isManagementRestricted", "isRooted", "kind", "managementType", "memberOf", "name",
	"onPremisesLastSyncDateTime", "onPremisesSecurityIdentifier", "onPremisesSyncEnabled", "platform",
	"registeredUsers", "registrationDateTime", "sourceType", "status", "transitiveMemberOf", "usageRights",
}

func readID(value jose.Value) (string, error) {
	text, err := value.Text()
	if err != nil {
		return "", err
	}
	id := canonicalID(text)
	if id == "" {
		return "", fmt.Errorf("%q: expected 1 to %d printable characters", clip(text), MaxID)
	}
	return id, nil
}

// canonicalID gives an id its one spelling: GUIDs come in either case, and with or without braces. It is empty if the text
// cannot be an id.
func canonicalID(text string) string {
	if len(text) > 2 && text[0] == '{' && text[len(text)-1] == '}' {
		text = text[1 : len(text)-1]
	}
	if text == "" || len(text) > MaxID {
		return ""
	}
	for i := range len(text) {
		if text[i] < '!' || text[i] > '~' {
			return ""
		}
	}
	return strings.ToLower(text)
}

// readExtensions reads extensionAttribute1 to extensionAttribute15.
func readExtensions(value jose.Value) (map[string]string, error) {
	attributes := make(map[string]string)
	if value.Kind != jose.Object {
		return nil, fmt.Errorf("%v, expected an object", value.Kind)
	}
	err := jose.ScanObject(value.Raw, func(name string, value jose.Value) error {
		number, ok := strings.CutPrefix(name, "extensionAttribute")
		switch {
		case !ok || !slices.Contains(extensionNumbers[:], number):
			return fmt.Errorf("%q: expected extensionAttribute1 to extensionAttribute15", clip(name))
		case value.Kind == jose.Null:
			return nil
		}
		text, err := value.Text()
		attributes[strings.Clone(name)] = text
		return err
	})
	return attributes, err
}

var extensionNumbers = [...]string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"}

// readOwners reads owners as Graph expands them, or plain ids and names. Of an expanded one both id and name count.
func readOwners(value jose.Value) ([]string, error) {
	var owners []string
	err := value.Elements(func(owner jose.Value) error {
		if len(owners) >= maxOwners {
			return fmt.Errorf("more than %d", maxOwners)
		}
		if owner.Kind != jose.Object {
			text, err := owner.Text()
			owners = append(owners, text)
			return err
		}
		return jose.ScanObject(owner.Raw, func(name string, value jose.Value) error {
			if name != "id" && name != "userPrincipalName" || value.Kind == jose.Null {
				return nil
			}
			text, err := value.Text()
			owners = append(owners, text)
			return err
		})
	})
	if slices.Contains(owners, "") {
		return nil, errors.New("an empty owner")
	}
	return owners, err
}

// clip shortens what an error repeats.
func clip(text string) string {
	if len(text) > 64 {
		return text[:64] + "..."
	}
	return text
}
