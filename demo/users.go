// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

// User is somebody the demo's issuer knows.
type User struct {
	// Name is what the token request's `user` says.
	Name string
	// UPN is the user principal name, which can change.
	UPN string
	// ID is the immutable object id, `oid` and `sub`.
	ID string
	// Groups are the groups that policies speak of.
	Groups []string
	// Roles are ids of Entra role templates, `wids`.
	Roles []string
	// Device is the id of the user's registered device, or empty.
	Device string
}

// The role templates that Entra gives: to every user, and to those who may do
// everything.
const (
	roleUser                = "b79fbf4d-3ef9-4689-8143-76b194e85509"
	roleGlobalAdministrator = "62e90394-69f5-4237-9190-012177145e10"
)

// Users are the demo's people: five of the pilot group with a device each (alice
// and carol prove by DPoP, dave by a certificate, erin by signed requests, frank
// by his browser's device-bound session), one outside it, and the emergency
// account, which is a member of everything so that only the policy's exclusion
// can spare it.
func Users() []User {
	return []User{
		{
			Name: "alice", UPN: "alice@contoso.example", ID: "0b1f4c5e-2a61-4c6e-9d0a-6f3c1b7e5a01",
			Groups: []string{"pilot"}, Roles: []string{roleUser}, Device: "d1a7c0de-0001-4e57-8b1e-3c5d9f2a7b01",
		},
		{
			Name: "bob", UPN: "bob@contoso.example", ID: "0b1f4c5e-2a61-4c6e-9d0a-6f3c1b7e5a02",
			Groups: []string{"sales"}, Roles: []string{roleUser},
		},
		{
			Name: "carol", UPN: "carol@contoso.example", ID: "0b1f4c5e-2a61-4c6e-9d0a-6f3c1b7e5a03",
			Groups: []string{"pilot", "sales"}, Roles: []string{roleUser}, Device: "d1a7c0de-0003-4e57-8b1e-3c5d9f2a7b03",
		},
		{
			Name: "dave", UPN: "dave@contoso.example", ID: "0b1f4c5e-2a61-4c6e-9d0a-6f3c1b7e5a04",
			Groups: []string{"pilot"}, Roles: []string{roleUser}, Device: "d1a7c0de-0004-4e57-8b1e-3c5d9f2a7b04",
		},
		{
			Name: "erin", UPN: "erin@contoso.example", ID: "0b1f4c5e-2a61-4c6e-9d0a-6f3c1b7e5a05",
			Groups: []string{"pilot"}, Roles: []string{roleUser}, Device: "d1a7c0de-0005-4e57-8b1e-3c5d9f2a7b05",
		},
		{
			Name: "frank", UPN: "frank@contoso.example", ID: "0b1f4c5e-2a61-4c6e-9d0a-6f3c1b7e5a06",
			Groups: []string{"pilot"}, Roles: []string{roleUser}, Device: "d1a7c0de-0006-4e57-8b1e-3c5d9f2a7b06",
		},
		{
			Name: "breakglass", UPN: "breakglass@contoso.example", ID: "0b1f4c5e-2a61-4c6e-9d0a-6f3c1b7e5a09",
			Groups: []string{"pilot", "break-glass"}, Roles: []string{roleUser, roleGlobalAdministrator},
		},
	}
}

// findUser returns the user of the given name.
func findUser(name string) (User, bool) {
	for _, user := range Users() {
		if user.Name == name {
			return user, true
		}
	}
	return User{}, false
}
