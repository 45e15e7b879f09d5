// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// Bounds of one device.
const (
	// MaxID is the longest device id, in octets.
	MaxID = 128
	// MaxKeys is how many keys a device may have.
	MaxKeys = 64
	// maxOwners is how many owners a device may have. Entra has one at most.
	maxOwners = 64
)

// ParseList reads devices as a Graph export writes them: one `device`, an array of them, or `{"value": [...]}`. It refuses
// what Graph does not have, names in another case, a device id or a key that comes twice (whose it is cannot be told), and
// more than limit devices. Names in a `value` wrapper that begin with `@odata.` are ignored.
func ParseList(document []byte, limit int) ([]*Device, error) {
	list := listReader{limit: limit, strict: true, ids: make(map[string]int), keys: make(map[string]string)}
	if err := list.document(document); err != nil {
		return nil, err
	}
	return list.devices, nil
}

// ParseAnswer reads what a device API answers: one device, or `{"value": [...]}`. Members that this module does not know are
// ignored, because an API may grow.
func ParseAnswer(document []byte) ([]*Device, error) {
	list := listReader{limit: maxAnswers, ids: make(map[string]int), keys: make(map[string]string)}
	if err := list.document(document); err != nil {
		return nil, err
	}
	return list.devices, nil
}

// maxAnswers is how many devices an answer about one may hold.
const maxAnswers = 1000

// listReader gathers devices.
type listReader struct {
	limit   int
	strict  bool
	devices []*Device
	ids     map[string]int
	keys    map[string]string // whose each key is
}

func (l *listReader) document(document []byte) error {
	if trimmed := bytes.TrimLeft(document, " \t\r\n"); bytes.HasPrefix(trimmed, []byte("[")) {
		// The scanner takes objects only: an array is checked as a member of one.
		document = slices.Concat([]byte(`{"value":`), document, []byte("}"))
	}
	wrapped := false
	if err := jose.ScanObject(document, func(name string, value jose.Value) error {
		wrapped = wrapped || name == "value" && value.Kind == jose.Array
		return nil
	}); errors.Is(err, jose.ErrNotObject) {
		return errors.New(`expected a JSON object with a device, an array of devices, or {"value": [...]}`)
	} else if err != nil {
		return err
	}
	if !wrapped {
		return l.add(jose.Value{Kind: jose.Object, Raw: document})
	}
	return jose.ScanObject(document, func(name string, value jose.Value) error {
		switch {
		case name == "value":
			return value.Elements(l.add)
		case l.strict && !strings.HasPrefix(name, "@odata."):
			return fmt.Errorf("%q: unknown member beside value", clip(name))
		}
		return nil
	})
}

// add reads one device.
func (l *listReader) add(value jose.Value) error {
	if len(l.devices) == l.limit {
		return fmt.Errorf("more than %d devices", l.limit)
	}
	d, err := parseDevice(value, l.strict)
	if err != nil {
		return fmt.Errorf("device %d: %w", len(l.devices)+1, err)
	}
	if other, twice := l.ids[d.ID]; twice {
		return fmt.Errorf("device %d: deviceId %q is that of device %d too", len(l.devices)+1, d.ID, other)
	}
	l.devices = append(l.devices, d)
	l.ids[d.ID] = len(l.devices)
	for i := range d.Keys {
		for _, name := range d.Keys[i].names() {
			if other, taken := l.keys[name]; taken && other != d.ID {
				return fmt.Errorf("device %d: its key %s is registered for device %q too", len(l.devices), name, other)
			}
			l.keys[name] = d.ID
		}
	}
	return nil
}

// parseDevice reads one object in the shape of Graph's device.
func parseDevice(value jose.Value, strict bool) (*Device, error) {
	if value.Kind != jose.Object {
		return nil, fmt.Errorf("%v, expected an object", value.Kind)
	}
	d := new(Device)
	err := jose.ScanObject(value.Raw, func(name string, value jose.Value) error {
		if value.Kind == jose.Null { // as good as absent
			return nil
		}
		known, err := d.set(name, value)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		case !known && strict && !elsewhere(name):
			return fmt.Errorf("%q: not a member of Graph's device", clip(name))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if d.ID == "" {
		return nil, errors.New("deviceId: missing")
	}
	return d, nil
}

// clip shortens what an error repeats.
func clip(text string) string {
	if len(text) > 64 {
		return text[:64] + "..."
	}
	return text
}
