// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func metadataOf(issuer, jwks string) string {
	return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q,"response_types_supported":["code"]}`, issuer, jwks)
}

// discovered runs a test in virtual time with a key set of an issuer whose place is discovered.
func discovered(t *testing.T, issuer string, prepare func(n *network), test func(n *network, set *KeySet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := new(network)
		prepare(n)
		set, err := NewRemoteKeySet(issuer, "", n)
		if err != nil {
			t.Fatal(err)
		}
		defer destruct(t, set)
		test(n, set)
	})
}

// RFC 8414, sections 3.1 and 5; OpenID Connect Discovery 1.0, section 4.1.
func TestDiscoversFromEachWellKnownPlace(t *testing.T) {
	const tenant = "https://login.contoso.example/tenant/v2.0"
	for _, test := range []struct{ name, issuer, place string }{
		{"RFC 8414", contoso, contoso + "/.well-known/oauth-authorization-server"},
		{"RFC 8414, trailing slash", contoso + "/", contoso + "/.well-known/oauth-authorization-server"},
		{"RFC 8414 with a path", tenant, "https://login.contoso.example/.well-known/oauth-authorization-server/tenant/v2.0"},
		{"OpenID Connect", contoso, contoso + "/.well-known/openid-configuration"},
		{"OpenID Connect with a path", tenant, tenant + "/.well-known/openid-configuration"},
		{"Entra v1", entraV1, entraV1 + ".well-known/openid-configuration"},
		{"Entra v2", entraV2, entraV2 + "/.well-known/openid-configuration"},
		{"OpenID Connect in RFC 8414's place", tenant, "https://login.contoso.example/.well-known/openid-configuration/tenant/v2.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			const keys = "https://keys.contoso.example/jwks?p=1"
			discovered(t, test.issuer, func(n *network) {
				n.set(test.place, answer{body: metadataOf(test.issuer, keys)})
				n.set(keys, answer{body: keySetOf(another(t, "a"))})
			}, func(n *network, set *KeySet) {
				expect(t, set, "a", 1, nil)
				if n.called(keys) != 1 || n.total() > 4 {
					t.Errorf("%d requests, %d for keys", n.total(), n.called(keys))
				}
			})
		})
	}
}

// RFC 8414, section 3.3: the document's issuer is the one that was asked for, or nothing in it is believed.
func TestRefusesMetadata(t *testing.T) {
	const place = contoso + "/.well-known/openid-configuration"
	keys := contoso + "/jwks"
	for name, document := range map[string]string{
		"of another issuer":          metadataOf("https://evil.example", keys),
		"of the issuer with a slash": metadataOf(contoso+"/", keys),
		"without issuer":             `{"jwks_uri":"` + keys + `"}`,
		"issuer not a string":        `{"issuer":["` + contoso + `"],"jwks_uri":"` + keys + `"}`,
		"issuer twice":               `{"issuer":"https://evil.example","issuer":"` + contoso + `","jwks_uri":"` + keys + `"}`,
		"Issuer":                     strings.Replace(metadataOf(contoso, keys), "issuer", "Issuer", 1),
		"without jwks_uri":           `{"issuer":"` + contoso + `"}`,
		"jwks_uri over http":         metadataOf(contoso, "http://sts.contoso.example/jwks"),
		"jwks_uri with userinfo":     metadataOf(contoso, "https://user:hunter2@sts.contoso.example/jwks"),
		"jwks_uri in a file":         metadataOf(contoso, "file:///etc/keys"),
		"jwks_uri relative":          metadataOf(contoso, "/jwks"),
		"jwks_uri of a megabyte":     metadataOf(contoso, "http://"+strings.Repeat("hunter2", 100_000)),
		"issuer of a megabyte":       metadataOf(strings.Repeat("hunter2", 100_000), keys),
		"HTML":                       "<html>",
		"an array":                   `[` + metadataOf(contoso, keys) + `]`,
		"longer than is read":        metadataOf(contoso, keys) + strings.Repeat(" ", maxDocument),
		"empty":                      "",
	} {
		t.Run(name, func(t *testing.T) {
			discovered(t, contoso, func(n *network) {
				n.set(place, answer{body: document})
				for _, keys := range []string{keys, "http://sts.contoso.example/jwks", "https://user:hunter2@sts.contoso.example/jwks"} {
					n.set(keys, answer{body: keySetOf(another(t, "a"))})
				}
			}, func(n *network, set *KeySet) {
				expect(t, set, "a", 0, ErrUnavailable)
				err := set.Status().Err
				if err == nil || len(err.Error()) > 1000 || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("error is %.1000v", err)
				}
				if n.total() != 2 { // the two places
					t.Errorf("%d requests", n.total())
				}
			})
		})
	}
}

// A place that is broken, foreign or hangs does not hide the one that answers.
func TestAnswersFromWhicheverPlaceIsGood(t *testing.T) {
	for name, first := range map[string]answer{
		"foreign": {body: metadataOf("https://evil.example", jwksURL)}, "broken": {body: "<html>"}, "down": {err: errDown}, "hanging": {after: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			discovered(t, contoso, func(n *network) {
				n.set(contoso+"/.well-known/oauth-authorization-server", first)
				n.set(contoso+"/.well-known/openid-configuration", answer{body: metadataOf(contoso, jwksURL)})
				n.set(jwksURL, answer{body: keySetOf(another(t, "a"))})
			}, func(n *network, set *KeySet) { expect(t, set, "a", 1, nil) })
		})
	}
}

// The refused redirects are among the bad answers of TestABadAnswerNeverReplacesAGoodSet.
func TestFollowsRedirectsWithinTheHost(t *testing.T) {
	started(t, answer{status: 302, location: "/v2/jwks"}, func(t *testing.T, n *network, set *KeySet) {
		n.set(contoso+"/v2/jwks", answer{status: 301, location: contoso + "/v3/jwks"})
		n.set(contoso+"/v3/jwks", answer{body: keySetOf(another(t, "a"))})
		time.Sleep(FetchPause)
		expect(t, set, "a", 1, nil)
	})
}

func TestRedirectRules(t *testing.T) {
	for _, test := range []struct {
		name, from, to string
		good           bool
	}{
		{"same host", "https://a.example/1", "https://a.example/2", true},
		{"same host and port", "https://a.example:8443/1", "https://a.example:8443/2", true},
		{"loopback from http to https", "http://localhost/1", "https://localhost/2", true},
		{"loopback, both http", "http://localhost/1", "http://localhost/2", true},
		{"other host", "https://a.example/1", "https://b.example/2", false},
		{"subdomain", "https://a.example/1", "https://keys.a.example/2", false},
		{"other port", "https://a.example/1", "https://a.example:8443/2", false},
		{"to http", "https://a.example/1", "http://a.example/2", false},
		{"to a file", "https://a.example/1", "file://a.example/2", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			from, to := httptest.NewRequest("GET", test.from, nil), httptest.NewRequest("GET", test.to, nil)
			if err := checkRedirect(to, []*http.Request{from}); (err == nil) != test.good {
				t.Errorf("got %v", err)
			}
		})
	}
	from := httptest.NewRequest("GET", "https://a.example/", nil)
	if err := checkRedirect(from, []*http.Request{from, from, from, from}); err == nil {
		t.Error("a fourth redirect is followed")
	}
}

func TestNewRemoteKeySetRefusesURLs(t *testing.T) {
	for _, url := range []string{
		"http://sts.contoso.example/jwks", "http://127.0.0.1.evil.example/", "http://192.168.0.1/", "ftp://sts/jwks", "https:jwks", "/jwks", "jwks",
		"https://user:hunter2@sts/jwks", "https://sts/jwks#a", "https://[::1", "http://[fe80::1]/jwks", "https://sts/%zz",
	} {
		if _, err := NewRemoteKeySet(contoso, url, nil); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, url := range []string{"", "https://sts/jwks?p=1", "http://localhost:8080/jwks", "http://127.0.0.1/jwks", "http://127.9.9.9/jwks", "http://[::1]:1/jwks"} {
		if _, err := NewRemoteKeySet(contoso, url, nil); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// Over a real socket, with the transport of our own: it works, and Destruct leaves no goroutine of it.
func TestDestructLeavesNoGoroutine(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if accept := r.Header.Get("Accept"); !strings.Contains(accept, "application/jwk-set+json") {
			t.Errorf("Accept is %q", accept)
		}
		fmt.Fprint(w, keySetOf(another(t, "a")))
	}))
	defer server.Close()
	before := goleak.IgnoreCurrent()
	set, err := NewRemoteKeySet(server.URL, server.URL+"/jwks", nil)
	if err != nil {
		t.Fatal(err)
	}
	set.Start()
	expect(t, set, "a", 1, nil)
	destruct(t, set)
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}
