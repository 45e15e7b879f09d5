// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package pop

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// A body is kept in chunks that double in size, so that a short one costs
// little and a long one is never copied.
const (
	firstChunk = 4 << 10
	lastChunk  = 256 << 10
)

var errTooLong = errors.New("body is longer than the limit")

// matchBody holds b against the body (the draft, section 3: b), of which it
// reads no more than one octet beyond the limit. An absent body has zero octets.
func (c *claims) matchBody(r *Request, limit int64) reason.Reason {
	if r.ContentLength > limit {
		return reason.BodyTooLarge
	}
	sum, err := hashBody(r.Body, limit)
	var cut *http.MaxBytesError
	switch {
	case errors.Is(err, errTooLong), errors.As(err, &cut): // the second is another handler's limit
		return reason.BodyTooLarge
	case err != nil, !spells(c.body, sum):
		return reason.ProofBody
	}
	return reason.None
}

// hashBody reads the body to its end and puts back what it read, with the
// error that ended it and with what follows where it is longer than the limit:
// whoever reads it next sees the same as before.
func hashBody(body *io.ReadCloser, limit int64) (sum [sha256.Size]byte, err error) {
	digest := sha256.New()
	if body == nil || *body == nil || *body == http.NoBody {
		digest.Sum(sum[:0])
		return sum, nil
	}
	source := *body
	var parts []io.Reader
	for size, left := int64(firstChunk), limit; err == nil && left >= 0; size = min(2*size, lastChunk) {
		chunk := make([]byte, min(size, left+1)) // one octet more tells a body that is too long from one that just fits
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
	if err == io.EOF {
		err = nil
	} else if err != errTooLong {
		parts = append(parts, rest{err, source})
	}
	*body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(parts...), source}
	digest.Sum(sum[:0])
	return sum, err
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
