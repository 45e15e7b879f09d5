// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestIndependentSigner has tokens and proofs signed by José, a JOSE
// implementation in C that shares no code with the server or its tests, so
// that the server is not only compared with our own idea of a signature.
func TestIndependentSigner(t *testing.T) {
	jose, err := exec.LookPath("jose")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("the command jose is missing, which continuous integration installs: `apt-get install jose`")
	}
	if err != nil {
		t.Fatal("the command jose is missing: install it with `apt-get install jose` (Debian, Ubuntu), `dnf install jose` or `brew install jose`")
	}
	sign := func(t *testing.T, key harness.Object, header, claims harness.Object) string {
		t.Helper()
		folder := t.TempDir()
		write := func(name string, content any) string {
			path := filepath.Join(folder, name)
			document, err := json.Marshal(content)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, document, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		command := exec.Command(jose, "jws", "sig", "-c",
			"-I", write("claims", claims), "-s", write("header", harness.Object{"protected": header}), "-k", write("key", key))
		var problem bytes.Buffer
		command.Stderr = &problem
		output, err := command.Output()
		if err != nil {
			t.Fatalf("%v: %v %s", command, err, problem.Bytes())
		}
		return harness.Secret("token or proof", string(bytes.TrimSpace(output)))
	}

	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{})
	nonce := server.Nonce(t)
	for _, algorithm := range []string{"ES256", "ES384", "ES512", "RS256", "PS256"} {
		t.Run(algorithm, func(t *testing.T) {
			key := harness.NewKey(algorithm)
			token := sign(t, world.Issuer.EC.PrivateJWK(), world.Issuer.Header(), harness.With(world.Issuer.Claims(), harness.BoundTo(key)))
			proof := harness.Proof{Key: key, Token: token, Path: "/api/x", Nonce: nonce}
			send := func(proof string) harness.Response {
				return server.Do(t, harness.HTTP2, harness.Request{Path: "/api/x", Header: harness.Credentials(token, proof)})
			}

			header, claims := proof.Parts()
			if got := send(sign(t, key.PrivateJWK(), header, claims)); got.Status != 200 || len(got.Arrivals()) != 1 {
				t.Errorf("a right proof got %d %q", got.Status, got.Error)
			}
			header, claims = proof.Parts()
			stranger := harness.NewKey(algorithm)
			if got := send(sign(t, stranger.PrivateJWK(), header, claims)); got.Error != "invalid_dpop_proof" || len(got.Arrivals()) != 0 {
				t.Errorf("a proof signed by another key than it shows got %d %q", got.Status, got.Error)
			}
		})
	}
	t.Run("token by a stranger", func(t *testing.T) {
		forged := sign(t, world.K2.PrivateJWK(), world.Issuer.Header(), harness.With(world.Issuer.Claims(), harness.BoundTo(world.K1)))
		header, claims := harness.Proof{Key: world.K1, Token: forged, Path: "/api/x", Nonce: nonce}.Parts()
		got := server.Do(t, harness.HTTP2, harness.Request{
			Path: "/api/x", Header: harness.Credentials(forged, sign(t, world.K1.PrivateJWK(), header, claims)),
		})
		if got.Error != "invalid_token" || len(got.Arrivals()) != 0 {
			t.Errorf("a forged token got %d %q", got.Status, got.Error)
		}
	})
}
