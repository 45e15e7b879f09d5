// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package chromium

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"
)

type message struct {
	ID     int
	Result json.RawMessage
	Error  *struct{ Message string }
}

type object map[string]any

// read hands answers to those who wait for them; events are passed over.
func (b *Browser) read(answers io.Reader) {
	for r := bufio.NewReader(answers); ; {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(text[:len(text)-1], &m) != nil || m.ID == 0 {
			continue
		}
		b.mu.Lock()
		waiting := b.waiting[m.ID]
		delete(b.waiting, m.ID)
		b.mu.Unlock()
		if waiting != nil {
			waiting <- m
		}
	}
}

// call sends a command to the browser, or to a session of it, and waits for the result.
func (b *Browser) call(session, method string, params object, result any) {
	b.t.Helper()
	if err := b.try(session, method, params, result); err != nil {
		b.t.Fatalf("chromium: %s: %v", method, err)
	}
}

func (b *Browser) try(session, method string, params object, result any) error {
	answer := make(chan message, 1)
	b.mu.Lock()
	b.last++
	command := object{"id": b.last, "method": method, "params": params}
	if session != "" {
		command["sessionId"] = session
	}
	b.waiting[b.last] = answer
	text, err := json.Marshal(command)
	if err == nil {
		_, err = b.commands.Write(append(text, 0))
	}
	b.mu.Unlock()
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
