// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

func TestRFC8705AppendixA(t *testing.T) {
	var v struct {
		PEM string `json:"certificate_pem"`
		X5T string `json:"x5t#S256"`
	}
	vector(t, "rfc8705.json", &v)
	block, _ := pem.Decode([]byte(v.PEM))
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := base64.RawURLEncoding.DecodeString(v.X5T)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	binding, why := verifier.Confirm(overTLS(certificate), (*[32]byte)(hash)) // it expired in 2022: section 6.2
	if why != reason.None || binding.Scheme != proof.MTLS || binding.Key.String() != v.X5T || binding.ID != "" {
		t.Errorf("got %q %+v", why, binding)
	}
}

func TestRFC9440AppendixA(t *testing.T) {
	var v struct {
		Cert  string `json:"Client-Cert"`
		Chain string `json:"Client-Cert-Chain"`
	}
	vector(t, "rfc9440.json", &v)
	r := overTLS()
	r.Header.Set("Client-Cert", v.Cert)
	r.Header.Set("Client-Cert-Chain", v.Chain)
	certificate, why := terminator(t, Forwarding{Encoding: RFC9440}, nil).Certificate(r)
	if why != reason.None {
		t.Fatal(why)
	}
	if certificate.Leaf.Subject.CommonName != "BC" || len(certificate.Intermediates) != 2 {
		t.Errorf("leaf %q with %d more, want BC with 2", certificate.Leaf.Subject.CommonName, len(certificate.Intermediates))
	}
	if err := certificate.Leaf.CheckSignatureFrom(certificate.Intermediates[0]); err != nil {
		t.Errorf("the chain's order: %v", err)
	}
}

func TestCertificateOfTheConnection(t *testing.T) {
	p := newPKI(t)
	one, two := p.device(t, nil), p.device(t, nil)
	hash := sha256.Sum256(one.Raw)
	v, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		rule string
		r    *http.Request
		want reason.Reason
	}{
		{"MTLS-001 the confirmed certificate", overTLS(one), reason.None},
		{"MTLS-003 none", overTLS(), reason.CertificateMissing},
		{"none without TLS", func() *http.Request { r := overTLS(); r.TLS = nil; return r }(), reason.CertificateMissing},
		{"MTLS-004 another of the same subject and authority", overTLS(two), reason.KeyMismatch},
		{"only the leaf counts, not the chain behind it", overTLS(two, one), reason.KeyMismatch},
	}
	for _, header := range []string{"Client-Cert", "X-Forwarded-Client-Cert", "X-Arr-Clientcert", "X-Ssl-Client-Cert", "X-Forwarded-Tls-Client-Cert"} {
		r := overTLS()
		r.Header.Set(header, byteSequence(one))
		tests = append(tests, struct {
			rule string
			r    *http.Request
			want reason.Reason
		}{"MTLS-008 " + header + " is not believed", r, reason.CertificateMissing})
	}
	for _, test := range tests {
		t.Run(test.rule, func(t *testing.T) {
			binding, why := v.Confirm(test.r, &hash)
			if why != test.want {
				t.Errorf("got %q, want %q", why, test.want)
			}
			if why != reason.None && binding != (proof.Binding{}) {
				t.Errorf("a refused certificate is bound: %+v", binding)
			}
		})
	}
}

func TestForwardedCertificate(t *testing.T) {
	p := newPKI(t)
	one, two := p.device(t, nil), p.device(t, nil)
	hash := sha256.Sum256(one.Raw)
	hexHash := hex.EncodeToString(hash[:])
	b64 := base64.StdEncoding.EncodeToString
	traefik := url.QueryEscape(b64(one.Raw) + "," + b64(p.intermediate.Raw))
	tests := []struct {
		rule     string
		encoding Encoding
		values   []string
		want     reason.Reason
	}{
		{"RFC 9440", RFC9440, []string{byteSequence(one)}, reason.None},
		{"RFC 9440, another certificate", RFC9440, []string{byteSequence(two)}, reason.KeyMismatch},
		{"two lines", RFC9440, []string{byteSequence(one), byteSequence(one)}, reason.CertificateMalformed},
		{"a list", RFC9440, []string{byteSequence(one) + ", " + byteSequence(two)}, reason.CertificateMalformed},
		{"no colons", RFC9440, []string{b64(one.Raw)}, reason.CertificateMalformed},
		{"one colon", RFC9440, []string{":"}, reason.CertificateMalformed},
		{"the URL alphabet", RFC9440, []string{":" + base64.URLEncoding.EncodeToString(append([]byte{0xfb, 0xff}, one.Raw...)) + ":"}, reason.CertificateMalformed},
		{"white space inside", RFC9440, []string{strings.Replace(byteSequence(one), "A", " A", 1)}, reason.CertificateMalformed},
		{"trailing bytes after the DER", RFC9440, []string{":" + b64(append(append([]byte(nil), one.Raw...), 0)) + ":"}, reason.CertificateMalformed},
		{"an empty line is none", RFC9440, []string{""}, reason.CertificateMissing},
		{"no line", RFC9440, nil, reason.CertificateMissing},
		{"too large", RFC9440, []string{":" + strings.Repeat("A", 4*MaxCertificate) + ":"}, reason.CertificateMalformed},

		{"base64 DER", Base64DER, []string{b64(one.Raw)}, reason.None},
		{"base64 DER with a line break", Base64DER, []string{b64(one.Raw)[:10] + "\n" + b64(one.Raw)[10:]}, reason.CertificateMalformed},

		{"URL-encoded PEM", URLPEM, []string{urlPEM(one)}, reason.None},
		{"URL-encoded PEM of a chain: the leaf comes first", URLPEM, []string{urlPEM(one, p.intermediate)}, reason.None},
		{"the authority first", URLPEM, []string{urlPEM(p.intermediate, one)}, reason.KeyMismatch},
		{"a plus stays a plus", URLPEM, []string{strings.ReplaceAll(urlPEM(one), "%2B", "+")}, reason.None},
		{"another block", URLPEM, []string{url.PathEscape("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")}, reason.CertificateMalformed},
		{"text after the block", URLPEM, []string{urlPEM(one) + "x"}, reason.CertificateMalformed},
		{"a bad escape", URLPEM, []string{"%zz"}, reason.CertificateMalformed},
		{"a chain without end", URLPEM, []string{urlPEM(one, one, one, one, one, one, one, one, one, one)}, reason.CertificateMalformed},

		{"Traefik", Traefik, []string{traefik}, reason.None},
		{"Traefik with junk", Traefik, []string{traefik + ",x"}, reason.CertificateMalformed},

		{"XFCC with the hash alone", XFCC, []string{"Hash=" + hexHash}, reason.None},
		{"XFCC with the certificate", XFCC, []string{`Hash=` + hexHash + `;Cert="` + urlPEM(one) + `";Subject="CN=a,b;c\"d"`}, reason.None},
		{"XFCC with the chain", XFCC, []string{`Chain="` + urlPEM(one, p.intermediate) + `"`}, reason.None},
		{"XFCC whose hash and certificate disagree", XFCC, []string{`Hash=` + hexHash + `;Cert="` + urlPEM(two) + `"`}, reason.CertificateMalformed},
		{"XFCC: the nearest hop wrote the last element", XFCC, []string{"Hash=" + hexHash + ",Hash=" + strings.Repeat("ab", 32)}, reason.KeyMismatch},
		{"XFCC: what the client prepended does not count", XFCC, []string{"Hash=" + strings.Repeat("ab", 32) + ",Hash=" + hexHash}, reason.None},
		{"XFCC with the hash twice", XFCC, []string{"Hash=" + hexHash + ";Hash=" + hexHash}, reason.CertificateMalformed},
		{"XFCC with a short hash", XFCC, []string{"Hash=abcd"}, reason.CertificateMalformed},
		{"XFCC with nothing of use", XFCC, []string{"By=spiffe://x"}, reason.CertificateMalformed},
		{"XFCC that breaks off", XFCC, []string{`Subject="CN=x`}, reason.CertificateMalformed},
	}
	for _, test := range tests {
		t.Run(string(test.encoding)+"/"+test.rule, func(t *testing.T) {
			r := overTLS(two) // the terminator's own certificate never counts
			if test.values != nil {
				r.Header[defaultHeaders[test.encoding]] = test.values
			}
			if _, why := terminator(t, Forwarding{Encoding: test.encoding}, nil).Confirm(r, &hash); why != test.want {
				t.Errorf("got %q, want %q", why, test.want)
			}
		})
	}
}

func TestOnlyTheTerminatorIsBelieved(t *testing.T) {
	p := newPKI(t)
	one, own := p.device(t, nil), p.device(t, nil)
	hash := sha256.Sum256(one.Raw)
	v := terminator(t, Forwarding{Encoding: RFC9440}, nil)
	for _, test := range []struct {
		rule, peer string
		want       reason.Reason
	}{
		{"from its address", "192.0.2.7:1", reason.None},
		{"from its address, mapped into IPv6", "[::ffff:192.0.2.7]:1", reason.None},
		{"from its IPv6 address", "[2001:db8::1]:1", reason.None},
		{"with a zone", "[2001:db8::1%eth0]:1", reason.None},
		{"from another address the connection's own counts", "198.51.100.1:1", reason.KeyMismatch},
		{"from an unreadable address", "unix", reason.KeyMismatch},
	} {
		t.Run(test.rule, func(t *testing.T) {
			r := overTLS(own)
			r.RemoteAddr = test.peer
			r.Header.Set("Client-Cert", byteSequence(one))
			r.Header.Set("X-Forwarded-For", "192.0.2.7")
			if _, why := v.Confirm(r, &hash); why != test.want {
				t.Errorf("got %q, want %q", why, test.want)
			}
			if trusted := len(v.TrustedHeaders(r)) > 0; trusted != (test.want == reason.None) {
				t.Errorf("trusted headers: %v", trusted)
			}
		})
	}
}

func TestRequiredVerdictOfTheTerminator(t *testing.T) {
	one := newPKI(t).device(t, nil)
	hash := sha256.Sum256(one.Raw)
	v := terminator(t, Forwarding{Encoding: URLPEM, Header: "x-client", RequireHeader: "x-verify", RequireValue: "SUCCESS"}, nil)
	for _, test := range []struct {
		values []string
		want   reason.Reason
	}{
		{[]string{"SUCCESS"}, reason.None},
		{[]string{"FAILED:expired"}, reason.CertificateMissing},
		{[]string{"SUCCESS", "SUCCESS"}, reason.CertificateMissing},
		{nil, reason.CertificateMissing},
	} {
		r := overTLS()
		r.Header.Set("X-Client", urlPEM(one))
		r.Header["X-Verify"] = test.values
		if _, why := v.Confirm(r, &hash); why != test.want {
			t.Errorf("%q: got %q, want %q", test.values, why, test.want)
		}
	}
}

func TestDeviceCertificates(t *testing.T) {
	p, other := newPKI(t), newPKI(t)
	pool := x509.NewCertPool()
	pool.AddCert(p.root)
	const id = "d1a7c0de-0001-4e57-8b1e-3c5d9f2a7b01"
	named := func(change func(*x509.Certificate)) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.Subject.CommonName = id
			if change != nil {
				change(c)
			}
		}
	}
	extension := func(value []byte) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: entraDeviceID, Value: value}}
		}
	}
	guid := []byte{0xde, 0xc0, 0xa7, 0xd1, 0x01, 0x00, 0x57, 0x4e, 0x8b, 0x1e, 0x3c, 0x5d, 0x9f, 0x2a, 0x7b, 0x01}
	octets, err := asn1.Marshal(guid)
	if err != nil {
		t.Fatal(err)
	}
	uri, err := url.Parse("urn:device:" + id)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		rule   string
		source Source
		leaf   *x509.Certificate
		chain  []*x509.Certificate
		want   reason.Reason
	}{
		{"subject", SubjectCN, p.device(t, named(nil)), []*x509.Certificate{p.intermediate}, reason.None},
		{"case of a GUID does not matter", SubjectCN, p.device(t, func(c *x509.Certificate) { c.Subject.CommonName = strings.ToUpper(id) }), []*x509.Certificate{p.intermediate}, reason.None},
		{"another device", SubjectCN, p.device(t, nil), []*x509.Certificate{p.intermediate}, reason.KeyMismatch},
		{"DNS name", SAN, p.device(t, func(c *x509.Certificate) { c.DNSNames = []string{id} }), []*x509.Certificate{p.intermediate}, reason.None},
		{"URI", SAN, p.device(t, func(c *x509.Certificate) { c.URIs = []*url.URL{uri} }), []*x509.Certificate{p.intermediate}, reason.None},
		{"subject where the SAN is asked", SAN, p.device(t, named(nil)), []*x509.Certificate{p.intermediate}, reason.KeyMismatch},
		{"Entra's extension", EntraExtension, p.device(t, extension(octets)), []*x509.Certificate{p.intermediate}, reason.None},
		{"Entra's extension, bare", EntraExtension, p.device(t, extension(guid)), []*x509.Certificate{p.intermediate}, reason.None},
		{"Entra's extension, cut", EntraExtension, p.device(t, extension(guid[:15])), []*x509.Certificate{p.intermediate}, reason.KeyMismatch},
		{"MTLS-014 another authority", SubjectCN, other.device(t, named(nil)), []*x509.Certificate{other.intermediate, other.root}, reason.CertificateUntrusted},
		{"an incomplete chain", SubjectCN, p.device(t, named(nil)), nil, reason.CertificateUntrusted},
		{"MTLS-015 expired", SubjectCN, p.device(t, named(func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) })), []*x509.Certificate{p.intermediate}, reason.CertificateUntrusted},
		{"MTLS-015 not yet valid", SubjectCN, p.device(t, named(func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) })), []*x509.Certificate{p.intermediate}, reason.CertificateUntrusted},
		{"MTLS-015 for servers", SubjectCN, p.device(t, named(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })), []*x509.Certificate{p.intermediate}, reason.CertificateUntrusted},
	}
	for _, test := range tests {
		t.Run(test.rule, func(t *testing.T) {
			v, err := New(Config{Devices: &Devices{Authorities: pool, Source: test.source}})
			if err != nil {
				t.Fatal(err)
			}
			r := overTLS(append([]*x509.Certificate{test.leaf}, test.chain...)...)
			if _, why := v.ConfirmDevice(r, id, now); why != test.want {
				t.Errorf("got %q, want %q", why, test.want)
			}
		})
	}
	t.Run("a forwarded hash is not enough", func(t *testing.T) {
		r := overTLS()
		r.Header.Set("X-Forwarded-Client-Cert", "Hash="+strings.Repeat("ab", 32))
		v := terminator(t, Forwarding{Encoding: XFCC}, &Devices{Authorities: pool, Source: SubjectCN})
		if _, why := v.ConfirmDevice(r, id, now); why != reason.CertificateUntrusted {
			t.Errorf("got %q, want %q", why, reason.CertificateUntrusted)
		}
	})
}

func TestConfigurationMistakesAreAllNamed(t *testing.T) {
	_, err := New(Config{Forwarded: []Forwarding{{Encoding: "pkcs7"}, {Encoding: XFCC}}})
	if err == nil || !strings.Contains(err.Error(), "pkcs7") || !strings.Contains(err.Error(), "from is missing") {
		t.Errorf("got %v, want both mistakes", err)
	}
}

func TestXFCCVectors(t *testing.T) {
	var v struct {
		Vectors []struct {
			Header   string
			Elements int
		}
	}
	vector(t, "xfcc.json", &v)
	if len(v.Vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, vector := range v.Vectors {
		elements, err := parseXFCC(vector.Header)
		if err != nil || len(elements) != vector.Elements {
			t.Errorf("%q: got %d elements and %v, want %d", vector.Header, len(elements), err, vector.Elements)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("rfc9440", ":AA==:")
	f.Add("xfcc", `By=a;Hash=ab;Subject="x\"y",Cert="%2D"`)
	f.Add("url_pem", "-----BEGIN%20CERTIFICATE-----")
	f.Add("traefik", "AA==,AA==")
	f.Fuzz(func(t *testing.T, encoding, value string) {
		certificate, err := decode(Encoding(encoding), value)
		if err != nil {
			return
		}
		if certificate.Leaf != nil && certificate.Hash != sha256.Sum256(certificate.Leaf.Raw) {
			t.Error("the hash is not that of the certificate")
		}
	})
}
