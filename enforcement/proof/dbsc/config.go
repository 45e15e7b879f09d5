// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
)

// Defaults of a Config.
const (
	DefaultPath          = "/.token-protection/dbsc"
	DefaultBoundLife     = 10 * time.Minute
	DefaultSessionLife   = 24 * time.Hour
	DefaultChallengeLife = 5 * time.Minute
	DefaultGrace         = time.Minute

	// ProactiveRefresh is how long before a bound cookie expires a browser
	// already renews it. A BoundLife up to this makes it do so before nearly
	// every request, which is good for tests only.
	ProactiveRefresh = 2 * time.Minute

	// skew is how far the clocks of two nodes may be apart.
	skew = 15 * time.Second
	// maxLife is what browsers cut the life of a cookie to (RFC 6265bis, section 5.5).
	maxLife = 400 * 24 * time.Hour
)

// Memory remembers what must not happen twice and which sessions have ended,
// for at least [Lifetime]. [cache.Replay] is one; nodes that share one see
// each other's. An outcome of Add other than Added and Replayed means that
// nothing could be recorded now, and is answered as a failed dependency.
type Memory interface {
	Seen(key [32]byte, id string, now time.Time) bool
	Add(key [32]byte, id string, now time.Time) cache.Outcome
	// Trusts reports whether nothing has been forgotten that was done with a
	// challenge of this time and scope.
	Trusts(issued time.Time, scope uint64) bool
	// Scope is what new challenges are issued for.
	Scope() uint64
}

// Config is what an Engine is made of. All nodes of a site need the same,
// the Memory aside.
type Config struct {
	// SessionCookies are the names of the application's session cookies. All
	// of those that a request carries are bound together. Required. List every
	// cookie that lets somebody in, or that can stand in for one.
	SessionCookies []string
	// Path is the prefix of our own endpoints, register and refresh. It must
	// lie below the path of the session cookies. Empty means DefaultPath.
	Path string
	// Secrets are at least one, of at least 16 bytes each. The first one
	// encrypts, all decrypt. They rotate like those of server nonces: every
	// node learns the next one, then encrypts with it, then forgets the former.
	Secrets [][]byte
	// BoundLife is how long a proof of possession is good for.
	BoundLife time.Duration
	// SessionLife is how long a session may go without a refresh, unless the
	// application's cookie lives longer.
	SessionLife time.Duration
	// ChallengeLife is how long a challenge may be answered.
	ChallengeLife time.Duration
	// Grace is how long after sign-in a request may still come without proof,
	// because the browser registers in the background. Whoever copies the
	// cookies in this time is not told from their owner.
	Grace time.Duration
	// Adopt also offers registration to sessions that come without proof, as
	// all do that began before this was configured. It is for resources on
	// which nothing is enforced yet: a thief's session would be adopted, too.
	// An engine that does not adopt takes adopted sessions for unproven, so
	// that they have to sign in when enforcement begins.
	Adopt bool
	// Origin returns the origin that the client addressed, such as
	// https://mail.contoso.example, or "" if it cannot be told. Nil believes
	// the connection and its Host header.
	Origin func(*http.Request) string
	// Memory is required.
	Memory Memory
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Lifetime is how long the [Memory] of an engine with this configuration has
// to remember: as long as anything it recorded could be presented again.
func (c Config) Lifetime() time.Duration {
	c.setDefaults()
	return max(c.BoundLife, c.ChallengeLife, c.Grace) + 2*skew
}

// Engine is the proxy's side of device-bound sessions for one site. It is
// safe for concurrent use.
type Engine struct {
	Config
	folded                         []string // SessionCookies as lenient backends may read them
	links, bounds, keys            *sealer
	registerChallenge, nextRefresh *sealer
	scopes                         scopes
}

// New checks the configuration and fills in its defaults. The error names
// every field that is wrong.
func New(config Config) (*Engine, error) {
	config.setDefaults()
	if err := config.check(); err != nil {
		return nil, err
	}
	e := &Engine{Config: config}
	for _, name := range config.SessionCookies {
		e.folded = append(e.folded, fold(name))
	}
	for purpose, s := range map[string]**sealer{
		linkCookie: &e.links, boundCookie: &e.bounds, keyCookie: &e.keys,
		"register challenge": &e.registerChallenge, "refresh challenge": &e.nextRefresh,
	} {
		made, err := newSealer(purpose, config.Secrets)
		if err != nil {
			return nil, fmt.Errorf("dbsc: secrets: %w", err)
		}
		*s = made
	}
	e.Secrets = nil // nobody needs them any more, and nothing can print them
	return e, nil
}

func (c *Config) setDefaults() {
	if c.Path == "" {
		c.Path = DefaultPath
	}
	for life, byDefault := range map[*time.Duration]time.Duration{
		&c.BoundLife: DefaultBoundLife, &c.SessionLife: DefaultSessionLife,
		&c.ChallengeLife: DefaultChallengeLife, &c.Grace: DefaultGrace,
	} {
		if *life == 0 {
			*life = byDefault
		}
	}
	if c.Origin == nil {
		c.Origin = connectionOrigin
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

func (c *Config) check() error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf("dbsc: "+format, args...)) }
	if len(c.SessionCookies) == 0 {
		problem("session cookies: none; expected the names of the application's session cookies")
	}
	if len(c.SessionCookies) > maxSessionCookies {
		problem("session cookies: %d; expected at most %d", len(c.SessionCookies), maxSessionCookies)
	}
	seen := map[string]bool{fold(linkCookie): true, fold(boundCookie): true, fold(keyCookie): true}
	for _, name := range c.SessionCookies {
		if !isToken(name) {
			problem("session cookies: %q is not the name of a cookie", name)
		}
		if seen[fold(name)] {
			problem("session cookies: %q is there twice, or one of our own", name)
		}
		seen[fold(name)] = true
	}
	if len(c.Path) < 2 || c.Path[0] != '/' || path.Clean(c.Path) != c.Path || strings.ContainsFunc(c.Path, notInPath) {
		problem("path: %q; expected one such as %s", c.Path, DefaultPath)
	}
	if len(c.Secrets) == 0 {
		problem("secrets: none; expected at least one")
	}
	for i, secret := range c.Secrets {
		if len(secret) < minSecret {
			problem("secrets: number %d has %d bytes; expected at least %d", i+1, len(secret), minSecret)
		}
	}
	for _, life := range []struct {
		name string
		time.Duration
	}{{"bound life", c.BoundLife}, {"session life", c.SessionLife}, {"challenge life", c.ChallengeLife}, {"grace", c.Grace}} {
		if life.Duration < time.Second || life.Duration > maxLife {
			problem("%s: %v; expected one second to 400 days", life.name, life.Duration)
		}
	}
	if c.Memory == nil {
		problem("memory: missing")
	}
	return errors.Join(problems...)
}

// notInPath keeps to characters that mean the same in a URL, a cookie
// attribute and a header's quoted string.
func notInPath(r rune) bool {
	return !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || strings.ContainsRune("-._~/", r))
}

// connectionOrigin is what the connection itself says.
func connectionOrigin(r *http.Request) string {
	if r.TLS == nil || r.Host == "" {
		return ""
	}
	return "https://" + strings.TrimSuffix(strings.ToLower(r.Host), ":443")
}
