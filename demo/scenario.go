// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bytes"
	"context"
	"net/http"
)

// step is one thing that somebody tries.
type step struct {
	who, tried string
	// on is what comes of it under a policy in state on. Report-only changes
	// nothing, so that everything passes there.
	on  expectation
	try func(ctx context.Context, c *cast) (result, error)
}

// The outcomes that token protection promises (contract of the product: statuses
// of RFC 6750 and RFC 9449, codes of Entra's sign-in log).
var (
	passes = expectation{}
	// noCredential: a challenge without an error, RFC 9449, section 7.2.
	noCredential = expectation{http.StatusUnauthorized, "", "1002"}
	// unbound: the token has no confirmation and the policy requires one.
	unbound = expectation{http.StatusUnauthorized, "invalid_token", "1002"}
	// withoutProof: a bound token that comes without the proof it needs.
	withoutProof = expectation{http.StatusUnauthorized, "invalid_token", "1008"}
	// anothersKey: the proof is by another key than the confirmed one.
	anothersKey = expectation{http.StatusUnauthorized, "invalid_token", "1005"}
	// badProof: any other failure of a proof, replay included.
	badProof = expectation{http.StatusUnauthorized, "invalid_dpop_proof", "1005"}
	// withoutBoundCookie: a session without the proof that it needs. There is no
	// challenge: no retry with the same cookies could help.
	withoutBoundCookie = expectation{http.StatusUnauthorized, "", "1008"}
	// badSignedRequest: the same of a signed HTTP request.
	badSignedRequest = expectation{http.StatusUnauthorized, "invalid_token", "1005"}
)

// document is what alice uploads.
var document = bytes.Repeat([]byte("Quarterly figures, confidential.\n"), 100)

// scenario is everything that is tried, in order: a thief's recording needs the
// request that he records to come first.
func scenario() []step {
	exchange := func(path string) func(*cast) string { return func(c *cast) string { return c.Exchange + path } }
	sharePoint := func(path string) func(*cast) string { return func(c *cast) string { return c.SharePoint + path } }
	owa, file := exchange("/owa/"), sharePoint("/_api/files/report.docx")

	return []step{
		{"alice, bound device", "GET /owa/", passes, asDevice(alice, http.MethodGet, owa, nil)},
		{"alice, bound device", "POST /EWS/Exchange.asmx", passes, asDevice(alice, http.MethodPost, exchange("/EWS/Exchange.asmx"), []byte("<GetItem/>"))},
		{"alice, bound device", "ActiveSync ping, held 1 s", passes, asDevice(alice, http.MethodPost, exchange("/Microsoft-Server-ActiveSync?Cmd=Ping&heartbeat=1"), []byte("ping"))},
		{"alice, bound device", "MAPI long poll, streamed", passes, asDevice(alice, http.MethodPost, exchange("/mapi/emsmdb?chunks=5&interval=20"), []byte("wait"))},
		{"alice, bound device", "GET /_api/web/lists", passes, asDevice(alice, http.MethodGet, sharePoint("/_api/web/lists"), nil)},
		{"alice, bound device", "upload report.docx", passes, asDevice(alice, http.MethodPut, file, document)},
		{"alice, bound device", "download report.docx", passes, download(file)},
		{"carol, device new to the server", "GET /owa/", passes, asDevice(carol, http.MethodGet, owa, nil)},

		{"dave, device with a certificate", "GET /owa/", passes, withCertificate(dave, owa)},
		{"erin, signs her requests", "GET /owa/", passes, signed(erin, owa)},
		{"frank, browser (our DBSC client)", "sign-in form, then GET /owa/", passes, signsIn(frank)},
		{"frank, browser (our DBSC client)", "GET /owa/", passes, reads(frank, owa)},

		{"bob, outside the pilot, no binding", "GET /owa/", passes, withBearer(owa, func(c *cast) string { return c.bobUnbound })},
		{"break-glass account, no binding", "GET /owa/", passes, withBearer(owa, func(c *cast) string { return c.breakGlass })},
		{"alice, old client without binding", "GET /owa/", unbound, withBearer(owa, func(c *cast) string { return c.aliceUnbound })},

		{"thief, stolen bound token", "GET /owa/ as Bearer", withoutProof, withBearer(owa, stolenToken)},
		{"thief, stolen bound token", "GET /owa/, proof of own key", anothersKey, asDevice(thief, http.MethodGet, owa, nil)},
		{"thief, recorded proof", "the same request again", badProof, replay(owa)},
		{"thief, recorded proof", "on /owa/attachments", badProof, replay(exchange("/owa/attachments"))},
		{"thief, dave's token", "GET /owa/, no certificate", withoutProof, withBearer(owa, func(c *cast) string { return c.dave.token })},
		{"thief, dave's token", "GET /owa/, certificate of his own", anothersKey, withCertificate(daveThief, owa)},
		{"thief, erin's signed request", "the same request again", badSignedRequest, replaySigned(erin, owa)},
		{"thief, erin's token", "GET /owa/ as Bearer", withoutProof, withBearer(owa, func(c *cast) string { return c.erin.token })},
		{"thief, frank's session cookie", "GET /owa/", withoutBoundCookie, withCookies(frank, owa, sessionCookie)},
		{"thief, all cookies of frank's", "GET /owa/, the proof expired", withoutBoundCookie, later(withCookies(frank, owa))},
		{"frank, browser (our DBSC client)", "GET /owa/, the proof renewed", passes, reads(frank, owa)},
		{"frank, browser (our DBSC client)", "signs out", passes, signsOut(frank)},
		{"thief, all cookies of frank's", "GET /owa/ after the sign-out", withoutBoundCookie, withCookies(frank, owa)},
		{"nobody", "GET /owa/ without credentials", noCredential, anonymous(owa)},
		{"load balancer", "GET /owa/healthcheck.htm (exempt)", passes, anonymous(exchange("/owa/healthcheck.htm"))},
	}
}

// The members of the cast with a key.
func alice(c *cast) *device        { return c.alice }
func carol(c *cast) *device        { return c.carol }
func thief(c *cast) *device        { return c.thief }
func dave(c *cast) *certified      { return c.dave }
func daveThief(c *cast) *certified { return c.daveThief }
func erin(c *cast) *signer         { return c.erin }
func frank(c *cast) *webUser       { return c.frank }

// stolenToken is the token of alice's device, without its key.
func stolenToken(c *cast) string { return c.alice.tokens[c.Exchange] }

// asDevice sends a request with the device's token and a proof of its key.
func asDevice(who func(*cast) *device, method string, url func(*cast) string, body []byte) func(context.Context, *cast) (result, error) {
	return func(ctx context.Context, c *cast) (result, error) {
		d := who(c)
		before := d.challenges.Load()
		got, err := c.send(ctx, d.client, method, url(c), body, nil)
		got.nonceChallenge = d.challenges.Load() > before
		return got, err
	}
}

// download fetches what alice uploaded and compares it.
func download(url func(*cast) string) func(context.Context, *cast) (result, error) {
	get := asDevice(alice, http.MethodGet, url, nil)
	return func(ctx context.Context, c *cast) (result, error) {
		got, err := get(ctx, c)
		if err == nil && got.status == http.StatusOK && !bytes.Equal(got.body, document) {
			err = errContent
		}
		return got, err
	}
}

// withBearer presents a token as plain Bearer.
func withBearer(url, token func(*cast) string) func(context.Context, *cast) (result, error) {
	return func(ctx context.Context, c *cast) (result, error) {
		header := http.Header{"Authorization": {"Bearer " + token(c)}}
		return c.send(ctx, c.plain, http.MethodGet, url(c), nil, header)
	}
}

// replay sends the credentials of alice's last successful GET of her page, proof
// included, within the proof's window.
func replay(url func(*cast) string) func(context.Context, *cast) (result, error) {
	return func(ctx context.Context, c *cast) (result, error) {
		recorded := c.alice.recorded.Load()
		if recorded == nil {
			return result{}, errNothingRecorded
		}
		return c.send(ctx, c.plain, http.MethodGet, url(c), nil, *recorded)
	}
}

// anonymous sends no credentials.
func anonymous(url func(*cast) string) func(context.Context, *cast) (result, error) {
	return func(ctx context.Context, c *cast) (result, error) {
		return c.send(ctx, c.plain, http.MethodGet, url(c), nil, nil)
	}
}
