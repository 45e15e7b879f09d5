// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import "math/bits"

// The low bits of an identity's key tell the cells of a [table] apart.
const (
	inUse   = 1 << iota // every cell but an unused one, which is zero, and every Identity
	ofKey               // the cell of a key
	counter             // the cell of a key with several proofs: their number is in place of the id

	flags = inUse | ofKey | counter
)

// A table is a set of cells with open addressing and linear probing, of which between half and three quarters are in
// use. It has no pointers inside, so that the garbage collector does not look at it however large it is. Nothing is ever
// removed. Identities are hashes: their high bits serve as the position, and nobody can aim for long runs.
type table struct {
	cells  []Identity
	used   int
	expect int // number of cells that will probably be used
}

// position returns where the search for what has this hash begins.
func (t *table) position(hash uint64) int {
	high, _ := bits.Mul64(hash, uint64(len(t.cells)))
	return int(high)
}

// next returns the position after i.
func (t *table) next(i int) int {
	if i++; i < len(t.cells) {
		return i
	}
	return 0
}

// peek returns the key of the cell where the search for hash begins. If it is 0, the search would find nothing.
func (t *table) peek(hash uint64) uint64 {
	if len(t.cells) == 0 {
		return 0
	}
	return t.cells[t.position(hash)].key
}

// byKey returns the cell of the proof's key, or nil.
func (t *table) byKey(proof Identity) *Identity {
	if len(t.cells) == 0 {
		return nil
	}
	want := proof.key | ofKey
	for i := t.position(proof.key | flags); ; i = t.next(i) {
		switch cell := &t.cells[i]; {
		case cell.key&^counter == want:
			return cell
		case cell.key == 0:
			return nil
		}
	}
}

// byID reports whether the proof has a cell of its own.
func (t *table) byID(proof Identity) bool {
	if len(t.cells) == 0 {
		return false
	}
	for i := t.position(proof.id); ; i = t.next(i) {
		switch t.cells[i] {
		case proof:
			return true
		case Identity{}:
			return false
		}
	}
}

// insert adds a cell that the table does not have. It may move the others.
func (t *table) insert(cell Identity) {
	if t.used >= len(t.cells)/4*3 {
		t.grow()
	}
	t.place(cell)
	t.used++
}

// grow makes the table half as large again, or as large as expected.
func (t *table) grow() {
	old := t.cells
	size := len(old) + len(old)/2
	if len(old) == 0 {
		size = t.expect + t.expect/2
	}
	t.cells = make([]Identity, max(8, size/4*4))
	for _, cell := range old {
		if cell.key != 0 {
			t.place(cell)
		}
	}
}

// place puts a cell into the first unused place from its position on.
func (t *table) place(cell Identity) {
	hash := cell.id
	if cell.key&ofKey != 0 {
		hash = cell.key | flags
	}
	i := t.position(hash)
	for t.cells[i].key != 0 {
		i = t.next(i)
	}
	t.cells[i] = cell
}
