// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package pop

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// A body is kept in chunks that double in size, so that a short one costs
// little and a long one is never copied.
const (
	firstChunk = 4 << 10
	lastChunk  = 256 << 10
)

var (
	errTooLong = errors.New("body is longer than the limit")
	errNoRoom  = errors.New("too many bodies are held back")
)

// room is how many octets of bodies may still be held back, over all requests.
type room struct{ left atomic.Int64 }

// take takes room for so many octets, or none at all.
func (r *room) take(octets int64) bool {
	if r.left.Add(-octets) >= 0 {
		return true
	}
	r.left.Add(octets)
	return false
}

// matchBody holds b against the body (the draft, section 3: b), of which it
// reads no more than one octet beyond the limit. An absent body has zero octets.
func (v *Verifier) matchBody(c *claims, r *Request) reason.Reason {
	if r.ContentLength > v.MaxBody {
		return reason.BodyTooLarge
	}
	sum, held, err := v.room.hashBody(r.Body, v.MaxBody)
	if held > 0 {
		context.AfterFunc(r.Context, func() { v.room.left.Add(held) })
	}
	var cut *http.MaxBytesError
	switch {
	case errors.Is(err, errNoRoom):
		return reason.BodiesHeld
	case errors.Is(err, errTooLong), errors.As(err, &cut): // the second is another handler's limit
		return reason.BodyTooLarge
	case err != nil, !spells(c.body, sum):
		return reason.ProofBody
	}
	return reason.None
}

// hashBody reads the body to its end and puts back what it read, with the
// error that ended it and with what follows where it is longer than the limit
// or than there is room for: whoever reads it next sees the same as before. It
// returns how much room it took.
func (r *room) hashBody(body *io.ReadCloser, limit int64) (sum [sha256.Size]byte, held int64, err error) {
	digest := sha256.New()
	if body == nil || *body == nil || *body == http.NoBody {
		digest.Sum(sum[:0])
		return sum, 0, nil
	}
	source := *body
	var parts []io.Reader
	for size, left := int64(firstChunk), limit; err == nil && left >= 0; size = min(2*size, lastChunk) {
		length := min(size, left+1) // one octet more tells a body that is too long from one that just fits
		if !r.take(length) {
			parts = append(parts, source)
			err = errNoRoom
			break
		}
		held += length
		chunk := make([]byte, length)
		var n int
		n, err = fill(source, chunk)
		parts = append(parts, bytes.NewReader(chunk[:n]))
		digest.Write(chunk[:n])
		left -= int64(n)
		if left < 0 {
			parts = append(parts, rest{err, source})
			err = errTooLong
		}
	}
	switch err {
	case io.EOF:
		err = nil
	case errTooLong, errNoRoom:
	default:
		parts = append(parts, rest{err, source})
	}
	*body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(parts...), source}
	digest.Sum(sum[:0])
	return sum, held, err
}

// fill reads until the chunk is full or the source ends, and returns the
// source's own error: io.ReadFull would not tell a body that was cut off from
// one that ended.
func fill(source io.Reader, chunk []byte) (n int, err error) {
	for n < len(chunk) && err == nil {
		var more int
		more, err = source.Read(chunk[n:])
		n += more
	}
	return n, err
}

// rest repeats the error that ended a read, else reads on.
type rest struct {
	err    error
	source io.Reader
}

func (r rest) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return r.source.Read(p)
}
