// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

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
