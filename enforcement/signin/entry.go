// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// An Entry is what reports need of one record of a log. Entries of one log share strings and rows, which are not to be
// changed.
type Entry struct {
	Time                         time.Time // when the record was written; zero if it does not say
	ID                           string    `json:"Id"`
	CorrelationID                string    `json:"CorrelationId"`
	UserPrincipalName            string
	UserID                       string `json:"UserId"`
	UserType                     string
	AppID                        string `json:"AppId"`
	AppDisplayName               string
	ResourceIdentity             string
	ResourceDisplayName          string
	IPAddress                    string
	ClientAppUsed                string
	DeviceDetail                 DeviceDetail
	Decision                     string // Allow or Block; empty in an export
	ProofScheme                  string
	ConditionalAccessPolicies    []PolicyRow
	TokenProtectionStatusDetails StatusDetails
	AdditionalDetails            string // Status.additionalDetails: the check that failed
	RequestCount                 int    // at least 1; a record exported from Log Analytics has none and stands for one request
}

// A PolicyRow is one row of ConditionalAccessPolicies.
type PolicyRow struct {
	ID                          string   `json:"id"`
	DisplayName                 string   `json:"displayName"`
	Result                      string   `json:"result"`
	EnforcedSessionControls     Controls `json:"enforcedSessionControls"`
	SessionControlsNotSatisfied Controls `json:"sessionControlsNotSatisfied"`
}

// StatusDetails is TokenProtectionStatusDetails as it is read.
type StatusDetails struct {
	SignInSessionStatus     string
	SignInSessionStatusCode int
}

// maxRequestCount is far above what one interval can count, and far below where sums overflow.
const maxRequestCount = 1 << 40

// line is a log line as Caddy's JSON encoder or an export from Log Analytics writes it.
type line struct {
	Logger                       *string         `json:"logger"`
	Written                      json.RawMessage `json:"ts"` // by Caddy's encoder
	TimeGenerated                string
	ID                           string `json:"Id"`
	CorrelationID                string `json:"CorrelationId"`
	UserPrincipalName            string
	UserID                       string `json:"UserId"`
	UserType                     string
	AppID                        string `json:"AppId"`
	AppDisplayName               string
	ResourceIdentity             string
	ResourceDisplayName          string
	IPAddress                    string
	ClientAppUsed                string
	DeviceDetail                 json.RawMessage
	Decision                     string
	ProofScheme                  string
	ConditionalAccessPolicies    embedded[[]PolicyRow]
	TokenProtectionStatusDetails embedded[statusDetails]
	Status                       json.RawMessage
	RequestCount                 *integer
}

type statusDetails struct {
	SignInSessionStatus     string  `json:"signInSessionStatus"`
	SignInSessionStatusCode integer `json:"signInSessionStatusCode"`
}

// parse reads one line. It returns nil without an error for a line of another logger.
func parse(text []byte) (*Entry, error) {
	var named struct {
		Logger *string `json:"logger"`
	}
	if err := json.Unmarshal(text, &named); err != nil {
		return nil, fmt.Errorf("log line: %w", err)
	}
	if named.Logger != nil && *named.Logger != Logger {
		return nil, nil
	}
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return nil, fmt.Errorf("sign-in record: %w", err)
	}
	e := &Entry{
		Time:                         timeOf(l.TimeGenerated, l.Written),
		ID:                           l.ID,
		CorrelationID:                l.CorrelationID,
		UserPrincipalName:            l.UserPrincipalName,
		UserID:                       l.UserID,
		UserType:                     l.UserType,
		AppID:                        l.AppID,
		AppDisplayName:               l.AppDisplayName,
		ResourceIdentity:             l.ResourceIdentity,
		ResourceDisplayName:          l.ResourceDisplayName,
		IPAddress:                    l.IPAddress,
		ClientAppUsed:                l.ClientAppUsed,
		DeviceDetail:                 deviceDetail(l.DeviceDetail),
		Decision:                     l.Decision,
		ProofScheme:                  l.ProofScheme,
		ConditionalAccessPolicies:    l.ConditionalAccessPolicies.value,
		TokenProtectionStatusDetails: l.TokenProtectionStatusDetails.value.details(),
		AdditionalDetails:            additionalDetails(l.Status),
		RequestCount:                 1,
	}
	if l.RequestCount != nil {
		e.RequestCount = int(*l.RequestCount)
	}
	if e.RequestCount < 1 || e.RequestCount > maxRequestCount {
		return nil, fmt.Errorf("sign-in record: RequestCount is %d, expected 1 to %d", e.RequestCount, maxRequestCount)
	}
	return e, nil
}

func (d statusDetails) details() StatusDetails {
	return StatusDetails{d.SignInSessionStatus, int(d.SignInSessionStatusCode)}
}

// timeOf reads TimeGenerated, or failing that the seconds since 1970 that Caddy's encoder writes.
func timeOf(generated string, written []byte) time.Time {
	if t, err := time.Parse(time.RFC3339, generated); err == nil {
		return t.UTC()
	}
	seconds, err := strconv.ParseFloat(string(written), 64)
	if err != nil || seconds <= 0 || seconds > maxSeconds {
		return time.Time{}
	}
	return time.UnixMilli(int64(seconds * 1000)).UTC()
}

// maxSeconds is the year 9999: later, a time has no RFC 3339 form.
const maxSeconds = 253402300799

// deviceDetail reads DeviceDetail, an object or a string that holds one. What has another shape is unknown.
func deviceDetail(raw json.RawMessage) DeviceDetail {
	var detail embedded[DeviceDetail]
	if len(raw) == 0 || json.Unmarshal(raw, &detail) != nil {
		return DeviceDetail{}
	}
	return detail.value
}

// additionalDetails looks for Status.additionalDetails, for people to read: what has another shape has none.
func additionalDetails(status json.RawMessage) string {
	var details embedded[struct {
		AdditionalDetails string `json:"additionalDetails"`
	}]
	if len(status) == 0 || json.Unmarshal(status, &details) != nil {
		return ""
	}
	return details.value.AdditionalDetails
}

// embedded is a member that holds its value as JSON, or, in Microsoft's tables, as a string with that JSON. The empty
// string and null are no value.
type embedded[T any] struct{ value T }

func (e *embedded[T]) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
		if strings.TrimSpace(text) == "" {
			return nil
		}
		data = []byte(text)
	}
	return json.Unmarshal(data, &e.value)
}

// Controls are the names of session controls.
type Controls []string

// UnmarshalJSON takes an array of strings, or a string that holds one.
func (c *Controls) UnmarshalJSON(data []byte) error {
	var array embedded[[]string]
	if err := array.UnmarshalJSON(data); err != nil {
		return err
	}
	*c = array.value
	return nil
}

// integer is a whole number, or a string that holds one: exports from Log Analytics have both.
type integer int

func (i *integer) UnmarshalJSON(data []byte) error {
	text := string(bytes.Trim(data, `"`))
	if text == "" || text == "null" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return errors.New("not a whole number")
	}
	*i = integer(n)
	return nil
}
