// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/livefile"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/dpop"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/nonce"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin/insights"
	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

func init() {
	caddy.RegisterModule(new(App))
}

// state is what an App holds once it is provisioned.
type state struct {
	ctx      caddy.Context
	logger   *zap.Logger
	holds    holds
	keySets  []*token.KeySet
	tokens   *token.Verifier
	verified *token.Cache
	keys     *dpop.KeyCache
	replay   enforcement.Replay       // of DPoP proofs
	store    *enforcement.ReplayStore // that nodes share; nil if there is none
	storeKey string                   // its key in the pool
	spent    spentSets
	asked    []*token.Introspection
	dpop     *dpop.Verifier
	rules    atomic.Pointer[rules]
	devices  deviceState
	signIns  *signin.Aggregator
	board    *insights.Board // of the sign-ins of this process

	policiesFile *livefile.File // nil without one
	background   sync.WaitGroup
	stopping     chan struct{}

	mu       sync.Mutex
	handlers handlers // that were provisioned with this app

	namings []naming // where a Caddyfile's policies name resources

	places map[string]*caddyfile.Dispenser // where a Caddyfile's policies are, by name
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "token_protection",
		New: func() caddy.Module { return new(App) },
	}
}

// Provision compiles the configuration. It opens no connection and starts
// nothing: it runs for `caddy validate` and for rejected reloads too.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.logger = ctx, ctx.Logger()
	a.setDefaults()
	if err := a.check(); err != nil {
		return err
	}
	a.stopping = make(chan struct{})
	if err := a.provisionPolicies(); err != nil {
		return err
	}
	if err := a.provisionReplay(); err != nil {
		return err
	}
	if err := a.provisionTokens(); err != nil {
		return err
	}
	if err := a.provisionDevices(); err != nil {
		return err
	}
	if err := a.provisionProofs(); err != nil {
		return err
	}
	if err := a.provisionSignIns(); err != nil {
		return err
	}
	return registerMetrics(ctx.GetMetricsRegistry())
}

func (a *App) setDefaults() {
	setDefault(&a.Proof.MaxAge, defaultMaxAge)
	setDefault(&a.Proof.Nonce, nonceAuto)
	a.Replay.setDefaults()
	setDefault(&a.Cache.Tokens, defaultTokens)
	setDefault(&a.Cache.DeviceKeys, defaultDeviceKeys)
	for _, zeroCounts := range []struct {
		value    **caddy.Duration
		fallback caddy.Duration
	}{{&a.Proof.ClockSkew, defaultClockSkew}, {&a.SignInLog.Interval, defaultInterval}} {
		if *zeroCounts.value == nil {
			*zeroCounts.value = &zeroCounts.fallback
		}
	}
}

func setDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

func (a *App) provisionTokens() (err error) {
	a.verified, err = take(&a.holds, fmt.Sprintf("tokens %d", a.Cache.Tokens), func() (*token.Cache, error) {
		return token.NewCache(a.Cache.Tokens)
	})
	if err != nil {
		return err
	}
	var issuers []*token.Issuer
	for _, configured := range a.Issuers {
		issuer, keys, err := a.provisionIssuer(configured)
		if err != nil {
			return err
		}
		issuers, a.keySets = append(issuers, issuer), append(a.keySets, keys)
	}
	a.tokens, err = token.NewVerifier(issuers, a.verified, time.Duration(*a.Proof.ClockSkew))
	return err
}

func (a *App) provisionIssuer(configured Issuer) (*token.Issuer, *token.KeySet, error) {
	config, err := configured.compile()
	if err != nil {
		return nil, nil, err
	}
	key := strings.Join([]string{"keys", configured.Issuer, configured.JWKSURL, configured.JWKSFile}, " ")
	keys, err := take(&a.holds, key, func() (*token.KeySet, error) { return configured.keySet(nil) })
	if err != nil {
		return nil, nil, fmt.Errorf("issuer %q: %w", configured.Issuer, err)
	}
	if config.Introspection, err = configured.introspection(config.Claims); err != nil {
		return nil, nil, fmt.Errorf("issuer %q: %w", configured.Issuer, err)
	}
	if config.Introspection != nil {
		a.asked = append(a.asked, config.Introspection)
	}
	issuer, err := token.NewIssuer(config, keys)
	return issuer, keys, err
}

// compile turns the configured words into their types.
func (i Issuer) compile() (token.IssuerConfig, error) {
	config := token.IssuerConfig{Issuer: i.Issuer}
	if i.JWKSURL != "" && i.JWKSFile != "" {
		return config, fmt.Errorf("issuer %q: jwks_url and jwks_file exclude each other; expected one of them", i.Issuer)
	}
	var err error
	if config.Algorithms, err = parseAlgorithms(i.Algorithms); err != nil {
		return config, fmt.Errorf("issuer %q: %w", i.Issuer, err)
	}
	for _, typ := range i.TokenTypes {
		config.Types = append(config.Types, strings.ToLower(typ))
	}
	for fact, names := range i.Claims {
		place, err := claimNames(&config.Claims, fact)
		if err != nil {
			return config, fmt.Errorf("issuer %q: %w", i.Issuer, err)
		}
		*place = names
	}
	return config, nil
}

// check finds what is wrong with the issuer without looking at its keys.
func (i Issuer) check() error {
	config, err := i.compile()
	if err != nil {
		return err
	}
	if _, err := token.NewIssuer(config, nil); err != nil {
		return err
	}
	if i.JWKSFile != "" {
		return nil
	}
	_, err = token.NewRemoteKeySet(i.Issuer, i.JWKSURL, http.DefaultTransport)
	return err
}

// claimFacts are the facts that `claim` locates.
var claimFacts = []string{"user", "user_id", "groups", "roles", "device", "client", "platform"}

func claimNames(names *token.ClaimNames, fact string) (*[]string, error) {
	for i, place := range []*[]string{&names.User, &names.UserID, &names.Groups, &names.Roles, &names.Device, &names.Client, &names.Platform} {
		if claimFacts[i] == fact {
			return place, nil
		}
	}
	return nil, fmt.Errorf("claim %q: expected one of %s", fact, strings.Join(claimFacts, ", "))
}

func parseAlgorithms(names []string) ([]jose.Algorithm, error) {
	var algorithms []jose.Algorithm
	for _, name := range names {
		algorithm, err := jose.ParseAlgorithm(name)
		if err != nil {
			return nil, fmt.Errorf("algorithms: %q is not supported; expected some of %s", name, words(jose.Algorithms()))
		}
		algorithms = append(algorithms, algorithm)
		if algorithm == jose.EdDSA { // RFC 9864 spells it Ed25519
			algorithms = append(algorithms, jose.Ed25519)
		}
	}
	return algorithms, nil
}

func (a *App) provisionProofs() error {
	algorithms, err := parseAlgorithms(a.Proof.Algorithms)
	if err != nil {
		return fmt.Errorf("proof: %w", err)
	}
	secrets, err := a.nonceSecrets()
	if err != nil {
		return err
	}
	nonces, err := nonce.New("dpop-nonce", nonceLife, secrets[0], secrets[1:]...)
	if err != nil {
		return fmt.Errorf("proof nonce_secret: %w", err)
	}
	a.keys, err = take(&a.holds, fmt.Sprintf("device keys %d", a.Cache.DeviceKeys), func() (*dpop.KeyCache, error) {
		return dpop.NewKeyCache(a.Cache.DeviceKeys)
	})
	if err != nil {
		return err
	}
	a.dpop, err = dpop.New(dpop.Config{
		Algorithms: algorithms, MaxAge: time.Duration(a.Proof.MaxAge), ClockSkew: time.Duration(*a.Proof.ClockSkew),
		RequireNonce: a.Proof.Nonce == nonceRequired, Nonces: nonces, Replay: a.replay, Keys: a.keys,
	})
	return err
}

// nonceSecrets resolves placeholders. Error texts never show a secret.
func (a *App) nonceSecrets() ([][]byte, error) {
	if len(a.Proof.NonceSecret) == 0 {
		return [][]byte{processSecret()}, nil
	}
	var secrets [][]byte
	for i, configured := range a.Proof.NonceSecret {
		secret, err := resolveSecret(configured)
		if err != nil {
			return nil, fmt.Errorf("nonce_secret: number %d: %w", i+1, err)
		}
		if err := checkNonceSecret(i, secret); err != nil {
			return nil, err
		}
		secrets = append(secrets, []byte(secret))
	}
	return secrets, nil
}

// Start begins the background work: fetching keys and writing the sign-in log.
func (a *App) Start() error {
	if err := checkClock(time.Now()); err != nil {
		return err
	}
	rules := a.rules.Load()
	if err := checkTargets(rules.set, a.resources()); err != nil {
		return err
	}
	advise(a.logger, rules.set, a.bindsSessions)
	for _, keys := range a.keySets {
		keys.Start()
	}
	if a.store != nil {
		a.store.Start()
	}
	a.devices.start()
	a.signIns.Start()
	a.followPolicies()
	live.enter(a)
	return nil
}

// Stop ends what Start began. Key sets go on if the next configuration has
// taken them over.
func (a *App) Stop() error {
	live.leave(a)
	close(a.stopping)
	a.background.Wait()
	a.signIns.Stop()
	return nil
}

// Cleanup releases the shared state.
func (a *App) Cleanup() error {
	for _, introspection := range a.asked {
		introspection.Close()
	}
	return a.holds.release()
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
