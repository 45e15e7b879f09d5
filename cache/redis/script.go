// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"crypto/sha1" // which is how Redis names scripts
	"encoding/hex"
)

// spendScript records a proof.
//
//	KEYS: the generation; the proofs of a device key, a sorted set by the time in ms at which each expires
//	ARGV: the generation that is expected; the proof; how many a key may have; how long a proof lives in ms; the last
//	      part of that, in ms, counts against the quota
//
// It returns 0 if the generation is another one, 1 if the proof is recorded, 2 if it was before, 3 for the quota. The
// first thing that it writes is what takes memory: a script that has written once may go on where memory is full.
const spendScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('ZSCORE', KEYS[2], ARGV[2])
if known and tonumber(known) > now then return 2 end
local expiry = now + tonumber(ARGV[4])
if redis.call('ZCOUNT', KEYS[2], expiry - tonumber(ARGV[5]), '+inf') >= tonumber(ARGV[3]) then return 3 end
redis.call('ZADD', KEYS[2], expiry, ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 1
`

// lookScript reports whether a proof is recorded. KEYS and the first two ARGV are those of spendScript, and so are the
// answers 0 and 2; it answers 1 if it is not.
const lookScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('ZSCORE', KEYS[2], ARGV[2]) then return 2 end
return 1
`

// watchScript writes the generation again, or begins one where there is none, where it is another server process's, or
// where its proofs would not live long enough.
//
//	KEYS: the generation
//	ARGV: the id of a new one; how long proofs have to live in ms; how long a generation lives in ms
//
// It returns the generation, its server, its age in ms, the life of its proofs in ms, and what the server says of itself:
// version, role, replicas, maxmemory, maxmemory_policy.
const watchScript = `
local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication') .. redis.call('INFO', 'memory')
local function field(name) return string.match(info, '\n' .. name .. ':([^\r\n]*)') or '' end
local server = field('run_id') .. field('master_replid')
local about = {field('redis_version'), field('role'), field('connected_slaves'), field('maxmemory'), field('maxmemory_policy')}
if field('role') ~= 'master' then return {'', server, '0', '0', unpack(about)} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local value = redis.call('GET', KEYS[1]) or ''
local id, of, since, life = string.match(value, '^(%x+) (%x+) (%d+) (%d+)$')
if of ~= server or tonumber(life) < tonumber(ARGV[2]) then
	since, life = now, math.max(tonumber(life or 0), tonumber(ARGV[2]))
	value = string.format('%s %s %.0f %.0f', ARGV[1], server, since, life)
end
redis.call('SET', KEYS[1], value, 'PX', ARGV[3])
return {value, server, string.format('%.0f', now - since), string.format('%.0f', tonumber(life)), unpack(about)}
`

// bound returns a script that is loaded into one server process only, and the name that Redis gives it.
func bound(script, server string) (text, name string) {
	text = "-- " + server + script
	sum := sha1.Sum([]byte(text))
	return text, hex.EncodeToString(sum[:])
}
