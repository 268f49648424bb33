package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/drainwatch/drainwatch/detector/backtest"
)

// The lines of a document between which a score card stands; the first may say more before it closes.
const (
	cardBegin = "<!-- evaluate:begin"
	cardEnd   = "<!-- evaluate:end -->"
)

// document is a text file that holds a score card.
type document struct {
	path          string
	before, after string // of the card: up to the end of the first mark's line, and from the second mark on
}

// openDocument finds the place for a card, so that a file without one is refused before any work is done.
func openDocument(path string) (*document, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("read --card: %w; name a file with the lines %s --> and %s", err, cardBegin, cardEnd)
	}
	head, rest, found := strings.Cut(string(text), cardBegin)
	mark, rest, closed := strings.Cut(rest, "\n")
	_, tail, ended := strings.Cut(rest, cardEnd)
	if !found || !closed || !ended || !strings.HasSuffix(mark, "-->") {
		return nil, usagef("read --card %s: want a line %s --> and below it %s, between which the card goes", path, cardBegin, cardEnd)
	}
	return &document{path, head + cardBegin + mark + "\n", cardEnd + tail}, nil
}

// write puts the summary of a card, and its scenarios behind a fold, in the place of the one before.
func (d *document) write(seeds seedRange, worlds int, card *backtest.Card) error {
	var b bytes.Buffer
	b.WriteString(d.before + "\n```text\n")
	if err := writeSummary(&b, seeds, worlds, card); err != nil {
		return err
	}
	b.WriteString("```\n\n<details><summary>By scenario</summary>\n\n```text\n")
	if err := writeScenarios(&b, card); err != nil {
		return err
	}
	b.WriteString("```\n\n</details>\n\n" + d.after)
	if err := os.WriteFile(d.path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write score card: %w", err)
	}
	return nil
}
