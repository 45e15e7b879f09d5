// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// filterOptions are the flags that narrow what is read from sign-in logs.
type filterOptions struct {
	from, to            string
	policies, resources []string
}

func (o *filterOptions) flags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&o.from, "from", "", "sign-ins from this time on")
	flags.StringVar(&o.to, "to", "", "sign-ins before this time")
	flags.StringArrayVar(&o.resources, "resource", nil, "sign-ins at this resource, by display name, app id, or as exchange or sharepoint; repeatable")
}

func (o *filterOptions) parse(now time.Time) (filter signin.Filter, err error) {
	if filter.From, err = moment("--from", o.from, now); err != nil {
		return filter, err
	}
	if filter.To, err = moment("--to", o.to, now); err != nil {
		return filter, err
	}
	if !filter.To.IsZero() && !filter.From.Before(filter.To) {
		return filter, fmt.Errorf("--to %q: expected a time after --from %q", o.to, o.from)
	}
	filter.Policies = o.policies
	for _, name := range o.resources {
		filter.Resources = append(filter.Resources, name)
		for _, known := range policy.WellKnown() {
			if strings.EqualFold(name, known.Name) {
				filter.Resources = append(filter.Resources, known.AppID)
			}
		}
	}
	return filter, nil
}

// moment reads a time: RFC 3339, a date, or how long ago.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range [...]string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("%s %q: expected a time such as 2026-03-04T05:06:07Z, a date, or a time ago such as 7d or 24h", flag, text)
}
