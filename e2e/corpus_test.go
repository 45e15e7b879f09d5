// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"cmp"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// corpusCase is a line of testdata/cases.jsonl.
type corpusCase struct {
	ID, Scheme, Family, Layer, Profile, Sent string
	Expect                                   struct {
		answer
		Backend string
		AlsoOK  []answer `json:"also_ok"`
		Must    []string
	}
}

// answer is what a client sees of a decision. No error is the empty string.
type answer struct {
	Status status
	Error  string
}

// status is an HTTP status. Where a case would have a TLS alert do as well it
// is 0, which no answer has: those cases are played so that they get one.
type status int

func (s *status) UnmarshalJSON(text []byte) error {
	if string(text) == `"tls_alert"` {
		return nil
	}
	return json.Unmarshal(text, (*int)(s))
}

// play says how a case is played.
type play struct {
	// send does what the case's `sent` says and returns the answers that are
	// to be judged, one for each thing that it bundles.
	send func(s *stage) []harness.Response
	// contract replaces the case's expectation where contract.md decides otherwise.
	contract *answer
	// reason is what the sign-in record says failed, as a case that is refused
	// for another reason than it means shows nothing: one for all answers, or
	// "first, second, rest", each of which may be "this or that".
	reason string
	// code is the session status code of a refusal, 1005 if it is 0.
	code int
	// must checks the case's `must` lines, one function for each.
	must []func(s *stage, response harness.Response)
	// unit names the tests that cover a case which needs another clock than
	// the real one: "<folder> <test> <test>...". Nothing is sent then.
	unit string
}

// stage is what a case is played on.
type stage struct {
	*testing.T
	*harness.World
	server  *harness.Server
	profile harness.Options
}

// played are the cases by id. Each table is one file's.
var played = []map[string]play{
	controlCases, schemeCases, syntaxCases, algorithmCases, keyCases, claimCases, urlCases, bindingCases, nonceCases,
	tokenCases, keySetCases, clockCases, httpCases, identityCases, policyCases, opsCases, mtlsCases, shrCases, dbscCases,
	clusterCases,
}

// profiles are the corpus's, as far as a case here uses them.
var profiles = map[string]harness.Options{
	"P-DPOP":                         {},
	"P-WS":                           {},
	"P-DPOP(algs=ES256,PS256,EdDSA)": {Proof: "algorithms ES256 PS256 EdDSA"},
	"P-NONCE":                        {Proof: "nonce required"},
	"P-REPORT":                       {Policies: harness.PolicyReportOnly},
	"P-REPORT+P-DPOP":                {Policies: harness.PolicyReportOnly + "\n" + harness.PolicyOn},
	"P-BREAKGLASS":                   {},
	"P-NTLM":                         {},
	"P-REWRITE":                      {Site: "uri strip_prefix /api"},
	"P-MTLS": {
		TLS:       "client_auth {\nmode request\n}",
		Handler:   "mtls {\ndevice_certificate {\nca {$DEVICE_CA}\n}\n}",
		Neighbour: "respond public",
	},
	"P-REDIS":             {}, // clusterCases start nodes of their own
	"P-SHR":               {},
	"P-SHR(strict_query)": {Handler: "pop {\ndemand whole_query\n}"},
	"P-SHR(h)":            {Handler: "pop {\ndemand headers\n}"},
	"P-SHR(b)":            {Handler: "pop {\ndemand body\n}"},
	"P-SHR(nonce)":        {Handler: "pop {\nnonce required\n}"},
	"P-DBSC":              {Handler: boundSessions("")},
}

func TestCorpus(t *testing.T) {
	world := harness.NewWorld(t)
	world.Backend.WebApp()
	servers := make(map[string]func() *harness.Server)
	for name, options := range profiles {
		servers[name] = sync.OnceValue(func() *harness.Server { return world.Start(t, options) })
	}
	cases := corpus(t)
	for _, table := range played {
		for _, id := range slices.Sorted(maps.Keys(table)) {
			known, ok := cases[id]
			if !ok {
				t.Fatalf("%s is not in the corpus", id)
			}
			t.Run(id, func(t *testing.T) {
				if unit := table[id].unit; unit != "" {
					unitTest(t, unit)
					return
				}
				start, ok := servers[known.Profile]
				if !ok {
					t.Fatalf("profile %s is not known", known.Profile)
				}
				server := start()
				t.Parallel()
				known.play(&stage{T: t, World: world, server: server, profile: profiles[known.Profile]}, table[id])
			})
		}
	}
}

func (c *corpusCase) play(s *stage, p play) {
	responses := p.send(s)
	if len(responses) == 0 {
		s.Fatal("nothing was sent")
	}
	if len(p.must) != len(c.Expect.Must) {
		s.Fatalf("%d checks for %q", len(p.must), c.Expect.Must)
	}
	for i, response := range responses {
		c.judge(s, p, response, i)
		p.record(s, response, i)
		for _, check := range p.must {
			check(s, response)
		}
	}
}

// judge holds one answer against the case. Of the alternatives that a case
// allows, those count that agree with what it says of the backend.
func (c *corpusCase) judge(s *stage, p play, response harness.Response, number int) {
	s.Helper()
	got := answer{status(response.Status), response.Error}
	want := append([]answer{c.Expect.answer}, c.Expect.AlsoOK...)
	hit := c.Expect.Backend == "hit"
	if p.contract != nil {
		want = []answer{*p.contract}
		hit = p.contract.Status < 400
	}
	if !slices.Contains(want, got) {
		s.Errorf("answer %d is %+v, expected one of %+v", number, got, want)
	}
	if arrivals := len(response.Arrivals()); arrivals > 1 || arrivals == 1 != hit {
		s.Errorf("request %d reached the backend %d times", number, arrivals)
	}
}

// record holds a refusal against its sign-in record. What Caddy itself has
// refused has none.
func (p play) record(s *stage, response harness.Response, number int) {
	s.Helper()
	if response.CorrelationID == "" {
		return
	}
	code := cmp.Or(p.code, 1005)
	record := s.server.Record(s, response.CorrelationID)
	if details := record.TokenProtectionStatusDetails; details.Code != code || details.Status != "unbound" || record.Decision != "block" {
		s.Errorf("record %d: %s, %+v, expected block with code %d", number, record.Decision, details, code)
	}
	reasons := strings.Split(p.reason, ", ")
	want := reasons[min(number, len(reasons)-1)]
	if got := record.Status.AdditionalDetails; !slices.Contains(strings.Split(want, " or "), got) {
		s.Errorf("answer %d: refused for %q, expected %q", number, got, want)
	}
}

// TestEveryCaseIsPlayedOrExplained keeps the tables and the corpus together.
func TestEveryCaseIsPlayedOrExplained(t *testing.T) {
	count := make(map[string]int)
	for _, table := range played {
		for id := range table {
			count[id]++
		}
	}
	for id, c := range corpus(t) {
		reason, explained := elsewhere[id]
		switch {
		case c.Scheme == "ops":
			continue // played where it can be
		case count[id] > 1:
			t.Errorf("%s is played %d times", id, count[id])
		case count[id] == 1 && explained:
			t.Errorf("%s is played, although it is said that it %s", id, reason)
		case count[id] == 0 && reason == "":
			t.Errorf("%s is neither played nor explained: %s", id, c.Sent)
		}
	}
}

// schemes are those of the corpus that can be played so far.
var schemes = []string{"dpop", "jwt", "time", "http", "policy", "ops", "mtls", "shr", "dbsc"}

// corpus reads the cases of these schemes by id.
func corpus(t *testing.T) map[string]*corpusCase {
	t.Helper()
	file, err := os.Open("testdata/cases.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cases := make(map[string]*corpusCase)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var which struct{ Scheme string }
		if err := json.Unmarshal(lines.Bytes(), &which); err != nil {
			t.Fatalf("testdata/cases.jsonl: %v", err)
		}
		if !slices.Contains(schemes, which.Scheme) {
			continue
		}
		c := new(corpusCase)
		if err := json.Unmarshal(lines.Bytes(), c); err != nil {
			t.Fatalf("testdata/cases.jsonl: %v", err)
		}
		cases[c.ID] = c
	}
	if len(cases) == 0 {
		t.Fatal("testdata/cases.jsonl: no cases")
	}
	return cases
}

// unitTest makes sure that the tests which cover a case are there.
func unitTest(t testing.TB, place string) {
	t.Helper()
	folder, names, _ := strings.Cut(place, " ")
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteByte('\n')
		all.Write(text)
	}
	for name := range strings.FieldsSeq(names) {
		if !strings.Contains(all.String(), "\nfunc "+name+"(t *testing.T) {") {
			t.Errorf("%s has no %s", folder, name)
		}
	}
}
