// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"errors"
	"net/http"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/dbsc"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/dpop"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/mtls"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/pop"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
	"github.com/tokenprotection/caddy-token-protection/enforcement/target"
	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

// Config is what an Enforcer is made of. Everything but the resource and the
// policies may be shared between enforcers.
type Config struct {
	Resource Resource
	// Policies are compiled for the resource.
	Policies *policy.Set
	Tokens   *token.Verifier
	// The verifiers of the proof schemes that the resource accepts; nil for
	// one that it does not.
	DPoP *dpop.Verifier
	PoP  *pop.Verifier
	MTLS *mtls.Verifier
	// Sessions judges the session cookies of a web application.
	Sessions *dbsc.Engine
	// Devices is what is asked about the device behind a request.
	Devices Devices
	// Log takes the sign-in records.
	Log *signin.Aggregator
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Enforcer protects one resource. It is safe for concurrent use.
type Enforcer struct {
	Config
	enforcing bool
}

// New returns an enforcer for the resource.
func New(config Config) (*Enforcer, error) {
	if config.Policies == nil || config.Tokens == nil || config.Log == nil {
		return nil, errors.New("enforcer: policies, token verifier and log are required")
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	enforcing := config.Policies.Targets(config.Resource.Name)
	if !enforcing {
		config.Tokens = config.Tokens.WithoutWaiting()
	}
	return &Enforcer{Config: config, enforcing: enforcing}, nil
}

// Enforcing reports whether a policy in state `on` targets the resource.
func (e *Enforcer) Enforcing() bool { return e.enforcing }

// TrustedHeaders returns the headers by which the peer of this request may
// forward a client certificate.
func (e *Enforcer) TrustedHeaders(r *http.Request) []string {
	if e.MTLS == nil {
		return nil
	}
	return e.MTLS.TrustedHeaders(r)
}

// Enforce takes a request through all steps and returns the decision. A
// request that it allows has spent its proof.
func (e *Enforcer) Enforce(r *Request) (d *Decision) {
	d = &Decision{Enforcing: e.enforcing}
	defer e.contain(d)
	now := e.Now()

	if why := e.framing(r.HTTP); why != reason.None {
		return d.fail(why)
	}
	if e.exempt(r) {
		d.Allow, d.Exempt = true, true
		return d
	}

	d.Reason = e.verify(d, r, now)
	if d.Reason == reason.CredentialMissing && e.Resource.AllowAnonymous {
		d.Allow, d.Anonymous = true, true
		return d
	}
	e.judgeDevice(d, r, now)
	e.judge(d, r)
	if d.Allow && d.Reason.Curable() {
		e.excuseNonce(d, r, now)
	}
	if d.Allow && d.Bound {
		e.spend(d, r, now)
	}
	switch {
	case !d.Allow:
		e.advise(d, now)
	case d.Claims != nil:
		e.Tokens.Remember(d.verified)
	}
	e.record(d, r, now)
	return d
}

// framing refuses what must not be looked at any further. Where nothing is
// enforced it passes, as it would without this module.
func (e *Enforcer) framing(r *http.Request) reason.Reason {
	switch {
	case !e.enforcing:
		return reason.None
	case r.TLS != nil && !r.TLS.HandshakeComplete: // RFC 8470, section 5.2
		return reason.EarlyData
	case r.Method == http.MethodConnect, r.Method == http.MethodTrace:
		return reason.MethodRefused
	}
	return reason.None
}

// exempt matches the path that is forwarded. What the client sent must be
// free of ambiguity too: a rewrite may have washed it.
func (e *Enforcer) exempt(r *Request) bool {
	if !e.Resource.Exempt.Match(r.HTTP.URL.EscapedPath()) || e.enforcing && namesAnotherPath(r.HTTP.Header) {
		return false
	}
	_, ok := target.CanonicalPath(r.SentPath)
	return ok
}

// verify runs the steps that look at the request alone: credential, token and
// proof. It fills in what each of them found.
func (e *Enforcer) verify(d *Decision, r *Request, now time.Time) (why reason.Reason) {
	if e.enforcing && connectionDrops(r.HTTP.Header) {
		return reason.ConnectionHeader
	}
	d.Credential, why = credentialOf(r.HTTP)
	// Without a header too: a token in the body must not pass as anonymous.
	if e.enforcing && (why == reason.None || why == reason.CredentialMissing) && formCarriesToken(r.HTTP) {
		return reason.CredentialsSeveral
	}
	switch {
	case why == reason.CredentialMissing && e.Sessions != nil:
		return e.verifySession(d, r, now)
	case why != reason.None:
		return why
	case e.carriesSession(r, now):
		return reason.CredentialsSeveral
	}
	if d.Credential.Scheme == SchemePoP && e.PoP != nil {
		if d.signed, why = pop.Parse(d.Credential.Token); why != reason.None {
			return why
		}
		d.Credential.Token = d.signed.AccessToken()
	}
	verified, why := e.Tokens.Verify(d.Credential.Token, e.audience(r), now)
	if why != reason.None {
		return why
	}
	d.Claims, d.verified = &verified.Claims, verified
	return e.prove(d, r, !e.enforcing, now)
}

// audience is whom tokens for this resource are issued to.
func (e *Enforcer) audience(r *Request) token.Audience {
	audience := token.Audience{Names: e.Resource.Audience}
	if e.Resource.HostAudience {
		audience.Host = r.URL.Host
	}
	return audience
}

// excuseNonce proves again without asking for a nonce. It is for requests on
// which nothing is enforced although something is at the resource: an
// excluded user, or one outside the rollout share. Their verdict is recorded,
// and their proof spent, as if no policy were on.
func (e *Enforcer) excuseNonce(d *Decision, r *Request, now time.Time) {
	d.Reason = e.prove(d, r, true, now)
	e.judgeDevice(d, r, now)
	e.judge(d, r)
}

// judge evaluates the policies and decides.
func (e *Enforcer) judge(d *Decision, r *Request) {
	context := e.context(d, r)
	d.describeDevice(&context)
	d.Outcomes = e.Policies.Evaluate(d.outcomes[:0], &context)
	if d.Reason.Curable() {
		excuse(d.Outcomes)
	}
	if d.Bound && hardwareMissing(d.Outcomes) {
		d.Reason = reason.HardwareKey
	}
	d.Allow = !e.enforcing || !e.blocks(d, &context)
	d.BreakGlass = d.Allow && e.enforcing && context.Known && !d.Bound && e.Policies.Excluded(&context)
}

// blocks is the decision where some policy is on. A request without a valid
// token or session has no user, so no condition on users can let it off. A token with a
// confirmation needs its proof whatever conditions on platform or client say.
func (e *Enforcer) blocks(d *Decision, context *policy.Context) bool {
	if d.Claims == nil && d.Session == nil {
		return true
	}
	for i := range d.Outcomes {
		if d.Outcomes[i].Blocks() {
			return true
		}
	}
	return d.Confirmed && !d.proven() && e.Policies.BoundTokenNeedsProof(context)
}

// excuse turns a failure that one retry would have cured into a success where
// it is only recorded.
func excuse(outcomes []policy.Outcome) {
	for i := range outcomes {
		if outcomes[i].Result == policy.ReportOnlyFailure {
			outcomes[i].Result = policy.ReportOnlySuccess
		}
	}
}

func hardwareMissing(outcomes []policy.Outcome) bool {
	for i := range outcomes {
		if outcomes[i].HardwareKeyMissing {
			return true
		}
	}
	return false
}

// contain turns a panic into a refusal where something is enforced, and into
// nothing where it is not.
func (e *Enforcer) contain(d *Decision) {
	if recover() != nil {
		d.Reason, d.Panicked, d.Bound, d.BreakGlass = reason.Internal, true, false, false
		d.Allow = !e.enforcing
	}
}
