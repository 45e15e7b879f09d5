// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "slices"

// Platform is a device platform, in Graph's spelling; empty means unknown.
type Platform string

// Platforms of devices, and AllPlatforms for policies.
const (
	Windows Platform = "windows"
	MacOS   Platform = "macOS"
	Linux   Platform = "linux"
	IOS     Platform = "iOS"
	Android Platform = "android"
	// WindowsPhone is accepted in policies, because exported ones name it, and never matches.
	WindowsPhone Platform = "windowsPhone"
	// AllPlatforms stands for every platform in a policy.
	AllPlatforms Platform = "all"
)

// platformNames are the platforms that a policy may name. Their order is that of the mask's bits.
var platformNames = []Platform{Windows, MacOS, Linux, IOS, Android, WindowsPhone}

// ClientApp is a kind of client, in Graph's spelling (conditionalAccessClientApp); empty means unknown.
type ClientApp string

// Kinds of client, and two words for policies.
const (
	Browser                     ClientApp = "browser"
	MobileAppsAndDesktopClients ClientApp = "mobileAppsAndDesktopClients"
	ExchangeActiveSync          ClientApp = "exchangeActiveSync"
	// OtherClients are clients of legacy protocols and libraries.
	OtherClients ClientApp = "other"
	// EASSupported is Exchange ActiveSync on supported platforms. A policy that names it is read as ExchangeActiveSync,
	// which is wider.
	EASSupported ClientApp = "easSupported"
	// AllClientApps stands for every kind of client in a policy.
	AllClientApps ClientApp = "all"
)

// clientAppTypes are the kinds of client that a policy may name.
var clientAppTypes = []ClientApp{
	AllClientApps, Browser, MobileAppsAndDesktopClients, ExchangeActiveSync, EASSupported, OtherClients,
}

// mask is a set of platforms or of kinds of client.
type mask uint8

const (
	unknown    mask = 1 // in every set: what is not known is in scope
	everything mask = 0xff
)

func (p Platform) bit() mask {
	switch p {
	case Windows:
		return 1 << 1
	case MacOS:
		return 1 << 2
	case Linux:
		return 1 << 3
	case IOS:
		return 1 << 4
	case Android:
		return 1 << 5
	}
	return unknown
}

func (a ClientApp) bit() mask {
	switch a {
	case Browser:
		return 1 << 1
	case MobileAppsAndDesktopClients:
		return 1 << 2
	case ExchangeActiveSync, EASSupported:
		return 1 << 3
	case OtherClients:
		return 1 << 4
	}
	return unknown
}

// mask compiles the platform condition.
func (p Platforms) mask() mask {
	m := unknown
	for _, name := range p.IncludePlatforms {
		if name == AllPlatforms {
			m = everything
		}
		m |= name.bit()
	}
	for _, name := range p.ExcludePlatforms {
		m &^= name.bit()
	}
	return m | unknown
}

// clientMask compiles the condition on client apps.
func clientMask(names []ClientApp) mask {
	if slices.Contains(names, AllClientApps) {
		return everything
	}
	m := unknown
	for _, name := range names {
		m |= name.bit()
	}
	return m
}
