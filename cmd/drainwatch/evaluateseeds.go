package main

import (
	"fmt"
	"strconv"
	"strings"
)

// Worlds for tuning and worlds for testing. Who changes a threshold may look at the first as often as they like; a figure that
// is shown to others comes from the second, which nothing was fitted to.
const (
	lastTuningSeed = 100 // tuning seeds are 1 to 100
	firstTestSeed  = lastTuningSeed + 1
	mostSeeds      = 10_000 // of one run: more is a slip of the keyboard
)

// seedRange is the worlds that are made of each scenario, first and last included, all of them tuning or all test seeds.
type seedRange struct{ first, last uint64 }

// parseSeeds reads N, the first N tuning seeds, or FIRST-LAST.
func parseSeeds(text string) (seedRange, error) {
	bad := func(format string, args ...any) (seedRange, error) {
		return seedRange{}, usagef("read command line: --seeds %s: "+format, append([]any{text}, args...)...)
	}
	first, last, isRange := strings.Cut(strings.TrimSpace(text), "-")
	if !isRange {
		n, err := strconv.ParseInt(first, 10, 64)
		switch {
		case err != nil:
			return bad("want how many tuning seeds, such as 3, or a range of seeds, such as %d-%d", firstTestSeed, firstTestSeed+9)
		case n < 1:
			return bad("must be at least 1")
		case n > lastTuningSeed:
			return bad("there are %d tuning seeds; for test seeds name a range, such as %d-%d", lastTuningSeed, firstTestSeed, firstTestSeed+9)
		}
		return seedRange{1, uint64(n)}, nil
	}
	a, errA := strconv.ParseUint(strings.TrimSpace(first), 10, 63)
	b, errB := strconv.ParseUint(strings.TrimSpace(last), 10, 63)
	switch {
	case errA != nil || errB != nil || a < 1:
		return bad("want a range of seeds from 1 on, such as 1-3 or %d-%d", firstTestSeed, firstTestSeed+9)
	case b < a:
		return bad("ends before it begins; write %d-%d", b, a)
	case a <= lastTuningSeed && b >= firstTestSeed:
		return bad("mixes tuning seeds (1 to %d) with test seeds (from %d on); run %d-%d and %d-%d apart",
			lastTuningSeed, firstTestSeed, a, lastTuningSeed, firstTestSeed, b)
	case b-a >= mostSeeds:
		return bad("%d seeds; at most %d in one run", b-a+1, mostSeeds)
	}
	return seedRange{a, b}, nil
}

func (s seedRange) count() int { return int(s.last - s.first + 1) }

// set is what the seeds are for.
func (s seedRange) set() string {
	if s.first >= firstTestSeed {
		return "test"
	}
	return "tuning"
}

// String says which seeds they are: "test seeds 101-110".
func (s seedRange) String() string {
	if s.first == s.last {
		return fmt.Sprintf("%s seed %d", s.set(), s.first)
	}
	return fmt.Sprintf("%s seeds %d-%d", s.set(), s.first, s.last)
}
