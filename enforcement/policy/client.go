// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "strings"

// What this file reads, the client writes. It separates clients that cannot do token protection yet from those that can,
// so that a rollout does not break the former: a compatibility gate, and not security. So every doubt ends in
// "unknown", which is in scope of every policy, and a bound token owes its proof whatever this file makes of the
// user agent (Set.BoundTokenNeedsProof).

// PlatformOf guesses the device platform from a User-Agent field. It is unknown if nothing in it tells, if two platforms
// are claimed at once, or if the platform is none that policies know (ChromeOS, Windows Phone). CFNetwork's "Darwin"
// tells nothing: it stands for macOS and iOS alike.
func PlatformOf(userAgent string) Platform {
	found := Platform("")
	for _, mark := range platformMarks {
		if !strings.Contains(userAgent, mark.text) {
			continue
		}
		switch {
		case mark.platform == "":
			return ""
		case found == "":
			found = mark.platform
		case found != mark.platform && found != mark.beside:
			return ""
		}
	}
	return found
}

// platformMarks are read in order. Beside is an earlier platform whose user agents carry the mark as well, which is then no
// contradiction: iOS says "like Mac OS X", Android says "Linux".
var platformMarks = [...]struct {
	text     string
	platform Platform
	beside   Platform
}{
	{text: "Windows Phone"},
	{text: "CrOS"},
	{text: "iPhone", platform: IOS},
	{text: "iPad", platform: IOS},
	{text: "iOS", platform: IOS},
	{text: "Android", platform: Android},
	{text: "Windows", platform: Windows},
	{text: "Macintosh", platform: MacOS},
	{text: "MacOutlook", platform: MacOS},
	{text: "macOS", platform: MacOS},
	{text: "Mac OS X", platform: MacOS, beside: IOS},
	{text: "Linux", platform: Linux, beside: Android},
}

// activeSyncPath is where Exchange serves ActiveSync ([MS-ASHTTP], section 2.2.1.1.1).
const activeSyncPath = "/Microsoft-Server-ActiveSync"

// ClientAppOf guesses the kind of client from a User-Agent field and the request's path. It is unknown for what this file
// does not recognise: tools such as curl, libraries of scripting languages, and an absent field.
func ClientAppOf(userAgent, path string) ClientApp {
	switch {
	case isActiveSync(path):
		// The path decides, not the agent: whoever speaks ActiveSync is an ActiveSync client, Outlook included.
		return ExchangeActiveSync
	case containsAny(userAgent, legacyMarks[:]):
		return OtherClients
	case containsAny(userAgent, appMarks[:]):
		// Before the browsers: apps with a built-in browser engine carry its marks too.
		return MobileAppsAndDesktopClients
	case strings.HasPrefix(userAgent, "Mozilla/5.0 (") && containsAny(userAgent, browserMarks[:]):
		return Browser
	}
	return ""
}

// isActiveSync compares without case, as IIS does.
func isActiveSync(path string) bool {
	n := len(activeSyncPath)
	return len(path) >= n && strings.EqualFold(path[:n], activeSyncPath) && (len(path) == n || path[n] == '/')
}

// legacyMarks are clients that by themselves know Basic and Windows authentication only, which Entra calls "other
// clients": Windows' WebDAV redirector and the EWS Managed API. Mail clients of IMAP, POP and SMTP, Entra's other
// examples, do not come over HTTP.
var legacyMarks = [...]string{
	"Microsoft-WebDAV-MiniRedir", "DavClnt", "ExchangeServicesClient",
}

// appMarks are Microsoft's apps, the libraries that sign in for apps, and HTTP stacks that apps and no browsers use.
var appMarks = [...]string{
	"Outlook", "Microsoft Office", "Teams", "OneDrive", "SkyDriveSync", "MSAL", "okhttp", "CFNetwork", "Thunderbird",
	"Electron/", "; wv)", // an Android WebView: a page inside an app
}

// browserMarks follow "Mozilla/5.0 (" in every current browser. A WebView of iOS has none of them.
var browserMarks = [...]string{
	"Chrome/", "Firefox/", "Safari/", "CriOS/", "FxiOS/", "EdgiOS/", "Edg/", "Trident/",
}

func containsAny(s string, marks []string) bool {
	for _, mark := range marks {
		if strings.Contains(s, mark) {
			return true
		}
	}
	return false
}
