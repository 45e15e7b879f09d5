// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"net"

	"github.com/redis/rueidis"
)

// connection is a client of the library, which keeps several open.
type connection struct{ rueidis.Client }

// connect opens the first connection. The library opens more as they are needed, and again when they break.
func connect(config *Config) (rueidis.Client, error) {
	const buffer = 32 << 10
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: config.Addresses,
		Username:    config.Username, Password: config.Password,
		SelectDB:   config.Database,
		TLSConfig:  config.TLS,
		ClientName: "token-protection",
		Sentinel: rueidis.SentinelOption{
			MasterSet: config.Sentinel, TLSConfig: config.TLS,
			Username: config.SentinelUsername, Password: config.SentinelPassword,
			Dialer: net.Dialer{Timeout: config.deadline},
		},
		ForceSingleClient: !config.Cluster && config.Sentinel == "",
		// An idle connection is tried after KeepAlive and given up after ConnWriteTimeout.
		Dialer:           net.Dialer{Timeout: config.deadline, KeepAlive: 2 * config.deadline},
		ConnWriteTimeout: 2 * config.deadline,
		// WAIT is about what its own connection has written, and holds up what comes after it there.
		DisableAutoPipelining: config.Strict,
		BlockingPoolSize:      128,
		ReadBufferEachConn:    buffer, WriteBufferEachConn: buffer,
		DisableRetry: true, DisableCache: true,
		ClientSetInfo: rueidis.DisableClientSetInfo,
	})
	if err != nil {
		if client != nil {
			client.Close()
		}
		return nil, err
	}
	return client, nil
}
