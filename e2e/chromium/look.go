// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package chromium

import (
	"encoding/base64"
	"encoding/json"
)

// complaints collects what a console would show in red, in every page before its own scripts run.
const complaints = `window.__complaints = [];
addEventListener("error", (e) => __complaints.push(e.message || "cannot load " + (e.target.src || e.target.href)), true);
addEventListener("unhandledrejection", (e) => __complaints.push(String(e.reason)));
addEventListener("securitypolicyviolation", (e) => __complaints.push("refused by policy: " + e.violatedDirective + " " + e.blockedURI + " " + e.sample));
for (const level of ["error", "warn"]) { const say = console[level]; console[level] = (...words) => { __complaints.push(words.join(" ")); say(...words); }; }`

// Listen begins to collect the complaints of pages that are opened from now on.
func (b *Browser) Listen() {
	b.t.Helper()
	b.call(b.page, "Page.enable", nil, nil)
	b.call(b.page, "Page.addScriptToEvaluateOnNewDocument", object{"source": complaints}, nil)
}

// Complaints returns the errors, warnings and violations of its policy that the present page has had.
func (b *Browser) Complaints() (list []string) {
	b.t.Helper()
	if err := json.Unmarshal([]byte(b.Do("JSON.stringify(window.__complaints)")), &list); err != nil {
		b.t.Fatalf("chromium: complaints: %v", err)
	}
	return list
}

// Resize gives the window a size in CSS pixels, and the user a taste for dark or light.
func (b *Browser) Resize(width, height int, dark bool) {
	b.t.Helper()
	b.call(b.page, "Emulation.setDeviceMetricsOverride", object{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.call(b.page, "Emulation.setEmulatedMedia", object{"features": []object{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// Screenshot is the whole page as a PNG file.
func (b *Browser) Screenshot() []byte {
	b.t.Helper()
	var got struct{ Data string }
	b.call(b.page, "Page.captureScreenshot", object{"captureBeyondViewport": true, "format": "png"}, &got)
	file, err := base64.StdEncoding.DecodeString(got.Data)
	if err != nil {
		b.t.Fatalf("chromium: screenshot: %v", err)
	}
	return file
}

// Press presses and releases a key, such as Tab or Enter, where the focus is.
func (b *Browser) Press(key string) {
	b.t.Helper()
	code := map[string]int{"Tab": 9, "Enter": 13}[key]
	text := map[string]string{"Enter": "\r"}[key]
	b.call(b.page, "Input.dispatchKeyEvent", object{"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}, nil)
	b.call(b.page, "Input.dispatchKeyEvent", object{"type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code}, nil)
}
