// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// withdrawals notes which devices a directory said were withdrawn.
type withdrawals struct {
	mu  sync.Mutex
	ids []string
}

func (w *withdrawals) note(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids = append(w.ids, id)
}

func (w *withdrawals) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := strings.Join(w.ids, " ")
	w.ids = nil
	return ids
}

// filed runs a test in virtual time with a directory in a file.
func filed(t *testing.T, first string, test func(t *testing.T, path string, d *Directory, gone *withdrawals)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "devices.json")
	write(t, path, first)
	synctest.Test(t, func(t *testing.T) {
		gone := new(withdrawals)
		d, err := NewFile(path, Watch{Withdrawn: gone.note})
		if err != nil {
			t.Fatal(err)
		}
		d.Start()
		defer func() {
			if err := d.Destruct(); err != nil {
				t.Error(err)
			}
		}()
		test(t, path, d, gone)
	})
}

func look(t testing.TB, d *Directory, id string) Answer {
	t.Helper()
	return d.Lookup(t.Context(), id, time.Now())
}

const twoDevices = `[
	{"deviceId":"d1","accountEnabled":true,"keys":[{"thumbprint":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}]},
	{"deviceId":"d2","registeredOwners":["alice"]}]`

func TestAFileKnowsWhatExistsAndWhatDoesNot(t *testing.T) {
	filed(t, twoDevices, func(t *testing.T, _ string, d *Directory, _ *withdrawals) {
		for _, id := range []string{"d1", "D1", "{D1}"} {
			if a := look(t, d, id); a.State != Found || a.Device.ID != "d1" || a.Stale {
				t.Errorf("%s: %+v", id, a)
			}
		}
		for _, id := range []string{"", "d3", "d1 ", "d1*", "\x00", strings.Repeat("d", MaxID+1)} {
			if a := look(t, d, id); a.State != NotFound || a.Device != nil {
				t.Errorf("%q: %+v", id, a)
			}
		}
		thumbprint, _ := jose.ParseThumbprint(goodThumbprint)
		if holder := d.Holder(&Evidence{Thumbprint: &thumbprint}); holder == nil || holder.ID != "d1" {
			t.Errorf("holder is %+v", holder)
		}
		if holder := d.Holder(new(Evidence)); holder != nil {
			t.Errorf("nothing was proved, and the holder is %+v", holder)
		}
	})
}

// Issue 4: what an administrator takes away counts within a second.
func TestAChangeOfTheFileCountsWithinASecond(t *testing.T) {
	for name, change := range map[string]struct{ content, gone string }{
		"device removed":  {`[{"deviceId":"d2","registeredOwners":["alice"]}]`, "d1"},
		"device disabled": {strings.Replace(twoDevices, "true", "false", 1), "d1"},
		"key removed":     {`[{"deviceId":"d1","keys":[]},{"deviceId":"d2","registeredOwners":["alice","bob"]}]`, "d1"},
		"owner changed":   {strings.Replace(twoDevices, "alice", "bob", 1), "d2"},
		"device renamed":  {strings.Replace(twoDevices, `"deviceId":"d1"`, `"deviceId":"d1","displayName":"x"`, 1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			filed(t, twoDevices, func(t *testing.T, path string, d *Directory, gone *withdrawals) {
				write(t, path, change.content)
				time.Sleep(time.Second)
				synctest.Wait()
				if got := gone.take(); got != change.gone {
					t.Errorf("withdrawn is %q, expected %q", got, change.gone)
				}
				if status := d.Status(); status.Answers != 2 || status.Err != nil || status.Name != "file "+path {
					t.Errorf("status is %+v", status)
				}
			})
		})
	}
}

func TestABrokenFileKeepsTheLastGoodOne(t *testing.T) {
	for name, broken := range map[string]string{
		"empty": "", "half written": twoDevices[:60], "a typo": `[{"deviceId":"d1","acountEnabled":false}]`, "a device twice": `[{"deviceId":"d1"},{"deviceId":"D1"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			filed(t, twoDevices, func(t *testing.T, path string, d *Directory, gone *withdrawals) {
				write(t, path, broken)
				time.Sleep(time.Minute + lookEvery/2)
				if a := look(t, d, "d1"); a.State != Found {
					t.Errorf("%+v", a)
				}
				status := d.Status()
				if status.Err == nil || !strings.Contains(status.Err.Error(), path) || status.Failures != 1 { // read once, not every time
					t.Errorf("status is %+v", status)
				}
				write(t, path, `[]`)
				time.Sleep(time.Second)
				if a := look(t, d, "d1"); a.State != NotFound || d.Status().Err != nil {
					t.Errorf("%+v, %+v", a, d.Status())
				}
				gone.take()
			})
		})
	}
}

// An administrator must learn that what he wrote is not in force.
func TestTroubleWithAFileIsReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.json")
	write(t, path, twoDevices)
	synctest.Test(t, func(t *testing.T) {
		var told []string
		d, err := NewFile(path, Watch{Trouble: func(err error) { told = append(told, fmt.Sprint(err)) }})
		if err != nil {
			t.Fatal(err)
		}
		d.Start()
		for _, content := range []string{"x", "xy", twoDevices, "[]"} {
			write(t, path, content)
			time.Sleep(1100 * time.Millisecond) // between two looks at the file, so that none sees it half written
		}
		if err := d.Destruct(); err != nil {
			t.Error(err)
		}
		if len(told) != 3 || !strings.Contains(told[0], path) || !strings.Contains(told[1], path) || told[2] != "<nil>" {
			t.Errorf("told %q", told)
		}
	})
}

func TestAFileThatVanishesKeepsWhatItSaid(t *testing.T) {
	filed(t, twoDevices, func(t *testing.T, path string, d *Directory, gone *withdrawals) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if a := look(t, d, "d1"); a.State != Found || gone.take() != "" {
			t.Errorf("%+v", a)
		}
	})
}

func TestAFileThatIsNotGoodIsRefusedAtTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.json")
	write(t, path, `{"value":[{}]}`)
	for _, path := range []string{path, filepath.Join(t.TempDir(), "none.json"), t.TempDir()} {
		if _, err := NewFile(path, Watch{}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%v", err)
		}
	}
}

func TestALookInAFileAllocatesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.json")
	write(t, path, twoDevices)
	d, err := NewFile(path, Watch{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Destruct() }()
	thumbprint, _ := jose.ParseThumbprint(goodThumbprint)
	q, now := &Question{ID: "d1", Proved: Evidence{Thumbprint: &thumbprint}}, time.Now()
	if n := testing.AllocsPerRun(1000, func() { d.Judge(t.Context(), q, Demand{}, now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A reload provisions a directory that may never be started.
func TestADirectoryThatWasNotStartedEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.json")
	write(t, path, twoDevices)
	d, err := NewFile(path, Watch{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Destruct(); err != nil {
		t.Error(err)
	}
	d.Start() // too late: nothing may begin
}
