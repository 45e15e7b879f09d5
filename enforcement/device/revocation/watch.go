// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package revocation

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// watcher is one open stream.
type watcher struct {
	device string
	keys   []jose.Thumbprint
	done   chan struct{}
	ended  bool // needs the list's lock
	why    atomic.Pointer[reason.Reason]
}

// Watch is an open stream under watch.
type Watch struct {
	list    *List
	watcher *watcher
	once    sync.Once
}

// Watch watches a stream that is open for a device and the keys that were proved. What was revoked a moment ago, after the
// request was judged, ends it at once. Close must be called when the stream ends. The error is [ErrTooMany].
func (l *List) Watch(device string, keys ...jose.Thumbprint) (*Watch, error) {
	w := &watcher{device: canonical(device), done: make(chan struct{})}
	for _, key := range keys {
		if key != (jose.Thumbprint{}) {
			w.keys = append(w.keys, key)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watchers >= l.maxWatchers || l.crowded(w) {
		return nil, ErrTooMany
	}
	l.watchers++
	if w.device != "" {
		enter(l.devices, w.device, w)
	}
	for _, key := range w.keys {
		enter(l.keys, key, w)
	}
	if why := l.check(w.device, w.keys); why != reason.None {
		w.end(why)
	}
	return &Watch{list: l, watcher: w}, nil
}

// crowded says whether too many streams of the same device or key are watched already; it needs the lock.
func (l *List) crowded(w *watcher) bool {
	if len(l.devices[w.device]) >= maxOfOne {
		return true
	}
	return slices.ContainsFunc(w.keys, func(key jose.Thumbprint) bool { return len(l.keys[key]) >= maxOfOne })
}

// Done is closed when the stream must end.
func (w *Watch) Done() <-chan struct{} { return w.watcher.done }

// Reason says why the stream must end; it is empty until then.
func (w *Watch) Reason() reason.Reason {
	if why := w.watcher.why.Load(); why != nil {
		return *why
	}
	return reason.None
}

// End says that the stream must end, for this reason, unless it must already.
func (w *Watch) End(why reason.Reason) {
	w.list.mu.Lock()
	defer w.list.mu.Unlock()
	w.watcher.end(why)
}

// Close ends the watch. Calling it again does nothing.
func (w *Watch) Close() {
	w.once.Do(func() {
		l := w.list
		l.mu.Lock()
		defer l.mu.Unlock()
		l.watchers--
		leave(l.devices, w.watcher.device, w.watcher)
		for _, key := range w.watcher.keys {
			leave(l.keys, key, w.watcher)
		}
	})
}

// Withdraw ends what is open for a device without revoking anything: the device directory no longer vouches for it, and the
// next request is judged by what it says.
func (l *List) Withdraw(device string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end(l.devices[canonical(device)], reason.DeviceWithdrawn)
}

// Watched returns the ids of the devices that streams are open for, in no particular order.
func (l *List) Watched() []string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	ids := make([]string, 0, len(l.devices))
	for id := range l.devices {
		ids = append(ids, id)
	}
	return ids
}

// Open is how many streams are watched.
func (l *List) Open() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.watchers
}

// end ends all of them; it needs the lock.
func (l *List) end(watchers map[*watcher]struct{}, why reason.Reason) {
	for w := range watchers {
		w.end(why)
	}
}

// end needs the list's lock.
func (w *watcher) end(why reason.Reason) {
	if !w.ended {
		w.ended = true
		w.why.Store(&why)
		close(w.done)
	}
}

func enter[K comparable](index map[K]map[*watcher]struct{}, key K, w *watcher) {
	if index[key] == nil {
		index[key] = make(map[*watcher]struct{})
	}
	index[key][w] = struct{}{}
}

func leave[K comparable](index map[K]map[*watcher]struct{}, key K, w *watcher) {
	delete(index[key], w)
	if len(index[key]) == 0 {
		delete(index, key)
	}
}
