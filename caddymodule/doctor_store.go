// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
)

// storePatience is how long the doctor waits for the shared store.
const storePatience = 2 * time.Second

// checkStore asks the store that nodes share whether it can be used. Nothing
// is written to it.
func (d *doctor) checkStore(c *configuration) {
	const check = "memory"
	if err := storeAnswers(&c.app.Replay); err != nil {
		d.fail(check, "see that the server runs, that its address, password and certificate are right, and that it is 7.0 or newer",
			"The shared store of spent proofs cannot be used: %v.", err)
		return
	}
	d.ok(check, "The shared store of spent proofs answers.")
}

// storeAnswers connects to the store as the server does.
func storeAnswers(configured *Replay) error {
	config, err := configured.redis()
	if err != nil {
		return err
	}
	faults := make(chan error, 1)
	config.Report = func(err error) {
		select {
		case faults <- err: // the first counts
		default:
		}
	}
	store, err := enforcement.NewReplayStore(config)
	if err != nil {
		return err
	}
	defer store.Close()
	store.Start()
	look := time.NewTicker(storePatience / 100)
	defer look.Stop()
	patience := time.After(storePatience)
	for {
		select {
		case err := <-faults:
			return err
		case <-patience:
			return fmt.Errorf("no answer within %v", storePatience)
		case <-look.C:
			if store.Status().Up {
				return nil
			}
		}
	}
}
