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
)

// An Entry is what reports need of one record of a log.
type Entry struct {
	UserPrincipalName            string
	AppID                        string `json:"AppId"`
	AppDisplayName               string
	ResourceDisplayName          string
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
	Logger                       *string `json:"logger"`
	UserPrincipalName            string
	AppID                        string `json:"AppId"`
	AppDisplayName               string
	ResourceDisplayName          string
	ConditionalAccessPolicies    embedded[[]PolicyRow]
	TokenProtectionStatusDetails embedded[struct {
		SignInSessionStatus     string  `json:"signInSessionStatus"`
		SignInSessionStatusCode integer `json:"signInSessionStatusCode"`
	}]
	Status       json.RawMessage
	RequestCount *integer
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
		UserPrincipalName:   l.UserPrincipalName,
		AppID:               l.AppID,
		AppDisplayName:      l.AppDisplayName,
		ResourceDisplayName: l.ResourceDisplayName,

		ConditionalAccessPolicies: l.ConditionalAccessPolicies.value,
		TokenProtectionStatusDetails: StatusDetails{
			SignInSessionStatus:     l.TokenProtectionStatusDetails.value.SignInSessionStatus,
			SignInSessionStatusCode: int(l.TokenProtectionStatusDetails.value.SignInSessionStatusCode),
		},
		AdditionalDetails: additionalDetails(l.Status),
		RequestCount:      1,
	}
	if l.RequestCount != nil {
		e.RequestCount = int(*l.RequestCount)
	}
	if e.RequestCount < 1 || e.RequestCount > maxRequestCount {
		return nil, fmt.Errorf("sign-in record: RequestCount is %d, expected 1 to %d", e.RequestCount, maxRequestCount)
	}
	return e, nil
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
