// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
)

// maxForm bounds how much of a form body is read in search of a second token
// before the request is judged.
const maxForm = 64 << 10

// errTokenInForm ends a body that would have brought a second token.
var errTokenInForm = errors.New("the form carries an access token")

// formCarriesToken finds an access_token field in the beginning of a form body
// (RFC 6750, section 2.2), and puts back what it read. A form that it cannot
// read counts as one that has the field. What comes later is
// searched on its way: the body then ends with an error where such a field
// begins, so that no backend gets to see its token.
func formCarriesToken(r *http.Request) bool {
	if r.Body == nil || r.Body == http.NoBody {
		return false
	}
	if !slices.ContainsFunc(r.Header["Content-Type"], isForm) {
		return false
	}
	if isEncoded(r.Header) {
		return true // it may
	}
	body, search := r.Body, new(formSearch)
	form, err := io.ReadAll(io.LimitReader(body, maxForm))
	found := search.finds(form) || len(form) < maxForm && search.endsWithToken()
	var rest io.Reader = &searched{source: body, search: search}
	switch {
	case err != nil:
		rest = failing{err}
	case found: // the request is refused for it, and its body left alone
		rest = body
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(form), rest), body}
	return found
}

// isForm is as lenient as backends are: some look at no more than how the
// media type begins, so whatever follows cannot make a form something else.
func isForm(contentType string) bool {
	const form = "application/x-www-form-urlencoded"
	contentType = strings.TrimLeft(contentType, " \t")
	return len(contentType) >= len(form) && strings.EqualFold(contentType[:len(form)], form)
}

// isEncoded reports whether a backend may have to decode the form before its
// fields can be read: it is packed, or in a charset that ASCII is no part of,
// as EBCDIC, which some backends honour, and UTF-16.
func isEncoded(header http.Header) bool {
	for _, coding := range header["Content-Encoding"] {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return true
		}
	}
	for _, contentType := range header["Content-Type"] {
		for _, charset := range strings.Split(strings.ToLower(contentType), "charset")[1:] {
			charset = strings.TrimLeft(charset, "= \t\"'")
			if !slices.ContainsFunc(likeASCII[:], func(name string) bool { return strings.HasPrefix(charset, name) }) {
				return true
			}
		}
	}
	return false
}

// likeASCII begin the names of charsets that forms come in and that ASCII is part of.
var likeASCII = [...]string{"utf-8", "utf8", "us-ascii", "iso-8859-", "windows-125"}

// failing repeats the error that ended a read.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// searched is a body that is searched while it is read.
type searched struct {
	source io.Reader
	search *formSearch
	err    error
}

func (s *searched) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.source.Read(p)
	if s.search.finds(p[:n]) || err == io.EOF && s.search.endsWithToken() {
		n, err = 0, errTokenInForm
	}
	s.err = err
	return n, err
}

// formSearch searches a form piece by piece, as queryCarriesToken does a query.
type formSearch struct {
	name    [len("access_token")*len("%00") + 1]byte // the field's, as far as it has come; a longer one is another
	length  int
	inValue bool
}

// finds reports whether a token's field begins in the next piece of the form.
func (s *formSearch) finds(piece []byte) bool {
	for len(piece) > 0 {
		ends := "&;"
		if !s.inValue {
			ends = "=&;"
		}
		end := bytes.IndexAny(piece, ends)
		read := piece
		if end >= 0 {
			read = piece[:end]
		}
		if !s.inValue {
			s.length += copy(s.name[s.length:], read)
		}
		if end < 0 {
			return false
		}
		if !s.inValue && s.endsWithToken() {
			return true
		}
		s.inValue = !s.inValue && piece[end] == '='
		s.length = 0
		piece = piece[end+1:]
	}
	return false
}

// endsWithToken reports whether the field that has begun is a token's if the
// form ends here.
func (s *formSearch) endsWithToken() bool { return !s.inValue && namesToken(string(s.name[:s.length])) }
