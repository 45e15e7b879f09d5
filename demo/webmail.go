// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"crypto/rand"
	"net/http"
	"sync"
)

const (
	// sessionCookie is the one of webmail's sessions.
	sessionCookie = "cadata"
	// maxSessions is how many sessions are known at a time.
	maxSessions = 1000

	signInPage = "/owa/auth/logon.aspx"
	signInForm = "/owa/auth.owa"
	signOut    = "/owa/logoff.owa"
)

// webmail is how people sign in to Exchange with a browser: by a form, for a
// cookie. It knows nothing of device-bound sessions, and like many applications
// it only deletes the cookie when somebody signs out: a copy goes on being good.
type webmail struct {
	mu    sync.Mutex
	users map[string]User // by the value of the cookie
}

func (m *webmail) register(mux *http.ServeMux) {
	mux.HandleFunc("GET "+signInPage, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(signInHTML))
	})
	mux.HandleFunc("POST "+signInForm, m.signIn)
	mux.HandleFunc("GET "+signOut, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1})
		http.Redirect(w, r, signInPage, http.StatusFound)
	})
	mux.HandleFunc("GET /owa/", func(w http.ResponseWriter, r *http.Request) { serveOWA(w, r, m.user(r)) })
}

// signIn believes whoever says who he is; this is a demo.
func (m *webmail) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	user, known := findUser(r.PostFormValue("username"))
	if !known {
		http.Redirect(w, r, signInPage, http.StatusFound)
		return
	}
	value := rand.Text()
	m.mu.Lock()
	if len(m.users) >= maxSessions {
		clear(m.users)
	}
	m.users[value] = user
	m.mu.Unlock()
	w.Header().Set("X-User", user.UPN)
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/owa/", http.StatusFound)
}

// user is the name of whoever has the session, or empty.
func (m *webmail) user(r *http.Request) string {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.users[cookie.Value].UPN
}

const signInHTML = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Outlook</title></head>
<body><h1>Outlook</h1><form method="post" action="` + signInForm + `">
<label>User name <input name="username" value="frank"></label>
<label>Password <input name="password" type="password"></label>
<button>Sign in</button></form></body></html>
`
