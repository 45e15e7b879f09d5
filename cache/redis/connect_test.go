// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
)

const password = "correct-horse-battery"

// The rights that documentation names are enough, and needed.
func TestAnACLUserNeedsNoMoreThanIsDocumented(t *testing.T) {
	redis := serve(t)
	redis.tell("acl", "setuser", "tp", "on", ">"+password, "~test:*", "-@all",
		"+hello", "+ping", "+client|setname", "+eval", "+evalsha", "+script|load", "+info", "+time", "+wait",
		"+get", "+set", "+zscore", "+zcount", "+zadd", "+zremrangebyscore", "+pexpire")
	redis.tell("acl", "setuser", "default", "off")
	n := join(t, []*server{redis}, func(c *Config) { c.Username, c.Password = "tp", password })
	n.want(t, "spent", cache.Added)
	n.want(t, "spent", cache.Replayed)
	if n.Seen(alice, "another", time.Now()) || !n.Seen(alice, "spent", time.Now()) {
		t.Error("it cannot look")
	}
}

// A wrong password is an outage whose reason is told once, without the password.
func TestAWrongPasswordIsReportedAndNotShown(t *testing.T) {
	redis := serve(t, "--requirepass", password)
	for name, given := range map[string]string{"wrong": "not-the-" + password, "none": ""} {
		t.Run(name, func(t *testing.T) {
			reports := make(chan error, 10)
			n := offline(t, []*server{redis}, func(c *Config) {
				c.Password = given
				c.Report = func(err error) { reports <- err }
			})
			err := <-reports
			if err == nil || !strings.Contains(err.Error(), "WRONGPASS") && !strings.Contains(err.Error(), "NOAUTH") {
				t.Errorf("reported %v", err)
			}
			if strings.Contains(err.Error(), password) {
				t.Error("the report shows the password")
			}
			n.want(t, "any", cache.Unavailable)
			n.store.Close()
			if len(reports) > 0 {
				t.Errorf("reported again: %v", <-reports)
			}
		})
	}
	join(t, []*server{redis}, func(c *Config) { c.Password = password }).want(t, "right", cache.Added)
}

func TestTLSChecksTheServer(t *testing.T) {
	folder := t.TempDir()
	roots := certify(t, folder)
	redis := serve(t, "--port", "0", "--tls-auth-clients", "no",
		"--tls-cert-file", filepath.Join(folder, "crt"), "--tls-key-file", filepath.Join(folder, "key"), "--tls-ca-cert-file", filepath.Join(folder, "crt"))
	trusting := join(t, []*server{redis}, func(c *Config) { c.TLS = &tls.Config{RootCAs: roots} })
	trusting.want(t, "any", cache.Added)
	reports := make(chan error, 1)
	strange := offline(t, []*server{redis}, func(c *Config) {
		c.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
		c.Report = func(err error) { reports <- err }
	})
	if err := <-reports; err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("reported %v", err)
	}
	strange.want(t, "other", cache.Unavailable)
}

// certify writes a certificate for loopback and its key into the folder, and returns the pool that trusts it.
func certify(t testing.TB, folder string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"crt": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return pool
}

func TestNewNamesEveryMistakeAndShowsNoSecret(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		want   string
	}{
		"no address":              {Config{}, "no address"},
		"no port":                 {Config{Addresses: []string{"redis.example"}}, `"redis.example": expected host:port`},
		"cluster and sentinel":    {Config{Addresses: []string{"a:1"}, Cluster: true, Sentinel: "x"}, "exclude each other"},
		"a database of a cluster": {Config{Addresses: []string{"a:1"}, Cluster: true, Database: 1}, "must use 0"},
		"no such database":        {Config{Addresses: []string{"a:1"}, Database: -1}, "database -1"},
		"two servers":             {Config{Addresses: []string{"a:1", "b:1"}}, "2 addresses"},
		"a user, no password":     {Config{Addresses: []string{"a:1"}, Username: password}, "without a password"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(c.config)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), password) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	store, err := New(Config{Addresses: []string{"a:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Set(SetConfig{}); err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("%v, want four mistakes", err)
	}
}
