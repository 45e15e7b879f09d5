// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

// text scans a string and says whether it has escapes. RFC 8259, section 7.
func (s *scanner) text() (escaped bool, err error) {
	s.at++
	for {
		s.at += plain(s.data[s.at:])
		switch s.peek() {
		case '"':
			s.at++
			return escaped, nil
		case '\\':
			_, size, err := escape(s.data[s.at:])
			if err != nil {
				return false, s.fail(err)
			}
			escaped = true
			s.at += size
		default:
			return false, s.fail(ErrSyntax)
		}
	}
}

// plain counts the octets up to the first special one.
func plain(b []byte) int {
	for i, c := range b {
		if special[c] {
			return i
		}
	}
	return len(b)
}

// special marks the octets that mean something inside of a string: its end, an escape, and the control characters, which are
// not allowed there.
var special = func() (table [256]bool) {
	for c := range ' ' {
		table[c] = true
	}
	table['"'], table['\\'] = true, true
	return table
}()

// literal scans one of the three literal names. RFC 8259, section 3.
func (s *scanner) literal(word string) error {
	if len(s.data)-s.at < len(word) || string(s.data[s.at:s.at+len(word)]) != word {
		return s.fail(ErrSyntax)
	}
	s.at += len(word)
	return nil
}

// number scans a number: no leading zero or plus, digits on both sides of a point. RFC 8259, section 6.
func (s *scanner) number() error {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if s.digits() == 0 {
		return s.fail(ErrSyntax)
	}
	if s.peek() == '.' {
		s.at++
		if s.digits() == 0 {
			return s.fail(ErrSyntax)
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		if s.digits() == 0 {
			return s.fail(ErrSyntax)
		}
	}
	return nil
}

// digits skips decimal digits and returns how many they were.
func (s *scanner) digits() int {
	start := s.at
	for s.at < len(s.data) && s.data[s.at]-'0' <= 9 {
		s.at++
	}
	return s.at - start
}
