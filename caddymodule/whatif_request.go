// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

// whatIfSignIn are the flags that describe a sign-in.
type whatIfSignIn struct {
	request                         string // a file instead of the others
	user, userID                    string
	groups, roles                   []string
	guest                           bool
	platform, clientApp, ip, device string
	confirmed, bound, hardwareKey   bool
}

// names of the flags, but for resource, which replays have too.
var signInFlags = []string{
	"user", "user-id", "group", "role", "guest", "platform", "client-app", "ip", "device", "confirmed", "bound", "hardware-key",
}

func (o *whatIfSignIn) flags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&o.request, "request", "", "a file with the sign-in, as Graph's evaluate takes it, instead of the following; - is standard input")
	flags.StringVar(&o.user, "user", "", "the user's name")
	flags.StringVar(&o.userID, "user-id", "", "the user's immutable id")
	flags.StringArrayVar(&o.groups, "group", nil, "a group of the user, as tokens spell it; repeatable; '' says that there are none")
	flags.StringArrayVar(&o.roles, "role", nil, "a role of the user, as tokens spell it; repeatable; '' says that there are none")
	flags.BoolVar(&o.guest, "guest", false, "the user is a guest")
	flags.StringVar(&o.platform, "platform", "", "the device's platform: windows, macOS, linux, iOS or android")
	flags.StringVar(&o.clientApp, "client-app", "", "the kind of client: browser, mobile_and_desktop, exchange_active_sync or other")
	flags.StringVar(&o.ip, "ip", "", "the client's IP address")
	flags.StringVar(&o.device, "device", "", "a file with the device, as Graph's deviceInfo; {} is one that is not registered")
	flags.BoolVar(&o.confirmed, "confirmed", false, "the token names a key")
	flags.BoolVar(&o.bound, "bound", false, "the request proves possession of the key that the token names")
	flags.BoolVar(&o.hardwareKey, "hardware-key", false, "with --bound: the key is known to be hardware-backed")
	for _, name := range signInFlags {
		command.MarkFlagsMutuallyExclusive("request", name)
	}
}

// read returns the sign-in. What the flags leave out is unknown.
func (o *whatIfSignIn) read(stdin io.Reader, resources []string) (policy.WhatIfRequest, error) {
	if o.request != "" {
		request, err := o.readFile(stdin)
		if err != nil {
			return request, fmt.Errorf("--request %s: %w", o.request, err)
		}
		return request, nil
	}
	if err := o.check(resources); err != nil {
		return policy.WhatIfRequest{}, err
	}
	return o.assemble(resources)
}

func (o *whatIfSignIn) readFile(stdin io.Reader) (policy.WhatIfRequest, error) {
	if o.request == "-" {
		return policy.ReadWhatIfRequest(stdin)
	}
	file, err := os.Open(o.request)
	if err != nil {
		return policy.WhatIfRequest{}, errors.Unwrap(err) // the path is named by the caller
	}
	defer file.Close()
	return policy.ReadWhatIfRequest(file)
}

// check says what is wrong with the flags.
func (o *whatIfSignIn) check(resources []string) error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if o.user == "" && o.userID == "" {
		problem("--user, --user-id: neither is given; expected the user's name, immutable id, or both")
	}
	if len(resources) != 1 || resources[0] == "" {
		problem("--resource %q: expected one, the name or the application id of a resource", resources)
	}
	if _, ok := platforms[strings.ToLower(o.platform)]; !ok && o.platform != "" {
		problem("--platform %q: expected one of %s", o.platform, wordsOf(platforms))
	}
	if o.clientApp != "" && clientAppNamed(o.clientApp) == "" {
		problem("--client-app %q: expected one of %s", o.clientApp, wordsOf(clientApps))
	}
	if _, err := netip.ParseAddr(o.ip); err != nil && o.ip != "" {
		problem("--ip %q: expected an address such as 192.0.2.1 or 2001:db8::1", o.ip)
	}
	if o.hardwareKey && !o.bound {
		problem("--hardware-key: given without --bound; expected both, because only a key that is proved counts")
	}
	return errors.Join(problems...)
}

// clientAppNamed reads the Caddyfile's word for a kind of client, or Graph's; empty if it is none.
func clientAppNamed(word string) policy.ClientApp {
	for caddyfile, graph := range clientApps {
		if word == caddyfile || word == string(graph) {
			return graph
		}
	}
	return ""
}

func wordsOf[T any](of map[string]T) string {
	return strings.Join(slices.Sorted(maps.Keys(of)), ", ")
}

func (o *whatIfSignIn) assemble(resources []string) (r policy.WhatIfRequest, err error) {
	identity, conditions := &r.SignInIdentity, &r.SignInConditions
	identity.UserPrincipalName, identity.UserID = o.user, o.userID
	identity.Groups, identity.Roles = orNone(o.groups), orNone(o.roles)
	if o.guest {
		identity.ExternalUserType = "b2bCollaborationGuest" // policies do not tell kinds of guest apart
	}
	r.SignInContext.IncludeApplications = resources
	conditions.DevicePlatform, conditions.ClientAppType = platforms[strings.ToLower(o.platform)], clientAppNamed(o.clientApp)
	conditions.IPAddress = o.ip
	r.TokenProtection = policy.WhatIfToken{Confirmed: o.confirmed || o.bound, Bound: o.bound, HardwareKey: o.hardwareKey}
	if o.device != "" {
		conditions.DeviceInfo, err = readDeviceInfo(o.device)
	}
	return r, err
}

// orNone reads a repeatable flag, of which one that is empty says that there are none. Nil is unknown.
func orNone(values []string) []string {
	if values == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(values), func(value string) bool { return value == "" })
}

func readDeviceInfo(path string) (*policy.DeviceInfo, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--device: %w", err)
	}
	defer file.Close()
	info, err := policy.ReadDeviceInfo(file)
	if err != nil {
		return nil, fmt.Errorf("--device %s: %w", path, err)
	}
	return info, nil
}
