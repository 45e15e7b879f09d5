// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"errors"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Contract, "Limits": at most one fetch per 30 s and issuer whatever the kids say, and nothing grows.
func TestAMillionMadeUpKeyIDsCauseOneFetchPerPause(t *testing.T) {
	started(t, answer{body: keySetOf(another(t, "a"))}, func(t *testing.T, n *network, set *KeySet) {
		before := heap()
		for i := range 1_000_000 {
			if keys, err := set.Find(strconv.Itoa(i), "ES256", time.Now()); len(keys) != 0 || !errors.Is(err, ErrUnknownKey) {
				t.Fatalf("kid %d: %v, %v", i, keys, err)
			}
			if i%10_000 == 9_999 {
				time.Sleep(time.Second)
			}
		}
		if grown := heap() - before; grown > 1<<20 {
			t.Errorf("%d octets more in use", grown)
		}
		if calls := n.called(jwksURL); calls != 1+3 { // at 0, 30, 60 and 90 of 100 seconds
			t.Errorf("%d fetches in 100 seconds", calls)
		}
		expect(t, set, "a", 1, nil)
	})
}

// The pause holds while the issuer is down too, and for a set that was never had.
func TestAnIssuerThatIsDownIsAskedOncePerPause(t *testing.T) {
	started(t, answer{err: errDown}, func(t *testing.T, n *network, set *KeySet) {
		for i := range 300 {
			expect(t, set, strconv.Itoa(i), 0, ErrUnavailable)
			time.Sleep(time.Second)
		}
		if calls := n.called(jwksURL); calls != 10 && calls != 11 {
			t.Errorf("%d fetches in 300 seconds", calls)
		}
		if status := set.Status(); status.Failures < 10 || status.Fetches != 0 || status.Err == nil || status.Keys != 0 {
			t.Errorf("status is %+v", status)
		}
	})
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func TestRefreshesEveryTenMinutes(t *testing.T) {
	started(t, answer{body: keySetOf(another(t, "a"))}, func(t *testing.T, n *network, set *KeySet) {
		time.Sleep(time.Hour + time.Second)
		if calls := n.called(jwksURL); calls != 1+6 {
			t.Errorf("%d fetches in an hour", calls)
		}
		status := set.Status()
		if status.Issuer != contoso || status.Keys != 1 || status.Fetches != 7 || status.Failures != 0 || status.Err != nil {
			t.Errorf("status is %+v", status)
		}
		if age := status.Age(time.Now()); age != time.Second {
			t.Errorf("age is %v", age)
		}
		if age := (KeySetStatus{}).Age(time.Now()); age != 0 {
			t.Errorf("age of what was never fetched is %v", age)
		}
	})
}

func TestFindsANewKeyAtOnce(t *testing.T) {
	old, young := another(t, "old"), another(t, "young")
	started(t, answer{body: keySetOf(old)}, func(t *testing.T, n *network, set *KeySet) {
		n.set(jwksURL, answer{body: keySetOf(old, young)})
		expect(t, set, "young", 0, ErrUnknownKey) // fetched a moment ago
		time.Sleep(FetchPause)
		expect(t, set, "young", 1, nil)
		expect(t, set, "old", 1, nil)
		if calls := n.called(jwksURL); calls != 2 {
			t.Errorf("%d fetches", calls)
		}
	})
}

// A set is replaced whole: what the issuer withdrew is gone within one refresh, and with it the tokens that it signed.
func TestAWithdrawnKeyTakesItsCachedTokensWithIt(t *testing.T) {
	old, young := another(t, "old"), another(t, "young")
	started(t, answer{body: keySetOf(old, young)}, func(t *testing.T, n *network, set *KeySet) {
		v := verifierOf(t, issuer(t, IssuerConfig{Issuer: contoso}, set))
		c := rfc9068().with("iat", "", "exp", strconv.FormatInt(time.Now().Add(24*time.Hour).Unix(), 10))
		tokens := map[string]string{"old": old.mint(t, typAT, c), "young": young.mint(t, typAT, c)}
		for kid, raw := range tokens {
			verified, why := v.Verify(raw, forMail, time.Now())
			if why != reason.None {
				t.Fatalf("%s: %s", kid, why)
			}
			v.Remember(verified)
		}
		n.set(jwksURL, answer{body: keySetOf(young)})
		time.Sleep(RefreshEvery - 2*time.Second)
		if _, why := v.Verify(tokens["old"], forMail, time.Now()); why != reason.None {
			t.Errorf("before the refresh: %s", why)
		}
		time.Sleep(3 * time.Second)
		if _, why := v.Verify(tokens["old"], forMail, time.Now()); why != reason.TokenKeyUnknown {
			t.Errorf("after the refresh: %q", why)
		}
		if _, why := v.Verify(tokens["young"], forMail, time.Now()); why != reason.None {
			t.Errorf("the key that stayed: %s", why)
		}
	})
}

// Contract, "Limits": served stale at most 15 min after the refresh was due. A known key never waits for the dead issuer.
func TestOutage(t *testing.T) {
	old, young := another(t, "old"), another(t, "young")
	for name, down := range map[string]answer{
		"refused": {err: errDown}, "hanging": {after: time.Hour}, "failing": {status: 500, body: "no"},
	} {
		t.Run(name, func(t *testing.T) {
			started(t, answer{body: keySetOf(old)}, func(t *testing.T, n *network, set *KeySet) {
				begun, print := time.Now(), keyOf(t, set, "old")
				n.set(jwksURL, down)
				for time.Since(begun) <= RefreshEvery+StaleFor-11*time.Second {
					before := time.Now()
					expect(t, set, "old", 1, nil)
					if waited := time.Since(before); waited != 0 {
						t.Fatalf("waited %v for a key that is there", waited)
					}
					time.Sleep(10 * time.Second)
				}
				time.Sleep(RefreshEvery + StaleFor - time.Since(begun))
				expect(t, set, "old", 1, nil)
				if !set.Has(print, time.Now()) {
					t.Error("the key is gone before its time")
				}
				time.Sleep(time.Nanosecond)
				expect(t, set, "old", 0, ErrUnavailable)
				if set.Has(print, time.Now()) {
					t.Error("the key is believed beyond its time")
				}
				n.set(jwksURL, answer{body: keySetOf(young)})
				time.Sleep(FetchPause + fetchTimeout)
				expect(t, set, "young", 1, nil)
				if _, err := set.Find("old", "ES256", time.Now()); err == nil {
					t.Error("a key that the issuer withdrew during the outage is back")
				}
			})
		})
	}
}

// While the issuer is down nobody knows whether an unknown kid is a new key or made up: that is no 401.
func TestUnknownKeyDuringAnOutageIsUnavailable(t *testing.T) {
	started(t, answer{body: keySetOf(another(t, "old"))}, func(t *testing.T, n *network, set *KeySet) {
		n.set(jwksURL, answer{err: errDown})
		time.Sleep(FetchPause)
		expect(t, set, "young", 0, ErrUnavailable)
		expect(t, set, "old", 1, nil)
		time.Sleep(time.Second)
		expect(t, set, "young", 0, ErrUnavailable)
	})
}

func keyOf(t *testing.T, set *KeySet, kid string) (print [32]byte) {
	t.Helper()
	keys, err := set.Find(kid, "ES256", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return keys[0].Thumbprint
}

// Contract, "Limits": a broken or empty answer never replaces a good set.
func TestABadAnswerNeverReplacesAGoodSet(t *testing.T) {
	good, other := another(t, "good"), another(t, "other")
	secret := `{"kty":"oct","k":"ZoRSOrFzN_FzUA5XKMYoVHyzff5oRJxl-IXRtztJ6uE","kid":"other"}`
	for name, bad := range map[string]answer{
		"down":                    {err: errDown},
		"no content":              {status: 204},
		"not found":               {status: 404, body: keySetOf(other)},
		"failure":                 {status: 500, body: keySetOf(other)},
		"empty":                   {body: ""},
		"HTML":                    {body: "<!doctype html><title>Sign in</title>"},
		"an array":                {body: `[` + other.jwk("") + `]`},
		"a key alone":             {body: other.jwk("")},
		"an empty set":            {body: `{"keys":[]}`},
		"no set":                  {body: `{}`},
		"keys is an object":       {body: `{"keys":{"0":` + other.jwk("") + `}}`},
		"keys is null":            {body: `{"keys":null}`},
		"keys in another case":    {body: strings.Replace(keySetOf(other), "keys", "Keys", 1)},
		"keys twice":              {body: strings.Replace(keySetOf(other), "{", `{"keys":[],`, 1)},
		"only symmetric keys":     {body: `{"keys":[` + secret + `]}`},
		"only private keys":       {body: `{"keys":[` + other.jwk(`,"d":"AQAB"`) + `]}`},
		"only encryption keys":    {body: `{"keys":[` + other.jwk(`,"use":"enc"`) + `]}`},
		"only strings":            {body: `{"keys":["a",1,null,[]]}`},
		"truncated":               {body: strings.TrimSuffix(keySetOf(other), "}")},
		"followed by more":        {body: keySetOf(other) + "x"},
		"invalid UTF-8":           {body: strings.Replace(keySetOf(other), "{", "{\"x\":\"\xff\",", 1)},
		"a byte order mark":       {body: "\uFEFF" + keySetOf(other)},
		"longer than 1 MiB":       {body: keySetOf(other) + strings.Repeat(" ", maxDocument)},
		"a slow header":           {body: keySetOf(other), after: 11 * time.Second},
		"a slow body":             {body: keySetOf(other), drip: 11 * time.Second},
		"a redirect to nowhere":   {status: 302},
		"a redirect to itself":    {status: 302, location: jwksURL},
		"a redirect to elsewhere": {status: 307, location: "https://evil.example/jwks"},
		"a redirect to http":      {status: 301, location: "http://sts.contoso.example/jwks"},
	} {
		t.Run(name, func(t *testing.T) {
			started(t, answer{body: keySetOf(good)}, func(t *testing.T, n *network, set *KeySet) {
				for _, place := range []string{"https://evil.example/jwks", "http://sts.contoso.example/jwks"} {
					n.set(place, answer{body: keySetOf(other)})
				}
				n.set(jwksURL, bad)
				time.Sleep(RefreshEvery + fetchTimeout + time.Second)
				expect(t, set, "good", 1, nil)
				if status := set.Status(); status.Failures == 0 || status.Err == nil || status.Keys != 1 {
					t.Errorf("status is %+v", status)
				}
				if _, err := set.Find("other", "ES256", time.Now()); !errors.Is(err, ErrUnavailable) {
					t.Errorf("the key of the bad answer: %v", err)
				}
				if calls := n.called("https://evil.example/jwks") + n.called("http://sts.contoso.example/jwks"); calls != 0 {
					t.Errorf("%d requests followed the redirect", calls)
				}
			})
		})
	}
}

// RFC 7517, section 5: implementations should ignore keys of a set that they cannot use.
func TestABadKeyDoesNotSpoilTheOthers(t *testing.T) {
	good := another(t, "good")
	for name, bad := range map[string]string{
		"symmetric":         `{"kty":"oct","k":"AQAB","kid":"bad"}`,
		"unknown type":      `{"kty":"LWE","kid":"bad"}`,
		"unknown curve":     `{"kty":"EC","crv":"secp256k1","x":"AQ","y":"AQ","kid":"bad"}`,
		"off the curve":     `{"kty":"EC","crv":"P-256","x":"18wHLeIgW9wVN6VD1Txgpqy2LszYkMf6J8njVAibvhM","y":"18wHLeIgW9wVN6VD1Txgpqy2LszYkMf6J8njVAibvhM","kid":"bad"}`,
		"RSA of 1024 bits":  `{"kty":"RSA","n":"` + strings.Repeat("wQ", 86)[:171] + `","e":"AQAB","kid":"bad"}`,
		"for encryption":    another(t, "bad").jwk(`,"use":"enc"`),
		"private":           another(t, "bad").jwk(`,"d":"AQAB"`),
		"kid not a string":  `{"kty":"EC","kid":1}`,
		"not even a key":    `"bad"`,
		"null":              `null`,
		"an array of a key": `[` + another(t, "bad").jwk("") + `]`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, order := range []string{bad + "," + good.jwk(""), good.jwk("") + "," + bad} {
				keys, err := parseKeySet([]byte(`{"keys":[` + order + `],"extra":{"a":1}}`))
				if err != nil || len(keys) != 1 || keys[0].ID != "good" {
					t.Errorf("%d keys, %v", len(keys), err)
				}
			}
		})
	}
}

func TestAThousandColdFindsCauseOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(network)
		n.set(jwksURL, answer{body: keySetOf(another(t, "a")), after: 2 * time.Second})
		set, err := NewRemoteKeySet(contoso, jwksURL, n)
		if err != nil {
			t.Fatal(err)
		}
		defer destruct(t, set)
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() { expect(t, set, "a", 1, nil) })
		}
		all.Wait()
		if calls := n.called(jwksURL); calls != 1 {
			t.Errorf("%d fetches", calls)
		}
	})
}

// A request waits five seconds for a cold set, no longer; the fetch goes on without it.
func TestARequestWaitsFiveSecondsAtMost(t *testing.T) {
	started(t, answer{body: keySetOf(another(t, "a")), after: 8 * time.Second}, func(t *testing.T, n *network, set *KeySet) {
		before := time.Now()
		expect(t, set, "a", 0, ErrUnavailable)
		if waited := time.Since(before); waited != waitFor {
			t.Errorf("waited %v", waited)
		}
		time.Sleep(3 * time.Second)
		expect(t, set, "a", 1, nil)
		if calls := n.called(jwksURL); calls != 1 {
			t.Errorf("%d fetches", calls)
		}
	})
}

// What hangs is given up after ten seconds, and a waiting request is let go when the set is destructed.
func TestDestructEndsAFetchUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(network)
		n.set(jwksURL, answer{after: time.Hour})
		set, err := NewRemoteKeySet(contoso, jwksURL, n)
		if err != nil {
			t.Fatal(err)
		}
		set.Start()
		set.Start() // does nothing
		var waiting sync.WaitGroup
		waiting.Go(func() { expect(t, set, "a", 0, ErrUnavailable) })
		synctest.Wait()
		before := time.Now()
		destruct(t, set)
		waiting.Wait()
		destruct(t, set)
		if passed := time.Since(before); passed != 0 {
			t.Errorf("took %v", passed)
		}
		if calls := n.called(jwksURL); calls != 1 {
			t.Errorf("%d fetches", calls)
		}
	})
}

func TestNothingStartsAfterDestruct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(network)
		n.set(jwksURL, answer{body: keySetOf(another(t, "a"))})
		set, err := NewRemoteKeySet(contoso, jwksURL, n)
		if err != nil {
			t.Fatal(err)
		}
		destruct(t, set)
		set.Start()
		expect(t, set, "a", 0, ErrUnavailable)
		time.Sleep(time.Hour)
		expect(t, set, "a", 0, ErrUnavailable)
		if flight := set.begin(time.Now()); flight != nil {
			t.Error("a fetch began")
		}
		if total := n.total(); total != 0 {
			t.Errorf("%d requests", total)
		}
	})
}

// The candidates are those whose kid is equal and whose kind fits the algorithm.
func TestAKnownKeyThatDoesNotFitCausesNoFetch(t *testing.T) {
	started(t, answer{body: keySetOf(another(t, "a"))}, func(t *testing.T, n *network, set *KeySet) {
		time.Sleep(time.Minute)
		if keys, err := set.Find("a", "RS256", time.Now()); len(keys) != 0 || !errors.Is(err, errUnfit) {
			t.Errorf("%v, %v", keys, err)
		}
		if calls := n.called(jwksURL); calls != 1 {
			t.Errorf("%d fetches", calls)
		}
	})
}

// A token whose issuer's keys cannot be had is neither good nor bad; one with another verdict has it without the keys.
func TestTokensOfAnIssuerThatIsDown(t *testing.T) {
	s := another(t, "a")
	for name, down := range map[string]answer{"refused": {err: errDown}, "hanging": {after: time.Hour}} {
		t.Run(name, func(t *testing.T) {
			started(t, down, func(t *testing.T, n *network, set *KeySet) {
				v := verifierOf(t, issuer(t, IssuerConfig{Issuer: contoso}, set))
				for raw, want := range map[string]reason.Reason{
					s.mint(t, typAT, rfc9068()):                            reason.KeySetUnavailable,
					s.mint(t, typEntra, rfc9068()):                         reason.TokenType,
					s.mint(t, typAT, rfc9068().with("iss", `"https://x"`)): reason.TokenIssuer,
				} {
					if _, why := v.Verify(raw, forMail, time.Now()); why != want {
						t.Errorf("%q, expected %q", why, want)
					}
				}
			})
		})
	}
}

// Where nothing is enforced nothing is delayed: the fetch begins, and who comes later has its keys.
func TestWithoutWaitingNeverWaits(t *testing.T) {
	s := another(t, "a")
	synctest.Test(t, func(t *testing.T) {
		n := new(network)
		n.set(jwksURL, answer{body: keySetOf(s), after: 2 * time.Second})
		set, err := NewRemoteKeySet(contoso, jwksURL, n)
		if err != nil {
			t.Fatal(err)
		}
		defer destruct(t, set)
		v := verifierOf(t, issuer(t, IssuerConfig{Issuer: contoso}, set)).WithoutWaiting()
		raw := s.mint(t, typAT, rfc9068().with("iat", "", "exp", "4000000000"))
		before := time.Now()
		if _, why := v.Verify(raw, forMail, time.Now()); why != reason.KeySetUnavailable {
			t.Errorf("%q", why)
		}
		if waited := time.Since(before); waited != 0 {
			t.Errorf("waited %v", waited)
		}
		time.Sleep(3 * time.Second)
		if _, why := v.Verify(raw, forMail, time.Now()); why != reason.None {
			t.Errorf("once the keys are there: %q", why)
		}
		if calls := n.called(jwksURL); calls != 1 {
			t.Errorf("%d fetches", calls)
		}
	})
}

func FuzzParseKeySet(f *testing.F) {
	good := another(f, "good").jwk("")
	for _, seed := range []string{
		`{"keys":[` + good + `]}`, `{"keys":[` + good + `,{"kty":"oct"}],"x":1}`, `{"keys":[]}`, `{"keys":{}}`, `{}`, `[]`, ``,
		`{"keys":[` + deviceKey + `]}`, `{"keys":["a",null,1,[[]]]}`, `{"keys":[{"kty":"EC","d":""}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		keys, err := parseKeySet(document)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		for _, key := range keys {
			if key.Public == nil || key.Thumbprint == [32]byte{} {
				t.Fatalf("unusable key %+v", key)
			}
		}
	})
}
