// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"sync"
)

const (
	// maxFile is the largest upload that is kept, in bytes. Larger ones are counted
	// and hashed, so that uploads of any size cost constant memory.
	maxFile = 1 << 20
	// maxFiles is how many uploads are kept; the oldest goes first.
	maxFiles = 32
)

// SharePoint returns a backend that behaves as SharePoint does on the wire:
//
//	GET  /_api/web/lists     answers at once
//	PUT  /_api/files/<name>  uploads a file; the answer has its size and SHA-256
//	GET  /_api/files/<name>  downloads it again
//
// Answers are JSON and show which headers reached the backend; a download shows
// the scheme of its Authorization in X-Received-Authorization.
func SharePoint() http.Handler {
	files := &fileStore{byName: make(map[string][]byte)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_api/web/lists", func(w http.ResponseWriter, r *http.Request) {
		said := answerTo("sharepoint", r)
		said.Result = []map[string]any{{"Title": "Documents", "ItemCount": files.count()}}
		writeJSON(w, http.StatusOK, said)
	})
	mux.HandleFunc("PUT /_api/files/{name}", files.upload)
	mux.HandleFunc("GET /_api/files/{name}", files.download)
	mux.HandleFunc("GET /health", serveHealth)
	return mux
}

// fileStore keeps the latest uploads, at most maxFiles of at most maxFile bytes.
type fileStore struct {
	mutex  sync.Mutex
	byName map[string][]byte
	order  []string // names, the oldest first
}

func (s *fileStore) upload(w http.ResponseWriter, r *http.Request) {
	hash, kept := sha256.New(), &bytes.Buffer{}
	size, err := io.Copy(io.MultiWriter(hash, &limitedWriter{kept, maxFile}), r.Body)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "upload broke off"})
		return
	}
	said := answerTo("sharepoint", r)
	said.Bytes, said.SHA256, said.Stored = size, hex.EncodeToString(hash.Sum(nil)), size <= maxFile
	if said.Stored {
		s.put(r.PathValue("name"), kept.Bytes())
	}
	writeJSON(w, http.StatusCreated, said)
}

func (s *fileStore) download(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	content, known := s.byName[r.PathValue("name")]
	s.mutex.Unlock()
	if scheme := received(r.Header)["Authorization"]; scheme != "" {
		w.Header().Set("X-Received-Authorization", scheme)
	}
	if !known {
		writeJSON(w, http.StatusNotFound, answerTo("sharepoint", r))
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(content)
}

func (s *fileStore) put(name string, content []byte) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if _, known := s.byName[name]; !known {
		if s.order = append(s.order, name); len(s.order) > maxFiles {
			delete(s.byName, s.order[0])
			s.order = s.order[1:]
		}
	}
	s.byName[name] = content
}

func (s *fileStore) count() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return len(s.byName)
}

// limitedWriter keeps the first bytes of what is written and drops the rest.
type limitedWriter struct {
	to   *bytes.Buffer
	left int
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	kept := p[:min(len(p), l.left)]
	l.left -= len(kept)
	l.to.Write(kept)
	return len(p), nil
}
