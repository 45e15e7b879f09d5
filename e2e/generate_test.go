// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// generator makes requests of all kinds: right, wrong, hostile and strange.
// Keys and signatures are random; all choices come from the seed.
type generator struct {
	*rand.Rand
	world *harness.World
	nonce string
}

func (g *generator) pick(of ...string) string { return of[g.IntN(len(of))] }

func (g *generator) one(in int) bool { return g.IntN(in) == 0 }

func (g *generator) request() harness.Request {
	r := harness.Request{
		Method: g.pick("GET", "GET", "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "PROPFIND", "TRACE", "get"),
		Path:   g.path(), Header: make(http.Header),
	}
	if !strings.Contains("GET HEAD TRACE OPTIONS get", r.Method) {
		r.Body = strings.Repeat(g.pick("", "body", "access_token=abc&x=1", `{"a":1}`, "\x00\xff"), g.IntN(50))
		r.Header.Set("Content-Type", g.pick("application/x-www-form-urlencoded", "application/json", "text/xml", "nonsense"))
	}
	g.credentials(&r)
	for range g.IntN(6) {
		name, value, _ := strings.Cut(g.pick(interesting...), ": ")
		if name == "Te" && len(r.Header[name]) > 0 {
			continue // net/http refuses a second one over HTTP/2
		}
		r.Header[name] = append(r.Header[name], value)
	}
	return r
}

func (g *generator) path() string {
	path := g.pick("/", "/owa/", "/EWS/Exchange.asmx", "/public/a", "/healthz", "/public/../owa", "/a//b", "/%2e%2e/x", "/a%2Fb;c=d", "/%00", "/caf%C3%A9",
		"/_api/web/lists", "/status/401", "/status/403", "/status/304", "/status/500", "/status/204", "/Microsoft-Server-ActiveSync")
	return path + g.pick("", "", "", "?a=b", "?access_token=abc", "?q=%zz&;x", "?ACCESS%5Ftoken=x", "?")
}

// credentials adds a token and proofs, right or wrong.
func (g *generator) credentials(r *harness.Request) {
	w := g.world
	key, token := w.K1, w.AT1
	switch g.IntN(9) {
	case 0:
		return
	case 1:
		token = w.ATb
	case 2:
		token = w.Issuer.Mint(harness.With(harness.BoundTo(w.K1), harness.Object{"exp": time.Now().Unix() - 3600}))
	case 3:
		key, token = w.R1, w.ATR
	case 4:
		key = w.K2
	case 5:
		token = token[:len(token)-g.IntN(8)-1] + "A"
	case 6:
		token = g.pick("abc", "a.b.c", "....", "é", "", strings.Repeat("x", 9000))
	}
	scheme := g.pick("DPoP ", "DPoP ", "DPoP ", "Bearer ", "dpop  ", "PoP ", "mtls_pop ", "Basic ", "Negotiate ", "")
	r.Header["Authorization"] = []string{scheme + token}
	if g.one(12) {
		r.Header["Authorization"] = append(r.Header["Authorization"], "Bearer "+w.ATb)
	}
	proof := harness.Proof{Key: key, Token: token, Method: r.Method, Path: r.Path, Nonce: g.nonce}
	switch g.IntN(8) {
	case 0:
		return
	case 1:
		proof.Claims = harness.Object{g.pick("jti", "htm", "htu", "iat", "ath"): nil}
	case 2:
		proof.Claims = harness.Object{g.pick("jti", "htm", "htu", "iat", "ath"): "wrong"}
	case 3:
		proof.Header = harness.Object{g.pick("typ", "alg", "jwk", "crit"): g.pick("none", "JWT", "ES256")}
	}
	text := proof.Sign()
	switch g.IntN(10) {
	case 0:
		text = g.pick("abc", "a.b.c", "", strings.Repeat("y", 9000), text+"A")
	case 1:
		text = text + ", " + text
	}
	r.Header["Dpop"] = []string{text}
	for g.one(10) {
		r.Header["Dpop"] = append(r.Header["Dpop"], text)
	}
}

// interesting are header fields that the module looks at, or could.
var interesting = []string{
	"X-Ms-Refreshtokencredential: eyJ.a.b", "x-ms-RefreshTokenCredential1: eyJ.a.b", "X-Ms-Devicecredential: eyJ.a.b",
	"Client-Cert: :MIIB:", "Client-Cert-Chain: :MIIB:", "X-Forwarded-Client-Cert: Hash=ab", "X-Arr-Clientcert: MIIB", "X-Ssl-Client-Cert: x",
	"Early-Data: 1", "Sec-Token-Binding: abc", "Secure-Session-Response: eyJ.a.b", "Sec-Secure-Session-Id: abc", "Secure-Session-Skipped: a",
	"Cookie: a=b; x-ms-RefreshTokenCredential=eyJ; c=d", "Cookie: FedAuth=abc", "Cookie: __Host-token-protection=abc",
	"Upgrade: websocket", "Upgrade: h2c", "X-Auth-User: admin", "X_Auth_User: admin", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: http",
	"X-Forwarded-Host: evil.example", "Forwarded: for=10.0.0.1", "X-Original-Url: /public/a", "X-Rewrite-Url: /public/a", "X-Http-Method-Override: GET",
	"Origin: https://app.example", "Access-Control-Request-Method: PUT", "Accept: text/html", "Accept: application/json;q=0.5", "Accept-Encoding: gzip",
	"User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "User-Agent: Microsoft Office/16.0 (Outlook)", "User-Agent: ",
	"Proxy-Authorization: Basic abc", "Te: trailers", "If-None-Match: \"x\"", "Range: bytes=0-1", "Via: 1.1 somebody", "Warning: 199 - \"x\"",
	fmt.Sprintf("X-Long: %s", strings.Repeat("l", 3000)),
}
