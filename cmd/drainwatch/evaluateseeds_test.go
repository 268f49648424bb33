package main

import (
	"strings"
	"testing"
)

// Tuning and test seeds never meet in one run, and whoever confuses them is told what to type.
func TestParseSeeds(t *testing.T) {
	for text, want := range map[string]seedRange{
		"1": {1, 1}, "3": {1, 3}, "100": {1, 100}, "1-3": {1, 3}, " 7 - 9 ": {7, 9}, "100-100": {100, 100},
		"101-110": {101, 110}, "101-101": {101, 101}, "9000000000-9000000003": {9_000_000_000, 9_000_000_003},
	} {
		got, err := parseSeeds(text)
		if err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"0": "must be at least 1", "-1": "want a range of seeds from 1 on", "": "want how many tuning seeds", "three": "want how many tuning seeds",
		"101":     "there are 100 tuning seeds; for test seeds name a range, such as 101-110",
		"100-101": "mixes tuning seeds (1 to 100) with test seeds (from 101 on); run 100-100 and 101-101 apart",
		"1-200":   "mixes", "0-3": "want a range", "3-1": "ends before it begins; write 1-3", "1-2-3": "want a range", "101-20000": "at most 10000",
		"18446744073709551615": "want how many", "1-18446744073709551615": "want a range",
	} {
		if _, err := parseSeeds(text); err == nil || !strings.Contains(err.Error(), "--seeds "+text+": ") || !strings.Contains(err.Error(), want) || exitCode(err) != exitUsage {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
	}
	for _, c := range []struct {
		seeds seedRange
		want  string
		n     int
	}{{seedRange{1, 3}, "tuning seeds 1-3", 3}, {seedRange{5, 5}, "tuning seed 5", 1}, {seedRange{101, 110}, "test seeds 101-110", 10}} {
		if c.seeds.String() != c.want || c.seeds.count() != c.n {
			t.Errorf("%+v is %q of %d, want %q of %d", c.seeds, c.seeds, c.seeds.count(), c.want, c.n)
		}
	}
}
