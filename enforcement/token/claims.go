// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// Claims is what the rest of the project needs to know of a verified access
// token. It holds no map and not the token itself, so that a hundred thousand
// of them cost the collector little.
type Claims struct {
	// Issuer is the iss claim.
	Issuer string
	// ID is the token's identifier for logs: uti, else jti.
	ID string
	// User and UserID are the name and the immutable id of the user.
	User, UserID string
	// UserNameMutable says that User comes from a claim that users may set
	// themselves (preferred_username, email), so that it proves little.
	UserNameMutable bool
	// Groups and Roles are the user's, as the issuer spells them.
	Groups, Roles []string
	// GroupsCut says that the issuer left groups out because there are too
	// many (Entra's overage claim), so that membership is unknown.
	GroupsCut bool
	// Guest says that the user is a guest of the tenant (acct = 1).
	Guest bool
	// Device is the device id that the issuer put in.
	Device string
	// Platform is the device platform that the issuer put in.
	Platform string
	// Client is the id of the application that the token was issued to.
	Client string
	// ClaimsChallenge says that the client understands claims challenges (xms_cc contains cp1).
	ClaimsChallenge bool
	// Audience is the aud claim.
	Audience []string
	// Expires and NotBefore are exp and the later of nbf and iat, in Unix
	// seconds; NotBefore is 0 where the token has neither.
	Expires, NotBefore int64
	// Confirmation is the cnf claim.
	Confirmation Confirmation
}

// Audience is whom tokens for a resource are issued to.
type Audience struct {
	// Names are aud values, compared byte for byte.
	Names []string
	// Host, if set, also admits https:// and this host, with or without its port.
	Host string
}

// admits reports whether one aud value means the resource.
func (a Audience) admits(name string) bool {
	if slices.Contains(a.Names, name) {
		return true
	}
	host, ok := strings.CutPrefix(name, "https://")
	if !ok || a.Host == "" {
		return false
	}
	host = strings.TrimSuffix(host, "/")
	if host == a.Host {
		return true
	}
	port := strings.LastIndexByte(a.Host, ':')
	return port > strings.LastIndexByte(a.Host, ']') && port > 0 && host == a.Host[:port]
}

// isFor reports whether the token was issued for the audience.
func (c *Claims) isFor(audience Audience) bool {
	return slices.ContainsFunc(c.Audience, audience.admits)
}

// ClaimNames says in which claims each fact is found. The first that is
// present and not empty is taken.
type ClaimNames struct {
	User, UserID, Groups, Roles, Device, Client, Platform []string
}

// DefaultClaimNames fits RFC 9068 and Entra's v1 and v2 tokens.
func DefaultClaimNames() ClaimNames {
	return ClaimNames{
		User:     []string{"upn", "preferred_username", "email", "sub"},
		UserID:   []string{"oid", "sub"},
		Groups:   []string{"groups"},
		Roles:    []string{"wids", "roles"},
		Device:   []string{"deviceid"},
		Client:   []string{"appid", "azp", "client_id"},
		Platform: []string{"device_platform"},
	}
}

// fill puts the defaults in where nothing is configured.
func (n *ClaimNames) fill() {
	defaults := DefaultClaimNames()
	for _, pair := range []struct{ names, defaults *[]string }{
		{&n.User, &defaults.User},
		{&n.UserID, &defaults.UserID},
		{&n.Groups, &defaults.Groups},
		{&n.Roles, &defaults.Roles},
		{&n.Device, &defaults.Device},
		{&n.Client, &defaults.Client},
		{&n.Platform, &defaults.Platform},
	} {
		if len(*pair.names) == 0 {
			*pair.names = *pair.defaults
		}
	}
}

// fact is one of the things that ClaimNames locates.
type fact int

const (
	factUser fact = iota
	factUserID
	factGroups
	factRoles
	factDevice
	factClient
	factPlatform
	factCount
)

// place is one claim name's use: it answers a fact, at a rank.
type place struct {
	fact fact
	rank int
}

// compile turns the names around: claim name to the facts it may answer.
func (n ClaimNames) compile() map[string][]place {
	places := make(map[string][]place)
	for f, names := range [factCount][]string{n.User, n.UserID, n.Groups, n.Roles, n.Device, n.Client, n.Platform} {
		for rank, name := range names {
			places[name] = append(places[name], place{fact(f), rank})
		}
	}
	return places
}

// found is the best claim so far for a fact.
type found struct {
	rank  int
	name  string
	value jose.Value
	ok    bool
}

// claimReader gathers claims while a payload is scanned once.
type claimReader struct {
	places    map[string][]place
	groups    []string
	facts     [factCount]found
	claims    Claims
	hasExpiry bool
	uti, jti  string
	// What tells an access token from an ID token where typ does not.
	accessTokenish, idTokenish bool
	authorizedParty            string
}

func readClaims(payload []byte, places map[string][]place, groupNames []string) (*claimReader, error) {
	r := &claimReader{places: places, groups: groupNames}
	if err := r.read(payload); err != nil {
		return nil, err
	}
	if !r.hasExpiry {
		return nil, errors.New("exp: missing")
	}
	return r, nil
}

// read gathers the claims of one JSON object.
func (r *claimReader) read(payload []byte) error {
	if err := jose.ScanObject(payload, r.claim); err != nil {
		return err
	}
	return r.resolve()
}

func (r *claimReader) claim(name string, value jose.Value) error {
	if err := r.registered(name, value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, p := range r.places[name] {
		if best := &r.facts[p.fact]; (!best.ok || p.rank < best.rank) && !empty(value) {
			*best = found{rank: p.rank, name: name, value: value, ok: true}
		}
	}
	return nil
}

// registered reads the claims whose names are not configurable.
func (r *claimReader) registered(name string, value jose.Value) (err error) {
	switch name {
	case "iss":
		r.claims.Issuer, err = value.Text()
	case "uti":
		r.uti, err = value.Text()
	case "jti":
		r.jti, err = value.Text()
	case "aud":
		r.claims.Audience, err = oneOrMany(value)
	case "exp":
		r.hasExpiry = true
		r.claims.Expires, err = value.Integer()
	case "nbf", "iat":
		var notBefore int64
		notBefore, err = value.Integer()
		r.claims.NotBefore = max(r.claims.NotBefore, notBefore)
	case "acct":
		r.claims.Guest = says(value, "1")
	case "hasgroups":
		r.claims.GroupsCut = r.claims.GroupsCut || says(value, "true")
	case "_claim_names":
		err = r.distributed(value)
	case "xms_cc":
		var capabilities []string
		capabilities, err = oneOrMany(value)
		r.claims.ClaimsChallenge = slices.Contains(capabilities, "cp1")
	case "cnf":
		r.claims.Confirmation, err = parseConfirmation(value)
		if err != nil {
			err = fmt.Errorf("%w: %w", errConfirmation, err)
		}
	case "nonce", "at_hash", "c_hash":
		r.idTokenish = true
	case "scp", "scope", "client_id", "appid", "appidacr", "azpacr", "idtyp":
		r.accessTokenish = true
	case "azp":
		r.authorizedParty, err = value.Text()
	}
	return err
}

// distributed looks for the overage claim: groups that must be fetched
// elsewhere (OpenID Connect Core 1.0, section 5.6.2).
func (r *claimReader) distributed(value jose.Value) error {
	return jose.ScanObject(value.Raw, func(name string, _ jose.Value) error {
		r.claims.GroupsCut = r.claims.GroupsCut || slices.Contains(r.groups, name)
		return nil
	})
}

func (r *claimReader) resolve() error {
	c := &r.claims
	if c.ID = r.uti; c.ID == "" {
		c.ID = r.jti
	}
	for f, text := range map[fact]*string{
		factUser: &c.User, factUserID: &c.UserID, factDevice: &c.Device, factClient: &c.Client, factPlatform: &c.Platform,
	} {
		if best := r.facts[f]; best.ok {
			var err error
			if *text, err = best.value.Text(); err != nil {
				return fmt.Errorf("claim of the %s: %w", f, err)
			}
		}
	}
	name := r.facts[factUser].name
	c.UserNameMutable = name == "preferred_username" || name == "email"
	for f, list := range map[fact]*[]string{factGroups: &c.Groups, factRoles: &c.Roles} {
		if best := r.facts[f]; best.ok {
			var err error
			if *list, err = listed(best.value); err != nil {
				return fmt.Errorf("claim of the %s: %w", f, err)
			}
		}
	}
	return nil
}

func (f fact) String() string {
	return [factCount]string{"user", "user id", "groups", "roles", "device", "client", "platform"}[f]
}

// empty reports whether a claim is as good as absent.
func empty(value jose.Value) bool {
	switch value.Kind {
	case jose.Null:
		return true
	case jose.String:
		return len(value.Raw) == len(`""`)
	case jose.Array:
		return len(bytes.TrimSpace(value.Raw[1:len(value.Raw)-1])) == 0
	}
	return false
}

// says compares a claim that Entra writes as a number or a boolean, and that
// some issuers that copy it write as a string.
func says(value jose.Value, word string) bool {
	if value.Kind == jose.String {
		text, err := value.Text()
		return err == nil && text == word
	}
	return string(value.Raw) == word
}

// oneOrMany reads a string or an array of strings.
func oneOrMany(value jose.Value) ([]string, error) {
	if value.Kind == jose.Array {
		return value.Strings()
	}
	text, err := value.Text()
	if err != nil {
		return nil, err
	}
	return []string{text}, nil
}

// listed reads an array of strings, or one string with spaces or commas.
func listed(value jose.Value) ([]string, error) {
	if value.Kind == jose.Array {
		return value.Strings()
	}
	text, err := value.Text()
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }), nil
}
