// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

// elsewhere are cases that have no play, and why. A case that gets one leaves.
var elsewhere = map[string]string{
	"MTLS-023": "has no early data: Caddy resumes no session where it asks for certificates (TestCertificatesAreNotResumed); other early data is in TestEarlyDataIsRefused",
}
