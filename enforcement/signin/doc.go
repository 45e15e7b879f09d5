// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package signin writes and reads the sign-in log: one record for each decision, shaped like Microsoft Entra's.
//
// A [Record] has the column names of the Log Analytics tables SigninLogs and AADNonInteractiveUserSignInLogs, so that the
// queries Microsoft publishes for rolling out token protection run on it unchanged, and a few columns of our own. An
// [Aggregator] stands between the requests and the log: the first request of a [Kind] is written at once, the ones that
// follow are counted and written once per interval, and however many kinds a flood of refusals brings, memory and lines
// stay bounded. [Read] takes records back out of log files, ours or exported from Log Analytics, and [Summary] counts them
// per app and per user as the published queries do, which is what an administrator reads before a policy goes from
// report-only to on. [Readiness] finds the users who are ready for that, [Exclusions] the exclusions that nobody uses, and a
// [Tail] reads on while the log grows.
//
// Nothing secret has a place in a record: tokens are named by their id and keys by their thumbprint.
package signin
