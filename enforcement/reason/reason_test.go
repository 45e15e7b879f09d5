// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package reason

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// declared are the constants of type Reason in reason.go, name to value.
func declared(t *testing.T) map[string]Reason {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]Reason)
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "Reason" {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all[spec.Names[0].Name] = Reason(value)
		}
		return true
	})
	if len(all) < 40 || all["TokenExpired"] != TokenExpired {
		t.Fatalf("the constants that were found are %v", all)
	}
	return all
}

func TestEveryReasonHasAnAnswer(t *testing.T) {
	names, all := declared(t), All()
	for name, r := range names {
		if _, ok := answers[r]; ok == (r == None) {
			t.Errorf("%s: answer is there: %v", name, ok)
		}
		if slices.Contains(all, r) == (r == None) {
			t.Errorf("%s: in All: %v", name, r == None)
		}
		if r.Known() == (r == None) {
			t.Errorf("%s: known: %v", name, r.Known())
		}
	}
	if Reason("other").Known() {
		t.Error("a word that is not ours is known")
	}
	if len(all) != len(names)-1 {
		t.Errorf("All has %d reasons, expected %d", len(all), len(names)-1)
	}
}

// The words stand in logs and metrics: one spelling, one meaning.
func TestReasonsAreDistinctWordsThatSayTheirName(t *testing.T) {
	capital := regexp.MustCompile(`[A-Z]+[a-z]*`)
	seen := make(map[Reason]string)
	for name, r := range declared(t) {
		if other, twice := seen[r]; twice {
			t.Errorf("%s and %s are both %q", name, other, r)
		}
		seen[r] = name
		want := Reason(strings.ToLower(strings.Join(capital.FindAllString(name, -1), "_")))
		if name == "None" {
			want = ""
		}
		if r != want {
			t.Errorf("%s is %q, expected %q", name, r, want)
		}
	}
}

// Contract, "Answers": one row each, with the reasons that stand for the situation.
var contract = []struct {
	situation string
	status    int
	challenge string
	code      int
	reasons   []Reason
}{
	{"no credential", 401, "", 1002, []Reason{CredentialMissing, CredentialForeign}},
	{"two credentials, two proofs, token in query or body too", 400, "invalid_request", 1005, []Reason{
		CredentialsSeveral, CredentialMalformed, ProofsSeveral, ConnectionHeader, CertificateMalformed,
		SessionAmbiguous,
	}},
	{"token malformed, forged, expired, foreign issuer or audience", 401, "invalid_token", 1005, []Reason{
		TokenTooLarge, TokenMalformed, TokenType, TokenIssuer, TokenAlgorithm, TokenKeyUnknown, TokenSignature, TokenClaims,
		TokenExpired, TokenNotYetValid, TokenAudience, TokenInactive, ConfirmationMalformed,
	}},
	{"token has no confirmation, binding required", 401, "invalid_token", 1002, []Reason{TokenUnbound}},
	{"bound token without its proof, or under the wrong scheme", 401, "invalid_token", 1008, []Reason{
		ProofMissing, SchemeMismatch, SchemeUnavailable, CertificateMissing,
	}},
	{"in-scope request with an app session cookie but no valid bound cookie", 401, "", 1008, []Reason{
		SessionGrace, SessionUnproven, SessionExpired, SessionMismatched, SessionEnded,
	}},
	{"proof key or certificate is not the confirmed one", 401, "invalid_token", 1005, []Reason{KeyMismatch, CertificateUntrusted}},
	{"any other DPoP failure, replay included", 401, "invalid_dpop_proof", 1005, []Reason{
		ProofTooLarge, ProofMalformed, ProofType, ProofAlgorithm, ProofKey, ProofMethod, ProofURL, ProofTokenHash, ProofTime,
		ProofSignature, ProofReplayed, ProofQuery, ProofHeaders, ProofBody,
	}},
	{"a signed HTTP request covers a body that is too long to be held back", 413, "", 1005, []Reason{BodyTooLarge}},
	{"nonce missing, unknown, stale, where required", 401, "use_dpop_nonce", 1005, []Reason{NonceMissing, NonceStale}},
	{"device unknown, disabled, unsupported registration, key not its own", 403, "access_denied", 1003, []Reason{
		DeviceUnknown, DeviceDisabled, DeviceUnsupported, KeyNotRegistered,
		DeviceWithdrawn,
	}},
	{"device or key revoked on this server", 401, "invalid_token", 1003, []Reason{DeviceRevoked, KeyRevoked}},
	{"OS or client version below the minimum", 403, "access_denied", 1006, []Reason{SystemVersion, ClientVersion}},
	{"key is registered to another user's device", 403, "access_denied", 1007, []Reason{DeviceOwner}},
	{"a client that does not do token protection, where that is required", 403, "access_denied", 1008, []Reason{ClientUnsupported}},
	{"key not hardware-backed where required", 403, "access_denied", 1004, []Reason{HardwareKey}},
	{"one key exceeds its replay quota", 429, "", 1005, []Reason{ReplayQuota}},
	{"a dependency is down and the posture is fail-closed", 503, "", 1005, []Reason{
		KeySetUnavailable, IntrospectionUnavailable, DirectoryUnavailable, BodiesHeld, ReplayUnavailable,
	}},
	{"TLS early data", 425, "", 1005, []Reason{EarlyData}},
	{"CONNECT, TRACE", 405, "", 1005, []Reason{MethodRefused}},
	{"an unexpected failure of our own", 500, "", 1005, []Reason{Internal}},
}

func TestAnswersAreTheContracts(t *testing.T) {
	for _, row := range contract {
		t.Run(row.situation, func(t *testing.T) {
			for _, r := range row.reasons {
				a := r.Answer()
				if a.Status != row.status || a.Error != row.challenge || a.Code != row.code {
					t.Errorf("%s: %d %q %d, expected %d %q %d", r, a.Status, a.Error, a.Code, row.status, row.challenge, row.code)
				}
			}
		})
	}
}

// A reason that comes later needs a row.
func TestEveryReasonIsInTheContractOnce(t *testing.T) {
	rows := make(map[Reason]int)
	for _, row := range contract {
		for _, r := range row.reasons {
			rows[r]++
		}
	}
	for _, r := range All() {
		if rows[r] != 1 {
			t.Errorf("%s is in %d rows", r, rows[r])
		}
	}
}

// RFC 6750, section 3: what error_description may hold. One text for every reason of one class, so that failures of
// one kind cannot be told apart.
func TestDetailsSayNothingToAThief(t *testing.T) {
	proofs := make(map[string]bool)
	for _, r := range All() {
		a := r.Answer()
		if !strings.HasSuffix(a.Detail, ".") || strings.ContainsAny(a.Detail, "\"\\") {
			t.Errorf("%s: detail %q", r, a.Detail)
		}
		for _, c := range []byte(a.Detail) {
			if c < ' ' || c > '~' {
				t.Errorf("%s: detail has octet %#x", r, c)
			}
		}
		if a.Error == InvalidDPoPProof {
			proofs[a.Detail] = true
		}
	}
	if len(proofs) != 1 {
		t.Errorf("bad proofs are told apart: %v", proofs)
	}
	for _, row := range contract {
		if strings.HasPrefix(row.situation, "token malformed") {
			for _, r := range row.reasons {
				if got, want := r.Answer(), TokenExpired.Answer(); got != want {
					t.Errorf("%s is told from %s: %+v", r, TokenExpired, got)
				}
			}
		}
	}
}

func TestNoneIsBound(t *testing.T) {
	if a := None.Answer(); a != (Answer{Code: CodeBound}) {
		t.Errorf("got %+v", a)
	}
	for _, r := range All() {
		if r.Answer().Code == CodeBound {
			t.Errorf("%s counts as bound", r)
		}
	}
}

// A word that was forgotten in the table blocks.
func TestUnknownReasonAnswersLikeInternal(t *testing.T) {
	if a := Reason("forgotten").Answer(); a != Internal.Answer() || a.Status != 500 {
		t.Errorf("got %+v", a)
	}
}

func TestOnlyAMissingOrStaleNonceIsCurable(t *testing.T) {
	for _, r := range append(All(), None, "forgotten") {
		if want := r == NonceMissing || r == NonceStale; r.Curable() != want {
			t.Errorf("%s: curable %v", r, r.Curable())
		}
	}
}
