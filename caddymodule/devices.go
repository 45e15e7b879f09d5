// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import "github.com/caddyserver/caddy/v2"

// DeviceDirectory says who knows the devices that tokens name. A request that
// proves possession of a key is then refused unless its device is known,
// enabled, registered to the user, and the key is its own.
type DeviceDirectory struct {
	// The kind of directory: `file`, `http` or `ldap`.
	Source string `json:"source"`

	// For `file`: a JSON file in the shape of Microsoft Graph's `device`: one,
	// an array, or `{"value": [...]}`, each with its `keys`. Read again when it
	// changes; a broken one never replaces a good one.
	Path string `json:"path,omitempty"`

	// For `http`: the base URL of Microsoft Graph, or of an API of its shape.
	// For `ldap`: `ldaps://host`, or `ldap://host` with `start_tls`.
	URL string `json:"url,omitempty"`

	// For `http`: how a device is asked for: `key`, as
	// `/devices(deviceId='...')`, or `filter`, as
	// `/devices?$filter=deviceId eq '...'`. Default: key.
	Lookup string `json:"lookup,omitempty"`

	// For `http`: a bearer token. Placeholders such as `{env.TOKEN}` and
	// `{file./run/secrets/token}` work, and are read for each question.
	Bearer string `json:"bearer,omitempty"`

	// For `http`: where to get a token by client credentials instead, with
	// what, and for which scope. Default of the scope: `/.default` of the API.
	TokenURL     string `json:"token_url,omitempty"`
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
	Scope        string `json:"scope,omitempty"`

	// For `ldap`: asks for TLS on a plain connection.
	StartTLS bool `json:"start_tls,omitempty"`

	// For `ldap`: PEM files with the authorities of the server's certificate.
	// Default: the system's.
	CA []string `json:"ca,omitempty"`

	// For `ldap`: the name and password of a simple bind. Placeholders work in
	// the password.
	BindDN       string `json:"bind_dn,omitempty"`
	BindPassword string `json:"bind_password,omitempty"`

	// For `ldap`: under which names devices and their owners are. Default of
	// the latter: the former.
	BaseDN     string `json:"base_dn,omitempty"`
	UserBaseDN string `json:"user_base_dn,omitempty"`

	// For `http` and `ldap`: how often devices in use are asked about again in
	// the background, 20 of them a second at most, so that what the directory
	// takes away counts at once. 0 means never. Default: 1s.
	Renew *caddy.Duration `json:"renew,omitempty"`

	// For `http` and `ldap`: how long an answer is believed otherwise, how long a
	// request waits for one, and how many are kept. Default: 1m, 3s, 20000.
	Fresh   caddy.Duration `json:"fresh,omitempty"`
	Timeout caddy.Duration `json:"timeout,omitempty"`
	Entries int            `json:"entries,omitempty"`

	// What follows where the directory does not answer: `strict`, the request
	// is refused with 503; or `best_effort`, it is judged without a device,
	// and the record says so. Default: strict.
	Posture string `json:"posture,omitempty"`

	// Refuses a key that the directory does not list, also where it lists
	// none at all. Without it such a device is left to the token's `cnf`.
	RequireKeys bool `json:"require_keys,omitempty"`
}

// Kinds of directories.
const (
	directoryFile = "file"
	directoryHTTP = "http"
	directoryLDAP = "ldap"
)

// Requirements says what devices and clients must be able to do.
type Requirements struct {
	// A built-in profile: `microsoft365`.
	Profile string `json:"profile,omitempty"`

	// A JSON file with a profile of one's own, in the built-in one's shape.
	File string `json:"file,omitempty"`
}
