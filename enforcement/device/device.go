// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package device knows the devices that keys belong to. A proof shows that a
// request comes from the holder of a key; a directory says which device that
// is, whose it is, and whether it still counts. A Device is an immutable value
// in the words of Microsoft Graph's `device`; directories hand them out.
package device

import "fmt"

// Device is one record of a device directory. It is shared between requests and never changed.
type Device struct {
	// ID is Entra's device id (not the object id), as tokens name it in their `deviceid` claim.
	ID string `json:"deviceId"`
	// DisplayName is the device's name.
	DisplayName string `json:"displayName,omitempty"`
	// OperatingSystem and OperatingSystemVersion are as the device registered them, such as `Windows` and `10.0.22631.4037`.
	OperatingSystem        string `json:"operatingSystem,omitempty"`
	OperatingSystemVersion string `json:"operatingSystemVersion,omitempty"`
	// TrustType is the kind of registration: `AzureAD` (joined), `ServerAD` (hybrid joined) or `Workplace` (registered).
	TrustType string `json:"trustType,omitempty"`
	// ProfileType is the kind of device: `RegisteredDevice`, `SecureVM`, `Printer`, `Shared` or `IoT`.
	ProfileType string `json:"profileType,omitempty"`
	// IsCompliant, IsManaged and AccountEnabled are nil where the directory does not say.
	IsCompliant    *bool `json:"isCompliant,omitempty"`
	IsManaged      *bool `json:"isManaged,omitempty"`
	AccountEnabled *bool `json:"accountEnabled,omitempty"`
	// DeviceOwnership is `Company` or `Personal`.
	DeviceOwnership string `json:"deviceOwnership,omitempty"`
	// EnrollmentProfileName names the profile by which the device was enrolled.
	EnrollmentProfileName string `json:"enrollmentProfileName,omitempty"`
	// EnrollmentType is how it was enrolled, such as `AzureDomainJoined` or `WindowsBulkAzureDomainJoin`.
	EnrollmentType string `json:"enrollmentType,omitempty"`
	// Manufacturer, Model and MDMAppID describe the hardware and what manages it.
	Manufacturer string `json:"manufacturer,omitempty"`
	Model        string `json:"model,omitempty"`
	MDMAppID     string `json:"mdmAppId,omitempty"`
	// SystemLabels and PhysicalIDs are Graph's lists of labels and of ids.
	SystemLabels []string `json:"systemLabels,omitempty"`
	PhysicalIDs  []string `json:"physicalIds,omitempty"`
	// ExtensionAttributes holds `extensionAttribute1` to `extensionAttribute15`.
	ExtensionAttributes map[string]string `json:"extensionAttributes,omitempty"`
	// RegisteredOwners holds the ids or names of the users whose device it is.
	RegisteredOwners []string `json:"registeredOwners,omitempty"`
	// Keys are the keys that the device has registered; none if the directory does not know them.
	Keys []Key `json:"keys,omitempty"`

	// complete says of which KeyKinds of key the directory lists every one, so that another is not the device's own.
	complete KeyKinds
}

// KeyKinds is a set of kinds of key.
type KeyKinds uint8

// The kinds of key.
const (
	// SigningKeys are those named by their thumbprint.
	SigningKeys KeyKinds = 1 << iota
	// Certificates are those named by their certificate.
	Certificates
)

// WithKeys returns a copy of the device that has these keys and no others. Complete says of which kinds they are all that
// the device has, so that another key is not its own; of a kind that some of the keys are, they always are all. It fails
// if they are more than [MaxKeys].
func (d Device) WithKeys(keys []Key, complete KeyKinds) (*Device, error) {
	if len(keys) > MaxKeys {
		return nil, fmt.Errorf("%d keys, expected at most %d", len(keys), MaxKeys)
	}
	d.Keys, d.complete = keys, complete
	return &d, nil
}

// Key is a key that a device has registered.
type Key struct {
	// Thumbprint is that of the public key (RFC 7638, SHA-256), in base64url.
	Thumbprint string `json:"thumbprint,omitempty"`
	// Certificate is the SHA-256 of the device's certificate, in base64url, as in `x5t#S256` (RFC 8705, section 3.1).
	Certificate string `json:"x5t#S256,omitempty"`
	// CertificateSHA1 and PublicKeyHash name a certificate as Active Directory and Entra do: by the SHA-1 of the
	// certificate together with the SHA-256 of its public key, both in base64url ([MS-DVRJ], section 2.3.3). The SHA-1
	// alone identifies nothing.
	CertificateSHA1 string `json:"x5t,omitempty"`
	PublicKeyHash   string `json:"publicKeyHash,omitempty"`
	// HardwareBacked says that the key is known to be kept by hardware, such as a TPM.
	HardwareBacked bool `json:"hardwareBacked,omitempty"`
}
