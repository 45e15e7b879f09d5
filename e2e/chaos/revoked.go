// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// deviceRevoked disables a device in the directory of two nodes while it
// sends as fast as it can and has a stream open at each, and notes when the
// last request passed and when the streams ended.
func deviceRevoked(r *run) {
	world := harness.NewWorld(r)
	world.Backend.Handle("/stream", stream)
	folder, err := os.MkdirTemp("", "chaos-devices-")
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = os.RemoveAll(folder) })
	directory := filepath.Join(folder, "devices.json")
	d := newDevice(world)
	d.claims = harness.With(d.claims, harness.Object{"deviceid": "device-1"})
	write := func(enabled bool) {
		text, err := json.Marshal([]harness.Object{{
			"deviceId": "device-1", "accountEnabled": enabled, "trustType": "AzureAD", "registeredOwners": []string{"alice-id"},
			"keys": []harness.Object{{"thumbprint": d.key.Thumbprint()}},
		}})
		if err == nil {
			err = os.WriteFile(directory+".new", text, 0o600)
		}
		if err == nil {
			err = os.Rename(directory+".new", directory)
		}
		if err != nil {
			r.Fatal(err)
		}
	}
	write(true)
	options := harness.Options{Site: "log_skip", App: "device_directory file " + directory}
	nodes := []*harness.Server{world.Start(r, options), world.Start(r, options)}

	rounds := r.size(1, 100)
	var last, cut longest
	for range rounds {
		write(true)
		ended := make(chan time.Time, len(nodes))
		for _, node := range nodes {
			harness.Eventually(r, "the device to be accepted", func() bool { return d.use(node, harness.HTTP2).passed() })
			request := d.requestFor("/stream")
			go func() {
				_, _ = node.Try(harness.HTTP2, request) // until it is cut, which is an error
				ended <- time.Now()
			}()
		}
		time.Sleep(time.Second) // streams are watched from half a second on
		var since atomic.Int64  // the revocation; 0 before
		var loads []func()
		for _, node := range nodes {
			loads = append(loads, func() {
				used := d.use(node, harness.HTTP2)
				if revoked := since.Load(); revoked != 0 && used.passed() {
					last.add(time.Since(time.Unix(0, revoked)))
				}
			})
		}
		during(func() {
			since.Store(time.Now().UnixNano())
			write(false)
			time.Sleep(2 * time.Second)
		}, loads...)
		for range nodes {
			select {
			case at := <-ended:
				cut.add(at.Sub(time.Unix(0, since.Load())))
			case <-time.After(5 * time.Second):
				r.Fatal("a stream goes on 7 s after the device was disabled")
			}
		}
		world.Backend.Forget()
	}
	r.count("devices revoked", rounds)
	r.atMost("last request that passed afterwards, in ms", time.Duration(last.Load()).Milliseconds(), 1000)
	r.atMost("last stream cut afterwards, in ms", time.Duration(cut.Load()).Milliseconds(), 1000)
}

// stream writes until nobody listens.
func stream(w http.ResponseWriter, r *http.Request) {
	for {
		if _, err := fmt.Fprintln(w, "an event"); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}
