// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package chromium

import (
	"fmt"
	"time"
)

// Open loads a page, and waits until its text is there.
func (b *Browser) Open(url, text string) {
	b.t.Helper()
	b.Navigate(url)
	b.Shows(text)
}

// Navigate begins to load a page.
func (b *Browser) Navigate(url string) {
	b.t.Helper()
	b.call(b.page, "Page.navigate", object{"url": url}, nil)
}

// Do runs a script in the page and returns its result, which is a string. A
// script that fails because the page is just changing returns the error's text.
func (b *Browser) Do(script string) string {
	b.t.Helper()
	var got struct {
		Result           struct{ Value any }
		ExceptionDetails *struct{ Text string }
	}
	if err := b.try(b.page, "Runtime.evaluate", object{"expression": script, "awaitPromise": true, "returnByValue": true}, &got); err != nil {
		return err.Error()
	}
	if got.ExceptionDetails != nil {
		return got.ExceptionDetails.Text
	}
	return fmt.Sprint(got.Result.Value)
}

// Shows waits until the page is loaded and reads as said.
func (b *Browser) Shows(text string) {
	b.t.Helper()
	if !Eventually(func() bool { return b.Text() == text }) {
		b.t.Fatalf("the page shows %q, want %q", b.Text(), text)
	}
}

// Text is what the page reads, once it is loaded.
func (b *Browser) Text() string {
	b.t.Helper()
	return b.Do("document.readyState === 'complete' && document.body ? document.body.innerText.trim() : ''")
}

// Cookies returns those that the browser has for a URL.
func (b *Browser) Cookies(url string) map[string]string {
	b.t.Helper()
	var got struct {
		Cookies []struct{ Name, Value string }
	}
	b.call(b.page, "Network.getCookies", object{"urls": []string{url}}, &got)
	cookies := map[string]string{}
	for _, cookie := range got.Cookies {
		cookies[cookie.Name] = cookie.Value
	}
	return cookies
}

// DeleteCookie deletes one as if it had expired.
func (b *Browser) DeleteCookie(name, url string) {
	b.t.Helper()
	b.call(b.page, "Network.deleteCookies", object{"name": name, "url": url}, nil)
}

// Eventually asks until the answer is yes. The browser acts in its own time.
func Eventually(yes func() bool) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if yes() {
			return true
		}
	}
	return false
}
