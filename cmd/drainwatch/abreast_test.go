package main

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What stops whoever is ahead: company that is, not a broken clock among others, nor rows that cannot be read.
func TestWithin(t *testing.T) {
	for _, tt := range []struct {
		name  string
		times []int64
		n     int
		next  int64
	}{
		{"nothing", nil, 0, 0},
		{"all within", []int64{1, 5, 10}, 3, 0},
		{"the rest is beyond", []int64{1, 5, 11, 12, 13}, 2, 11},
		{"in disorder", []int64{1, 12, 5, 13, 9, 15, 14, 16, 17, 18, 19, 20}, 1, 12},
		{"one clock of many is ahead", []int64{1, 99, 2, 99, 3, 4, 5, 99, 6, 7}, 10, 0},
		{"rubbish passes", []int64{0, 0, 0, 11, 12, 0, 13}, 3, 11},
		{"one row alone passes", []int64{11}, 1, 0},
	} {
		if n, next := within(tt.times, 10); n != tt.n || next != tt.next {
			t.Errorf("%s: %d rows and then %d, want %d and %d", tt.name, n, next, tt.n, tt.next)
		}
	}
	if got := lately([]int64{9, 0, 1, 2, 0, 3}); got != 3 {
		t.Errorf("the middle of the last is %d", got)
	}
}

// However the partitions take turns, nobody waits for ever, and nobody gets much further ahead of the slowest than is allowed.
func TestAbreastGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "partitions")
		now := time.Unix(1000, 0)
		a := newAbreast(n, 120, now)
		left := make([][]int64, n)
		for q := range left {
			left[q] = rapid.SliceOfN(rapid.Int64Range(1, 1000), 0, 60).Draw(t, "times")
			slices.Sort(left[q])
		}
		for turns := 0; slices.ContainsFunc(left, func(l []int64) bool { return len(l) > 0 }); turns++ {
			if turns > 10_000 {
				t.Fatalf("all wait: %v", left)
			}
			q := int32(rapid.IntRange(0, n-1).Draw(t, "turn"))
			p := a.parts[q]
			if len(left[q]) == 0 {
				p.end, p.endSeen = true, now
				continue
			}
			until, _ := a.horizon(q, now)
			k, next := within(left[q], until)
			if k == 0 {
				p.at = max(p.at, next)
				continue
			}
			for o, l := range left {
				if int32(o) != q && len(l) > company && left[q][k-1] > l[0]+a.most && len(left[q]) > k+company {
					t.Fatalf("partition %d is at %d, and partition %d has yet to take %d", q, left[q][k-1], o, l[0])
				}
			}
			p.at = lately(left[q][:k])
			left[q] = left[q][k:]
		}
	})
}

// One that is not heard is waited for for a while only, and again once it is heard.
func TestAbreastGivesUp(t *testing.T) {
	now := time.Unix(1000, 0)
	a := newAbreast(3, time.Minute, now)
	a.parts[0].at, a.parts[1].at, a.parts[2].at = int64(time.Hour), int64(time.Hour), 0
	if until, q := a.horizon(0, now); q != 2 || until != a.most {
		t.Fatalf("up to %d because of %d", until, q)
	}
	later := now.Add(abreastAfter)
	a.parts[1].hear(later)
	if given := a.giveUp(0, now, later); !slices.Equal(given, []int32{2}) {
		t.Fatalf("given up: %v", given)
	}
	if until, q := a.horizon(0, later); q != 1 || until != int64(time.Hour)+a.most {
		t.Errorf("then up to %d because of %d", until, q)
	}
	a.parts[2].hear(later)
	if _, q := a.horizon(0, later); q != 2 {
		t.Error("it was heard, and nobody waits for it")
	}
	for _, p := range a.parts {
		p.end, p.endSeen = true, later
	}
	if until, _ := a.horizon(0, later); until != math.MaxInt64 {
		t.Errorf("all others are at their ends, and it waits at %d", until)
	}
	if doubt := a.doubtful(0, int64(2*time.Hour), later.Add(endFresh)); len(doubt) != 2 {
		t.Errorf("doubtful after a while: %v", doubt)
	}
}

// That a partition was read to its end says something once what was read is written, also while more comes.
func TestSourcePartSettles(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	a := newAbreast(1, time.Minute, at(0))
	p := a.parts[0]
	p.read, p.written = 0, 0
	p.rest(10, at(1))
	if len(a.behind(time.Second, at(1))) != 1 {
		t.Error("nothing is written, and it is not behind")
	}
	p.read = 20 // more comes all the time
	p.rest(20, at(2))
	p.written = 12
	p.settle()
	if p.endAt != at(1) || len(a.behind(5*time.Second, at(3))) != 0 || len(a.behind(time.Second, at(3))) != 1 {
		t.Errorf("it was at its end at %v", p.endAt)
	}
	p.rest(25, at(4))
	p.written = 25
	p.settle()
	if p.endAt != at(4) {
		t.Errorf("it was at its end at %v", p.endAt)
	}
}
