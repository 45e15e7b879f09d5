// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const graphDevice = `{"@odata.context":"x","id":"o1","deviceId":"4C299165-6e8f-4b45-a5ba-c5d250a707ff","displayName":"LAPTOP-7","trustType":"AzureAd",
	"accountEnabled":true,"somethingNew":1,"registeredOwners":[{"@odata.type":"#microsoft.graph.user","id":"oid-alice","userPrincipalName":"alice@contoso.example"}]}`

const deviceID = "4c299165-6e8f-4b45-a5ba-c5d250a707ff"

// standIn is a stand-in for Graph and for Entra's token endpoint. It answers as the two are documented to.
type standIn struct {
	*httptest.Server
	answer func(w http.ResponseWriter, r *http.Request)
	asked  atomic.Int64
	minted atomic.Int64
	life   string
}

func newStandIn(t testing.TB) *standIn {
	t.Helper()
	s := &standIn{life: "3599"}
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(r.URL.Path, "/v1.0/devices(deviceId='"+deviceID+"')") {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"error":{"code":"Request_ResourceNotFound","message":"Resource does not exist."}}`))
			return
		}
		_, _ = w.Write([]byte(graphDevice))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /tenant/oauth2/v2.0/token", s.token)
	mux.HandleFunc("GET /v1.0/", func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		s.answer(w, r)
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *standIn) token(w http.ResponseWriter, r *http.Request) {
	n := s.minted.Add(1)
	if r.PostFormValue("grant_type") != "client_credentials" || r.PostFormValue("client_id") != "app" ||
		r.PostFormValue("client_secret") != "s3cret" || r.PostFormValue("scope") != s.URL+"/.default" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_, _ = fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":%s,"access_token":"token-%d"}`, s.life, n)
}

func (s *standIn) source(t testing.TB, change func(*Config)) *Source {
	t.Helper()
	config := Config{URL: s.URL + "/v1.0"}
	if change != nil {
		change(&config)
	}
	source, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Close)
	return source
}

func credentials(s *standIn) func(*Config) {
	return func(c *Config) {
		c.TokenURL, c.ClientID, c.ClientSecret = s.URL+"/tenant/oauth2/v2.0/token", "app", "s3cret"
	}
}

func TestADeviceIsAskedForByItsKey(t *testing.T) {
	s := newStandIn(t)
	source := s.source(t, nil)
	d, err := source.Find(t.Context(), deviceID)
	if err != nil || d.ID != deviceID || d.DisplayName != "LAPTOP-7" || len(d.RegisteredOwners) != 2 || !*d.AccountEnabled {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := source.Find(t.Context(), "other"); !errors.Is(err, device.ErrNotFound) {
		t.Errorf("error is %v", err)
	}
}

func TestADeviceIsAskedForByFilter(t *testing.T) {
	s := newStandIn(t)
	var filter, chosen string
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		filter, chosen = r.URL.Query().Get("$filter"), r.URL.Query().Get("$select")
		if r.URL.Path != "/v1.0/devices" || !strings.Contains(filter, deviceID) {
			_, _ = w.Write([]byte(`{"value":[]}`))
			return
		}
		_, _ = w.Write([]byte(`{"@odata.context":"x","value":[` + graphDevice + `]}`))
	}
	source := s.source(t, func(c *Config) { c.Lookup, c.URL = ByFilter, c.URL+"/devices/" })
	if d, err := source.Find(t.Context(), deviceID); err != nil || d.ID != deviceID {
		t.Errorf("%+v, %v", d, err)
	}
	if filter != "deviceId eq '"+deviceID+"'" || !strings.Contains(chosen, "operatingSystemVersion") {
		t.Errorf("filter %q, select %q", filter, chosen)
	}
	if _, err := source.Find(t.Context(), "other"); !errors.Is(err, device.ErrNotFound) {
		t.Errorf("error is %v", err)
	}
	s.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) } // a wrong base
	if _, err := source.Find(t.Context(), deviceID); err == nil || errors.Is(err, device.ErrNotFound) {
		t.Errorf("error is %v", err)
	}
}

// An id comes out of a token; it must not become another question.
func TestAnIDCannotLeaveItsLiteral(t *testing.T) {
	s := newStandIn(t)
	var uri, path, filter string
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		uri, path, filter = r.RequestURI, r.URL.Path, r.URL.Query().Get("$filter")
		_, _ = w.Write([]byte(`{"value":[]}`))
	}
	for _, id := range []string{`x' or '1' eq '1`, `x')/memberOf?$top=1#`, `../../users`, `a/b&$filter=true`, `100%`, `x%27`} {
		quoted := "'" + strings.ReplaceAll(id, "'", "''") + "'"
		_, _ = s.source(t, nil).Find(t.Context(), id)
		if path != "/v1.0/devices(deviceId="+quoted+")" || strings.Count(uri, "/") != 2 || strings.Count(uri, "?") != 1 || strings.Contains(uri, "#") {
			t.Errorf("%q: %s", id, uri)
		}
		_, _ = s.source(t, func(c *Config) { c.Lookup = ByFilter }).Find(t.Context(), id)
		if filter != "deviceId eq "+quoted || path != "/v1.0/devices" {
			t.Errorf("%q: filter %q at %s", id, filter, path)
		}
	}
}

func TestNothingButAnAnswerSaysThatThereIsNoDevice(t *testing.T) {
	s := newStandIn(t)
	source := s.source(t, nil)
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"not JSON":       func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"another device": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"deviceId":"d9"}`)) },
		"no id":          func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"id":"d9"}`)) },
		"too long":       func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxAnswer+1)) },
		"500":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"401":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"403":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) },
		"429":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) },
		"204":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"a redirect":     func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/v1.0/other", http.StatusFound) },
		"cut off":        func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "100") },
	} {
		s.answer = answer
		if d, err := source.Find(t.Context(), deviceID); err == nil || errors.Is(err, device.ErrNotFound) || d != nil {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	s.Close()
	if _, err := source.Find(t.Context(), deviceID); err == nil || errors.Is(err, device.ErrNotFound) {
		t.Errorf("down: %v", err)
	}
}

func TestAQuestionEndsWithItsContext(t *testing.T) {
	s := newStandIn(t)
	s.answer = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.source(t, nil).Find(ctx, deviceID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
}

// Credentials must not go to another host, nor anywhere that the first host names.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var leaked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Add(1) }))
	defer other.Close()
	s := newStandIn(t)
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}
	if _, err := s.source(t, credentials(s)).Find(t.Context(), deviceID); err == nil || leaked.Load() != 0 {
		t.Errorf("%v, asked %d times", err, leaked.Load())
	}
}

func TestClientCredentialsGetOneTokenForManyQuestions(t *testing.T) {
	s := newStandIn(t)
	ask := s.answer
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token-1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		ask(w, r)
	}
	source := s.source(t, credentials(s))
	for range 3 {
		if _, err := source.Find(t.Context(), deviceID); err != nil {
			t.Error(err)
		}
	}
	if minted := s.minted.Load(); minted != 1 {
		t.Errorf("%d tokens", minted)
	}
}

func TestATokenThatIsNotTakenIsReplacedOnce(t *testing.T) {
	s := newStandIn(t)
	ask := s.answer
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		ask(w, r)
	}
	source := s.source(t, credentials(s))
	if _, err := source.Find(t.Context(), deviceID); err != nil || s.minted.Load() != 2 || s.asked.Load() != 2 {
		t.Errorf("%v, %d tokens, %d questions", err, s.minted.Load(), s.asked.Load())
	}
	s.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }
	if _, err := source.Find(t.Context(), deviceID); err == nil || s.minted.Load() != 3 || s.asked.Load() != 4 {
		t.Errorf("%v, %d tokens, %d questions", err, s.minted.Load(), s.asked.Load())
	}
}

func TestATokenIsReplacedBeforeItEnds(t *testing.T) {
	s := newStandIn(t)
	s.life = `"3599"` // some servers write a string
	source := s.source(t, credentials(s))
	if _, err := source.Find(t.Context(), deviceID); err != nil {
		t.Fatal(err)
	}
	left := time.Until(source.tokens.until)
	if left > 3599*time.Second-renewBefore || left < 3590*time.Second-renewBefore {
		t.Errorf("replaced in %v", left)
	}
	source.tokens.until = time.Now()
	if _, err := source.Find(t.Context(), deviceID); err != nil || s.minted.Load() != 2 {
		t.Errorf("%v, %d tokens", err, s.minted.Load())
	}
}

func TestAnswersWithoutAUsableTokenAreRefused(t *testing.T) {
	for _, answer := range []string{
		``, `[]`, `{}`, `{"access_token":""}`, `{"access_token":"a b"}`, `{"access_token":"a\nb"}`, `{"access_token":"a","token_type":"mac"}`,
		`{"access_token":"a","expires_in":0}`, `{"access_token":"a","expires_in":"soon"}`, `{"access_token":"a","access_token":"b"}`,
	} {
		if token, _, err := readToken([]byte(answer)); err == nil {
			t.Errorf("%s: %q", answer, token)
		}
	}
	for answer, want := range map[string]time.Duration{
		`{"access_token":"a"}`: defaultLife, `{"access_token":"a","expires_in":60,"token_type":"bearer"}`: time.Minute,
		`{"access_token":"a","expires_in":9223372036854775807}`: maxLife,
	} {
		if _, life, err := readToken([]byte(answer)); err != nil || life != want {
			t.Errorf("%s: %v, %v", answer, life, err)
		}
	}
}

func TestABearerTokenIsAskedForEachTime(t *testing.T) {
	s := newStandIn(t)
	var got string
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		_, _ = w.Write([]byte(graphDevice))
	}
	current := "one"
	source := s.source(t, func(c *Config) { c.Bearer = func() (string, error) { return current, nil } })
	for _, current = range []string{"one", "two"} {
		if _, err := source.Find(t.Context(), deviceID); err != nil || got != "Bearer "+current {
			t.Errorf("%q, %v", got, err)
		}
	}
	broken := s.source(t, func(c *Config) { c.Bearer = func() (string, error) { return "", errors.New("no such file") } })
	if _, err := broken.Find(t.Context(), deviceID); err == nil {
		t.Error("asked without a token")
	}
}

func TestErrorsHoldNoSecret(t *testing.T) {
	s := newStandIn(t)
	source := s.source(t, func(c *Config) {
		credentials(s)(c)
		c.ClientSecret = "wrong-s3cret"
	})
	_, err := source.Find(t.Context(), deviceID)
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("error is %v", err)
	}
	_, err = New(Config{URL: "https://user:pa55@graph.example", TokenURL: "https://user:pa55@login.example", ClientSecret: "s3cret"})
	if err == nil || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "pa55") {
		t.Errorf("error is %v", err)
	}
}

func TestWhatCannotBeConfiguredIsRefused(t *testing.T) {
	good := Config{URL: "https://graph.example/v1.0"}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Config){
		"url":               func(c *Config) { c.URL = "http://graph.example" },
		"lookup":            func(c *Config) { c.Lookup = "guess" },
		"token_url":         func(c *Config) { c.ClientID = "app" },
		"without client_id": func(c *Config) { c.TokenURL = "https://login.example" },
		"token_url: ":       func(c *Config) { c.TokenURL, c.ClientID, c.ClientSecret = "ftp://login.example", "a", "b" },
		"exclude": func(c *Config) {
			c.TokenURL, c.ClientID, c.ClientSecret, c.Bearer = "https://l.example", "a", "b", func() (string, error) { return "", nil }
		},
		"or scope": func(c *Config) { c.Scope = "x" },
	} {
		config := good
		change(&config)
		if _, err := New(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, expected it to hold %q", err, want)
		}
	}
}

// Whatever an API answers, a device that comes out is the one that was asked for.
func FuzzPickTakesOnlyWhatWasAskedFor(f *testing.F) {
	f.Add([]byte(graphDevice), deviceID)
	f.Add([]byte(`{"value":[`+graphDevice+`]}`), deviceID)
	f.Add([]byte(`{"value":[]}`), "x")
	f.Fuzz(func(t *testing.T, answer []byte, id string) {
		d, err := pick(answer, id)
		if (d == nil) == (err == nil) || d != nil && !strings.EqualFold(d.ID, id) {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

func TestTheQueryIsGraphs(t *testing.T) {
	source, err := New(Config{URL: "https://graph.microsoft.com/v1.0/"})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(source.location("D1"))
	if err != nil || u.EscapedPath() != "/v1.0/devices(deviceId='D1')" || u.Query().Get("$expand") != "registeredOwners($select=id,userPrincipalName)" {
		t.Errorf("%v, %v", u, err)
	}
}
