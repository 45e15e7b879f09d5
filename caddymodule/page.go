// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"html/template"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
)

// pageFacts are what the page says.
type pageFacts struct {
	problem
	// Advice is what to do next.
	Advice string
}

// adviceFor says what helps. A session's cookies were taken away by the
// refusal, so that the next request renews the proof or reaches the sign-in;
// unless the browser says that it could not reach us to renew it
// (Secure-Session-Skipped). That it says so lets nobody in.
func adviceFor(decision *enforcement.Decision) string {
	switch {
	case decision.Session == nil:
		return "Sign in again with an app on your registered device."
	case decision.Session.Skipped:
		return "Your browser could not renew its proof just now. Reload this page in a moment."
	}
	return "Reload this page to sign in again."
}

// page is the refusal for people. It holds the facts of the problem document
// and what to do next.
var page = template.Must(template.New("refusal").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 38rem; margin: 12vh auto; padding: 0 1.25rem; }
h1 { font-size: 1.4rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; }
dt { opacity: .7; }
dd { margin: 0; overflow-wrap: anywhere; }
</style>
</head>
<body>
<main>
<h1>You can’t get there from here</h1>
<p>{{.Detail}}</p>
<p>{{.Advice}} If that does not help, send the details below to your administrator.</p>
<dl>
<dt>Error code</dt><dd>{{.Code}}</dd>
<dt>Status</dt><dd>{{.Status}} / {{.SessionCode}}</dd>
<dt>Correlation ID</dt><dd>{{.CorrelationID}}</dd>
</dl>
</main>
</body>
</html>
`))
