// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// A scanner reads records several times as fast as parse does: it walks a line once, and decodes what records repeat, such
// as the policies' results, only the first time. It takes records as they are usually written; for any other line, broken
// ones included, it is not ok, and parse decides.
type scanner struct {
	names    cache[string]
	policies cache[[]PolicyRow]
	details  cache[StatusDetails]
	devices  cache[DeviceDetail]
	statuses cache[string]
}

// The columns that reports need, and the others that our own records have.
const (
	columnOther = iota
	columnLogger
	columnWritten
	columnTime
	columnID
	columnCorrelation
	columnUser
	columnUserID
	columnUserType
	columnApp
	columnAppName
	columnResource
	columnResourceName
	columnAddress
	columnClientApp
	columnDevice
	columnDecision
	columnScheme
	columnPolicies
	columnDetails
	columnStatus
	columnCount
	columnForeign // no column of ours
)

var columnsByName = map[string]int{
	"logger": columnLogger, "ts": columnWritten, "TimeGenerated": columnTime, "Id": columnID, "CorrelationId": columnCorrelation,
	"UserPrincipalName": columnUser, "UserId": columnUserID, "UserType": columnUserType, "AppId": columnApp, "AppDisplayName": columnAppName,
	"ResourceIdentity": columnResource, "ResourceDisplayName": columnResourceName, "IPAddress": columnAddress,
	"ClientAppUsed": columnClientApp, "DeviceDetail": columnDevice, "Decision": columnDecision, "ProofScheme": columnScheme,
	"ConditionalAccessPolicies": columnPolicies, "TokenProtectionStatusDetails": columnDetails, "Status": columnStatus,
	"RequestCount": columnCount,
	"level":        columnOther, "msg": columnOther, "IsInteractive": columnOther, "UserAgent": columnOther,
	"ResultType": columnOther, "ConditionalAccessStatus": columnOther, "UniqueTokenIdentifier": columnOther,
	"DeviceKeyThumbprint": columnOther,
}

// scan reads one line of our logger, or of none.
func (s *scanner) scan(text []byte) (e *Entry, ok bool) {
	text = bytes.TrimSuffix(text, []byte{'\r'})
	if len(text) < 2 || text[0] != '{' || hasControl(text) {
		return nil, false
	}
	var values [columnForeign][]byte
	for i := 1; ; i++ {
		name, rest, ok := member(text[i:])
		if !ok {
			return nil, false
		}
		value, after, ok := extent(rest)
		if !ok || !keep(&values, name, value) {
			return nil, false
		}
		i = len(text) - len(after)
		if len(after) == 0 || after[0] != ',' {
			if string(after) != "}" {
				return nil, false
			}
			return s.entry(&values)
		}
	}
}

// keep remembers the value of a column that reports need, and checks the others. It is not ok with what parse may read
// otherwise: names that come twice or in another letter case.
func keep(values *[columnForeign][]byte, name, value []byte) bool {
	column, known := columnsByName[string(name)]
	switch {
	case !known && foldsToColumn(name):
		return false
	case !known || column == columnOther:
		return plain(value) || json.Valid(value)
	case values[column] != nil:
		return false
	}
	values[column] = value
	return true
}

// foldsToColumn says whether encoding/json could take a name for one of the columns, which it compares without letter case.
func foldsToColumn(name []byte) bool {
	for _, c := range name {
		if c >= utf8.RuneSelf {
			return true
		}
	}
	for column := range columnsByName {
		if len(column) == len(name) && bytes.EqualFold([]byte(column), name) {
			return true
		}
	}
	return false
}

func (s *scanner) entry(values *[columnForeign][]byte) (*Entry, bool) {
	if logger := values[columnLogger]; logger != nil && string(logger) != `"`+Logger+`"` {
		return nil, false
	}
	e, ok := &Entry{RequestCount: 1}, true
	var generated string
	for column, field := range [...]struct {
		of *string
		is int
	}{
		{&generated, columnTime}, {&e.ID, columnID}, {&e.CorrelationID, columnCorrelation},
		{&e.UserPrincipalName, columnUser}, {&e.UserID, columnUserID}, {&e.UserType, columnUserType}, {&e.AppID, columnApp}, {&e.AppDisplayName, columnAppName},
		{&e.ResourceIdentity, columnResource}, {&e.ResourceDisplayName, columnResourceName}, {&e.IPAddress, columnAddress},
		{&e.ClientAppUsed, columnClientApp}, {&e.Decision, columnDecision}, {&e.ProofScheme, columnScheme},
	} {
		unique := column < 3 // every record has its own: of no use to keep
		*field.of, ok = s.text(values[field.is], unique)
		if !ok {
			return nil, false
		}
	}
	if e.ConditionalAccessPolicies, ok = cached(&s.policies, values[columnPolicies], decodePolicies); !ok {
		return nil, false
	}
	if e.TokenProtectionStatusDetails, ok = cached(&s.details, values[columnDetails], decodeDetails); !ok {
		return nil, false
	}
	if e.DeviceDetail, ok = cached(&s.devices, values[columnDevice], decodeDevice); !ok {
		return nil, false
	}
	if e.AdditionalDetails, ok = cached(&s.statuses, values[columnStatus], decodeStatus); !ok {
		return nil, false
	}
	written := values[columnWritten]
	e.Time = timeOf(generated, written)
	return e, scanCount(values[columnCount], &e.RequestCount) && (written == nil || json.Valid(written))
}

// text is the value of a string. Strings with escapes are decoded, and those with faults left to parse.
func (s *scanner) text(value []byte, unique bool) (string, bool) {
	switch {
	case value == nil:
		return "", true
	case !plain(value):
		var text string
		if value[0] != '"' || json.Unmarshal(value, &text) != nil {
			return "", false
		}
		return text, true
	case !utf8.Valid(value):
		return "", false
	}
	value = value[1 : len(value)-1]
	if unique {
		return string(value), true
	}
	return cached(&s.names, value, func(b []byte) (string, bool) { return string(b), true })
}

func decodePolicies(value []byte) ([]PolicyRow, bool) {
	var rows embedded[[]PolicyRow]
	err := json.Unmarshal(value, &rows)
	return rows.value, err == nil
}

func decodeDetails(value []byte) (StatusDetails, bool) {
	var details embedded[statusDetails]
	err := json.Unmarshal(value, &details)
	return details.value.details(), err == nil
}

func decodeDevice(value []byte) (DeviceDetail, bool) { return deviceDetail(value), json.Valid(value) }

func decodeStatus(value []byte) (string, bool) { return additionalDetails(value), json.Valid(value) }

// scanCount reads a plain positive number.
func scanCount(value []byte, count *int) bool {
	if value == nil {
		return true
	}
	n, err := strconv.Atoi(string(value))
	*count = n
	return err == nil && value[0] != '+' && value[0] != '0' && n >= 1 && n <= maxRequestCount
}
