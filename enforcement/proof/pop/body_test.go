// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package pop

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// source is a body that counts what is read from it and whether it was closed.
type source struct {
	io.Reader
	read   int
	closed bool
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	s.read += n
	return n, err
}

func (s *source) Close() error {
	s.closed = true
	return nil
}

var errBroken = errors.New("connection reset")

// The draft, section 3: b. Whatever the verdict, the next reader of the body
// finds what the client sent, and the error that ended it.
func TestBodyIsHashedAndPutBack(t *testing.T) {
	d := deviceOf(t, 1)
	const limit = 100_000
	long := strings.Repeat("0123456789", limit/10)
	for name, c := range map[string]struct {
		body   string
		signed string
		ends   error
		length int64
		want   reason.Reason
	}{
		"short":                        {body: "hello", signed: "hello", want: reason.None},
		"empty":                        {want: reason.None},
		"of known length":              {body: "hello", signed: "hello", length: 5, want: reason.None},
		"one byte altered":             {body: "hellO", signed: "hello", want: reason.ProofBody},
		"one byte more":                {body: "hello!", signed: "hello", want: reason.ProofBody},
		"one byte less":                {body: "hell", signed: "hello", want: reason.ProofBody},
		"removed":                      {signed: "hello", want: reason.ProofBody},
		"of exactly one chunk":         {body: long[:firstChunk], signed: long[:firstChunk], want: reason.None},
		"of two chunks and a bit":      {body: long[:3*firstChunk+1], signed: long[:3*firstChunk+1], want: reason.None},
		"as long as the limit":         {body: long, signed: long, want: reason.None},
		"one byte beyond":              {body: long + "x", signed: long + "x", want: reason.BodyTooLarge},
		"far beyond":                   {body: strings.Repeat(long, 20), signed: long, want: reason.BodyTooLarge},
		"said to be too long":          {body: "hello", signed: "hello", length: limit + 1, want: reason.BodyTooLarge},
		"broken off":                   {body: "hello", signed: "hello", ends: errBroken, want: reason.ProofBody},
		"broken off at the limit":      {body: long, signed: long, ends: errBroken, want: reason.ProofBody},
		"broken off beyond":            {body: long + "x", signed: long, ends: errBroken, want: reason.BodyTooLarge},
		"cut off":                      {body: "hello", signed: "hello", ends: io.ErrUnexpectedEOF, want: reason.ProofBody},
		"limited by somebody else":     {body: "hello", signed: "hello", ends: &http.MaxBytesError{Limit: 5}, want: reason.BodyTooLarge},
		"altered and beyond the limit": {body: "x" + long, signed: long, want: reason.BodyTooLarge},
	} {
		for slow, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "error with data": iotest.DataErrReader,
		} {
			t.Run(name+" "+slow, func(t *testing.T) {
				var ends io.Reader = strings.NewReader("")
				if c.ends != nil {
					ends = iotest.ErrReader(c.ends)
				}
				body := &source{Reader: wrap(io.MultiReader(strings.NewReader(c.body), ends))}
				r := request(t, d).withBody(nil)
				*r.Body = body
				if c.length > 0 {
					r.ContentLength = c.length
				}
				b := newBench(t, func(config *Config) { config.MaxBody = limit })
				b.expect(d.shr(t, map[string]any{"b": hashOf(c.signed)}), r, c.want)
				if body.read > limit+1 {
					t.Errorf("read %d octets, the limit is %d", body.read, limit)
				}
				after, err := io.ReadAll(*r.Body)
				if string(after) != c.body || err != c.ends {
					t.Errorf("%d octets and %v are left of %d and %v", len(after), err, len(c.body), c.ends)
				}
				if n, err := (*r.Body).Read(make([]byte, 1)); n != 0 || err == nil {
					t.Error("the body goes on after its end")
				}
				if (*r.Body).Close(); !body.closed {
					t.Error("the body cannot be closed any more")
				}
			})
		}
	}
}

// An upload that nothing covers is not touched, nor one whose signed request
// is found wrong without it.
func TestBodyIsReadOnlyWhereItMatters(t *testing.T) {
	d, thief := deviceOf(t, 1), deviceOf(t, 2)
	covered := map[string]any{"b": hashOf("hello")}
	forged := d.shr(t, covered)
	forged = forged[:strings.LastIndexByte(forged, '.')+1] + encode(make([]byte, 64))
	for name, c := range map[string]struct {
		shr    string
		demand Demand
		want   reason.Reason
	}{
		"not covered":               {d.shr(t, nil), Demand{}, reason.None},
		"demanded and not covered":  {d.shr(t, nil), Demand{Body: true}, reason.ProofBody},
		"by a thief":                {thief.shr(t, covered), Demand{Body: true}, reason.KeyMismatch},
		"with a forged signature":   {forged, Demand{Body: true}, reason.ProofSignature},
		"for another path":          {d.shr(t, map[string]any{"b": hashOf("hello"), "p": "/y"}), Demand{}, reason.ProofURL},
		"without a name of its own": {d.shr(t, map[string]any{"b": hashOf("hello"), "nonce": nil}), Demand{}, reason.ProofMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			body := &source{Reader: strings.NewReader("hello")}
			r := request(t, d).withBody(nil)
			*r.Body = body
			newBench(t, demanding(c.demand)).expect(c.shr, r, c.want)
			if body.read != 0 || *r.Body != io.ReadCloser(body) {
				t.Errorf("read %d octets", body.read)
			}
		})
	}
}

// An absent body is one of zero octets, in each of the ways in which it can be absent.
func TestAbsentBody(t *testing.T) {
	d := deviceOf(t, 1)
	var none io.ReadCloser
	nobody := io.ReadCloser(http.NoBody)
	for name, body := range map[string]*io.ReadCloser{"no place": nil, "nothing in its place": &none, "http.NoBody": &nobody} {
		t.Run(name, func(t *testing.T) {
			r := request(t, d)
			r.Body = body
			newBench(t).expect(d.shr(t, map[string]any{"b": ofNothing}), r, reason.None)
			newBench(t).expect(d.shr(t, map[string]any{"b": hashOf("x")}), r, reason.ProofBody)
		})
	}
	if nobody != http.NoBody {
		t.Error("http.NoBody was replaced")
	}
	if hashOf("") != ofNothing {
		t.Error("ofNothing is not the hash of nothing")
	}
}

// Verified twice, as an excused nonce makes it, a body is the same twice.
func TestBodyCanBeVerifiedAgain(t *testing.T) {
	d := deviceOf(t, 1)
	text := bytes.Repeat([]byte("x"), 10*firstChunk)
	r := request(t, d).withBody(bytes.NewReader(text))
	shr := d.shr(t, map[string]any{"b": hashOf(string(text))})
	newBench(t).expect(shr, r, reason.None)
	newBench(t).expect(shr, r, reason.None)
	if after, err := io.ReadAll(*r.Body); err != nil || !bytes.Equal(after, text) {
		t.Errorf("%d octets and %v are left", len(after), err)
	}
}

// A limit at which a chunk ends is a limit, too.
func TestLimitAtTheEndOfAChunk(t *testing.T) {
	d := deviceOf(t, 1)
	const limit = 3 * firstChunk // the first chunk and the second
	b := newBench(t, func(config *Config) { config.MaxBody = limit })
	for length, want := range map[int]reason.Reason{limit - 1: reason.None, limit: reason.None, limit + 1: reason.BodyTooLarge} {
		text := strings.Repeat("x", length)
		r := request(t, d).withBody(strings.NewReader(text))
		b.expect(d.shr(t, map[string]any{"b": hashOf(text)}), r, want)
		if after, err := io.ReadAll(*r.Body); err != nil || string(after) != text {
			t.Errorf("%d octets and %v are left of %d", len(after), err, length)
		}
	}
}

// What all requests together hold back is bounded, too; whoever finds no room
// loses nothing of his body, and the room comes back when a request ends.
func TestBodiesTogetherAreBounded(t *testing.T) {
	d := deviceOf(t, 1)
	b := newBench(t, func(config *Config) { config.MaxBody, config.MaxHeld = 2*firstChunk, 4*firstChunk })
	text := strings.Repeat("x", firstChunk+1)
	shr := d.shr(t, map[string]any{"b": hashOf(text)})
	first, end := context.WithCancel(t.Context())
	send := func(ctx context.Context, want reason.Reason) {
		t.Helper()
		r := request(t, d).withBody(strings.NewReader(text))
		r.Context = ctx
		b.expect(shr, r, want)
		if after, err := io.ReadAll(*r.Body); err != nil || string(after) != text {
			t.Errorf("%d octets and %v are left of %d", len(after), err, len(text))
		}
	}
	synctest.Test(t, func(t *testing.T) {
		send(first, reason.None)
		send(t.Context(), reason.BodiesHeld)
		end()
		synctest.Wait()
		send(t.Context(), reason.None)
	})
}

// once fails once and then pretends that nothing happened.
type once struct{ failed bool }

func (o *once) Read([]byte) (int, error) {
	if o.failed {
		return 0, io.EOF
	}
	o.failed = true
	return 0, errBroken
}

// A body that broke off must not look complete to the next reader.
func TestBrokenBodyStaysBroken(t *testing.T) {
	d := deviceOf(t, 1)
	r := request(t, d).withBody(io.MultiReader(strings.NewReader("hello"), &once{}))
	newBench(t).expect(d.shr(t, map[string]any{"b": hashOf("hello")}), r, reason.ProofBody)
	for range 2 {
		if _, err := io.ReadAll(*r.Body); err != errBroken {
			t.Errorf("got %v", err)
		}
	}
}
