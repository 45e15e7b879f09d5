// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// write replaces the file in place, which every change of it can look like.
func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// filed runs a test in virtual time with a key set of a file.
func filed(t *testing.T, first string, test func(t *testing.T, path string, set *KeySet)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jwks.json")
	write(t, path, first)
	synctest.Test(t, func(t *testing.T) {
		set, err := NewFileKeySet(contoso, path)
		if err != nil {
			t.Fatal(err)
		}
		set.Start()
		defer destruct(t, set)
		synctest.Wait()
		test(t, path, set)
	})
}

func TestAFileIsReadAgainWhenItChanges(t *testing.T) {
	old, young := another(t, "old"), another(t, "young-")
	for name, change := range map[string]func(t *testing.T, path string){
		"in place": func(t *testing.T, path string) { write(t, path, keySetOf(young)) },
		"by renaming another over it": func(t *testing.T, path string) {
			write(t, path+".new", keySetOf(young))
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		},
		"after it was missing": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
			write(t, path, keySetOf(young))
		},
	} {
		t.Run(name, func(t *testing.T) {
			filed(t, keySetOf(old), func(t *testing.T, path string, set *KeySet) {
				expect(t, set, "old", 1, nil)
				change(t, path)
				time.Sleep(2 * time.Second)
				expect(t, set, "young-", 1, nil)
				expect(t, set, "old", 0, ErrUnknownKey)
			})
		})
	}
}

// A copy tool that keeps times may leave size and time as they were.
func TestAnotherFileOfTheSameSizeAndTimeIsSeen(t *testing.T) {
	filed(t, keySetOf(another(t, "old")), func(t *testing.T, path string, set *KeySet) {
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path+".new", keySetOf(another(t, "new")))
		if err := os.Chtimes(path+".new", before.ModTime(), before.ModTime()); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		expect(t, set, "new", 1, nil)
	})
}

func TestABrokenFileKeepsTheLastGoodSet(t *testing.T) {
	good, other := another(t, "good"), another(t, "other")
	for name, broken := range map[string]string{
		"empty": "", "half written": keySetOf(other)[:100], "no key": `{"keys":[]}`, "not JSON": "keys:", "too long": keySetOf(other) + strings.Repeat(" ", maxDocument),
	} {
		t.Run(name, func(t *testing.T) {
			filed(t, keySetOf(good), func(t *testing.T, path string, set *KeySet) {
				write(t, path, broken)
				time.Sleep(time.Minute)
				expect(t, set, "good", 1, nil)
				status := set.Status()
				if status.Err == nil || status.Failures != 1 { // read once, not every second
					t.Errorf("status is %+v", status)
				}
				write(t, path, keySetOf(other))
				time.Sleep(2 * time.Second)
				expect(t, set, "other", 1, nil)
				if status := set.Status(); status.Err != nil {
					t.Errorf("status is %+v", status)
				}
			})
		})
	}
}

// A file that stays as it is does not go stale.
func TestAnUnchangedFileStaysGood(t *testing.T) {
	filed(t, keySetOf(another(t, "a")), func(t *testing.T, path string, set *KeySet) {
		time.Sleep(24 * time.Hour)
		expect(t, set, "a", 1, nil)
		expect(t, set, "b", 0, ErrUnknownKey)
	})
}

func TestAFileThatIsNotGoodIsRefusedAtTheStart(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "no key": `{"keys":[]}`, "private": `{"keys":[` + another(t, "a").jwk(`,"d":"AQAB"`) + `]}`, "too long": strings.Repeat(" ", maxDocument+1),
	} {
		path := filepath.Join(t.TempDir(), "jwks.json")
		write(t, path, content)
		if _, err := NewFileKeySet(contoso, path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, path := range map[string]string{"missing": filepath.Join(t.TempDir(), "none.json"), "a folder": t.TempDir()} {
		if _, err := NewFileKeySet(contoso, path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
