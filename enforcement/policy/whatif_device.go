// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"io"
	"strconv"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
)

// DeviceInfo is a device in the shape of Graph's deviceInfo, which names some attributes otherwise than `device` does.
type DeviceInfo device.Device

// deviceInfoPath is where a request has it.
const deviceInfoPath = "signInConditions.deviceInfo"

// extensionAttributes is how many extension attributes Graph has.
const extensionAttributes = 15

func extensionAttribute(number int) string { return "extensionAttribute" + strconv.Itoa(number) }

var deviceInfoShape = func() shape {
	s := shape{
		"deviceId":               {kind: kept},
		"displayName":            {kind: kept},
		"enrollmentProfileName":  {kind: kept},
		"isCompliant":            {kind: kept},
		"manufacturer":           {kind: kept},
		"mdmAppId":               {kind: kept},
		"model":                  {kind: kept},
		"operatingSystem":        {kind: kept},
		"operatingSystemVersion": {kind: kept},
		"ownership":              {kind: kept},
		"physicalIds":            {kind: kept},
		"profileType":            {kind: kept},
		"systemLabels":           {kind: kept},
		"trustType":              {kind: kept},
	}
	for i := range extensionAttributes {
		s[extensionAttribute(i+1)] = rule{kind: kept}
	}
	return s
}()

// wireDevice is what Graph's deviceInfo and device call alike, and ownership.
type wireDevice struct {
	DeviceID               string   `json:"deviceId,omitempty"`
	DisplayName            string   `json:"displayName,omitempty"`
	EnrollmentProfileName  string   `json:"enrollmentProfileName,omitempty"`
	IsCompliant            *bool    `json:"isCompliant,omitempty"`
	Manufacturer           string   `json:"manufacturer,omitempty"`
	MDMAppID               string   `json:"mdmAppId,omitempty"`
	Model                  string   `json:"model,omitempty"`
	OperatingSystem        string   `json:"operatingSystem,omitempty"`
	OperatingSystemVersion string   `json:"operatingSystemVersion,omitempty"`
	Ownership              string   `json:"ownership,omitempty"`
	PhysicalIDs            []string `json:"physicalIds,omitempty"`
	ProfileType            string   `json:"profileType,omitempty"`
	SystemLabels           []string `json:"systemLabels,omitempty"`
	TrustType              string   `json:"trustType,omitempty"`
}

// ReadDeviceInfo reads the deviceInfo of a request that is put together otherwise, as strictly as ReadWhatIfRequest reads a
// whole one, and with the same errors.
func ReadDeviceInfo(from io.Reader) (*DeviceInfo, error) {
	text, err := readStrictly(from, "device", deviceInfoPath, deviceInfoShape)
	if err != nil {
		return nil, err
	}
	info := new(DeviceInfo)
	return info, info.UnmarshalJSON(text)
}

// UnmarshalJSON reads Graph's deviceInfo. ReadWhatIfRequest has looked at the names.
func (i *DeviceInfo) UnmarshalJSON(document []byte) error {
	var w wireDevice
	if err := json.Unmarshal(document, &w); err != nil {
		return typeError(deviceInfoPath+".", err)
	}
	*i = DeviceInfo{
		ID: w.DeviceID, DisplayName: w.DisplayName, EnrollmentProfileName: w.EnrollmentProfileName, IsCompliant: w.IsCompliant,
		Manufacturer: w.Manufacturer, MDMAppID: w.MDMAppID, Model: w.Model, OperatingSystem: w.OperatingSystem,
		OperatingSystemVersion: w.OperatingSystemVersion, DeviceOwnership: w.Ownership, PhysicalIDs: w.PhysicalIDs,
		ProfileType: w.ProfileType, SystemLabels: w.SystemLabels, TrustType: w.TrustType,
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(document, &all); err != nil {
		return err
	}
	for n := range extensionAttributes {
		name, value := extensionAttribute(n+1), ""
		if text, ok := all[name]; ok {
			if err := json.Unmarshal(text, &value); err != nil {
				return &WhatIfError{deviceInfoPath + "." + name, "must be a string"}
			}
		}
		if value == "" {
			continue
		}
		if i.ExtensionAttributes == nil {
			i.ExtensionAttributes = map[string]string{}
		}
		i.ExtensionAttributes[name] = value
	}
	return nil
}

// MarshalJSON writes Graph's deviceInfo.
func (i DeviceInfo) MarshalJSON() ([]byte, error) {
	document, err := json.Marshal(wireDevice{
		i.ID, i.DisplayName, i.EnrollmentProfileName, i.IsCompliant, i.Manufacturer, i.MDMAppID, i.Model, i.OperatingSystem,
		i.OperatingSystemVersion, i.DeviceOwnership, i.PhysicalIDs, i.ProfileType, i.SystemLabels, i.TrustType,
	})
	if err != nil || len(i.ExtensionAttributes) == 0 {
		return document, err
	}
	all := map[string]any{}
	if err := json.Unmarshal(document, &all); err != nil {
		return nil, err
	}
	for name, value := range i.ExtensionAttributes {
		all[name] = value
	}
	return json.Marshal(all)
}
