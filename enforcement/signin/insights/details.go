// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"container/heap"
	"slices"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// A visit is a sign-in as the page lists it.
type visit struct {
	time        time.Time
	values      [dimensions]string
	address     string
	device      string // name or id
	scheme      string
	correlation string
	requests    int
	signature   uint16
	order       int // in which it was read, for those of one time
}

// details keeps the newest visits: a heap with the oldest on top.
type details struct {
	visits []visit
	read   int
}

func (d *details) add(e *signin.Entry, values [dimensions]string, signature uint16, most int) {
	d.read++
	if len(d.visits) >= most && e.Time.Before(d.visits[0].time) {
		return
	}
	device := e.DeviceDetail.DisplayName
	if device == "" {
		device = e.DeviceDetail.DeviceID
	}
	v := visit{
		time: e.Time, values: values, address: signin.Clip(e.IPAddress, 64), device: signin.Clip(device, signin.MaxName),
		scheme: signin.Clip(e.ProofScheme, 16), correlation: signin.Clip(e.CorrelationID, 64),
		requests: e.RequestCount, signature: signature, order: d.read,
	}
	if len(d.visits) < most {
		heap.Push(d, v)
		return
	}
	d.visits[0] = v
	heap.Fix(d, 0)
}

// newestFirst returns the visits in the order in which they are listed.
func (d *details) newestFirst() []visit {
	list := slices.Clone(d.visits)
	slices.SortFunc(list, func(a, b visit) int {
		if c := b.time.Compare(a.time); c != 0 {
			return c
		}
		return b.order - a.order
	})
	return list
}

// Len is part of heap.Interface.
func (d *details) Len() int { return len(d.visits) }

// Less is part of heap.Interface: the oldest first.
func (d *details) Less(i, j int) bool {
	if c := d.visits[i].time.Compare(d.visits[j].time); c != 0 {
		return c < 0
	}
	return d.visits[i].order < d.visits[j].order
}

// Swap is part of heap.Interface.
func (d *details) Swap(i, j int) { d.visits[i], d.visits[j] = d.visits[j], d.visits[i] }

// Push is part of heap.Interface.
func (d *details) Push(v any) { d.visits = append(d.visits, v.(visit)) }

// Pop is part of heap.Interface.
func (d *details) Pop() any {
	last := d.visits[len(d.visits)-1]
	d.visits = d.visits[:len(d.visits)-1]
	return last
}
