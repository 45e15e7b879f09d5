// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// RFC 9449, section 6.2, shows this token.
const opaque = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"

const (
	opaqueIssuer = "https://as.example"
	opaqueJKT    = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
)

// endpoint is an introspection endpoint in the test.
type endpoint struct {
	status      int
	contentType string
	answer      string
	delay       time.Duration
	err         error
	asked       atomic.Int64
	last        atomic.Pointer[http.Request]
	lastForm    atomic.Pointer[string]
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	e.asked.Add(1)
	form, _ := io.ReadAll(r.Body)
	text := string(form)
	e.last.Store(r)
	e.lastForm.Store(&text)
	if e.delay > 0 {
		select {
		case <-time.After(e.delay):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if e.err != nil {
		return nil, e.err
	}
	return &http.Response{
		StatusCode: e.status, Header: http.Header{"Content-Type": {e.contentType}},
		Body: io.NopCloser(strings.NewReader(e.answer)), Request: r,
	}, nil
}

func answering(answer string) *endpoint {
	return &endpoint{status: http.StatusOK, contentType: "application/json", answer: answer}
}

func opaqueVerifier(t *testing.T, e *endpoint) *Verifier {
	t.Helper()
	introspection, err := NewIntrospection(IntrospectionConfig{
		Issuer: opaqueIssuer, URL: opaqueIssuer + "/introspect", ClientID: "proxy", ClientSecret: "s:cret", Transport: e,
	})
	if err != nil {
		t.Fatal(err)
	}
	keys := newKeySet(opaqueIssuer, nil)
	issuer, err := NewIssuer(IssuerConfig{Issuer: opaqueIssuer, Introspection: introspection}, keys)
	if err != nil {
		t.Fatal(err)
	}
	verified, err := NewCache(10)
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewVerifier([]*Issuer{issuer}, verified, 15*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestIntrospectionAnswers(t *testing.T) {
	const rest = `"sub":"u1","aud":"https://mail.example","client_id":"c1","exp":2000000000`
	tests := []struct {
		rule string
		*endpoint
		want reason.Reason
	}{
		{"active and bound", &endpoint{answer: `{"active":true,"token_type":"DPoP","cnf":{"jkt":"` + opaqueJKT + `"},` + rest + `}`}, reason.None},
		{"active without exp is believed for a moment", &endpoint{answer: `{"active":true,"sub":"u1","aud":["https://mail.example"]}`}, reason.None},
		{"inactive", &endpoint{answer: `{"active":false}`}, reason.TokenInactive},
		{"active must be a boolean", &endpoint{answer: `{"active":"true",` + rest + `}`}, reason.IntrospectionUnavailable},
		{"active missing is inactive", &endpoint{answer: `{` + rest + `}`}, reason.TokenInactive},
		{"a bound token is of type DPoP, section 6.2", &endpoint{answer: `{"active":true,"token_type":"Bearer","cnf":{"jkt":"` + opaqueJKT + `"},` + rest + `}`}, reason.ConfirmationMalformed},
		{"a cnf that cannot be enforced", &endpoint{answer: `{"active":true,"cnf":{"tbh":"x"},` + rest + `}`}, reason.ConfirmationMalformed},
		{"another issuer's token", &endpoint{answer: `{"active":true,"iss":"https://other.example",` + rest + `}`}, reason.TokenIssuer},
		{"another resource's token", &endpoint{answer: `{"active":true,"aud":"https://files.example","exp":2000000000}`}, reason.TokenAudience},
		{"no audience", &endpoint{answer: `{"active":true,"exp":2000000000}`}, reason.TokenAudience},
		{"expired", &endpoint{answer: `{"active":true,"aud":"https://mail.example","exp":1000}`}, reason.TokenExpired},
		{"a claim of the wrong type", &endpoint{answer: `{"active":true,"aud":"https://mail.example","exp":"soon"}`}, reason.TokenClaims},
		{"duplicate members", &endpoint{answer: `{"active":false,"active":true,` + rest + `}`}, reason.IntrospectionUnavailable},
		{"not JSON", &endpoint{answer: `<html>`}, reason.IntrospectionUnavailable},
		{"not said to be JSON", &endpoint{answer: `{"active":true,` + rest + `}`, contentType: "text/html"}, reason.IntrospectionUnavailable},
		{"an error status", &endpoint{answer: `{"active":true,` + rest + `}`, status: 500}, reason.IntrospectionUnavailable},
		{"our credentials refused", &endpoint{answer: `{}`, status: 401}, reason.IntrospectionUnavailable},
		{"no connection", &endpoint{err: errors.New("refused")}, reason.IntrospectionUnavailable},
		{"an endless answer", &endpoint{answer: `{"active":true,"x":"` + strings.Repeat("a", maxAnswer) + `"}`}, reason.IntrospectionUnavailable},
	}
	for _, test := range tests {
		t.Run(test.rule, func(t *testing.T) {
			e := &endpoint{status: test.status, contentType: test.contentType, answer: test.answer, err: test.err}
			if e.status == 0 {
				e.status = http.StatusOK
			}
			if e.contentType == "" {
				e.contentType = "application/json"
			}
			v := opaqueVerifier(t, e)
			token, why := v.Verify(opaque, Audience{Names: []string{"https://mail.example"}}, time.Unix(1800000000, 0))
			if why != test.want {
				t.Fatalf("got %q, want %q", why, test.want)
			}
			if why == reason.None && token.Claims.Issuer != opaqueIssuer {
				t.Errorf("issuer %q, want %q", token.Claims.Issuer, opaqueIssuer)
			}
			for _, bad := range []string{opaque, "s:cret"} {
				if got := e.last.Load().URL.String(); strings.Contains(got, bad) {
					t.Errorf("the URL shows a secret")
				}
			}
		})
	}
}

func TestIntrospectionAuthenticatesAndNamesTheToken(t *testing.T) {
	e := answering(`{"active":true,"aud":"https://mail.example","exp":2000000000,"cnf":{"jkt":"` + opaqueJKT + `"}}`)
	v := opaqueVerifier(t, e)
	token, why := v.Verify(opaque, Audience{Names: []string{"https://mail.example"}}, time.Unix(1800000000, 0))
	if why != reason.None {
		t.Fatal(why)
	}
	want, err := jose.ParseThumbprint(opaqueJKT)
	if err != nil {
		t.Fatal(err)
	}
	if got := token.Claims.Confirmation.JKT; got == nil || *got != want {
		t.Errorf("cnf.jkt %v, want %v", got, want)
	}
	r := e.last.Load()
	if user, password, ok := r.BasicAuth(); !ok || user != "proxy" || password != "s%3Acret" { // RFC 6749, section 2.3.1
		t.Errorf("got credentials %q %q", user, password)
	}
	if got, want := *e.lastForm.Load(), "token=Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU&token_type_hint=access_token"; got != want {
		t.Errorf("got form %q, want %q", got, want)
	}
}

func TestIntrospectionAnswerIsBelievedNoLongerThanAllowed(t *testing.T) {
	for _, test := range []struct {
		rule, answer string
		after        time.Duration
		want         reason.Reason
		asked        int64
	}{
		{"within the life of an answer", `{"active":true,"aud":"a","exp":2000000000}`, answerLife - time.Second, reason.None, 1},
		{"after it the server is asked again", `{"active":true,"aud":"a","exp":2000000000}`, answerLife, reason.None, 2},
		{"never beyond exp and the skew", `{"active":true,"aud":"a","exp":1800000005}`, 20 * time.Second, reason.TokenExpired, 1},
	} {
		t.Run(test.rule, func(t *testing.T) {
			e := answering(test.answer)
			v := opaqueVerifier(t, e)
			now := time.Unix(1800000000, 0)
			token, why := v.Verify(opaque, Audience{Names: []string{"a"}}, now)
			if why != reason.None {
				t.Fatal(why)
			}
			v.Remember(token)
			if _, why := v.Verify(opaque, Audience{Names: []string{"a"}}, now.Add(test.after)); why != test.want {
				t.Errorf("got %q, want %q", why, test.want)
			}
			if got := e.asked.Load(); got != test.asked {
				t.Errorf("asked %d times, want %d", got, test.asked)
			}
		})
	}
}

func TestIntrospectionOfARevokedTokenStopsAfterTheAnswersLife(t *testing.T) {
	e := answering(`{"active":true,"aud":"a","exp":2000000000}`)
	v := opaqueVerifier(t, e)
	now := time.Unix(1800000000, 0)
	token, _ := v.Verify(opaque, Audience{Names: []string{"a"}}, now)
	v.Remember(token)
	e.answer = `{"active":false}`
	if _, why := v.Verify(opaque, Audience{Names: []string{"a"}}, now.Add(answerLife)); why != reason.TokenInactive {
		t.Errorf("got %q, want %q", why, reason.TokenInactive)
	}
}

func TestIntrospectionIsBoundedAndShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := answering(`{"active":true,"aud":"a","exp":4000000000}`)
		e.delay = time.Second
		v := opaqueVerifier(t, e)
		var waiting sync.WaitGroup
		var good, unavailable atomic.Int64
		ask := func(token string) {
			waiting.Go(func() {
				switch _, why := v.Verify(token, Audience{Names: []string{"a"}}, time.Now()); why {
				case reason.None:
					good.Add(1)
				case reason.IntrospectionUnavailable:
					unavailable.Add(1)
				}
			})
		}
		for range 500 {
			ask(opaque)
		}
		synctest.Wait()
		for i := range 100 {
			ask(opaque + strings.Repeat("x", i+1))
		}
		waiting.Wait()
		if got := e.asked.Load(); got != maxQuestions {
			t.Errorf("asked %d questions, want %d", got, maxQuestions)
		}
		if got, want := good.Load(), int64(500+maxQuestions-1); got != want {
			t.Errorf("%d passed, want %d", got, want)
		}
		if got, want := unavailable.Load(), int64(100-maxQuestions+1); got != want {
			t.Errorf("%d found the server unavailable, want %d", got, want)
		}
	})
}

func TestIntrospectionThatHangsIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := answering(`{"active":true,"aud":"a","exp":4000000000}`)
		e.delay = time.Hour
		v := opaqueVerifier(t, e)
		for _, test := range []struct {
			verifier *Verifier
			limit    time.Duration
		}{{v, introspectionTimeout}, {v.WithoutWaiting(), shortPatience}} {
			began := time.Now()
			_, why := test.verifier.Verify(opaque, Audience{Names: []string{"a"}}, time.Now())
			if took := time.Since(began); why != reason.IntrospectionUnavailable || took > test.limit {
				t.Errorf("got %q after %v, want %q within %v", why, took, reason.IntrospectionUnavailable, test.limit)
			}
		}
		time.Sleep(introspectionTimeout) // virtual: lets the last question time out
		synctest.Wait()
	})
}

func TestJWTsAreNeverIntrospected(t *testing.T) {
	e := answering(`{"active":true,"aud":"a","exp":4000000000}`)
	v := opaqueVerifier(t, e)
	// {"alg":"ES256","typ":"at+jwt"}.{"iss":"https://evil.example"} with a made-up signature
	forged := "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2V2aWwuZXhhbXBsZSJ9.AAAA"
	if _, why := v.Verify(forged, Audience{Names: []string{"a"}}, time.Unix(1800000000, 0)); why != reason.TokenIssuer {
		t.Errorf("got %q, want %q", why, reason.TokenIssuer)
	}
	if e.asked.Load() != 0 {
		t.Error("a JWT was introspected")
	}
}

func TestIntrospectionConfigurationMistakes(t *testing.T) {
	good := IntrospectionConfig{Issuer: opaqueIssuer, URL: opaqueIssuer + "/introspect", ClientID: "c", ClientSecret: "s"}
	for _, test := range []struct {
		rule   string
		change func(*IntrospectionConfig)
	}{
		{"https off loopback", func(c *IntrospectionConfig) { c.URL = "http://as.example/introspect" }},
		{"a client id", func(c *IntrospectionConfig) { c.ClientID = "" }},
		{"some authentication", func(c *IntrospectionConfig) { c.ClientSecret = "" }},
	} {
		t.Run(test.rule, func(t *testing.T) {
			config := good
			test.change(&config)
			if _, err := NewIntrospection(config); err == nil {
				t.Error("accepted")
			}
		})
	}
	if i, err := NewIntrospection(good); err != nil {
		t.Error(err)
	} else {
		i.Close()
	}
}
