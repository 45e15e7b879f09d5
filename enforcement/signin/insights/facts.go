// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"cmp"
	"net/netip"
	"strconv"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// The dimensions by which sign-ins are counted and filtered.
const (
	byUser = iota
	byReason
	byDevice
	byPlatform
	byClient
	byApp
	byResource
	byNetwork
	dimensions
)

// dimension describes one: the name of its filter in a query, its title on the page, and how many values are told apart.
type dimension struct {
	param, title string
	most         int
}

var described = [dimensions]dimension{
	byUser:     {"user", "Users", 20000},
	byReason:   {"reason", "Reasons", 200},
	byDevice:   {"device", "Device state", 20},
	byPlatform: {"platform", "Platforms", 20},
	byClient:   {"client", "Client apps", 20},
	byApp:      {"app", "Applications", 300},
	byResource: {"resource", "Resources", 100},
	byNetwork:  {"network", "Networks", 2000},
}

// Names for what is missing, and for what is not told apart.
const (
	noUser  = "(no user)"
	noApp   = "(no app)"
	unknown = "(unknown)"
	others  = signin.Others
)

// valuesOf says where an entry stands in each dimension.
func valuesOf(e *signin.Entry) [dimensions]string {
	return [dimensions]string{
		byUser:     signin.Clip(cmp.Or(e.UserPrincipalName, e.UserID, noUser), signin.MaxName),
		byReason:   reasonOf(e),
		byDevice:   deviceState(&e.DeviceDetail),
		byPlatform: signin.Clip(cmp.Or(e.DeviceDetail.OperatingSystem, unknown), signin.MaxName),
		byClient:   clientApp(e.ClientAppUsed),
		byApp:      signin.Clip(cmp.Or(e.AppDisplayName, e.AppID, noApp), signin.MaxName),
		byResource: signin.Clip(cmp.Or(e.ResourceDisplayName, e.ResourceIdentity, unknown), signin.MaxName),
		byNetwork:  network(e.IPAddress),
	}
}

// reasonOf is the code and, where the record names it, the check that failed.
func reasonOf(e *signin.Entry) string {
	code := e.TokenProtectionStatusDetails.SignInSessionStatusCode
	if code == 0 {
		return "0 bound"
	}
	return strings.TrimSpace(strconv.Itoa(code) + " " + signin.Clip(e.Check(), 64))
}

// codeOf is the code that a reason begins with.
func codeOf(reason string) int {
	text, _, _ := strings.Cut(reason, " ")
	code, _ := strconv.Atoi(text)
	return code
}

// meaning says in words what a reason's code stands for, where the reason does not say so itself.
func meaning(reason string) string {
	return signin.Meaning(codeOf(reason))
}

// deviceState puts a device into one of the workbook's states, the strongest that is known.
func deviceState(d *signin.DeviceDetail) string {
	switch {
	case d.IsCompliant:
		return "Compliant"
	case strings.EqualFold(d.TrustType, "ServerAD") || strings.HasPrefix(strings.ToLower(d.TrustType), "hybrid"):
		return "Hybrid joined"
	case d.IsManaged:
		return "Managed"
	case strings.EqualFold(d.TrustType, "AzureAD") || strings.EqualFold(d.TrustType, "Azure AD joined"):
		return "Joined"
	case strings.EqualFold(d.TrustType, "Workplace") || strings.EqualFold(d.TrustType, "Azure AD registered"):
		return "Registered"
	case d.DeviceID != "":
		return "Named in the token"
	}
	return "No device"
}

// clientApp gives Conditional Access's client app types the names that Entra's pages have for them.
func clientApp(used string) string {
	switch used {
	case "":
		return unknown
	case "browser":
		return "Browser"
	case "mobileAppsAndDesktopClients":
		return "Mobile apps and desktop clients"
	case "exchangeActiveSync":
		return "Exchange ActiveSync"
	case "other":
		return "Other clients"
	}
	return signin.Clip(used, signin.MaxName)
}

// network is the address's /24, or /48 for IPv6: what one site usually has.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return unknown
	}
	a = a.Unmap().WithZone("")
	bits := 24
	if a.Is6() {
		bits = 48
	}
	prefix, err := a.Prefix(bits)
	if err != nil {
		return unknown
	}
	return prefix.String()
}
