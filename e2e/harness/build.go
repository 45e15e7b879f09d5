// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// binary is the server under test, once Build has made it.
var binary string

// workspace holds the binary and the files of all servers.
var workspace string

// Build compiles ./cmd/caddy of the module in root into a new temporary
// folder, which cleanup removes. With E2E_RACE=1 in the environment the
// binary has the race detector in it.
func Build(root string) (cleanup func(), err error) {
	if workspace, err = os.MkdirTemp("", "caddy-token-protection-e2e-"); err != nil {
		return nil, err
	}
	cleanup = func() { _ = os.RemoveAll(workspace) }
	binary = filepath.Join(workspace, "caddy")
	arguments := []string{"build", "-tags", "nobadger,nomysql,nopgx", "-o", binary}
	if os.Getenv("E2E_RACE") == "1" {
		arguments = append(arguments, "-race")
	}
	command := exec.Command("go", append(arguments, "./cmd/caddy")...)
	command.Dir = root
	if output, err := command.CombinedOutput(); err != nil {
		cleanup()
		return nil, fmt.Errorf("building ./cmd/caddy: %w\n%s", err, output)
	}
	return cleanup, nil
}

// Binary is the path of the built server, for tests of its commands.
func Binary() string { return binary }
