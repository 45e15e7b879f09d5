// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"strconv"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
)

// attribute is one of the device's attributes that rules can name. Exactly one of its functions is set.
type attribute struct {
	name string
	text func(*device.Device) string // empty means null
	list func(*device.Device) []string
	flag func(*device.Device) *bool
	// changeable says that the device's user can change it.
	changeable bool
}

// attributes are all that Entra documents for device filters.
var attributes = append([]*attribute{
	{name: "deviceId", text: func(d *device.Device) string { return d.ID }},
	{name: "displayName", text: func(d *device.Device) string { return d.DisplayName }, changeable: true},
	{name: "deviceOwnership", text: func(d *device.Device) string { return d.DeviceOwnership }},
	{name: "enrollmentProfileName", text: func(d *device.Device) string { return d.EnrollmentProfileName }},
	{name: "isCompliant", flag: func(d *device.Device) *bool { return d.IsCompliant }},
	{name: "manufacturer", text: func(d *device.Device) string { return d.Manufacturer }, changeable: true},
	{name: "mdmAppId", text: func(d *device.Device) string { return d.MDMAppID }},
	{name: "model", text: func(d *device.Device) string { return d.Model }, changeable: true},
	{name: "operatingSystem", text: func(d *device.Device) string { return d.OperatingSystem }},
	{name: "operatingSystemVersion", text: func(d *device.Device) string { return d.OperatingSystemVersion }},
	{name: "physicalIds", list: func(d *device.Device) []string { return d.PhysicalIDs }},
	{name: "profileType", text: func(d *device.Device) string { return d.ProfileType }},
	{name: "systemLabels", list: func(d *device.Device) []string { return d.SystemLabels }},
	{name: "trustType", text: func(d *device.Device) string { return d.TrustType }},
}, extensionAttributes()...)

// extensionAttributeCount is how many extension attributes there are.
const extensionAttributeCount = 15

func extensionAttributes() []*attribute {
	var all []*attribute
	for i := range extensionAttributeCount {
		name := "extensionAttribute" + strconv.Itoa(i+1)
		all = append(all, &attribute{name: name, text: func(d *device.Device) string { return d.ExtensionAttributes[name] }})
	}
	return all
}

// attributesByName has them by their names in lower case. Microsoft's own examples write physicalIds in two ways.
var attributesByName = func() map[string]*attribute {
	byName := map[string]*attribute{}
	for _, a := range attributes {
		byName[strings.ToLower(a.name)] = a
	}
	byName["devicephysicalids"] = byName["physicalids"]
	return byName
}()

// attributeNames lists them for errors.
var attributeNames = func() string {
	var names []string
	for _, a := range attributes[:len(attributes)-extensionAttributeCount] {
		names = append(names, a.name)
	}
	return strings.Join(names, ", ") + ", extensionAttribute1 to extensionAttribute15"
}()
