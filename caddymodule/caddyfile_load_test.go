// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// adaptFile adapts a Caddyfile that is on disk, as the commands do.
func adaptFile(t *testing.T, text string, imported map[string]string) (file string, err error) {
	t.Helper()
	directory := t.TempDir()
	for name, content := range imported {
		write(t, filepath.Join(directory, name), content)
	}
	file = filepath.Join(directory, "Caddyfile")
	write(t, file, text)
	_, _, err = caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": file})
	return file, err
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

const oneIssuer = "{\n\ttoken_protection {\n\t\tissuer https://login.contoso.example\n"

// A policy for a resource that nothing protects would protect nothing. The
// commands find it before anything is started.
func TestPolicyForAnUnprotectedResourceIsFoundInTheFile(t *testing.T) {
	policyFor := func(resources string) string {
		return oneIssuer + "\t\tpolicy Pilot {\n\t\t\tusers all\n\t\t\t" + resources + "\n\t\t}\n\t}\n}\n"
	}
	site := "mail.contoso.example {\n\ttoken_protection wiki {\n\t\tapp_id internal-wiki\n\t}\n}\n"
	for _, test := range []struct {
		name, text string
		imported   map[string]string
		line       string // where the mistake is; empty if there is none
	}{
		{name: "known by name", text: policyFor("resources wiki") + site},
		{name: "known by application id", text: policyFor("resources internal-wiki") + site},
		{name: "well known", text: policyFor("resources exchange wiki") + site},
		{name: "behind a matcher", text: policyFor("resources wiki") + "a.example {\n\ttoken_protection @some wiki\n\t@some path /a\n}\n"},
		{name: "in a snippet", text: policyFor("resources wiki") + "(protected) {\n\ttoken_protection {args[0]}\n}\na.example {\n\timport protected wiki\n}\n"},
		{name: "in another file", text: policyFor("resources wiki") + "import sites\n", imported: map[string]string{"sites": site}},
		{name: "no site at all", text: policyFor("resources wikki")}, // App.Start decides
		{name: "misspelt", text: policyFor("resources wikki") + site, line: ":6"},
		{name: "misspelt in a block", text: policyFor("resources {\n\t\t\t\tinclude wiki\n\t\t\t\texclude exchnge\n\t\t\t}") + site, line: ":8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file, err := adaptFile(t, test.text, test.imported)
			switch {
			case test.line == "" && err != nil:
				t.Error(err)
			case test.line != "" && err == nil:
				t.Error("no error")
			case test.line != "" && (!strings.HasSuffix(err.Error(), ", at "+file+test.line) || !strings.Contains(err.Error(), "some of wiki")):
				t.Errorf("error %v, expected the line %s and the names", err, test.line)
			}
		})
	}
}

// Files need not be where a Caddyfile is adapted, but whoever loads it there
// learns the line.
func TestUnreadableFilesAreWarnedOfWithTheirLine(t *testing.T) {
	site := "mail.contoso.example {\n\ttoken_protection wiki\n}\n"
	for _, test := range []struct{ name, lines, expected string }{
		{"jwks_file is not there", "\t\tissuer https://a.example {\n\t\t\tjwks_file no/such/file\n\t\t}\n", "jwks_file"},
		{"jwks_file is no key set", "\t\tissuer https://a.example {\n\t\t\tjwks_file Caddyfile\n\t\t}\n", "jwks_file"},
		{"client_certificate is not there", "\t\tissuer https://a.example {\n\t\t\tintrospection https://a.example/ask {\n\t\t\t\tclient_id me\n\t\t\t\tclient_certificate no/cert no/key\n\t\t\t}\n\t\t}\n", "client_certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			warned.Clear()
			text := "{\n\ttoken_protection {\n" + test.lines + "\t}\n}\n" + site
			file, err := adaptFile(t, text, nil)
			if err != nil {
				t.Fatal(err)
			}
			line := 1 + strings.Count(text[:strings.Index(text, test.expected)], "\n")
			place := ", at " + file + ":" + string(rune('0'+line))
			found := false
			warned.Range(func(warning, _ any) bool {
				found = found || strings.HasPrefix(warning.(string), test.expected) && strings.HasSuffix(warning.(string), place)
				return true
			})
			if !found {
				t.Errorf("no warning with %q", place)
			}
		})
	}
}
