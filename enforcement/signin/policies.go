// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"hash/maphash"
	"unicode/utf8"
)

// Values of PolicyResult.Result: Conditional Access's own words.
const (
	PolicySuccess              = "success"
	PolicyFailure              = "failure"
	PolicyNotApplied           = "notApplied"
	PolicyNotEnabled           = "notEnabled"
	PolicyReportOnlySuccess    = "reportOnlySuccess"
	PolicyReportOnlyFailure    = "reportOnlyFailure"
	PolicyReportOnlyNotApplied = "reportOnlyNotApplied"
)

// SessionControl is the name of the token protection session control in a policy's row.
const SessionControl = "SignInTokenProtection"

// controls is how the array of our one session control serialises. Microsoft's queries look for this very text, so it has
// no spaces and no second element.
const controls = `["` + SessionControl + `"]`

// A PolicyResult is what one policy said of one request.
type PolicyResult struct {
	ID          string
	DisplayName string
	Result      string
	// ConditionsSatisfied and ConditionsNotSatisfied name conditions, comma-separated: "application,users", or "none".
	ConditionsSatisfied    string
	ConditionsNotSatisfied string
}

// applied says whether the policy's session control was in force, enforced or only reported.
func (p *PolicyResult) applied() bool {
	return p.Result == PolicySuccess || p.Result == PolicyReportOnlySuccess || p.failed()
}

func (p *PolicyResult) failed() bool {
	return p.Result == PolicyFailure || p.Result == PolicyReportOnlyFailure
}

// Policies encodes results as Record.ConditionalAccessPolicies: a JSON array, "[]" if there are none.
func Policies(results []PolicyResult) string {
	var room [2048]byte // of the stack; enough for half a dozen policies
	return string(AppendPolicies(room[:0], results))
}

// AppendPolicies appends what [Policies] returns to dst.
func AppendPolicies(dst []byte, results []PolicyResult) []byte {
	dst = append(dst, '[')
	for i := range results {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = results[i].append(dst)
	}
	return append(dst, ']')
}

func (p *PolicyResult) append(dst []byte) []byte {
	dst = appendString(append(dst, `{"id":`...), Clip(p.ID, MaxName))
	dst = appendString(append(dst, `,"displayName":`...), Clip(p.DisplayName, MaxName))
	dst = appendString(append(dst, `,"result":`...), p.Result)
	dst = append(dst, `,"enforcedGrantControls":[]`...)
	dst = appendControls(append(dst, `,"enforcedSessionControls":`...), p.applied())
	dst = appendControls(append(dst, `,"sessionControlsNotSatisfied":`...), p.failed())
	dst = appendString(append(dst, `,"conditionsSatisfied":`...), p.ConditionsSatisfied)
	dst = appendString(append(dst, `,"conditionsNotSatisfied":`...), p.ConditionsNotSatisfied)
	return append(dst, '}')
}

func appendControls(dst []byte, present bool) []byte {
	if present {
		return append(dst, controls...)
	}
	return append(dst, `[]`...)
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string (RFC 8259, section 7). Control characters, quotes and backslashes are escaped,
// each byte that is not UTF-8 becomes U+FFFD, and everything else, HTML's characters included, stays as it is.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, s[start:i]...)
			dst = utf8.AppendRune(dst, utf8.RuneError)
			start = i + size
		}
		i += size
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}

var seed = maphash.MakeSeed()

// Signature tells sets of policy results apart, for Kind.Policies. It holds for this process only.
func Signature(results []PolicyResult) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for i := range results {
		p := &results[i]
		for _, s := range [...]string{p.ID, p.Result, p.ConditionsSatisfied, p.ConditionsNotSatisfied} {
			_, _ = h.WriteString(s)
			_ = h.WriteByte(0)
		}
	}
	return h.Sum64()
}
