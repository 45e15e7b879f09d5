// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package ldap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	client "github.com/go-ldap/ldap/v3"
)

const (
	baseDN   = "dc=contoso,dc=example"
	readerDN = "cn=reader," + baseDN
	password = "s3cret"
)

// slapd is an OpenLDAP server of its own, on loopback, with the schema of testdata.
type slapd struct {
	plain, secure string // URLs
	authorities   *x509.CertPool
	folder        string
	process       *exec.Cmd
}

// findSlapd skips the test where OpenLDAP is not installed. In CI it must be.
func findSlapd(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"slapd", "/usr/sbin/slapd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("slapd is not installed (Debian: apt-get install slapd)")
	}
	t.Skip("slapd is not installed (Debian: apt-get install slapd)")
	return ""
}

func newSlapd(t testing.TB) *slapd {
	t.Helper()
	path := findSlapd(t)
	s := &slapd{folder: t.TempDir(), plain: "ldap://" + freePort(t), secure: "ldaps://" + freePort(t)}
	s.certify(t)
	s.write(t, "slapd.conf", fmt.Sprintf(`
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include %[1]s
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile %[2]s/certificate.pem
TLSCertificateKeyFile %[2]s/key.pem
pidfile %[2]s/pid
database mdb
suffix %[3]q
rootdn %[4]q
rootpw %[5]s
directory %[2]s/data
maxsize 10485760
access to * by * none
`, absolute(t, "testdata/device.schema"), s.folder, baseDN, readerDN, password))
	if err := os.Mkdir(filepath.Join(s.folder, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.start(t, path)
	t.Cleanup(s.stop)
	admin := s.admin(t)
	add(t, admin, baseDN, map[string][]string{"objectClass": {"domain"}, "dc": {"contoso"}})
	return s
}

func (s *slapd) start(t testing.TB, path string) {
	t.Helper()
	s.process = exec.Command(path, "-f", filepath.Join(s.folder, "slapd.conf"), "-h", s.plain+" "+s.secure, "-d", "0")
	var output strings.Builder
	s.process.Stdout, s.process.Stderr = &output, &output
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", strings.TrimPrefix(s.plain, "ldap://")); err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			s.stop()
			t.Fatalf("slapd does not listen: %s", output.String())
		}
	}
}

func (s *slapd) stop() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

// certify writes a certificate for 127.0.0.1.
func (s *slapd) certify(t testing.TB) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "directory"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	s.write(t, "certificate.pem", string(certificate))
	s.write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	s.authorities = x509.NewCertPool()
	s.authorities.AppendCertsFromPEM(certificate)
}

func (s *slapd) write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.folder, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// admin is a connection that may write.
func (s *slapd) admin(t testing.TB) *client.Conn {
	t.Helper()
	conn, err := client.DialURL(s.plain)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.Bind(readerDN, password); err != nil {
		t.Fatal(err)
	}
	return conn
}

func add(t testing.TB, conn *client.Conn, dn string, attributes map[string][]string) {
	t.Helper()
	request := client.NewAddRequest(dn, nil)
	for name, values := range attributes {
		request.Attribute(name, values)
	}
	if err := conn.Add(request); err != nil {
		t.Fatal(err)
	}
}

func (s *slapd) source(t testing.TB, change func(*Config)) *Source {
	t.Helper()
	config := Config{
		URL: s.secure, BindDN: readerDN, BindPassword: password, BaseDN: baseDN, TLS: &tls.Config{RootCAs: s.authorities},
	}
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

func freePort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func absolute(t testing.TB, path string) string {
	t.Helper()
	full, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return full
}
