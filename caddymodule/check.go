// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// check reports every mistake that can be seen without looking further.
func (a *App) check() error {
	var problems []error
	problems = append(problems, a.checkIssuers(), checkMaxAge(a.Proof.MaxAge), checkClockSkew(*a.Proof.ClockSkew), a.Replay.check())
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if a.Proof.Nonce != nonceAuto && a.Proof.Nonce != nonceRequired {
		problem("nonce: %q is not known; expected one of auto, required", a.Proof.Nonce)
	}
	for _, number := range []struct {
		name  string
		value int
	}{
		{"max_entries", a.Replay.MaxEntries}, {"max_per_key", a.Replay.MaxPerKey},
		{"tokens", a.Cache.Tokens}, {"device_keys", a.Cache.DeviceKeys},
	} {
		if number.value < 1 {
			problem("%s: %d is not a positive number", number.name, number.value)
		}
	}
	if *a.SignInLog.Interval < 0 {
		problem("interval: %v is negative; expected 0 or a positive duration", time.Duration(*a.SignInLog.Interval))
	}
	return errors.Join(problems...)
}

func (a *App) checkIssuers() error {
	if len(a.Issuers) == 0 {
		return errors.New("issuer: none is configured; expected at least one `issuer <url>`")
	}
	return nil
}

func checkMaxAge(maxAge caddy.Duration) error {
	if maxAge < caddy.Duration(time.Second) || maxAge > caddy.Duration(time.Hour) {
		return fmt.Errorf("max_age: %v is out of range; expected a duration from 1s to 1h", time.Duration(maxAge))
	}
	return nil
}

func checkClockSkew(skew caddy.Duration) error {
	if skew < 0 || skew > caddy.Duration(5*time.Minute) {
		return fmt.Errorf("clock_skew: %v is out of range; expected a duration from 0s to 5m", time.Duration(skew))
	}
	return nil
}

func checkAlgorithms(names []string) error {
	_, err := parseAlgorithms(names)
	return err
}

// checkNonceSecret never shows the secret.
func checkNonceSecret(i int, secret string) error {
	if len(secret) < minSecret {
		return fmt.Errorf("nonce_secret: number %d is %d characters long; expected at least %d", i+1, len(secret), minSecret)
	}
	return nil
}
