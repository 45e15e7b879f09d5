// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "testing"

func TestPlatformAndClientOfUserAgents(t *testing.T) {
	const eas = "/Microsoft-Server-ActiveSync"
	tests := []struct {
		name, agent, path string
		platform          Platform
		client            ClientApp
	}{
		{"Edge on Windows", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0", "/owa/", Windows, Browser},
		{"Firefox on Linux", "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", "/owa/", Linux, Browser},
		{"Safari on macOS", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15", "/", MacOS, Browser},
		{"Safari on iPhone", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1", "/", IOS, Browser},
		{"Chrome on Android", "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36", "/", Android, Browser},
		{"Chrome on iPad", "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.0.0 Mobile/15E148 Safari/604.1", "/", IOS, Browser},
		{"Internet Explorer 11", "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko", "/", Windows, Browser},
		{"Chrome on ChromeOS: no platform of policies", "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36", "/", "", Browser},
		{"Edge on Windows Phone: claims Android and Windows too", "Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Microsoft; Lumia 950) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/52.0 Mobile Safari/537.36 Edge/15.15063", "/", "", Browser},
		{"two platforms at once", "Mozilla/5.0 (Windows NT 10.0; Linux x86_64) Chrome/126.0.0.0", "/", "", Browser},
		{"two platforms at once, with Apple's", "Mozilla/5.0 (Macintosh; Linux x86_64) Chrome/126.0.0.0", "/", "", Browser},

		{"Outlook on Windows", "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17628; Pro)", "/EWS/Exchange.asmx", Windows, MobileAppsAndDesktopClients},
		{"Outlook on macOS", "MacOutlook/16.86.24060916 (Intelx64 Mac OS X Version 14.5 (Build 23F79))", "/EWS/Exchange.asmx", MacOS, MobileAppsAndDesktopClients},
		{"Outlook on iOS", "Outlook-iOS/729.2424.0 (Apple iPhone15,2; iOS 17.5)", "/api/v2.0/me", IOS, MobileAppsAndDesktopClients},
		{"Outlook on Android", "Outlook-Android/4.2423.1", "/api/v2.0/me", Android, MobileAppsAndDesktopClients},
		{"Outlook's page inside a browser engine", "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; Microsoft Outlook 16.0.5071; ms-office)", "/", Windows, MobileAppsAndDesktopClients},
		{"Teams", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36 Edg/126.0 Teams/24152.412", "/_api/web", Windows, MobileAppsAndDesktopClients},
		{"OneDrive", "Microsoft SkyDriveSync 24.108.0528 ship; Windows NT 10.0 (22631)", "/_api/web", Windows, MobileAppsAndDesktopClients},
		{"a WebView of Android", "Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0 Mobile Safari/537.36", "/", Android, MobileAppsAndDesktopClients},
		{"a WebView of iOS", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148", "/", IOS, ""},
		{"Apple's HTTP stack: iOS or macOS", "accountsd/113 CFNetwork/1498.700.2 Darwin/23.6.0", "/", "", MobileAppsAndDesktopClients},
		{"okhttp", "okhttp/4.12.0", "/", "", MobileAppsAndDesktopClients},
		{"Thunderbird", "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.12.0", "/", Linux, MobileAppsAndDesktopClients},

		{"Apple Mail over ActiveSync", "Apple-iPhone15C2/2106.90", eas + "/default.eas", IOS, ExchangeActiveSync},
		{"Outlook over ActiveSync", "Outlook-iOS-Android/1.0", eas, "", ExchangeActiveSync},
		{"ActiveSync in IIS's eyes", "Android-SAMSUNG-SM-S911B/101.14", "/microsoft-server-activesync/", Android, ExchangeActiveSync},
		{"a path that only begins like ActiveSync", "", eas + "X", "", ""},
		{"ActiveSync below another path", "", "/x" + eas, "", ""},

		{"Windows' WebDAV redirector", "Microsoft-WebDAV-MiniRedir/10.0.22631", "/sites/a", "", OtherClients},
		{"the EWS Managed API", "ExchangeServicesClient/15.00.0913.015", "/EWS/Exchange.asmx", "", OtherClients},

		{"curl", "curl/8.8.0", "/", "", ""},
		{"a library of a scripting language", "python-requests/2.32.3", "/", "", ""},
		{"a library whose name ends in ios", "axios/1.7.2", "/", "", ""},
		{"nothing", "", "", "", ""},
		{"a browser's mark alone", "Chrome/126.0.0.0", "/", "", ""},
		{"a browser's beginning alone", "Mozilla/5.0 (compatible; bot)", "/", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := PlatformOf(test.agent); got != test.platform {
				t.Errorf("platform: got %q, want %q", got, test.platform)
			}
			if got := ClientAppOf(test.agent, test.path); got != test.client {
				t.Errorf("client app: got %q, want %q", got, test.client)
			}
		})
	}
}
