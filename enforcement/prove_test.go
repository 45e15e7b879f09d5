// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// badge is the client certificate of Ann's laptop, and badgeHash its x5t#S256.
var (
	badge     = laptop.certificate()
	badgeHash = hashOf(badge)
)

func hashOf(certificate *x509.Certificate) string {
	hash := sha256.Sum256(certificate.Raw)
	return encode(hash[:])
}

// laptopID is the thumbprint of the laptop's key.
var laptopID = laptop.key.Thumbprint.String()

// allSchemes carry access tokens.
var allSchemes = []AuthScheme{SchemeBearer, SchemeMTLS, SchemeDPoP, SchemePoP}

// carried returns the sample request with the token under the scheme, and with
// every proof that this key and this certificate allow.
func carried(scheme AuthScheme, accessToken string, key *signer, certificate *x509.Certificate) *Request {
	credential := accessToken
	if scheme == SchemePoP {
		credential = key.signRequest(accessToken)
	}
	r := get(string(scheme)+" "+credential, key.prove(accessToken))
	if certificate != nil {
		r.over(certificate)
	}
	return r
}

// Contract, "Order of checks": the confirmation alone says which scheme may
// carry the token, however many proofs come along.
func TestTheConfirmationChoosesTheScheme(t *testing.T) {
	jkt, x5t := members{"jkt": laptopID}, members{"x5t#S256": badgeHash}
	kid, jwk := members{"kid": laptopID}, members{"jwk": laptop.jwk}
	union := func(all ...members) members { return with(members{}, all...) }
	for _, c := range []struct {
		name    string
		cnf     any
		edit    func(*setup)
		carried []AuthScheme
		proved  proof.Scheme
	}{
		{"jkt", jkt, everyScheme, []AuthScheme{SchemeDPoP}, proof.DPoP},
		{"x5t#S256", x5t, everyScheme, []AuthScheme{SchemeBearer, SchemeMTLS}, proof.MTLS},
		{"kid", kid, everyScheme, []AuthScheme{SchemePoP}, proof.PoP},
		{"jwk", jwk, everyScheme, []AuthScheme{SchemePoP}, proof.PoP},
		{"kid and the same jwk", union(kid, jwk), everyScheme, []AuthScheme{SchemePoP}, proof.PoP},
		{"jkt and x5t#S256", union(jkt, x5t), everyScheme, []AuthScheme{SchemeDPoP}, proof.DPoP},
		{"kid and x5t#S256", union(kid, x5t), everyScheme, []AuthScheme{SchemePoP}, proof.PoP},
		{"jkt and kid cannot come together", union(jkt, kid), everyScheme, nil, ""},
		{"jkt, kid and x5t#S256 neither", union(jkt, kid, x5t), everyScheme, nil, ""},
		{"device claim", nil, bindingDevices, []AuthScheme{SchemeBearer, SchemeMTLS}, proof.MTLS},
		{"jkt where devices have certificates", jkt, bindingDevices, []AuthScheme{SchemeDPoP}, proof.DPoP},
		{"kid where devices have certificates", kid, bindingDevices, []AuthScheme{SchemePoP}, proof.PoP},
		{"x5t#S256 where devices have certificates", x5t, bindingDevices, []AuthScheme{SchemeBearer, SchemeMTLS}, proof.MTLS},
	} {
		for _, scheme := range allSchemes {
			t.Run(c.name+" under "+string(scheme), func(t *testing.T) {
				g := newRig(t, enforced(), c.edit)
				r := carried(scheme, mint(members{"cnf": c.cnf}), laptop, badge)
				if !slices.Contains(c.carried, scheme) {
					if d := g.blocks(r, reason.SchemeMismatch); !d.Confirmed || d.Code() != reason.CodeNoProof {
						t.Errorf("confirmed %v, code %d", d.Confirmed, d.Code())
					}
					return
				}
				d := g.allows(r, reason.None)
				if !d.Bound || !d.Confirmed || d.Binding.Scheme != c.proved || d.Code() != reason.CodeBound {
					t.Errorf("bound %v, confirmed %v, by %q, code %d", d.Bound, d.Confirmed, d.Binding.Scheme, d.Code())
				}
			})
		}
	}
}

// RFC 7800, section 3.1, lets a recipient ignore what it does not understand;
// here nothing to enforce would be left, whatever scheme and proofs come.
func TestAConfirmationThatCannotBeEnforcedIsRefused(t *testing.T) {
	for name, cnf := range map[string]any{
		"empty": members{}, "no object": "jkt", "a list": []string{laptopID}, "only unknown members": members{"osc": "x"},
		"jwe": members{"jwe": "x"}, "jku beside jkt": members{"jkt": laptopID, "jku": "https://evil.example"},
		"tbh beside x5t#S256": members{"x5t#S256": badgeHash, "tbh": "x"}, "kid of another key than jwk": members{"kid": laptopID, "jwk": thief.jwk},
	} {
		for _, scheme := range allSchemes {
			t.Run(name+" under "+string(scheme), func(t *testing.T) {
				g := newRig(t, enforced(), bindingDevices)
				d := g.blocks(carried(scheme, mint(members{"cnf": cnf}), laptop, badge), reason.ConfirmationMalformed)
				if d.Claims != nil || d.Confirmed {
					t.Errorf("claims %v, confirmed %v", d.Claims, d.Confirmed)
				}
			})
		}
	}
}

// Contract, "Order of checks": of several known confirmations every one is owed.
func TestEveryKeyThatIsNamedIsOwed(t *testing.T) {
	stolen := thief.certificate()
	dpopToo := mint(members{"cnf": members{"jkt": laptopID, "x5t#S256": badgeHash}})
	popToo := mint(members{"cnf": members{"kid": laptopID, "x5t#S256": badgeHash}})
	byCertificate := mint(members{"cnf": members{"x5t#S256": badgeHash}})
	byRequest := mint(members{"cnf": members{"kid": laptopID}})
	for name, c := range map[string]struct {
		r    *Request
		want reason.Reason
	}{
		"x5t#S256: no certificate":                 {carried(SchemeBearer, byCertificate, laptop, nil), reason.CertificateMissing},
		"x5t#S256: no certificate under mtls_pop":  {carried(SchemeMTLS, byCertificate, laptop, nil), reason.CertificateMissing},
		"x5t#S256: another certificate":            {carried(SchemeBearer, byCertificate, laptop, stolen), reason.KeyMismatch},
		"x5t#S256: a new one for the same key":     {carried(SchemeBearer, byCertificate, laptop, laptop.certificate(expired)), reason.KeyMismatch},
		"jkt and x5t#S256: no certificate":         {carried(SchemeDPoP, dpopToo, laptop, nil), reason.CertificateMissing},
		"jkt and x5t#S256: another certificate":    {carried(SchemeDPoP, dpopToo, laptop, stolen), reason.KeyMismatch},
		"jkt and x5t#S256: another key":            {carried(SchemeDPoP, dpopToo, thief, badge), reason.KeyMismatch},
		"jkt and x5t#S256: no proof":               {get("DPoP " + dpopToo).over(badge), reason.ProofMissing},
		"kid and x5t#S256: no certificate":         {carried(SchemePoP, popToo, laptop, nil), reason.CertificateMissing},
		"kid and x5t#S256: another certificate":    {carried(SchemePoP, popToo, laptop, stolen), reason.KeyMismatch},
		"kid and x5t#S256: another key":            {carried(SchemePoP, popToo, thief, badge), reason.KeyMismatch},
		"kid: another key":                         {carried(SchemePoP, byRequest, thief, nil), reason.KeyMismatch},
		"kid: the bare token":                      {get("PoP " + byRequest), reason.ProofMissing},
		"kid: for another path":                    {get("PoP " + laptop.signRequest(byRequest, members{"p": "/api/you"})), reason.ProofURL},
		"kid: no credential at all in the request": {get("PoP " + laptop.signRequest("")), reason.ProofMalformed},
		"kid: too large":                           {get("PoP " + strings.Repeat("x", 25<<10)), reason.ProofTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, enforced(), everyScheme)
			g.blocks(c.r, c.want)
			if spent := g.DPoP.Replay.Stats().Entries + g.PoP.Replay.Stats().Entries; spent != 0 {
				t.Errorf("%d proofs are spent", spent)
			}
		})
	}
}

func expired(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Second) }

func ofDevice2(c *x509.Certificate) { c.Subject.CommonName = "device-2" }

func forServers(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }

// Contract, "Order of checks", the row of the device claim.
func TestTheDeviceClaimOwesACertificateOfTheDevice(t *testing.T) {
	ann := mint(unbound)
	for name, c := range map[string]struct {
		certificate *x509.Certificate
		want        reason.Reason
	}{
		"none":               {nil, reason.CertificateMissing},
		"of another device":  {laptop.certificate(ofDevice2), reason.KeyMismatch},
		"expired":            {laptop.certificate(expired), reason.CertificateUntrusted},
		"for servers":        {laptop.certificate(forServers), reason.CertificateUntrusted},
		"the authority's":    {authority(), reason.KeyMismatch},
		"the device's":       {badge, reason.None},
		"for another key":    {thief.certificate(), reason.None}, // the id counts: the authority vouches for it
		"of nobody we trust": {selfSigned(), reason.CertificateUntrusted},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, enforced(), bindingDevices)
			r := get("Bearer " + ann)
			if c.certificate != nil {
				r.over(c.certificate)
			}
			if c.want != reason.None {
				if d := g.blocks(r, c.want); !d.Confirmed {
					t.Error("no proof is owed")
				}
				return
			}
			if d := g.allows(r, reason.None); !d.Bound || d.Binding.Key.String() != hashOf(c.certificate) {
				t.Errorf("bound %v by %s", d.Bound, d.Binding.Key)
			}
		})
	}
	t.Run("a token without a device is unbound", func(t *testing.T) {
		g := newRig(t, enforced(), bindingDevices)
		if d := g.blocks(get("Bearer "+mint(unbound, members{"deviceid": nil})).over(badge), reason.TokenUnbound); d.Confirmed {
			t.Error("a proof is owed")
		}
	})
	t.Run("without device certificates it is unbound", func(t *testing.T) {
		g := newRig(t, enforced(), everyScheme)
		if d := g.blocks(get("Bearer "+ann).over(badge), reason.TokenUnbound); d.Confirmed {
			t.Error("a proof is owed")
		}
	})
	t.Run("a confirmation cannot be replaced by it", func(t *testing.T) {
		g := newRig(t, enforced(), bindingDevices)
		g.blocks(get("Bearer "+mint()).over(badge), reason.SchemeMismatch)
		g.blocks(get("Bearer "+mint(members{"cnf": members{"x5t#S256": hashOf(thief.certificate())}})).over(badge), reason.KeyMismatch)
	})
	t.Run("nor does it ask for a certificate beside one", func(t *testing.T) {
		newRig(t, enforced(), bindingDevices).allows(proven(), reason.None)
	})
}

// selfSigned names the right device, and nobody vouches for it.
func selfSigned() *x509.Certificate {
	template := thief.certificate()
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, &thief.private.PublicKey, thief.private))))
}

// A token that owes a proof which the resource does not accept is no bearer
// token either.
func TestSchemesThatAreNotAccepted(t *testing.T) {
	for _, owed := range []struct {
		scheme proof.Scheme
		cnf    members
		under  AuthScheme
	}{
		{proof.DPoP, members{"jkt": laptopID}, SchemeDPoP},
		{proof.MTLS, members{"x5t#S256": badgeHash}, SchemeBearer},
		{proof.PoP, members{"kid": laptopID}, SchemePoP},
	} {
		for _, accepted := range []proof.Scheme{proof.DPoP, proof.MTLS, proof.PoP} {
			t.Run(fmt.Sprintf("%s where %s is accepted", owed.scheme, accepted), func(t *testing.T) {
				g := newRig(t, enforced(), accepting(accepted))
				accessToken := mint(members{"cnf": owed.cnf})
				if accepted == owed.scheme {
					g.allows(carried(owed.under, accessToken, laptop, badge), reason.None)
					return
				}
				for _, scheme := range allSchemes {
					r := carried(scheme, accessToken, laptop, badge)
					if scheme == SchemePoP && accepted != proof.PoP { // it is taken for a token, and nobody issued it
						g.blocks(r, reason.TokenIssuer)
						r = get("PoP " + accessToken)
					}
					if d := g.blocks(r, reason.SchemeUnavailable); !d.Confirmed || d.Code() != reason.CodeNoProof {
						t.Errorf("%s: confirmed %v, code %d", scheme, d.Confirmed, d.Code())
					}
				}
			})
		}
	}
	t.Run("one of two", func(t *testing.T) {
		g := newRig(t, enforced(), accepting(proof.DPoP))
		both := mint(members{"cnf": members{"jkt": laptopID, "x5t#S256": badgeHash}})
		g.blocks(carried(SchemeDPoP, both, laptop, badge), reason.SchemeUnavailable)
	})
}

// Design, section 7, "A bound token needs its proof", for every scheme: what
// the client says of its platform lets nobody off.
func TestEveryBoundTokenNeedsItsProof(t *testing.T) {
	for name, c := range map[string]struct {
		cnf    any
		edit   func(*setup)
		want   reason.Reason
		blocks bool
	}{
		"x5t#S256":                            {members{"x5t#S256": badgeHash}, everyScheme, reason.CertificateMissing, true},
		"kid":                                 {members{"kid": laptopID}, everyScheme, reason.SchemeMismatch, true},
		"not accepted":                        {members{"kid": laptopID}, accepting(proof.DPoP), reason.SchemeUnavailable, true},
		"device claim":                        {nil, bindingDevices, reason.CertificateMissing, true},
		"device claim, no device certificate": {nil, everyScheme, reason.TokenUnbound, false},
	} {
		t.Run(name, func(t *testing.T) {
			accessToken := mint(members{"cnf": c.cnf})
			r := asLinux(get("Bearer " + accessToken))
			if g := newRig(t, enforced(onlyWindows), c.edit); c.blocks {
				if d := g.blocks(r, c.want); outcomes(d)["enforced"] != policy.NotApplied {
					t.Errorf("outcomes %v", outcomes(d))
				}
			} else {
				g.allows(r, c.want)
			}
			excluded := newRig(t, enforced(excludeAnn), c.edit)
			if d := excluded.allows(get("Bearer "+accessToken), c.want); !d.BreakGlass || d.Bound {
				t.Errorf("break-glass %v, bound %v", d.BreakGlass, d.Bound)
			}
		})
	}
}

// Design, section 8: scheme and key of the proof, for every scheme.
func TestRecordsNameSchemeAndKey(t *testing.T) {
	for name, c := range map[string]struct {
		r             *Request
		scheme, thumb string
	}{
		"x5t#S256":         {get("Bearer " + mint(members{"cnf": members{"x5t#S256": badgeHash}})).over(badge), "mtls", badgeHash},
		"device claim":     {get("mtls_pop " + mint(unbound)).over(badge), "mtls", badgeHash},
		"kid":              {carried(SchemePoP, mint(members{"cnf": members{"kid": laptopID}}), laptop, nil), "pop", laptopID},
		"jkt and x5t#S256": {carried(SchemeDPoP, mint(members{"cnf": members{"jkt": laptopID, "x5t#S256": badgeHash}}), laptop, badge), "dpop", laptopID},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, enforced(), bindingDevices)
			d := g.allows(c.r, reason.None)
			got := g.last()
			if got.ProofScheme != c.scheme || got.DeviceKeyThumbprint != c.thumb || got.UserID != "id-of-ann" || got.UniqueTokenIdentifier != "token-1" ||
				got.TokenProtectionStatusDetails.SignInSessionStatus != "bound" || got.TokenProtectionStatusDetails.SignInSessionStatusCode != 0 {
				t.Errorf("%+v", got)
			}
			noSecrets(t, got, c.r, d)
		})
	}
	t.Run("no scheme without a proof", func(t *testing.T) {
		g := newRig(t, enforced(), bindingDevices)
		g.blocks(get("Bearer "+mint(unbound)), reason.CertificateMissing)
		if got := g.last(); got.ProofScheme != "" || got.DeviceKeyThumbprint != "" || got.TokenProtectionStatusDetails.SignInSessionStatusCode != 1008 {
			t.Errorf("%+v", got)
		}
	})
}

// Entra calls a key hardware-backed (xms_ksl = uhw) beside any confirmation.
func TestHardwareKeysOfEveryScheme(t *testing.T) {
	for name, cnf := range map[string]members{"pop": {"kid": laptopID}, "bearer": {"x5t#S256": badgeHash}} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, enforced(needsHardware), everyScheme)
			g.blocks(carried(AuthScheme(name), mint(members{"cnf": cnf}), laptop, badge), reason.HardwareKey)
			hardware := mint(members{"cnf": with(members{"xms_ksl": "uhw"}, cnf)})
			g.allows(carried(AuthScheme(name), hardware, laptop, badge), reason.None)
		})
	}
}

// Claims come from the token inside of the signed request; the backend's
// credential does too.
func TestTheCredentialOfASignedRequestIsTheTokenInIt(t *testing.T) {
	accessToken := mint(members{"cnf": members{"kid": laptopID}})
	d := newRig(t, enforced(), everyScheme).allows(carried(SchemePoP, accessToken, laptop, nil), reason.None)
	if d.Credential.Token != accessToken || d.Claims == nil || d.Claims.UserID != "id-of-ann" {
		t.Errorf("credential %q, claims %+v", d.Credential.Token, d.Claims)
	}
}

// A terminator's headers are only those that the resource is configured for.
func TestNoHeadersAreTrustedWithoutTerminators(t *testing.T) {
	for name, edit := range map[string]func(*setup){"no certificates": accepting(proof.DPoP), "only of the connection": everyScheme} {
		if got := newRig(t, enforced(), edit).TrustedHeaders(get("").HTTP); len(got) != 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
}
