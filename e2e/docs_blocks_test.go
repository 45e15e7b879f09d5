// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// page is one page of the documentation.
type page struct {
	path   string // from the module's root
	text   string
	blocks []block
}

// block is a fenced code block: ```language word word.
type block struct {
	line     int // of its first line of text
	language string
	words    []string
	text     string
}

// says reports whether a word stands after the block's language.
func (b block) says(word string) bool { return slices.Contains(b.words, word) }

// pages reads README.md and everything under docs.
func pages(t *testing.T) (all []page) {
	t.Helper()
	paths := []string{"README.md"}
	err := filepath.WalkDir("../docs", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(path) == ".md" {
			paths = append(paths, strings.TrimPrefix(path, "../"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page{path, string(text), blocksOf(string(text))})
	}
	return all
}

// blocksOf finds the fenced blocks (CommonMark, section 4.5) that begin at the
// left margin, which ours do.
func blocksOf(text string) (blocks []block) {
	var current *block
	number := 0
	for line := range strings.Lines(text) {
		number++
		info, fence := strings.CutPrefix(strings.TrimRight(line, "\n"), "```")
		switch {
		case fence && current != nil:
			blocks, current = append(blocks, *current), nil
		case fence:
			language, words, _ := strings.Cut(info, " ")
			current = &block{line: number + 1, language: language, words: strings.Fields(words)}
		case current != nil:
			current.text += line
		}
	}
	return blocks
}

var (
	fenced    = regexp.MustCompile("(?ms)^```.*?^```$")
	codeSpan  = regexp.MustCompile("`[^`]*`")
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// links are the targets of the page's links.
func (p page) links() (targets []string) {
	prose := codeSpan.ReplaceAllString(fenced.ReplaceAllString(p.text, ""), "")
	for _, match := range link.FindAllStringSubmatch(prose, -1) {
		targets = append(targets, match[1])
	}
	return targets
}

// anchors are the names that GitHub gives to the page's headings.
func (p page) anchors() map[string]bool {
	names := make(map[string]bool)
	for _, match := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(p.text, ""), -1) {
		name := notInSlug.ReplaceAllString(strings.ToLower(match[1]), "")
		names[strings.ReplaceAll(name, " ", "-")] = true
	}
	return names
}
