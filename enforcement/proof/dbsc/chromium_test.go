// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything in the browser may take.
const patience = 30 * time.Second

// chromium is a headless browser, driven over the DevTools protocol: JSON
// messages, each ended by a NUL, on two pipes.
type chromium struct {
	t        *testing.T
	commands io.Writer
	page     string // the DevTools session of the one page

	mu      sync.Mutex
	last    int
	waiting map[int]chan message
}

type message struct {
	ID     int
	Result json.RawMessage
	Error  *struct{ Message string }
}

// findChromium returns the browser's program. Where there is none the test is
// skipped, except in continuous integration, which has to install it.
func findChromium(t *testing.T) string {
	t.Helper()
	if os.Getenv("BROWSER") == "" {
		t.Skip("needs a machine to itself, or the browser gives up on answers that come late: BROWSER=1 go test -run TestBrowser")
	}
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if program, err := exec.LookPath(name); name != "" && err == nil {
			return program
		}
	}
	const missing = "no chromium on this machine: device-bound sessions are not tested in a real browser; install Debian's package chromium, or name the program in CHROMIUM"
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// startChromium starts a browser with a fresh profile that trusts the key of
// the test's certificate. Both features are needed: on Linux, device-bound
// sessions are off, and their keys only exist in software. Ignoring
// certificate errors altogether would turn device-bound sessions off.
func startChromium(t *testing.T, spki []byte) *chromium {
	t.Helper()
	program := findChromium(t)
	profile, err := os.MkdirTemp(t.TempDir(), "profile")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(spki)
	cmd := exec.Command(program,
		"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--enable-features=DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting",
		"--ignore-certificate-errors-spki-list="+base64.StdEncoding.EncodeToString(sum[:]),
		"--host-resolver-rules=MAP *.test 127.0.0.1",
		"--user-data-dir="+profile, "--remote-debugging-pipe", "about:blank")
	commandsOut, commands, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	answers, answersIn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{commandsOut, answersIn} // descriptors 3 and 4
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	_, _ = commandsOut.Close(), answersIn.Close()
	c := &chromium{t: t, commands: commands, waiting: map[int]chan message{}}
	read := make(chan struct{})
	go func() {
		defer close(read)
		c.read(answers)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the whole group, which this test started
		_ = cmd.Wait()
		_, _ = commands.Close(), answers.Close()
		<-read
	})

	var target struct{ TargetID string }
	c.call("", "Target.createTarget", object{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	c.call("", "Target.attachToTarget", object{"targetId": target.TargetID, "flatten": true}, &session)
	c.page = session.SessionID
	return c
}

type object map[string]any

// read hands answers to those who wait for them; events are passed over.
func (c *chromium) read(answers io.Reader) {
	for r := bufio.NewReader(answers); ; {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(text[:len(text)-1], &m) != nil || m.ID == 0 {
			continue
		}
		c.mu.Lock()
		waiting := c.waiting[m.ID]
		delete(c.waiting, m.ID)
		c.mu.Unlock()
		if waiting != nil {
			waiting <- m
		}
	}
}

// call sends a command to the browser, or to a session of it, and waits for the result.
func (c *chromium) call(session, method string, params object, result any) {
	c.t.Helper()
	if err := c.try(session, method, params, result); err != nil {
		c.t.Fatalf("chromium: %s: %v", method, err)
	}
}

func (c *chromium) try(session, method string, params object, result any) error {
	answer := make(chan message, 1)
	c.mu.Lock()
	c.last++
	command := object{"id": c.last, "method": method, "params": params}
	if session != "" {
		command["sessionId"] = session
	}
	c.waiting[c.last] = answer
	text, err := json.Marshal(command)
	if err == nil {
		_, err = c.commands.Write(append(text, 0))
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			return errors.New(m.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(m.Result, result)
	case <-time.After(patience):
		return context.DeadlineExceeded
	}
}

// open loads a page, and waits until its text is there.
func (c *chromium) open(url, text string) {
	c.t.Helper()
	c.call(c.page, "Page.navigate", object{"url": url}, nil)
	c.shows(text)
}

// do runs a script in the page and returns its result, which is a string. A
// script that fails because the page is just changing returns the error's text.
func (c *chromium) do(script string) string {
	c.t.Helper()
	var got struct {
		Result           struct{ Value any }
		ExceptionDetails *struct{ Text string }
	}
	if err := c.try(c.page, "Runtime.evaluate", object{"expression": script, "awaitPromise": true, "returnByValue": true}, &got); err != nil {
		return err.Error()
	}
	if got.ExceptionDetails != nil {
		return got.ExceptionDetails.Text
	}
	return fmt.Sprint(got.Result.Value)
}

// shows waits until the page is loaded and reads as said.
func (c *chromium) shows(text string) {
	c.t.Helper()
	if !eventually(func() bool { return c.text() == text }) {
		c.t.Fatalf("the page shows %q, want %q", c.text(), text)
	}
}

// text is what the page reads, once it is loaded.
func (c *chromium) text() string {
	c.t.Helper()
	return c.do("document.readyState === 'complete' && document.body ? document.body.innerText.trim() : ''")
}

// cookies returns those that the browser has for a URL.
func (c *chromium) cookies(url string) map[string]string {
	c.t.Helper()
	var got struct {
		Cookies []struct{ Name, Value string }
	}
	c.call(c.page, "Network.getCookies", object{"urls": []string{url}}, &got)
	cookies := map[string]string{}
	for _, cookie := range got.Cookies {
		cookies[cookie.Name] = cookie.Value
	}
	return cookies
}

// deleteCookie deletes one as if it had expired.
func (c *chromium) deleteCookie(name, url string) {
	c.t.Helper()
	c.call(c.page, "Network.deleteCookies", object{"name": name, "url": url}, nil)
}

// eventually asks until the answer is yes. The browser acts in its own time.
func eventually(yes func() bool) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if yes() {
			return true
		}
	}
	return false
}
