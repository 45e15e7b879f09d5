// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// The documentation's blocks are tested by what stands after the fence:
//
//	caddyfile            a Caddyfile; without a global option block it gets minimalGlobal
//	caddyfile global     what stands in the global option token_protection
//	caddyfile site       what stands in a site block
//	... warns            it is valid, and our module gives advice about it
//	... needs <module>   Caddy must miss this module, which others make, and find nothing else wrong
//	console              commands after "$ " are run, and the lines under them are their output; ... stands for any lines
//	sh                   not run; commands of ours in it exist, with their options
//	json                 JSON
//	json policy          a Conditional Access policy that loads
//	the others           not tested
const (
	minimalGlobal = "{\n\ttoken_protection {\n\t\tissuer https://login.contoso.example\n\t}\n}\n"
	minimalSites  = "mail.contoso.example {\n\ttoken_protection exchange\n}\n\n" +
		"files.contoso.example {\n\ttoken_protection sharepoint\n}\n\n" +
		"api.contoso.example {\n\ttoken_protection payroll\n}\n\n" +
		"app.contoso.example {\n\ttoken_protection intranet {\n\t\tproofs dpop dbsc\n\t\tdbsc {\n\t\t\tsession_cookie session\n\t\t}\n\t}\n}\n"
)

// whole makes a Caddyfile out of a block.
func (b block) whole() string {
	switch {
	case b.says("global"):
		issuer := ""
		if !strings.HasPrefix(b.text, "issuer ") && !strings.Contains(b.text, "\nissuer ") {
			issuer = "\t\tissuer https://login.contoso.example\n"
		}
		return "{\n\ttoken_protection {\n" + issuer + indent(b.text, "\t\t") + "\t}\n}\n\n" + minimalSites
	case b.says("site"):
		return minimalGlobal + "\nmail.contoso.example {\n" + indent(b.text, "\t") + "}\n"
	case !strings.HasPrefix(b.text, "{"):
		return minimalGlobal + "\n" + b.text
	}
	return b.text
}

func indent(text, by string) string {
	return regexp.MustCompile(`(?m)^([^\n])`).ReplaceAllString(text, by+"$1")
}

// files makes a folder with the files that the documentation speaks of, and
// returns what puts it in the place of theirs.
func files(t *testing.T) (folder string, here *strings.Replacer) {
	t.Helper()
	folder = t.TempDir()
	here = strings.NewReplacer("/etc/caddy/", folder+"/", "/var/log/caddy/", folder+"/")
	for name, source := range map[string]string{
		"Caddyfile":     example,
		"device-ca.pem": "../caddymodule/testdata/device_ca.pem", "directory-ca.pem": "../caddymodule/testdata/device_ca.pem",
		"devices.json":  "../caddymodule/testdata/devices.json",
		"policies.json": "../caddymodule/testdata/exported_policy.json",
		"sign-in.log":   "testdata/sign-in.log",
		"token.txt":     "",
	} {
		content := []byte("an access token\n")
		if source != "" {
			var err error
			if content, err = os.ReadFile(source); err != nil {
				t.Fatal(err)
			}
		}
		if name == "Caddyfile" {
			content = []byte(here.Replace(string(content)))
		}
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder, here
}

func TestDocumentedConfigurationsAreValid(t *testing.T) {
	t.Setenv("NONCE_SECRET", strings.Repeat("n", 32))
	for _, secret := range []string{"INTROSPECTION_SECRET", "GRAPH_SECRET", "LDAP_PASSWORD", "REDIS_PASSWORD"} {
		t.Setenv(secret, "s")
	}
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.language != "caddyfile" {
				continue
			}
			t.Run(fmt.Sprintf("%s:%d", p.path, b.line), func(t *testing.T) {
				folder, here := files(t)
				file := filepath.Join(folder, "Caddyfile")
				if err := os.WriteFile(file, []byte(here.Replace(b.whole())), 0o600); err != nil {
					t.Fatal(err)
				}
				got := caddy(t, nil, "validate", "--config", file, "--adapter", "caddyfile")
				b.judge(t, got)
			})
		}
	}
}

// judge holds what Caddy says of a configuration against what the block says.
func (b block) judge(t *testing.T, got output) {
	t.Helper()
	if b.says("needs") {
		missing := b.words[len(b.words)-1]
		if got.status == 0 || !strings.Contains(got.stderr, "module not registered: "+missing+",") {
			t.Errorf("status %d, expected that the module %s is missing\n%s", got.status, missing, got.stderr)
		}
		return
	}
	if got.status != 0 {
		t.Errorf("status %d\n%s\n%s", got.status, got.stderr, b.whole())
	}
	if warns := warned(got.stderr); warns != b.says("warns") {
		t.Errorf("warnings: %v, expected %v\n%s", warns, b.says("warns"), got.stderr)
	}
}

// warning is ours, or of the adapter for a block that is not formatted; what
// Caddy's http app says as a warning is none here.
var warning = regexp.MustCompile(`"level":"warn","ts":[0-9.]+,("logger":"token_protection"|"msg")`)

// warned reports whether there was a warning. That a day has passed since a
// page was written is none.
func warned(log string) bool {
	for line := range strings.Lines(log) {
		if warning.MatchString(line) && !strings.Contains(line, "(expired_exclusion)") {
			return true
		}
	}
	return false
}

func TestDocumentedJSON(t *testing.T) {
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.language != "json" {
				continue
			}
			t.Run(fmt.Sprintf("%s:%d", p.path, b.line), func(t *testing.T) {
				if !json.Valid([]byte(b.text)) {
					t.Fatalf("not JSON:\n%s", b.text)
				}
				if b.says("policy") {
					b.judge(t, loadPolicy(t, b.text))
				}
			})
		}
	}
}

// loadPolicy puts a policy into a configuration with the sites of minimalSites.
func loadPolicy(t *testing.T, policy string) output {
	t.Helper()
	folder, here := files(t)
	file := filepath.Join(folder, "Caddyfile")
	directory := block{words: []string{"global"}, text: "device_directory file /etc/caddy/devices.json\n"}
	if err := os.WriteFile(file, []byte(here.Replace(directory.whole())), 0o600); err != nil {
		t.Fatal(err)
	}
	adapted := caddy(t, nil, "adapt", "--config", file, "--adapter", "caddyfile")
	var config map[string]any
	if err := json.Unmarshal([]byte(adapted.stdout), &config); err != nil {
		t.Fatalf("status %d: %v\n%s", adapted.status, err, adapted.stderr)
	}
	app := config["apps"].(map[string]any)["token_protection"].(map[string]any)
	app["policy"] = []json.RawMessage{json.RawMessage(policy)}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".json", text, 0o600); err != nil {
		t.Fatal(err)
	}
	return caddy(t, nil, "validate", "--config", file+".json")
}

// The commands of a page are run one after another, in one folder.
func TestDocumentedCommandsRun(t *testing.T) {
	for _, p := range pages(t) {
		t.Run(p.path, func(t *testing.T) {
			folder, here := files(t)
			for _, b := range p.blocks {
				if b.language == "console" {
					for _, c := range b.commands(t) {
						c.run(t, folder, here)
					}
				}
			}
		})
	}
}

// command is one command of a console block, with the lines under it.
type command struct {
	line     string
	expected []string
}

func (b block) commands(t *testing.T) (commands []command) {
	t.Helper()
	continued := false
	for line := range strings.Lines(b.text) {
		line = strings.TrimRight(line, "\n")
		entered, isCommand := strings.CutPrefix(line, "$ ")
		switch last := len(commands) - 1; {
		case continued:
			commands[last].line += "\n" + line
		case isCommand:
			commands = append(commands, command{line: entered})
		case last < 0:
			t.Errorf("console block: %q stands before any command", line)
			return nil
		default:
			commands[last].expected = append(commands[last].expected, line)
			continue
		}
		continued = strings.HasSuffix(line, `\`)
	}
	return commands
}

func (c command) run(t *testing.T, folder string, here *strings.Replacer) {
	t.Helper()
	if name, _, _ := strings.Cut(c.line, " "); name != "caddy" {
		if _, err := exec.LookPath(name); err != nil {
			t.Logf("not run, for %s is not here: %s", name, c.line)
			return
		}
	}
	shell := exec.Command("sh", "-c", here.Replace(c.line))
	shell.Dir = folder
	shell.Env = append(os.Environ(), "HOME="+folder, "PATH="+filepath.Dir(harness.Binary())+":"+os.Getenv("PATH"))
	printed, err := shell.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", c.line, err, printed)
		return
	}
	if len(c.expected) > 0 && !matches(string(printed), c.expected) {
		t.Errorf("%s printed\n%s\nexpected\n%s", c.line, printed, strings.Join(c.expected, "\n"))
	}
}

// matches compares lines; an expected "..." stands for any number of them.
func matches(printed string, expected []string) bool {
	var pattern strings.Builder
	for _, line := range expected {
		if line == "..." {
			pattern.WriteString(`(.*\n)*`)
			continue
		}
		pattern.WriteString(regexp.QuoteMeta(strings.TrimRight(line, " ")) + ` *\n`)
	}
	return regexp.MustCompile("^" + pattern.String() + "$").MatchString(printed)
}

var (
	ourCommand = regexp.MustCompile(`caddy token-protection ((?:[a-z-]+ )*[a-z-]+)`)
	option     = regexp.MustCompile(` (--[a-z-]+)`)
)

// What is not run is at least there: our commands, and their options.
func TestDocumentedCommandsExist(t *testing.T) {
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.language != "sh" {
				continue
			}
			text := strings.ReplaceAll(b.text, "\\\n", " ")
			for line := range strings.Lines(text) {
				for _, entered := range strings.Split(line, "caddy token-protection ")[1:] {
					checkCommand(t, fmt.Sprintf("%s:%d", p.path, b.line), "caddy token-protection "+strings.TrimRight(entered, "\n"))
				}
			}
		}
	}
}

func checkCommand(t *testing.T, place, line string) {
	t.Helper()
	name := ourCommand.FindStringSubmatch(line)
	if name == nil {
		t.Errorf("%s: no command in %q", place, line)
		return
	}
	first, _, _ := strings.Cut(name[1], " ")
	help := caddy(t, nil, "token-protection", first, "--help")
	if help.status != 0 || !strings.Contains(help.stdout, "caddy token-protection "+first) {
		t.Errorf("%s: no command %q", place, first)
	}
	ours, _, _ := strings.Cut(line, ")") // $(caddy ...) ends there
	ours, _, _ = strings.Cut(ours, "|")
	for _, match := range option.FindAllStringSubmatch(ours, -1) {
		if !strings.Contains(help.stdout, " "+match[1]) {
			t.Errorf("%s: %s has no option %s", place, first, match[1])
		}
	}
}

func TestDocumentationLeadsSomewhere(t *testing.T) {
	all := make(map[string]page)
	for _, p := range pages(t) {
		all[p.path] = p
	}
	for path, p := range all {
		for _, target := range p.links() {
			if strings.Contains(target, "://") {
				continue
			}
			file, anchor, _ := strings.Cut(target, "#")
			to := path
			if file != "" {
				to = filepath.ToSlash(filepath.Join(filepath.Dir(path), file))
			}
			if _, err := os.Stat(filepath.Join("..", to)); err != nil {
				t.Errorf("%s: %s leads nowhere", path, target)
			} else if anchor != "" && !all[to].anchors()[anchor] {
				t.Errorf("%s: %s has no heading %q", path, to, anchor)
			}
		}
	}
}

// Every page can be found, and every block is of a kind that is tested or said not to be.
func TestDocumentationIsComplete(t *testing.T) {
	kinds := map[string]bool{
		"caddyfile": true, "console": true, "sh": true, "json": true,
		"http": true, "text": true, "yaml": true, "alloy": true, "logql": true, "promql": true, "kusto": true,
	}
	listed := make(map[string]bool)
	all := pages(t)
	for _, p := range all {
		if p.path == "docs/README.md" {
			for _, target := range p.links() {
				listed[filepath.ToSlash(filepath.Join("docs", target))] = true
			}
		}
	}
	for _, p := range all {
		if strings.HasPrefix(p.path, "docs/") && p.path != "docs/README.md" && filepath.Dir(p.path) == "docs" && !listed[p.path] {
			t.Errorf("%s is not listed in docs/README.md", p.path)
		}
		for _, b := range p.blocks {
			if !kinds[b.language] {
				t.Errorf("%s:%d: a block of kind %q, which is neither tested nor known not to be", p.path, b.line, b.language)
			}
		}
	}
}
