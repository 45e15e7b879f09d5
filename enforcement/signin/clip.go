// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"strings"
	"unicode/utf8"
)

// Longest strings of a record, in bytes. What a client, a token or an administrator gives is cut there.
const (
	MaxName      = 256
	MaxUserAgent = 512
)

// Clip returns at most limit bytes of s, never a part of a character, with invalid UTF-8 replaced by U+FFFD. The result
// of cutting is a copy, so that a short piece does not keep a long string alive.
func Clip(s string, limit int) string {
	if len(s) > limit {
		s = strings.Clone(cut(s, limit))
	}
	if utf8.ValidString(s) {
		return s
	}
	// The replacement character is longer than the byte it stands for.
	return cut(strings.ToValidUTF8(s, "\uFFFD"), limit)
}

// cut shortens s to at most limit bytes at the start of a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := max(limit, 0)
	for back := 0; end > 0 && back < utf8.UTFMax && !utf8.RuneStart(s[end]); back++ {
		end--
	}
	return s[:end]
}

// strings calls visit with every string that a client, a token or an administrator can lengthen, and its limit.
func (r *Record) strings(visit func(s *string, limit int)) {
	for _, name := range [...]*string{
		&r.CorrelationID, &r.UserPrincipalName, &r.UserID, &r.AppID, &r.AppDisplayName,
		&r.ResourceIdentity, &r.ResourceDisplayName, &r.IPAddress, &r.ClientAppUsed,
		&r.DeviceDetail.DeviceID, &r.DeviceDetail.DisplayName, &r.DeviceDetail.OperatingSystem,
		&r.DeviceDetail.Browser, &r.DeviceDetail.TrustType, &r.UniqueTokenIdentifier, &r.DeviceKeyThumbprint,
	} {
		visit(name, MaxName)
	}
	for _, text := range [...]*string{&r.UserAgent, &r.Status.FailureReason, &r.Status.AdditionalDetails} {
		visit(text, MaxUserAgent)
	}
}

// bounded returns r with its strings clipped.
func (r Record) bounded() Record {
	r.strings(func(s *string, limit int) { *s = Clip(*s, limit) })
	return r
}

// owned returns r with strings of its own: a name taken from a token may alias the whole token, which a record that is
// kept must not keep alive.
func (r Record) owned() Record {
	r.strings(func(s *string, _ int) { *s = strings.Clone(*s) })
	return r
}
