// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// sessionID names a session. It is random and no secret: the browser sends it
// in Sec-Secure-Session-Id.
type sessionID [16]byte

func newSessionID() (id sessionID) {
	_, _ = rand.Read(id[:]) // never fails: crypto/rand
	return id
}

func (id sessionID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// digest is the hash of one of the application's cookies, its name and value,
// cut off to 128 bits; zero for a cookie that is not there.
type digest [16]byte

const timeSize = 8

// appendTime keeps all of a time: rounded down, what was issued right after
// the memory began would seem to be older than that.
func appendTime(b []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(t.UnixNano()))
}

func readTime(b []byte) time.Time { return time.Unix(0, int64(binary.BigEndian.Uint64(b))) }

// link says which values of the application's cookies a session has.
type link struct {
	session  sessionID
	signedIn time.Time
	life     time.Duration // of the session, without a refresh
	sameSite sameSite      // of our cookies, as the application's laxest
	adopted  bool          // see Config.Adopt
	keyed    bool          // a request of the session was bound, so that its browser has a key
	loose    bool          // the cookies were set in a request that proved nothing: never bound
	cookies  []digest      // one for each of Config.SessionCookies
	user     string        // as the application named the user at sign-in; may be empty
}

const (
	// linkSize is what a link has without cookies and user.
	linkSize = len(sessionID{}) + timeSize + lifeSize + 1 + 1
	lifeSize = 4
	// maxUser is the longest name of a user that is kept, in bytes.
	maxUser = 256

	sameSiteBits = 3
	adoptedBit   = 4
	keyedBit     = 8
	looseBit     = 16
)

func appendLife(b []byte, life time.Duration) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(life/time.Second))
}

func readLife(b []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(b)) * time.Second
}

func (l *link) flags() byte {
	b := byte(l.sameSite)
	if l.adopted {
		b |= adoptedBit
	}
	if l.keyed {
		b |= keyedBit
	}
	if l.loose {
		b |= looseBit
	}
	return b
}

func (l *link) setFlags(b byte) {
	l.sameSite, l.adopted = sameSite(b&sameSiteBits), b&adoptedBit != 0
	l.keyed, l.loose = b&keyedBit != 0, b&looseBit != 0
}

func (l *link) encode() []byte {
	b := make([]byte, 0, linkSize+len(l.cookies)*len(digest{})+len(l.user))
	b = appendLife(appendTime(append(b, l.session[:]...), l.signedIn), l.life)
	b = append(b, l.flags(), byte(len(l.cookies)))
	for i := range l.cookies {
		b = append(b, l.cookies[i][:]...)
	}
	return append(b, l.user...)
}

func decodeLink(b []byte) (l link, ok bool) {
	if len(b) < linkSize {
		return link{}, false
	}
	b = b[copy(l.session[:], b):]
	l.signedIn, b = readTime(b), b[timeSize:]
	l.life, b = readLife(b), b[lifeSize:]
	l.setFlags(b[0])
	l.cookies, b = make([]digest, b[1]), b[2:]
	if len(b) < len(l.cookies)*len(digest{}) {
		return link{}, false
	}
	for i := range l.cookies {
		b = b[copy(l.cookies[i][:], b):]
	}
	l.user = string(b)
	return l, true
}

// possession says that a session's key was proved, and how long that is good.
type possession struct {
	session sessionID
	key     jose.Thumbprint
	proved  time.Time
	expires time.Time
}

const possessionSize = len(sessionID{}) + len(jose.Thumbprint{}) + 2*timeSize

func (p *possession) encode() []byte {
	b := make([]byte, 0, possessionSize)
	b = append(append(b, p.session[:]...), p.key[:]...)
	return appendTime(appendTime(b, p.proved), p.expires)
}

func decodePossession(b []byte) (p possession, ok bool) {
	if len(b) != possessionSize {
		return possession{}, false
	}
	b = b[copy(p.session[:], b):]
	b = b[copy(p.key[:], b):]
	p.proved, p.expires = readTime(b), readTime(b[timeSize:])
	return p, true
}
