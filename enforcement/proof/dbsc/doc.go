// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package dbsc puts device-bound session credentials (W3C, Device Bound
// Session Credentials) in front of a web application that knows nothing of
// them. The application's session cookie stays a bearer credential for the
// application; toward the browser it becomes worthless without a second,
// short-lived cookie that only the holder of a device key can renew.
//
// Nothing is stored. What has to be remembered travels in three cookies,
// encrypted and authenticated, so that any node with the secret serves any
// request:
//
//	__Host-tp-link    "this value of the application's cookie belongs to
//	                  session S, signed in at T". Written in the same
//	                  response as the application's own cookie, so that
//	                  the two cannot disagree, and once more when a page
//	                  was loaded with a proof: "and it owes proofs".
//	__Secure-tp-key   "session S has this device key". Written empty at
//	                  sign-in, and with the key when the browser registers;
//	                  sent to our own endpoints only.
//	__Host-tp-bound   "the key of session S was proved, valid until T".
//	                  Written at registration and at every refresh.
//
// A request is bound if link and bound cookie speak of one session, and the
// link of every session cookie that the application will see. [Engine.Inspect]
// says so; [Engine.Serve] answers the browser's registration and refresh;
// [Engine.Watch] follows what the application does to its cookie: sign-in
// begins a session and offers registration, a new value is followed if the
// request was proven, deletion ends the session.
//
// A session that was bound once cannot go back: copies of its cookies without
// the bound one never pass for those of a browser that has no keys, which
// policies may let off.
//
// What must not happen twice, and sessions that have ended, are remembered in
// a bounded memory per node, [Memory].
//
// The limits are those of the protocol: whoever copies all cookies is good
// until the bound one expires; whoever copies them within the grace period
// after sign-in is good until that ends; and a browser taken over before the
// sign-in registers what the intruder wants. The application's cookie must be
// for one host, and its path must cover our endpoints.
package dbsc
