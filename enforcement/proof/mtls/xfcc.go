// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import "strings"

// repeatable are the XFCC keys that one element may have several times.
var repeatable = map[string]bool{"uri": true, "dns": true, "by": true}

// parseXFCC reads Envoy's x-forwarded-client-cert: elements separated by
// commas, pairs of key and value by semicolons; a value with any of these is
// quoted, a quote in it is escaped. Keys do not depend on case and, but for
// the names of the peer, come once.
func parseXFCC(value string) ([]map[string]string, error) {
	var elements []map[string]string
	element := make(map[string]string)
	for rest := value; ; {
		key, after, found := strings.Cut(rest, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		if !found || key == "" || strings.ContainsAny(key, `,;"`) {
			return nil, errEncoding
		}
		text, tail, err := xfccValue(after)
		if err != nil {
			return nil, err
		}
		if _, twice := element[key]; twice && !repeatable[key] {
			return nil, errEncoding
		}
		element[key] = text
		switch {
		case tail == "":
			return append(elements, element), nil
		case tail[0] == ',':
			elements, element = append(elements, element), make(map[string]string)
		}
		rest = tail[1:]
	}
}

// xfccValue reads a value up to its separator, which it leaves in the tail.
func xfccValue(text string) (value, tail string, err error) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, ",;")
		if end < 0 {
			end = len(text)
		}
		if value = text[:end]; strings.Contains(value, `"`) {
			return "", "", errEncoding
		}
		return value, text[end:], nil
	}
	var unquoted strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			unquoted.WriteByte(text[i])
		case c == '"':
			tail = text[i+1:]
			if tail != "" && tail[0] != ',' && tail[0] != ';' {
				return "", "", errEncoding
			}
			return unquoted.String(), tail, nil
		default:
			unquoted.WriteByte(c)
		}
	}
	return "", "", errEncoding
}
