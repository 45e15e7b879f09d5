// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import "encoding/json"

// The session instructions (section "JSON Session Instruction Format").
type instructions struct {
	ID          string       `json:"session_identifier"`
	RefreshURL  string       `json:"refresh_url"`
	Scope       scope        `json:"scope"`
	Credentials []credential `json:"credentials"`
	Initiators  []string     `json:"allowed_refresh_initiators"`
}

type scope struct {
	Origin        string `json:"origin"`
	IncludeSite   bool   `json:"include_site"`
	Specification []rule `json:"scope_specification"`
}

type rule struct {
	Type   string `json:"type"`
	Domain string `json:"domain"`
	Path   string `json:"path"`
}

type credential struct {
	Type       string `json:"type"`
	Name       string `json:"name"`
	Attributes string `json:"attributes"`
}

// instructions tell the browser to keep the bound cookie fresh for the whole
// origin. Any site may start a request that waits for the refresh: somebody
// who follows a link from a mail must not arrive without proof. Whether
// cookies are sent along then is for SameSite to say.
func (e *Engine) instructions(h *holder, origin string) ([]byte, error) {
	return json.Marshal(instructions{
		ID:          h.session.String(),
		RefreshURL:  e.Path + "/refresh",
		Scope:       scope{Origin: origin, Specification: []rule{}},
		Credentials: []credential{{Type: "cookie", Name: boundCookie, Attributes: attributes("/", h.sameSite)}},
		Initiators:  []string{"*"},
	})
}
