// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"sync"
)

// WebApp lets the backend be a web application with sessions, too, that knows
// nothing of keys:
//
//	/public/signin   a form; with a user, the sign-in
//	/app/            says hello, or leads to the form
//	/app/rotate      a new value for the session's cookie
//	/app/signout     the end of the session
//
// The answer to a sign-in names the user in X-User.
func (b *Backend) WebApp() {
	sessions := &webSessions{users: make(map[string]string)}
	b.Handle("/public/signin", sessions.signIn)
	b.Handle("/app/rotate", func(w http.ResponseWriter, r *http.Request) {
		sessions.begin(w, sessions.user(r))
		page(w, "Rotated")
	})
	b.Handle("/app/signout", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: AppCookie, Path: "/", MaxAge: -1})
		http.Redirect(w, r, "/public/signin", http.StatusSeeOther)
	})
	b.Handle("/app/{$}", func(w http.ResponseWriter, r *http.Request) {
		user := sessions.user(r)
		if user == "" {
			http.Redirect(w, r, "/public/signin", http.StatusSeeOther)
			return
		}
		page(w, "Hello "+user)
	})
}

type webSessions struct {
	mu    sync.Mutex
	users map[string]string // by the value of the cookie
}

func (s *webSessions) signIn(w http.ResponseWriter, r *http.Request) {
	user := r.FormValue("user")
	if user == "" {
		page(w, `<form method=post>Who are you?<input name=user type=hidden value=alice></form>`)
		return
	}
	s.begin(w, user)
	http.Redirect(w, r, "/app/", http.StatusSeeOther)
}

func (s *webSessions) begin(w http.ResponseWriter, user string) {
	value := Secret("session cookie", rand.Text())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[value] = user
	w.Header().Set("X-User", user)
	http.SetCookie(w, &http.Cookie{Name: AppCookie, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (s *webSessions) user(r *http.Request) string {
	cookie, err := r.Cookie(AppCookie)
	if err != nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users[cookie.Value]
}

func page(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/html")
	fmt.Fprint(w, text)
}
