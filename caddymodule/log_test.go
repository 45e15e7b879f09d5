// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin/schematest"
)

// exampleFilter is the log filter of Caddyfile.example.
func exampleFilter(t testing.TB) string {
	t.Helper()
	example, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	filter := regexp.MustCompile(`(?s)format filter \{.*?\n\t\t\}`).Find(example)
	if filter == nil {
		t.Fatal("Caddyfile.example has no log filter")
	}
	return string(filter)
}

// lines reads a log after Caddy has closed it.
func lines(t testing.TB, path string) [][]byte {
	t.Helper()
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(content), []byte("\n"))
}

// The filter that ships with the project leaves nothing in the access log and
// in the error log that lets a thief in.
func TestAccessLogFilterLeavesNoSecret(t *testing.T) {
	log := t.TempDir() + "/access.log"
	i, device, b := newIssuer(t), newDevice(t), newBackend(t)
	setup{issuer: i, app: policyOn,
		options: "log everything {\n\t\tlevel DEBUG\n\t\toutput file " + log + "\n\t\t" + exampleFilter(t) + "\n\t}",
		site:    "log\n\theader Set-Cookie session=topsecret" + proxiedTo(b, "forward bearer"),
	}.load(t)
	passing, refused := proven(t, i, device, "/ews?access_token_hint=x"), proven(t, i, device, "/ews?access_token=topsecret")
	secrets := []string{"topsecret"}
	for _, r := range []*http.Request{passing, refused} {
		r.Header.Set("Cookie", "session=topsecret")
		for _, name := range []string{"Secure-Session-Response", "Sec-Secure-Session-Id", "Client-Cert", "X-Forwarded-Client-Cert", "X-Arr-Clientcert"} {
			r.Header.Set(name, "topsecret")
		}
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "DPoP ")
		for _, jws := range []string{token, r.Header.Get("Dpop")} {
			secrets = append(secrets, strings.Split(jws, ".")...)
		}
	}
	expectStatus(t, send(t, passing), http.StatusOK)
	answer := send(t, refused)
	expectStatus(t, answer, http.StatusBadRequest)
	missingNonce := withNonce(t, i, device, "")
	answer = send(t, missingNonce)
	expectStatus(t, answer, http.StatusUnauthorized)
	secrets = append(secrets, answer.Header().Get("Dpop-Nonce"), missingNonce.Header.Get("Dpop"))

	entries := lines(t, log)
	accesses := 0
	for _, entry := range entries {
		for _, secret := range secrets {
			if bytes.Contains(entry, []byte(secret)) {
				t.Fatalf("%q is in the log: %s", secret, entry)
			}
		}
		if bytes.Contains(entry, []byte(`"logger":"http.log.access`)) {
			accesses++
			if bytes.Contains(entry, []byte(`"Dpop":["`)) == bytes.Contains(entry, []byte(`"Dpop":["ey`)) {
				t.Errorf("no hash of the proof, to tell requests apart by: %s", entry)
			}
		}
	}
	if accesses != 3 {
		t.Errorf("%d access log entries, expected 3, in %d", accesses, len(entries))
	}
}

// schemaOf returns the required members of the published schema, in order,
// and the type of each.
func schemaOf(t testing.TB) (required []string, types map[string]string) {
	t.Helper()
	schema := decode[struct {
		Required   []string
		Properties map[string]struct {
			Type string
			Enum []any
		}
	}](t, signin.Schema)
	types = make(map[string]string)
	for name, property := range schema.Properties {
		types[name] = property.Type
		if len(property.Enum) > 0 {
			types[name] = jsonType(property.Enum[0])
		}
	}
	return schema.Required, types
}

func jsonType(value any) string {
	switch value := value.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		if value == float64(int64(value)) {
			return "integer"
		}
		return "number"
	case map[string]any:
		return "object"
	}
	return "?"
}

// expectSchema checks a line of the sign-in log, without what Caddy's encoder adds, against the published schema.
func expectSchema(t testing.TB, line []byte) {
	t.Helper()
	record := decode[map[string]json.RawMessage](t, line)
	for _, own := range []string{"level", "ts", "logger", "msg"} {
		delete(record, own)
	}
	text, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range schematest.Faults(signin.Schema, text) {
		t.Errorf("%s: %s", fault, line)
	}
}

// members returns the names of an object's members in their order.
func members(t testing.TB, object []byte) (names []string) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(object))
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
	}
	return names
}

// Caddy's own log option routes the sign-in log. A record has the members of
// the published schema, in its order and with its types, after those that
// Caddy's encoder adds.
func TestSignInLog(t *testing.T) {
	log, other := t.TempDir()+"/sign-in.log", t.TempDir()+"/other.log"
	i, device := newIssuer(t), newDevice(t)
	setup{issuer: i, app: policyOn + "\nsign_in_log {\n\tinterval 0\n}",
		options: "log sign_in {\n\t\toutput file " + log + "\n\t\tinclude token_protection.sign_in\n\t}\n" +
			"log other {\n\t\toutput file " + other + "\n\t\texclude token_protection.sign_in\n\t}",
	}.load(t)
	bound, stolen := proven(t, i, device, "/ews"), request("/ews", "Bearer "+i.token(t, confirmedBy(device)))
	bound.Header.Set("User-Agent", "Microsoft Office/16.0 (Windows NT 10.0)")
	expectStatus(t, send(t, bound), http.StatusOK)
	answer := send(t, stolen)
	expectStatus(t, answer, http.StatusUnauthorized)
	refusal := decode[problem](t, answer.Body.Bytes())
	expectStatus(t, send(t, request("/ews", "")), http.StatusUnauthorized)

	records := lines(t, log)
	if len(records) != 3 {
		t.Fatalf("%d records", len(records))
	}
	required, types := schemaOf(t)
	own := []string{"level", "ts", "logger", "msg"}
	for _, record := range records {
		expectSchema(t, record)
		if names := members(t, record); !slices.Equal(names, append(slices.Clone(own), required...)) {
			t.Errorf("members %q", names)
		}
		values := decode[map[string]any](t, record)
		for name, value := range values {
			if !slices.Contains(own, name) && jsonType(value) != types[name] {
				t.Errorf("%s is of type %s, expected %s", name, jsonType(value), types[name])
			}
		}
		if values["logger"] != signin.Logger {
			t.Errorf("logger %v", values["logger"])
		}
		token := strings.TrimPrefix(bound.Header.Get("Authorization"), "DPoP ")
		for _, secret := range append(strings.Split(token, "."), bound.Header.Get("Dpop")) {
			if bytes.Contains(record, []byte(secret)) {
				t.Errorf("a secret in %s", record)
			}
		}
	}
	first, second := decode[signin.Record](t, records[0]), decode[signin.Record](t, records[1])
	if first.Decision != signin.Allow || first.TokenProtectionStatusDetails.SignInSessionStatus != signin.Bound || first.ProofScheme != "dpop" ||
		first.DeviceKeyThumbprint != device.Thumbprint() || first.UserPrincipalName != "alice@contoso.example" || first.UserID != "user-1" ||
		first.AppID != "outlook" || first.DeviceDetail.DeviceID != "device-1" || first.UniqueTokenIdentifier != "token-1" ||
		first.ResourceDisplayName != "Office 365 Exchange Online" || first.ResourceIdentity != "00000002-0000-0ff1-ce00-000000000000" ||
		first.IPAddress != "192.0.2.1" || first.ResultType != "0" || first.RequestCount != 1 || first.UserType != signin.Member {
		t.Errorf("record of the bound request: %+v", first)
	}
	if second.Decision != signin.Block || second.TokenProtectionStatusDetails.SignInSessionStatusCode != 1008 || second.ResultType != "530084" ||
		second.CorrelationID != refusal.CorrelationID || second.Status.ErrorCode != 530084 || second.ProofScheme != "" {
		t.Errorf("record of the stolen token: %+v, answer %+v", second, refusal)
	}
	if content, err := os.ReadFile(other); err == nil && bytes.Contains(content, []byte("CorrelationId")) {
		t.Error("records in another log")
	}
}

// What is counted is written when the server stops, so that nothing is lost.
func TestSignInLogIsCompleteAfterAStop(t *testing.T) {
	log := t.TempDir() + "/sign-in.log"
	i, device := newIssuer(t), newDevice(t)
	setup{issuer: i, app: policyOn,
		options: "log sign_in {\n\t\toutput file " + log + "\n\t\tinclude token_protection.sign_in\n\t}"}.load(t)
	for range 5 {
		expectStatus(t, send(t, proven(t, i, device, "/ews")), http.StatusOK)
	}
	count := 0
	records := lines(t, log)
	for _, line := range records {
		expectSchema(t, line)
		count += decode[signin.Record](t, line).RequestCount
	}
	if len(records) != 2 || count != 5 {
		t.Errorf("%d records for %d requests, expected 2 for 5", len(records), count)
	}
}
