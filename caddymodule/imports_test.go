// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const modulePath = "github.com/tokenprotection/caddy-token-protection"

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	ImportPath    string
	Imports, Deps []string
}

func listPackages(t *testing.T) map[string]goPackage {
	t.Helper()
	command := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Deps", "./...")
	command.Dir = ".."
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := make(map[string]goPackage)
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p
	}
}

// within reports whether a package is path or below it.
func within(name, path string) bool {
	return name == path || strings.HasPrefix(name, path+"/")
}

// The house has three floors: caddymodule stands on enforcement, enforcement
// on cache. No import goes up or around, and what plays the world outside
// uses only what the world outside has.
func TestThreeFloors(t *testing.T) {
	packages := listPackages(t)
	inside := func(name string) bool { return within(name, modulePath) }
	rules := []struct {
		floor     string
		deep      bool // what is imported indirectly counts too
		forbidden func(name string) bool
	}{
		{"caddymodule", false, func(name string) bool { return within(name, modulePath+"/cache") }},
		{"enforcement", true, func(name string) bool {
			return within(name, "github.com/caddyserver/caddy/v2") || within(name, "go.uber.org/zap") || within(name, "github.com/prometheus/client_golang") ||
				inside(name) && !within(name, modulePath+"/enforcement") && !within(name, modulePath+"/cache")
		}},
		{"cache", true, func(name string) bool {
			return within(name, "github.com/caddyserver/caddy/v2") || within(name, "go.uber.org/zap") ||
				inside(name) && !within(name, modulePath+"/cache")
		}},
		{"client", true, func(name string) bool { return inside(name) && !within(name, modulePath+"/client") }},
	}
	for _, floor := range []string{"demo", "e2e", "bench"} {
		rules = append(rules, struct {
			floor     string
			deep      bool
			forbidden func(name string) bool
		}{floor, false, func(name string) bool {
			return inside(name) && !within(name, modulePath+"/client") && !within(name, modulePath+"/"+floor)
		}})
	}
	for _, rule := range rules {
		for name, p := range packages {
			if !within(name, modulePath+"/"+rule.floor) {
				continue
			}
			imports := p.Imports
			if rule.deep {
				imports = p.Deps
			}
			for _, imported := range imports {
				if rule.forbidden(imported) {
					t.Errorf("%s imports %s", name, imported)
				}
			}
		}
	}
	for _, needed := range []string{"caddymodule", "enforcement", "cache", "client", "demo"} {
		if _, ok := packages[modulePath+"/"+needed]; !ok {
			t.Errorf("no package %s", needed)
		}
	}
	if root := packages[modulePath]; !slices.Contains(root.Imports, modulePath+"/caddymodule") {
		t.Error("the root package does not compile the module in")
	}
}
