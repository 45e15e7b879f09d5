// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package requirements

import (
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/version"
)

func microsoft(t testing.TB) *Profile {
	t.Helper()
	p, err := Find("microsoft365")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Microsoft's pages, row by row. Each row has its code.
func TestUnsupportedDevicesHaveTheirCode(t *testing.T) {
	joined := func(change func(*device.Device)) *device.Device {
		d := &device.Device{ID: "d1", OperatingSystem: "Windows", OperatingSystemVersion: "10.0.22631.4037", TrustType: "AzureAD", ProfileType: "RegisteredDevice"}
		change(d)
		return d
	}
	for name, c := range map[string]struct {
		device *device.Device
		want   reason.Reason
		code   int
	}{
		"Windows 11":                      {joined(func(*device.Device) {}), reason.None, 0},
		"Windows 10":                      {joined(func(d *device.Device) { d.OperatingSystemVersion = "10.0.10240" }), reason.None, 0},
		"Windows 10, of Active Directory": {joined(func(d *device.Device) { d.OperatingSystemVersion = "10.0 (19045)" }), reason.None, 0},
		"Windows 8.1":                     {joined(func(d *device.Device) { d.OperatingSystemVersion = "6.3.9600" }), reason.SystemVersion, 1006},
		"Windows 7":                       {joined(func(d *device.Device) { d.OperatingSystemVersion = "6.1 (7601)" }), reason.SystemVersion, 1006},
		"a version that is none":          {joined(func(d *device.Device) { d.OperatingSystemVersion = "unknown" }), reason.None, 0},
		"macOS":                           {joined(func(d *device.Device) { d.OperatingSystem, d.OperatingSystemVersion = "MacMDM", "9.0" }), reason.None, 0},
		"Windows Server":                  {joined(func(d *device.Device) { d.OperatingSystem = "Windows Server" }), reason.DeviceUnsupported, 1003},
		"Windows Server 2016, hybrid": {joined(func(d *device.Device) {
			d.OperatingSystem, d.OperatingSystemVersion, d.TrustType = "WindowsServer", "10.0.14393", "ServerAd"
		}), reason.DeviceUnsupported, 1003},
		"Windows Server 2019, hybrid": {joined(func(d *device.Device) {
			d.OperatingSystem, d.OperatingSystemVersion, d.TrustType = "Windows Server 2019", "10.0.17763", "ServerAd"
		}), reason.None, 0},
		"Windows Server 2019, joined": {joined(func(d *device.Device) {
			d.OperatingSystem, d.OperatingSystemVersion = "Windows Server 2019", "10.0.17763"
		}), reason.DeviceUnsupported, 1003},
		"Windows Server, no version": {joined(func(d *device.Device) {
			d.OperatingSystem, d.OperatingSystemVersion, d.TrustType = "Windows Server", "", "ServerAd"
		}), reason.DeviceUnsupported, 1003},
		"Surface Hub":                    {joined(func(d *device.Device) { d.OperatingSystem = "SurfaceHub" }), reason.DeviceUnsupported, 1003},
		"Surface Hub, by model":          {joined(func(d *device.Device) { d.Model = "Microsoft Surface Hub 2S" }), reason.DeviceUnsupported, 1003},
		"Surface Laptop":                 {joined(func(d *device.Device) { d.Model = "Surface Laptop 7" }), reason.None, 0},
		"Teams Rooms":                    {joined(func(d *device.Device) { d.EnrollmentProfileName = "Contoso Teams Rooms" }), reason.DeviceUnsupported, 1003},
		"Teams Rooms, by system":         {joined(func(d *device.Device) { d.OperatingSystem = "Microsoft Teams Rooms" }), reason.DeviceUnsupported, 1003},
		"session host":                   {joined(func(d *device.Device) { d.SystemLabels = []string{"M365Managed", "AzureVirtualDesktop"} }), reason.DeviceUnsupported, 1003},
		"session host, hybrid":           {joined(func(d *device.Device) { d.SystemLabels, d.TrustType = []string{"AzureVirtualDesktop"}, "ServerAD" }), reason.None, 0},
		"Cloud PC":                       {joined(func(d *device.Device) { d.SystemLabels = []string{"CloudPC"} }), reason.DeviceUnsupported, 1003},
		"Cloud PC, in Graph's spelling":  {joined(func(d *device.Device) { d.SystemLabels, d.TrustType = []string{"CloudPC"}, "AzureAd" }), reason.DeviceUnsupported, 1003},
		"Cloud PC, hybrid":               {joined(func(d *device.Device) { d.SystemLabels, d.TrustType = []string{"CloudPC"}, "ServerAD" }), reason.None, 0},
		"Power Automate":                 {joined(func(d *device.Device) { d.SystemLabels = []string{"MicrosoftPowerAutomate"} }), reason.DeviceUnsupported, 1003},
		"Azure VM":                       {joined(func(d *device.Device) { d.ProfileType = "SecureVM" }), reason.DeviceUnsupported, 1003},
		"Azure VM, registered":           {joined(func(d *device.Device) { d.ProfileType, d.TrustType = "SecureVM", "Workplace" }), reason.None, 0},
		"bulk enrolment":                 {joined(func(d *device.Device) { d.EnrollmentType = "windowsBulkAzureDomainJoin" }), reason.DeviceUnsupported, 1003},
		"bulk enrolment, by its account": {joined(func(d *device.Device) { d.RegisteredOwners = []string{"x", "package_7fb9@contoso.example"} }), reason.DeviceUnsupported, 1003},
		"self-deploying":                 {joined(func(d *device.Device) { d.EnrollmentProfileName = "Autopilot self-deployment profile" }), reason.DeviceUnsupported, 1003},
		"user-driven":                    {joined(func(d *device.Device) { d.EnrollmentProfileName = "Autopilot user-driven" }), reason.None, 0},
		"none known":                     {nil, reason.None, 0},
	} {
		t.Run(name, func(t *testing.T) {
			v := microsoft(t).Check(c.device, "")
			if v.Reason != c.want || v.Reason.Answer().Code != c.code || (v.Name == "") != (c.want == reason.None) {
				t.Errorf("%+v with %d, expected %q with %d", v, v.Reason.Answer().Code, c.want, c.code)
			}
		})
	}
}

func TestClientsHaveTheirMinimums(t *testing.T) {
	for userAgent, want := range map[string]reason.Reason{
		"": reason.None, "curl/8.5.0": reason.None,
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36": reason.None,
		"Microsoft SkyDriveSync 22.217.1016.0002 ship; Windows NT 10.0 (19044)":                                           reason.None,
		"Microsoft SkyDriveSync 22.099.0508.0001 ship; Windows NT 10.0 (19043)":                                           reason.ClientVersion,
		"Microsoft SkyDriveSync 22.217 ship":                                                                              reason.None, "Microsoft SkyDriveSync 22.216.9999.9999 ship": reason.ClientVersion,
		"Microsoft SkyDriveSync ship":         reason.None, // does not tell
		"OneDriveSyncEngine/24.215.1029.0002": reason.None, "OneDrive/21.0": reason.ClientVersion, "OneDrive/16.12 (iPhone; iOS 18.1)": reason.None,
		"Mozilla/5.0 (Windows NT 10.0; WOW64) AppleWebKit/537.36 Teams/1.6.00.1331 Chrome/96.0 Electron/16.2.8 Safari/537.36": reason.None,
		"Mozilla/5.0 (Windows NT 10.0; WOW64) AppleWebKit/537.36 Teams/1.6.00.1330 Chrome/96.0 Electron/16.2.8 Safari/537.36": reason.ClientVersion,
		"Teams/1.5.00.36367": reason.ClientVersion, "Teams/24004.1309.2689.2246": reason.None, "TeamsMobile-Android Teams/1.0 Android": reason.None,
		"PBIDesktop/2.117.841.0": reason.None, "PBIDesktop/2.117.840.9": reason.ClientVersion, "PBIDesktop/2.116.966.0": reason.ClientVersion,
		"VisualStudio/17.0.31903.59": reason.None, "VisualStudio/16.11.5": reason.ClientVersion, "Visual Studio/2022": reason.None, "Visual Studio/2019": reason.ClientVersion,
		"WindowsApp/2.0.379.0": reason.None, "WindowsApp/2.0.378.9": reason.ClientVersion,
		"ExchangeOnlineManagement/3.7.0 PowerShell/7.4": reason.None, "ExchangeOnlineManagement/3.6.0 PowerShell/7.4": reason.ClientVersion,
		"Microsoft.Graph.Authentication/2.0.0 PowerShell/7.4": reason.None, "Microsoft.Graph.Authentication/1.28.0 PowerShell/7.4": reason.ClientVersion,
	} {
		if v := microsoft(t).Check(nil, userAgent); v.Reason != want {
			t.Errorf("%s: %+v, expected %q", userAgent, v, want)
		}
	}
	if code := reason.ClientVersion.Answer().Code; code != 1006 {
		t.Errorf("code is %d", code)
	}
}

func TestUnsupportedClientsHaveTheirCode(t *testing.T) {
	for userAgent, name := range map[string]string{
		"Microsoft Office/15.0 (Windows NT 6.1; Microsoft Outlook 15.0.4569; Pro)":                    "Office perpetual",
		"Microsoft Office/14.0 (Windows NT 6.1; Microsoft Outlook 14.0.7113; Pro)":                    "Office perpetual",
		"Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.4266; Pro)":                   "Office perpetual",
		"Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.10366; Pro)":                  "Office perpetual",
		"Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17126; Pro)":                  "",
		"Microsoft Office/16.0 (Windows NT 10.0; Microsoft Word 16.0)":                                "",
		"NONISV|SharePointPnP|PnPPS/2.4.0":                                                            "PowerShell module accessing SharePoint",
		"Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.22621.2506":           "PowerShell module",
		"Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.22631; en-US) PowerShell/7.4.6":         "PowerShell module",
		"Microsoft.Data.Mashup (https://go.microsoft.com/fwlink/?LinkID=304225)":                      "Power Query for Excel",
		"PBIDesktop/2.130.0.0 Microsoft.Data.Mashup (https://go.microsoft.com/fwlink/?LinkID=304225)": "",
		"vscode-sharepoint/1.2": "Visual Studio Code extension", "AppleExchangeWebServices/1": "Apple Mail and Calendar", "Apple-iPhone15C2/2107.93": "Apple Mail and Calendar",
	} {
		v := microsoft(t).Check(nil, userAgent)
		if v.Name != name || (v.Reason == reason.ClientUnsupported) != (name != "") {
			t.Errorf("%s: %+v, expected %q", userAgent, v, name)
		}
	}
	if code := reason.ClientUnsupported.Answer().Code; code != 1008 {
		t.Errorf("code is %d", code)
	}
}

// The device is known, the user agent only claimed: the former decides first.
func TestTheDeviceDecidesBeforeTheClient(t *testing.T) {
	d := &device.Device{ID: "d", OperatingSystem: "Windows", OperatingSystemVersion: "6.1"}
	if v := microsoft(t).Check(d, "Teams/1.0"); v.Reason != reason.SystemVersion {
		t.Errorf("%+v", v)
	}
}

func TestAProfileOfOnesOwnIsRead(t *testing.T) {
	p, err := Parse([]byte(`{"name":"contoso","systems":[{"operatingSystem":"mac OS","minimum":"14"}],
		"devices":[{"name":"kiosk","profileType":["Shared"]}],"clients":[{"name":"app","userAgent":["ContosoApp/"],"minimum":"2.1"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for want, d := range map[reason.Reason]*device.Device{
		reason.SystemVersion:     {OperatingSystem: "MacOS", OperatingSystemVersion: "13.9"},
		reason.DeviceUnsupported: {ProfileType: "shared"}, reason.None: {OperatingSystem: "MacOS", OperatingSystemVersion: "14.0"},
	} {
		if v := p.Check(d, "ContosoApp/2.10"); v.Reason != want {
			t.Errorf("%+v: %+v", d, v)
		}
	}
	if v := p.Check(nil, "ContosoApp/2.0.9"); v.Reason != reason.ClientVersion || v.Name != "app" {
		t.Errorf("%+v", v)
	}
}

func TestAProfileThatSaysSomethingElseIsRefused(t *testing.T) {
	for name, document := range map[string]string{
		"nothing": ``, "a list": `[]`, "no name": `{}`, "unknown member": `{"name":"x","client":[]}`, "something after it": `{"name":"x"} {}`, "a name twice": `{"name":"x","name":"y"}`,
		"no version": `{"name":"x","systems":[{"operatingSystem":"Windows","minimum":"ten"}]}`, "no system": `{"name":"x","systems":[{"minimum":"10"}]}`,
		"every device": `{"name":"x","devices":[{"name":"y"}]}`, "every device, by nothing": `{"name":"x","devices":[{"name":"y","model":[""]}]}`,
		"every device, by registration": `{"name":"x","devices":[{"name":"y","trustType":"AzureAD"}]}`, "a device without a name": `{"name":"x","devices":[{"model":["y"]}]}`,
		"unless without a version": `{"name":"x","devices":[{"name":"y","model":["z"],"unless":{"trustType":"ServerAD"}}]}`,
		"every client":             `{"name":"x","clients":[{"name":"y","minimum":"1"}]}`, "every client, by nothing": `{"name":"x","clients":[{"name":"y","userAgent":[""],"minimum":"1"}]}`,
		"a client without a rule": `{"name":"x","clients":[{"name":"y","userAgent":["z"]}]}`, "a client with two": `{"name":"x","clients":[{"name":"y","userAgent":["z"],"minimum":"1","unsupported":[{}]}]}`,
		"a minimum that is none": `{"name":"x","clients":[{"name":"y","userAgent":["z"],"minimum":"1.2.3.4.5"}]}`, "a bound that is none": `{"name":"x","clients":[{"name":"y","userAgent":["z"],"unsupported":[{"below":"-1"}]}]}`,
		"too long": `{"name":"` + strings.Repeat("x", MaxProfile) + `"}`,
	} {
		if p, err := Parse([]byte(document)); err == nil || !strings.HasPrefix(err.Error(), "requirements: ") {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	if _, err := Find("microsoft366"); err == nil || !strings.Contains(err.Error(), "microsoft365") {
		t.Errorf("error is %v", err)
	}
}

func TestTheVersionAtTheBeginningIsRead(t *testing.T) {
	for text, want := range map[string]version.Version{
		"22.217.1016.0002 ship": {22, 217, 1016, 2}, "16.0": {16}, "10.0 (22631)": {10, 0, 22631}, "10.0 (x)": {10}, "10.0 (22631": {10}, "10 (22631)": {10},
		"1.2.3.4.5": {1, 2, 3, 4}, "1.": {1}, "1..2": {1}, "7": {7},
	} {
		if got, ok := leading(text); !ok || got != want {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "x", ".1", " 1", "4294967296"} {
		if got, ok := leading(text); ok {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestACheckAllocatesNothing(t *testing.T) {
	p := microsoft(t)
	d := &device.Device{ID: "d", OperatingSystem: "Windows 11 Enterprise", OperatingSystemVersion: "10.0.22631.4037", Model: "Book 3", TrustType: "AzureAd",
		EnrollmentProfileName: "Autopilot", SystemLabels: []string{"M365Managed"}, RegisteredOwners: []string{"alice"}}
	if n := testing.AllocsPerRun(1000, func() { p.Check(d, "Mozilla/5.0 Teams/1.6.00.1331 Electron/16.2.8") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A profile says something about any user agent without failing.
func FuzzAProfileJudgesAnything(f *testing.F) {
	f.Add("1.6.00.1331", "22.217", "10.0 (22631)")
	f.Add("1", "", "Teams/1.6.00.1330")
	p := microsoft(f)
	f.Fuzz(func(t *testing.T, a, b, c string) {
		v := p.Check(&device.Device{OperatingSystem: a, OperatingSystemVersion: c}, b+c)
		if (v.Reason == reason.None) != (v.Name == "") {
			t.Errorf("%+v", v)
		}
	})
}

// A profile that is accepted has a name, and refuses nothing of a device and a client of which nothing is known.
func FuzzParseNeverMakesARuleForEverything(f *testing.F) {
	f.Add(microsoft365)
	f.Add([]byte(`{"name":"x","devices":[{"name":"y","model":["z"]}],"clients":[{"name":"y","userAgent":["z"],"minimum":"1"}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		p, err := Parse(document)
		if err != nil {
			return
		}
		if v := p.Check(&device.Device{}, ""); p.Name == "" || v.Reason != reason.None {
			t.Errorf("%+v: %+v", p, v)
		}
	})
}
