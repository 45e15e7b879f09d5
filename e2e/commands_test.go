// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// output is what a command left behind.
type output struct {
	status         int
	stdout, stderr string
}

// caddy runs the built binary to its end.
func caddy(t *testing.T, stdin []byte, arguments ...string) output {
	t.Helper()
	var stdout, stderr strings.Builder
	command := exec.Command(harness.Binary(), arguments...)
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(string(stdin)), &stdout, &stderr
	command.Env = append(os.Environ(), "HOME="+t.TempDir())
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return output{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func TestBinaryHasTheModules(t *testing.T) {
	got := caddy(t, nil, "list-modules")
	for _, module := range []string{"token_protection", "http.handlers.token_protection"} {
		if !strings.Contains("\n"+got.stdout, "\n"+module+"\n") {
			t.Errorf("no module %s", module)
		}
	}
}

// TestKeygenAndProofMakeADevice: with these two commands and curl, an
// administrator is a device.
func TestKeygenAndProofMakeADevice(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{})
	for _, algorithm := range []string{"", "ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256"} {
		t.Run(algorithm, func(t *testing.T) {
			folder := t.TempDir()
			keyFile, tokenFile := filepath.Join(folder, "device.jwk"), filepath.Join(folder, "token.txt")
			arguments := []string{"token-protection", "keygen", "--out", keyFile}
			if algorithm != "" {
				arguments = append(arguments, "--alg", algorithm)
			}
			made := caddy(t, nil, arguments...)
			thumbprint := strings.TrimSpace(made.stdout)
			if made.status != 0 || !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(thumbprint) {
				t.Fatalf("keygen: status %d, printed %q\n%s", made.status, made.stdout, made.stderr)
			}
			if info, err := os.Stat(keyFile); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the key's file: %v %v", info, err)
			}
			token := world.Issuer.Mint(harness.Object{"cnf": harness.Object{"jkt": thumbprint}})
			if err := os.WriteFile(tokenFile, []byte(token+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			common := []string{"token-protection", "proof", "--key", keyFile, "--method", "POST", "--url", harness.Origin + "/x", "--nonce", server.Nonce(t)}
			for name, proof := range map[string]output{
				"--token":        caddy(t, nil, append(common, "--token", token)...),
				"--token-file":   caddy(t, nil, append(common, "--token-file", tokenFile)...),
				"--token-file -": caddy(t, []byte(token), append(common, "--token-file", "-")...),
			} {
				if proof.status != 0 {
					t.Fatalf("proof %s: status %d\n%s", name, proof.status, proof.stderr)
				}
				header := harness.Credentials(token, harness.Secret("token or proof", strings.TrimSpace(proof.stdout)))
				if got := server.Do(t, harness.HTTP1, harness.Request{Method: "POST", Path: "/x", Header: header}); got.Status != 200 {
					t.Errorf("%s: status %d %q", name, got.Status, got.Error)
				}
			}
		})
	}
}

// TestReportSumsUpALog that a server wrote, and reads on past what is no record.
func TestReportSumsUpALog(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{Policies: harness.PolicyReportOnly})
	server.Do(t, harness.HTTP1, world.Bound("GET", "/x", ""))
	for range 3 {
		server.Do(t, harness.HTTP1, harness.Request{Path: "/x", Header: bearer(world.ATb)})
	}
	server.Stop()
	log := filepath.Join(t.TempDir(), "sign-in.log")
	if err := os.WriteFile(log, server.Output(), 0o600); err != nil {
		t.Fatal(err)
	}
	table := caddy(t, nil, "token-protection", "report", log)
	if table.status != 0 || !strings.Contains(table.stdout, "alice@contoso.example") || !strings.Contains(table.stdout, "PctEnforceable") {
		t.Errorf("status %d\n%s%s", table.status, table.stdout, table.stderr)
	}
	stdin := caddy(t, server.Output(), "token-protection", "report", "-", "--format", "csv")
	// Where nothing is enforced no request waits for the issuer's keys, so that the
	// first may come too early to be known.
	if !regexp.MustCompile(`(?m)^outlook,(4,1,1|3,1,0),3,`).MatchString(stdin.stdout) {
		t.Errorf("csv:\n%s", stdin.stdout)
	}
	var parsed harness.Object
	if got := caddy(t, nil, "token-protection", "report", "--format", "json", log); json.Unmarshal([]byte(got.stdout), &parsed) != nil {
		t.Errorf("json:\n%s", got.stdout)
	}
}

// TestCommandsSayWhatIsWrong on standard error, with a status, and without
// showing a key or a token.
func TestCommandsSayWhatIsWrong(t *testing.T) {
	folder := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := filepath.Join(folder, "device.jwk")
	if made := caddy(t, nil, "token-protection", "keygen", "--out", key); made.status != 0 {
		t.Fatal(made.stderr)
	}
	const secret = "not-to-be-seen"
	broken, empty, blank := file("broken.jwk", `{"kty":"EC","d":"`+secret+`"}`), file("empty", ""), file("blank", " \n")
	ill := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	t.Cleanup(ill.Close)
	for _, test := range []struct{ arguments, says string }{
		{"keygen", "out"},
		{"keygen --out " + key + "2 --alg HS256", "ES256"},
		{"keygen --out " + folder + "/none/device.jwk", "no such file"},
		{"keygen --out " + key + " surplus", "surplus"},
		{"proof", "key"},
		{"proof --key " + key, "url"},
		{"proof --key " + folder + "/none.jwk --url https://a.example/", "no such file"},
		{"proof --key " + broken + " --url https://a.example/", "member"},
		{"proof --key " + empty + " --url https://a.example/", "JSON"},
		{"proof --key " + key + " --url https://a.example/ --token-file " + empty, "token"},
		{"proof --key " + key + " --url https://a.example/ --token-file " + blank, "token"},
		{"proof --key " + key + " --url https://a.example/ --token-file " + folder + "/none", "no such file"},
		{"proof --key " + key + " --url https://a.example/ --token " + secret + " --token-file " + blank, "token-file"},
		{"proof --key " + key + " --url relative/x", "URL"},
		{"report", "arg"},
		{"report " + folder + "/none.log", "no such file"},
		{"report --format xml " + empty, "table"},
		{"health", "url"},
		{"health --url " + ill.URL, "503"},
		{"health --url http://127.0.0.1:1/", "refused"},
		{"doctor --config " + folder + "/none", "1 check failed"},
		{"doctor surplus", "surplus"},
		{"verify --config " + folder + "/none --request " + broken, "not an HTTP request"},
		{"verify --config " + broken + " --request " + folder + "/none", "no such file"},
		{"demo --nonsense", "nonsense"},
		{"demo surplus", "surplus"},
	} {
		t.Run(strings.ReplaceAll(test.arguments, folder, ""), func(t *testing.T) {
			got := caddy(t, nil, append([]string{"token-protection"}, strings.Fields(test.arguments)...)...)
			if got.status == 0 || !strings.Contains(strings.ToLower(got.stderr), strings.ToLower(test.says)) {
				t.Errorf("status %d, says %q", got.status, got.stderr)
			}
			if strings.Contains(got.stdout+got.stderr, secret) {
				t.Error("shows a secret")
			}
		})
	}
}

func TestHealthOfAHealthyServer(t *testing.T) {
	server := harness.NewWorld(t).Start(t, harness.Options{})
	if got := caddy(t, nil, "token-protection", "health", "--url", server.AdminURL("/config/")); got.status != 0 {
		t.Errorf("status %d\n%s", got.status, got.stderr)
	}
}
