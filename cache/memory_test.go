// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// A million entries must fit into 48 MB whoever sends them. Two proofs a key is the worst case: the key's own cell is
// shared by as few as possible.
func TestReplayEntriesAreSmall(t *testing.T) {
	const count, most = 200_000, 48
	for _, perKey := range []int{1, 2, 20, 1000} {
		r, bytes := fill(t, count, perKey)
		if bytes > most {
			t.Errorf("%d proofs a key: %.1f bytes an entry, want at most %d", perKey, bytes, most)
		}
		runtime.KeepAlive(r)
	}
}

func TestReplayDoesNotAllocate(t *testing.T) {
	r, _ := fill(t, 20_000, 10)
	now := at(lifetime)
	type proof struct {
		key [32]byte
		id  string
	}
	fresh := make([]proof, 5000)
	for i := range fresh {
		fresh[i] = proof{keyOf(i), "fresh " + strconv.Itoa(i)}
	}
	long := strings.Repeat("x", 1000)
	n := 0
	tests := map[string]func(){
		"Seen":            func() { r.Seen(alice, "not there", now) },
		"Seen, long id":   func() { r.Seen(alice, long, now) },
		"Add of a new":    func() { r.Add(fresh[n].key, fresh[n].id, now); n++ },
		"Add of a replay": func() { r.Add(bob, "again", now) },
		"Stats":           func() { r.Stats() },
	}
	for name, run := range tests {
		// The average is rounded down, so that the growth of a table does not count.
		if allocations := testing.AllocsPerRun(1000, run); allocations != 0 {
			t.Errorf("%s: %v allocations, want none", name, allocations)
		}
	}
}

func TestTableFindsWhatWasInserted(t *testing.T) {
	var table table
	// Several proofs of each key, so that cells found by key and cells found by id stand among each other.
	var all []Identity
	for i := range 3000 {
		key := keyOf(i / 3)
		proof := Identify(&key, strconv.Itoa(i))
		if table.byID(proof) {
			t.Fatalf("proof %d is found before it is inserted", i)
		}
		if i%3 == 0 {
			if table.byKey(proof) != nil {
				t.Fatalf("the key of proof %d is found before it is inserted", i)
			}
			table.insert(Identity{key: proof.key | ofKey, id: 1})
		}
		table.insert(proof)
		all = append(all, proof)
	}
	for i, proof := range all {
		if !table.byID(proof) || table.byKey(proof) == nil {
			t.Fatalf("proof %d or its key is not found", i)
		}
		if table.peek(proof.id) == 0 || table.peek(proof.key|flags) == 0 {
			t.Fatalf("peek says that proof %d or its key is not there", i)
		}
	}
	if free := len(table.cells) - table.used; free < len(table.cells)/4 {
		t.Errorf("%d of %d cells are free, want a quarter", free, len(table.cells))
	}
}
