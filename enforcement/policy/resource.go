// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"
)

// Graph's words in lists of applications.
const (
	allApplications = "All"
	noApplications  = "None"
	// Office365 is Graph's name for the group of Office 365 applications. Here it stands for Exchange and SharePoint.
	Office365 = "Office365"
)

// Resource is one protected resource as policies can name it.
type Resource struct {
	// Name is the handler's argument, such as exchange.
	Name string
	// DisplayName is for logs and warnings; policies do not name it.
	DisplayName string
	// AppID is the application id, a GUID in Entra. Empty means none, or Entra's for the names in WellKnown.
	AppID string
}

// WellKnown returns the resources that have a meaning without being configured, with Entra's names and application
// ids for them: exchange and sharepoint.
func WellKnown() []Resource { return slices.Clone(wellKnown[:]) }

var wellKnown = [...]Resource{
	{Name: "exchange", DisplayName: "Office 365 Exchange Online", AppID: "00000002-0000-0ff1-ce00-000000000000"},
	{Name: "sharepoint", DisplayName: "Office 365 SharePoint Online", AppID: "00000003-0000-0ff1-ce00-000000000000"},
}

// withWellKnown completes a list of resources: well-known names get their application ids, and those that are missing
// are appended.
func withWellKnown(resources []Resource) []Resource {
	all := slices.Clone(resources)
	for _, known := range wellKnown {
		i := slices.IndexFunc(all, func(r Resource) bool { return r.Name == known.Name })
		switch {
		case i < 0:
			all = append(all, known)
		case all[i].AppID == "":
			all[i].AppID = known.AppID
		}
	}
	return all
}

// inOffice365 says whether Graph's group Office365 has the resource.
func (r Resource) inOffice365() bool {
	return slices.ContainsFunc(wellKnown[:], func(known Resource) bool {
		return r.Name == known.Name || foldGUID(r.AppID) == known.AppID
	})
}

// applications is a compiled application condition.
type applications struct {
	all, office, exceptOffice bool
	include, exclude          map[string]bool // by name, or by application id in lower case
}

func compileApplications(a Applications) applications {
	c := applications{
		all:          slices.Contains(a.IncludeApplications, allApplications),
		office:       slices.Contains(a.IncludeApplications, Office365),
		exceptOffice: slices.Contains(a.ExcludeApplications, Office365),
		include:      map[string]bool{},
		exclude:      map[string]bool{},
	}
	for _, name := range a.IncludeApplications {
		c.include[foldGUID(name)] = true
	}
	for _, name := range a.ExcludeApplications {
		c.exclude[foldGUID(name)] = true
	}
	return c
}

// match says whether the condition holds for the resource: it is included, and not excluded.
func (a applications) match(r Resource) bool {
	name, id := foldGUID(r.Name), foldGUID(r.AppID)
	if a.exclude[name] || a.exclude[id] || a.exceptOffice && r.inOffice365() {
		return false
	}
	return a.all || a.include[name] || a.include[id] || a.office && r.inOffice365()
}

// unknownApplications returns the entries that name nothing known, in order.
func unknownApplications(a Applications, known []Resource) []string {
	names := map[string]bool{allApplications: true, noApplications: true, Office365: true}
	for _, r := range withWellKnown(known) {
		names[r.Name] = true
		names[r.AppID] = true
	}
	var unknown []string
	for _, name := range slices.Concat(a.IncludeApplications, a.ExcludeApplications) {
		if !names[name] && !isGUID(name) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// isGUID says whether s has the form 8-4-4-4-12 of hexadecimal digits (RFC 9562, section 4).
func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// foldGUID returns a GUID in lower case (RFC 9562, section 4: case does not matter) and anything else unchanged. Both
// sides of this comparison come from the configuration. Ids of users and groups come from tokens and are never folded.
func foldGUID(s string) string {
	if isGUID(s) {
		return strings.ToLower(s)
	}
	return s
}
