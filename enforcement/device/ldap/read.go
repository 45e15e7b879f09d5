// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package ldap

import (
	"errors"
	"fmt"
	"strings"

	client "github.com/go-ldap/ldap/v3"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
	"github.com/tokenprotection/caddy-token-protection/enforcement/device/keycredential"
)

// Attributes of msDS-Device ([MS-DVRJ], section 2.3), and of its owner.
const (
	attrID         = "msDS-DeviceID"
	attrGUID       = "objectGUID"
	attrName       = "displayName"
	attrSystem     = "msDS-DeviceOSType"
	attrVersion    = "msDS-DeviceOSVersion"
	attrEnabled    = "msDS-IsEnabled"
	attrManaged    = "msDS-IsManaged"
	attrCompliant  = "msDS-IsCompliant"
	attrOwner      = "msDS-RegisteredOwner"
	attrKeys       = "msDS-KeyCredentialLink"
	attrIdentities = "altSecurityIdentities"
	attrPrincipal  = "userPrincipalName"
)

var deviceAttributes = [...]string{
	attrID, attrGUID, attrName, attrSystem, attrVersion, attrEnabled, attrManaged, attrCompliant, attrOwner, attrKeys, attrIdentities,
}

var userAttributes = [...]string{attrPrincipal, attrGUID}

// deviceFilter finds a device by its id, as Active Directory writes one, as 16 octets, or as text, which other servers may
// hold; or by the object's own GUID.
func deviceFilter(id string) string {
	alternatives := "(" + attrID + "=" + client.EscapeFilter(id) + ")"
	if octets, ok := parseGUID(id); ok {
		alternatives += "(" + attrID + "=" + escape(octets) + ")(" + attrGUID + "=" + escape(octets) + ")"
	}
	return "(&(objectClass=msDS-Device)(|" + alternatives + "))"
}

// read makes a device of an entry.
func read(entry *client.Entry, id string) (*device.Device, error) {
	d := device.Device{
		ID:                     id,
		DisplayName:            entry.GetEqualFoldAttributeValue(attrName),
		OperatingSystem:        entry.GetEqualFoldAttributeValue(attrSystem),
		OperatingSystemVersion: entry.GetEqualFoldAttributeValue(attrVersion),
	}
	var problems []error
	for name, place := range map[string]**bool{attrEnabled: &d.AccountEnabled, attrManaged: &d.IsManaged, attrCompliant: &d.IsCompliant} {
		var err error
		*place, err = flag(entry, name)
		problems = append(problems, err)
	}
	if owner := entry.GetEqualFoldRawAttributeValue(attrOwner); len(owner) > 0 {
		d.RegisteredOwners = []string{ownerText(owner)}
	}
	keys, complete, err := readKeys(entry, id)
	if err := errors.Join(append(problems, err)...); err != nil {
		return nil, err
	}
	return d.WithKeys(keys, complete)
}

// flag reads a boolean (RFC 4517, section 3.3.3); nil if the object has none.
func flag(entry *client.Entry, name string) (*bool, error) {
	values := entry.GetEqualFoldAttributeValues(name)
	switch {
	case len(values) == 0:
		return nil, nil
	case len(values) == 1 && values[0] == "TRUE":
		return new(true), nil
	case len(values) == 1 && values[0] == "FALSE":
		return new(false), nil
	}
	return nil, fmt.Errorf("%s: expected TRUE or FALSE", name)
}

// readKeys reads what the object says of its keys. A key that we refuse does not spoil the others; that there were some
// counts.
func readKeys(entry *client.Entry, id string) (keys []device.Key, complete device.KeyKinds, err error) {
	objectGUID, _ := formatGUID(entry.GetEqualFoldRawAttributeValue(attrGUID))
	for _, value := range entry.GetEqualFoldAttributeValues(attrKeys) {
		complete |= device.SigningKeys
		c, err := keycredential.Parse(value)
		if err != nil || c.Key == nil {
			continue
		}
		// A credential that names another device was registered for that one.
		if c.DeviceID == "" || strings.EqualFold(c.DeviceID, id) || c.DeviceID == objectGUID {
			keys = append(keys, device.Key{Thumbprint: c.Key.Thumbprint.String(), HardwareBacked: c.Hardware})
		}
	}
	for _, value := range entry.GetEqualFoldAttributeValues(attrIdentities) {
		key, found, err := device.ParseAltSecurityIdentity(value)
		if found || err != nil {
			complete |= device.Certificates
		}
		if found {
			keys = append(keys, key)
		}
	}
	if len(keys) > device.MaxKeys {
		return nil, 0, fmt.Errorf("%d keys, expected at most %d", len(keys), device.MaxKeys)
	}
	return keys, complete, nil
}

// userNames are what a token may call the user.
func userNames(user *client.Entry) []string {
	var names []string
	if name := user.GetEqualFoldAttributeValue(attrPrincipal); name != "" {
		names = append(names, name)
	}
	if id, ok := formatGUID(user.GetEqualFoldRawAttributeValue(attrGUID)); ok {
		names = append(names, id)
	}
	return names
}
