// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package ldap

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	client "github.com/go-ldap/ldap/v3"
	"go.uber.org/goleak"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	laptopID = "47f577e3-d2d0-4a0a-8aca-e0501098bde4" // the device that one of the real credentials names
	laptopDN = "cn=laptop," + baseDN
)

// credential is a real value of msDS-KeyCredentialLink, as Active Directory returns it.
func credential(t testing.TB, name string) string {
	t.Helper()
	document, err := os.ReadFile("../keycredential/testdata/keycredentiallink.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Blobs []struct {
			Name string
			Hex  string `json:"blob_hex"`
		}
	}
	if err := json.Unmarshal(document, &file); err != nil {
		t.Fatal(err)
	}
	for _, blob := range file.Blobs {
		if blob.Name == "KeyCredential_Parse_"+name {
			return fmt.Sprintf("B:%d:%s:%s", len(blob.Hex), blob.Hex, laptopDN)
		}
	}
	t.Fatalf("no credential %s", name)
	return ""
}

// aliceSID is S-1-5-21-1-2-3-1104.
var aliceSID = string([]byte{1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0x50, 4, 0, 0})

func octets(t testing.TB, id string) string {
	t.Helper()
	octets, ok := parseGUID(id)
	if !ok {
		t.Fatalf("%q is not a GUID", id)
	}
	return string(octets)
}

// contoso has a laptop of Alice's as Active Directory keeps one.
func contoso(t testing.TB) *slapd {
	t.Helper()
	s := newSlapd(t)
	admin := s.admin(t)
	add(t, admin, laptopDN, map[string][]string{
		"objectClass": {"msDS-Device"}, "cn": {"laptop"}, attrID: {octets(t, laptopID)}, attrGUID: {octets(t, "11111111-2222-3333-4444-555555555555")},
		attrName: {"LAPTOP-7"}, attrSystem: {"Windows"}, attrVersion: {"10.0.22631.4037"}, attrEnabled: {"TRUE"}, attrManaged: {"TRUE"},
		attrCompliant: {"FALSE"}, attrOwner: {aliceSID},
		attrKeys:       {credential(t, "UserKey1"), credential(t, "DeviceKey_RSA"), credential(t, "UserKeyFIDO0"), credential(t, "UserKey2"), "B:2:00:" + laptopDN},
		attrIdentities: {"X509:<SHA1-TP-PUBKEY>4FC429F1F3E6558A9BF621F2CD051A01BC4179D6xcMreqI4gG0K8/RoRXtcRPDjBPAORSomCvipxvUDkuc=", "Kerberos:laptop$@CONTOSO.EXAMPLE"},
	})
	add(t, admin, "cn=alice,"+baseDN, map[string][]string{"objectClass": {"user"}, "cn": {"alice"}, "objectSid": {aliceSID},
		attrPrincipal: {"alice@contoso.example"}, attrGUID: {octets(t, "87d349ed-44d7-43e1-9a83-5f2406dee5bd")}})
	return s
}

func TestADeviceOfActiveDirectoryIsRead(t *testing.T) {
	s := contoso(t)
	d, err := s.source(t, nil).Find(t.Context(), laptopID)
	if err != nil {
		t.Fatal(err)
	}
	if d.ID != laptopID || d.DisplayName != "LAPTOP-7" || d.OperatingSystem != "Windows" || d.OperatingSystemVersion != "10.0.22631.4037" ||
		!*d.AccountEnabled || !*d.IsManaged || *d.IsCompliant {
		t.Errorf("device is %+v", *d)
	}
	if want := []string{"S-1-5-21-1-2-3-1104", "alice@contoso.example", "87d349ed-44d7-43e1-9a83-5f2406dee5bd"}; !slices.Equal(d.RegisteredOwners, want) {
		t.Errorf("owners are %q", d.RegisteredOwners)
	}
	// Of five credentials two name this device; FIDO signs no proofs, UserKey2 names another device, the last is broken.
	if len(d.Keys) != 3 || d.Keys[0].Thumbprint == "" || d.Keys[1].Thumbprint == "" || d.Keys[2].CertificateSHA1 == "" {
		t.Errorf("keys are %+v", d.Keys)
	}
}

func TestADeviceIsFoundByEachOfItsIDs(t *testing.T) {
	s := contoso(t)
	add(t, s.admin(t), "cn=text,"+baseDN, map[string][]string{"objectClass": {"msDS-Device"}, "cn": {"text"}, attrID: {"d-7*(x)"}, attrOwner: {"alice@contoso.example"}})
	source := s.source(t, nil)
	for id, name := range map[string]string{laptopID: "LAPTOP-7", "11111111-2222-3333-4444-555555555555": "LAPTOP-7", "d-7*(x)": ""} {
		if d, err := source.Find(t.Context(), id); err != nil || d.DisplayName != name || d.ID != id {
			t.Errorf("%s: %+v, %v", id, d, err)
		}
	}
	if d, err := source.Find(t.Context(), "d-7*(x)"); err != nil || !slices.Equal(d.RegisteredOwners, []string{"alice@contoso.example"}) || d.Keys != nil {
		t.Errorf("%+v, %v", d, err)
	}
}

// An id comes out of a token; it must not become another question.
func TestAnIDCannotLeaveItsFilter(t *testing.T) {
	s := contoso(t)
	source := s.source(t, nil)
	for _, id := range []string{"*", "x)(objectClass=*", "x)(|(cn=laptop", `\2a`, "laptop", "\x00", "47f577e3-d2d0-4a0a-8aca-e0501098bde5"} {
		if d, err := source.Find(t.Context(), id); !errors.Is(err, device.ErrNotFound) {
			t.Errorf("%q: %+v, %v", id, d, err)
		}
	}
}

func TestWhatTheDirectoryChangesIsSeen(t *testing.T) {
	s := contoso(t)
	source, admin := s.source(t, nil), s.admin(t)
	change := client.NewModifyRequest(laptopDN, nil)
	change.Replace(attrEnabled, []string{"FALSE"})
	change.Replace(attrKeys, []string{credential(t, "DeviceKey_RSA")})
	if err := admin.Modify(change); err != nil {
		t.Fatal(err)
	}
	d, err := source.Find(t.Context(), laptopID)
	if err != nil || *d.AccountEnabled || len(d.Keys) != 1+1 {
		t.Errorf("%+v, %v", d, err)
	}
	if err := admin.Del(client.NewDelRequest(laptopDN, nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Find(t.Context(), laptopID); !errors.Is(err, device.ErrNotFound) {
		t.Errorf("error is %v", err)
	}
}

func TestTLSIsAskedForAndVerified(t *testing.T) {
	s := contoso(t)
	startTLS := func(c *Config) { c.URL, c.StartTLS = s.plain, true }
	plain := func(c *Config) { c.URL = s.plain }
	for name, change := range map[string]func(*Config){"ldaps": nil, "StartTLS": startTLS, "plain on loopback": plain} {
		if _, err := s.source(t, change).Find(t.Context(), laptopID); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*Config){
		"ldaps, unknown authority":    func(c *Config) { c.TLS = nil },
		"StartTLS, unknown authority": func(c *Config) { startTLS(c); c.TLS = nil },
		"ldaps, another name":         func(c *Config) { c.TLS = &tls.Config{RootCAs: s.authorities, ServerName: "other.example"} },
		"StartTLS, another name":      func(c *Config) { startTLS(c); c.TLS = &tls.Config{RootCAs: s.authorities, ServerName: "other.example"} },
	} {
		if d, err := s.source(t, change).Find(t.Context(), laptopID); err == nil || errors.Is(err, device.ErrNotFound) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

func TestNothingButAnAnswerSaysThatThereIsNoDevice(t *testing.T) {
	s := contoso(t)
	for name, change := range map[string]func(*Config){
		"wrong password":     func(c *Config) { c.BindPassword = "wrong-" + password },
		"no such base":       func(c *Config) { c.BaseDN = "ou=none," + baseDN },
		"no such base, user": func(c *Config) { c.UserBaseDN = "ou=none," + baseDN },
		"may not read":       func(c *Config) { c.BindDN, c.BindPassword = "", "" },
		"nobody listens":     func(c *Config) { c.URL = "ldaps://" + freePort(t) },
	} {
		d, err := s.source(t, change).Find(t.Context(), laptopID)
		if err == nil || errors.Is(err, device.ErrNotFound) || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	add(t, s.admin(t), "cn=twin,"+baseDN, map[string][]string{"objectClass": {"msDS-Device"}, "cn": {"twin"}, attrID: {octets(t, laptopID)}})
	if _, err := s.source(t, nil).Find(t.Context(), laptopID); err == nil || !strings.Contains(err.Error(), "several") {
		t.Errorf("two devices of one id: %v", err)
	}
}

// A connection is kept, and one that went away is replaced.
func TestAConnectionIsUsedAgainAndReplaced(t *testing.T) {
	s := contoso(t)
	source := s.source(t, nil)
	for range 3 {
		if _, err := source.Find(t.Context(), laptopID); err != nil {
			t.Fatal(err)
		}
	}
	if len(source.idle) != 1 {
		t.Errorf("%d connections", len(source.idle))
	}
	s.stop()
	if _, err := source.Find(t.Context(), laptopID); err == nil || errors.Is(err, device.ErrNotFound) {
		t.Errorf("error is %v", err)
	}
	s.start(t, findSlapd(t))
	for range 2 {
		if _, err := source.Find(t.Context(), laptopID); err != nil {
			t.Error(err)
		}
	}
}

// stuck listens and never answers.
func stuck(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		var held []net.Conn
		for {
			conn, err := listener.Accept()
			if err != nil {
				for _, c := range held {
					_ = c.Close()
				}
				return
			}
			held = append(held, conn)
		}
	}()
	return listener.Addr().String()
}

func TestAQuestionEndsWithItsContext(t *testing.T) {
	address := stuck(t)
	for name, config := range map[string]Config{
		"TLS": {URL: "ldaps://" + address, BaseDN: baseDN}, "StartTLS": {URL: "ldap://" + address, StartTLS: true, BaseDN: baseDN},
		"search": {URL: "ldap://" + address, BaseDN: baseDN}, "bind": {URL: "ldap://" + address, BaseDN: baseDN, BindDN: readerDN, BindPassword: "x"},
	} {
		source, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		start := time.Now()
		if _, err := source.Find(ctx, laptopID); err == nil || errors.Is(err, device.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %v", name, took)
		}
		source.Close()
	}
}

// A server that answers without end is cut off.
func TestAnAnswerWithoutEndIsCutOff(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	sent := make(chan int, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		total := 0
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		head := []byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0x04, 0x84, 0x7f, 0xff, 0xff, 0xf0} // a message of two gigabytes
		for chunk := head; ; chunk = make([]byte, 64<<10) {
			n, err := conn.Write(chunk)
			if total += n; err != nil {
				sent <- total
				return
			}
		}
	}()
	source, err := New(Config{URL: "ldap://" + listener.Addr().String(), BaseDN: baseDN})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	if _, err := source.Find(t.Context(), laptopID); err == nil || errors.Is(err, device.ErrNotFound) {
		t.Errorf("error is %v", err)
	}
	if total := <-sent; total > 16<<20 { // what the kernel buffers is not ours
		t.Errorf("%d octets were taken", total)
	}
}

func TestWhatCannotBeConfiguredIsRefused(t *testing.T) {
	good := Config{URL: "ldaps://dc.contoso.example", BaseDN: baseDN}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Config){
		"url: ":             func(c *Config) { c.URL = "ldap://dc.contoso.example" },
		"url: expected":     func(c *Config) { c.URL = "https://dc.contoso.example" },
		"url":               func(c *Config) { c.URL = "ldaps://user:pa55@dc.contoso.example" },
		"start_tls":         func(c *Config) { c.StartTLS = true },
		"base_dn: missing":  func(c *Config) { c.BaseDN = "" },
		"base_dn: \"x\"":    func(c *Config) { c.BaseDN = "x" },
		"user_base_dn":      func(c *Config) { c.UserBaseDN = "x" },
		"bind_password":     func(c *Config) { c.BindDN = readerDN },
		"bind_dn and bind_": func(c *Config) { c.BindPassword = "pa55" },
	} {
		config := good
		change(&config)
		if _, err := New(config); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pa55") {
			t.Errorf("error is %v, expected it to hold %q", err, want)
		}
	}
}

func TestOctetsAreWrittenAsTokensNameThem(t *testing.T) {
	for _, id := range []string{laptopID, "00000000-0000-0000-0000-000000000000", "ffffffff-0102-0304-0506-0708090a0b0c"} {
		octets, ok := parseGUID(id)
		if back, there := formatGUID(octets); !ok || !there || back != id {
			t.Errorf("%s: %s", id, back)
		}
	}
	for _, text := range []string{"", "x", laptopID + "0", strings.ReplaceAll(laptopID, "-", ""), strings.ReplaceAll(laptopID, "-", ":"), strings.Replace(laptopID, "4", "g", 1)} {
		if _, ok := parseGUID(text); ok {
			t.Errorf("%q is taken for a GUID", text)
		}
	}
	for want, octets := range map[string]string{
		"S-1-5-21-1-2-3-1104": aliceSID, "alice": "alice", laptopID: octets(t, laptopID), "00ff": "\x00\xff", "0101": "\x01\x01",
	} {
		if got := ownerText([]byte(octets)); got != want {
			t.Errorf("%q, expected %q", got, want)
		}
	}
}

// Whatever an object holds, what is made of it is bounded, and a boolean is never guessed.
func FuzzReadMakesOnlyWhatTheObjectSays(f *testing.F) {
	f.Add("TRUE", "B:2:00:x", []byte(aliceSID), []byte("x"))
	f.Add("FALSE", "", []byte("alice"), []byte{})
	f.Fuzz(func(t *testing.T, enabled, key string, owner, guid []byte) {
		entry := &client.Entry{Attributes: []*client.EntryAttribute{
			client.NewEntryAttribute(attrEnabled, []string{enabled}), client.NewEntryAttribute(attrKeys, []string{key}),
			client.NewEntryAttribute(attrOwner, []string{string(owner)}), client.NewEntryAttribute(attrGUID, []string{string(guid)}),
		}}
		d, err := read(entry, "d1")
		if (err == nil) != (enabled == "TRUE" || enabled == "FALSE") {
			t.Errorf("%q: %v", enabled, err)
		}
		if err == nil && (*d.AccountEnabled != (enabled == "TRUE") || d.ID != "d1" || len(d.Keys) > 1 || len(d.RegisteredOwners) > 1) {
			t.Errorf("%+v", d)
		}
	})
}
