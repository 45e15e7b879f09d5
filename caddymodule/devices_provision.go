// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
	"github.com/tokenprotection/caddy-token-protection/enforcement/device/graph"
	"github.com/tokenprotection/caddy-token-protection/enforcement/device/ldap"
	"github.com/tokenprotection/caddy-token-protection/enforcement/device/requirements"
	"github.com/tokenprotection/caddy-token-protection/enforcement/device/revocation"
	"github.com/tokenprotection/caddy-token-protection/enforcement/livefile"
	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

// deviceState is what an App holds for the device step.
type deviceState struct {
	directory   *device.Directory
	required    *requirements.Profile
	revocations *revocation.List
}

// provisionDevices compiles the configuration. It opens no connection.
func (a *App) provisionDevices() (err error) {
	// Revocations outlive every configuration: a reload must not let a thief in again.
	a.devices.revocations, err = take(&a.holds, "revocations", func() (*revocation.List, error) { return revocation.New(0, 0), nil })
	if err != nil {
		return err
	}
	if a.devices.required, err = a.Requirements.profile(); err != nil {
		return err
	}
	if a.DeviceDirectory == nil {
		return nil
	}
	if err := a.DeviceDirectory.check(); err != nil {
		return err
	}
	watch := device.Watch{
		Watched: a.devices.revocations.Watched, Withdrawn: a.devices.revocations.Withdraw, Trouble: reportTrouble(a.DeviceDirectory.Source),
	}
	a.devices.directory, err = take(&a.holds, a.DeviceDirectory.key(), func() (*device.Directory, error) {
		return a.DeviceDirectory.open(watch)
	})
	return err
}

// reportTrouble logs when a directory begins to fail and when it answers
// again. The directory outlives configurations, and so does its logger.
func reportTrouble(source string) func(error) {
	logger := caddy.Log().Named("token_protection").With(zap.String("device_directory", source))
	return func(err error) {
		if err == nil {
			logger.Info("the device directory is good again")
			return
		}
		logger.Error("the device directory failed; what it said before still counts for a while", zap.Error(err))
	}
}

// start begins to follow the directory.
func (s *deviceState) start() {
	if s.directory != nil {
		s.directory.Start()
	}
}

// enforced is what the enforcers ask.
func (a *App) enforcedDevices() enforcement.Devices {
	devices := enforcement.Devices{
		Directory: a.devices.directory, Requirements: a.devices.required, Revocations: a.devices.revocations,
	}
	if a.DeviceDirectory != nil {
		devices.Demand = device.Demand{Posture: device.Posture(a.DeviceDirectory.Posture), RequireKeys: a.DeviceDirectory.RequireKeys}
	}
	return devices
}

// key tells directories apart that must not share their answers. It is a
// hash, because secrets are part of what tells them apart.
func (d *DeviceDirectory) key() string {
	asked := *d
	asked.Posture, asked.RequireKeys = "", false // judged, not asked
	for _, secret := range []*string{&asked.ClientSecret, &asked.BindPassword} {
		if value, err := resolveSecret(*secret); err == nil { // it may have been replaced behind its placeholder
			*secret = value
		}
	}
	text, _ := json.Marshal(asked)
	sum := sha256.Sum256(text)
	return "devices " + d.Source + " " + hex.EncodeToString(sum[:8])
}

// check finds the mistakes that can be seen without resolving placeholders or
// reading files.
func (d *DeviceDirectory) check() error {
	problems := []error{d.checkMembers()}
	if !slices.Contains([]string{"", string(device.Strict), string(device.BestEffort)}, d.Posture) {
		problems = append(problems, fmt.Errorf("posture: %q is not known; expected one of strict, best_effort", d.Posture))
	}
	switch d.Source {
	case directoryFile:
		if d.Path == "" {
			problems = append(problems, errors.New("path: missing; expected a JSON file"))
		}
	case directoryHTTP:
		_, err := graph.New(d.http())
		problems = append(problems, err)
	case directoryLDAP:
		_, err := ldap.New(d.ldap())
		problems = append(problems, err)
	default:
		problems = append(problems, fmt.Errorf("%q is not known; expected one of file, http, ldap", d.Source))
	}
	if d.Source != directoryFile {
		_, err := device.NewCached(nil, d.cache(device.Watch{}))
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("device_directory: %w", err)
	}
	return nil
}

// checkMembers finds settings of another kind of directory.
func (d *DeviceDirectory) checkMembers() error {
	var problems []error
	for _, member := range []struct {
		name string
		set  bool
		of   []string
	}{
		{"path", d.Path != "", []string{directoryFile}},
		{"url", d.URL != "", []string{directoryHTTP, directoryLDAP}},
		{"lookup", d.Lookup != "", []string{directoryHTTP}},
		{"bearer", d.Bearer != "", []string{directoryHTTP}},
		{"token_url", d.TokenURL != "", []string{directoryHTTP}},
		{"client_id", d.ClientID != "", []string{directoryHTTP}},
		{"client_secret", d.ClientSecret != "", []string{directoryHTTP}},
		{"scope", d.Scope != "", []string{directoryHTTP}},
		{"start_tls", d.StartTLS, []string{directoryLDAP}},
		{"ca", len(d.CA) > 0, []string{directoryLDAP}},
		{"bind_dn", d.BindDN != "", []string{directoryLDAP}},
		{"bind_password", d.BindPassword != "", []string{directoryLDAP}},
		{"base_dn", d.BaseDN != "", []string{directoryLDAP}},
		{"user_base_dn", d.UserBaseDN != "", []string{directoryLDAP}},
		{"renew", d.Renew != nil, []string{directoryHTTP, directoryLDAP}},
		{"fresh", d.Fresh != 0, []string{directoryHTTP, directoryLDAP}},
		{"timeout", d.Timeout != 0, []string{directoryHTTP, directoryLDAP}},
		{"entries", d.Entries != 0, []string{directoryHTTP, directoryLDAP}},
	} {
		if member.set && !slices.Contains(member.of, d.Source) {
			problems = append(problems, fmt.Errorf("%s: not for a directory in %q; expected it only for %s", member.name, d.Source, strings.Join(member.of, " and ")))
		}
	}
	return errors.Join(problems...)
}

func (d *DeviceDirectory) cache(watch device.Watch) device.CacheConfig {
	config := device.CacheConfig{
		Name: d.Source + " " + shownHost(d.URL), Fresh: time.Duration(d.Fresh), Timeout: time.Duration(d.Timeout), Entries: d.Entries, Watch: watch,
	}
	switch {
	case d.Renew == nil: // the default, which must not be longer than a short fresh
		config.Renew = min(device.DefaultRenew, max(config.Fresh, 0))
	case *d.Renew == 0:
		config.Renew = -1
	default:
		config.Renew = time.Duration(*d.Renew)
	}
	return config
}

// shownHost is a URL for logs and metrics, unless there may be a password in it.
func shownHost(url string) string {
	if token.CheckURL(url) != nil && strings.Contains(url, "@") {
		return ""
	}
	return url
}

// http is the configuration of a device API, with placeholders as they are.
func (d *DeviceDirectory) http() graph.Config {
	config := graph.Config{
		URL: d.URL, Lookup: graph.Lookup(d.Lookup), TokenURL: d.TokenURL, ClientID: d.ClientID, ClientSecret: d.ClientSecret, Scope: d.Scope,
	}
	if d.Bearer != "" {
		bearer := d.Bearer
		config.Bearer = func() (string, error) {
			secret, err := resolveSecret(bearer)
			if err != nil {
				return "", fmt.Errorf("bearer: %w", err)
			}
			return strings.TrimSpace(secret), nil // a file usually ends with a line break
		}
	}
	return config
}

func (d *DeviceDirectory) ldap() ldap.Config {
	return ldap.Config{
		URL: d.URL, StartTLS: d.StartTLS, BindDN: d.BindDN, BindPassword: d.BindPassword, BaseDN: d.BaseDN, UserBaseDN: d.UserBaseDN,
	}
}

// open makes the directory, which opens no connection before it is asked.
func (d *DeviceDirectory) open(watch device.Watch) (*device.Directory, error) {
	directory, err := d.make(watch)
	if err != nil {
		return nil, fmt.Errorf("device_directory: %w", err)
	}
	return directory, nil
}

func (d *DeviceDirectory) make(watch device.Watch) (*device.Directory, error) {
	switch d.Source {
	case directoryFile:
		return device.NewFile(d.Path, watch)
	case directoryHTTP:
		config := d.http()
		var err error
		if config.ClientSecret, err = resolveSecret(d.ClientSecret); err != nil {
			return nil, fmt.Errorf("client_secret: %w", err)
		}
		source, err := graph.New(config)
		if err != nil {
			return nil, err
		}
		return device.NewCached(source, d.cache(watch))
	}
	config := d.ldap()
	var err error
	if config.BindPassword, err = resolveSecret(d.BindPassword); err != nil {
		return nil, fmt.Errorf("bind_password: %w", err)
	}
	if config.TLS, err = d.authorities(); err != nil {
		return nil, err
	}
	source, err := ldap.New(config)
	if err != nil {
		return nil, err
	}
	return device.NewCached(source, d.cache(watch))
}

// authorities are those of the directory server's certificate; nil means the system's.
func (d *DeviceDirectory) authorities() (*tls.Config, error) {
	if len(d.CA) == 0 {
		return nil, nil
	}
	pool, err := authorities(d.CA)
	if err != nil {
		return nil, err
	}
	return &tls.Config{RootCAs: pool}, nil
}

// profile is what is required; nil if nothing is.
func (r *Requirements) profile() (*requirements.Profile, error) {
	switch {
	case r == nil:
		return nil, nil
	case (r.Profile == "") == (r.File == ""):
		return nil, errors.New("requirements: expected either a profile or a file")
	case r.Profile != "":
		return requirements.Find(r.Profile)
	}
	document, err := livefile.New(r.File, requirements.MaxProfile).Read()
	if err != nil {
		return nil, fmt.Errorf("requirements: %w", err)
	}
	profile, err := requirements.Parse(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.File, err)
	}
	return profile, nil
}
