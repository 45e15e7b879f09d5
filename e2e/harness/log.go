// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Record is the part of a sign-in record that tests look at; Raw is all of it.
type Record struct {
	CorrelationID             string `json:"CorrelationId"`
	UserPrincipalName         string
	UserID                    string `json:"UserId"`
	Decision                  string
	ProofScheme               string
	DeviceKeyThumbprint       string
	ConditionalAccessStatus   string
	ConditionalAccessPolicies string
	UniqueTokenIdentifier     string
	RequestCount              int
	Status                    struct {
		ErrorCode         int    `json:"errorCode"`
		FailureReason     string `json:"failureReason"`
		AdditionalDetails string `json:"additionalDetails"`
	}
	TokenProtectionStatusDetails struct {
		Status string `json:"signInSessionStatus"`
		Code   int    `json:"signInSessionStatusCode"`
	}
	Raw Object `json:"-"`
}

// Output is everything the server has written so far, in all its runs.
func (s *Server) Output() []byte {
	output, err := os.ReadFile(filepath.Join(s.folder, "output"))
	if err != nil {
		return nil // it was never started
	}
	return output
}

// Lines returns the JSON lines of one logger.
func (s *Server) Lines(logger string) []Object {
	var lines []Object
	for line := range bytes.Lines(s.Output()) {
		var object Object
		if json.Unmarshal(line, &object) == nil && object["logger"] == logger {
			lines = append(lines, object)
		}
	}
	return lines
}

// Records returns the sign-in records so far.
func (s *Server) Records(t testing.TB) []Record {
	t.Helper()
	var records []Record
	for _, line := range s.Lines("token_protection.sign_in") {
		record := Record{Raw: line}
		if err := json.Unmarshal(encode(line), &record); err != nil {
			t.Fatalf("sign-in record: %v", err)
		}
		records = append(records, record)
	}
	return records
}

// Record waits for the sign-in record with a correlation id.
func (s *Server) Record(t testing.TB, correlationID string) Record {
	t.Helper()
	var found Record
	Eventually(t, "a sign-in record with the correlation id "+correlationID, func() bool {
		for _, record := range s.Records(t) {
			if record.CorrelationID == correlationID {
				found = record
				return true
			}
		}
		return false
	})
	return found
}

// Eventually waits until something is so.
func Eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if so() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
