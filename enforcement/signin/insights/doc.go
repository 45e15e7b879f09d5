// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package insights shows a sign-in log as a page, in the manner of Entra's workbook for Conditional Access: what policies
// made of the requests and would make of them, by reason, device, platform, client, app, resource, network and user, over
// time, and the newest sign-ins one by one.
//
// A [Board] counts entries as they are read, in bounded memory: where a log has more users, networks and hours than fit,
// the board gives up detail in a fixed order and the page says so. The board is an http.Handler whose page is rendered
// here, filters being query parameters, and which needs no script. [Board.WritePage] writes the same page as one file, in
// which a script of ours filters the embedded counts. Neither form loads anything from elsewhere.
//
// Everything in a log is text that strangers may have chosen. It reaches the page through html/template, through JSON
// escaped for HTML, or, in the script, as text nodes.
package insights
