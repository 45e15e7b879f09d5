// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"net/netip"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// Hindsight judges sign-ins of the past by policies that were not in force then.
type Hindsight struct {
	// Policies know the resources, if their application ids are to be found: see policy.Set.WithResources.
	Policies *policy.Set
}

// Change says what became of a sign-in, and what the policies would have made of it. A name of a user counts as one that the
// user cannot change, which the log does not say.
func (h Hindsight) Change(e *signin.Entry) signin.Change {
	past := h.past(e)
	verdict := h.Policies.Hindsight(&past)
	change := signin.Change{From: signin.FateOf(e), To: signin.FateAllow}
	switch {
	case verdict.Blocks:
		change.To = signin.FateBlock
	case verdict.Fails:
		change.To = signin.FateReportOnly
	}
	change.Uncertain = change.To != signin.FateAllow && (verdict.Uncertain || e.Folded())
	if verdict.Policy != nil {
		change.Policy = verdict.Policy.Name
	}
	return change
}

// past is what the record of a request says of it: the inverse of context, subject and signIn.
func (h Hindsight) past(e *signin.Entry) policy.Past {
	why := reason.Reason(e.Check())
	past := policy.Past{HardwareKeyMissing: why == reason.HardwareKey}
	c := &past.Context
	c.UserID, c.User = e.UserID, e.UserPrincipalName
	// A token may name no user, but then names its client, as an application's session does not.
	c.Known = e.UserID != "" || e.UserPrincipalName != "" || e.AppID != ""
	c.GroupsIndeterminate = c.Known
	c.Guest = strings.EqualFold(e.UserType, signin.Guest)
	if c.Resource = h.Policies.ResourceNamed(e.ResourceIdentity); e.ResourceIdentity == "" {
		c.Resource = h.Policies.ResourceShownAs(e.ResourceDisplayName)
	}
	c.Platform = platformOfSystem(e.DeviceDetail.OperatingSystem)
	c.ClientApp = clientAppUsed(e.ClientAppUsed)
	c.Address, _ = netip.ParseAddr(e.IPAddress) // else it is unknown
	c.Time = e.Time
	c.Bound = e.TokenProtectionStatusDetails.SignInSessionStatus == signin.Bound || why == reason.SessionGrace ||
		why.Curable() && e.Decision == signin.Allow
	past.Confirmed = c.Known && !c.Bound && confirmedBefore(why)
	return past
}

// confirmedBefore says whether a check can only fail for a token or a session that owes a proof. Those before it leave no user
// in the record.
func confirmedBefore(why reason.Reason) bool {
	return why != reason.TokenUnbound && why != reason.SessionUnproven && why.Known()
}

// clientApps are the words that sign-in logs have for kinds of client: ours, which are Graph's, and Entra's.
var clientApps = map[string]policy.ClientApp{
	string(policy.Browser): policy.Browser, string(policy.MobileAppsAndDesktopClients): policy.MobileAppsAndDesktopClients,
	string(policy.ExchangeActiveSync): policy.ExchangeActiveSync, string(policy.OtherClients): policy.OtherClients,
	"Browser": policy.Browser, "Mobile Apps and Desktop clients": policy.MobileAppsAndDesktopClients,
	"Exchange ActiveSync": policy.ExchangeActiveSync, "Other clients": policy.OtherClients,
}

func clientAppUsed(word string) policy.ClientApp { return clientApps[word] }
