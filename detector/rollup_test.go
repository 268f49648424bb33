package detector

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

func byCredits(t *Totals) float64 { return t.Money[MoneyCredits].Float64() }

var charged = Fields{Counts: []Count{CountRows}, Money: []Money{MoneyCredits}}

func someLeaves(n int) []*cohort.Leaf {
	l := cohort.NewLeaves()
	out := make([]*cohort.Leaf, n)
	for i := range out {
		var v [event.NumDims]string
		v[event.Plan], v[event.Region], v[event.Model] = fmt.Sprint("plan", i%3), fmt.Sprint("region", i/3%7), fmt.Sprint("model", i)
		out[i] = l.Of(&v)
	}
	return out
}

// What is asked of a roll-up is what adding up the cells would give, whatever order they came in; and what was published stays.
func TestRollupAgainstAddingUp(t *testing.T) {
	leaves := someLeaves(12)
	type told struct {
		leaf int
		at   int64
		rows int64
	}
	rapid.Check(t, func(t *rapid.T) {
		r := newRoller()
		base := int64(1782396000e9)
		var all []told
		var old *Rollup
		var was CohortAnswer
		q := CohortQuery{Most: rapid.IntRange(0, 5).Draw(t, "most"), Rank: byCredits, Fields: charged, Step: cohort.Five * rapid.Int64Range(1, 20).Draw(t, "step")}
		q.By = rapid.SampledFrom([][]event.Dim{nil, {event.Plan}, {event.Region, event.Plan}, {event.Model}}).Draw(t, "by")
		q.Where = rapid.SampledFrom([]map[event.Dim][]string{nil, {event.Plan: {"plan1"}}, {event.Plan: {"plan0", "plan2"}, event.Region: {"region1"}}}).Draw(t, "where")
		q.From = base + rapid.Int64Range(-30, 30).Draw(t, "from")*int64(time.Minute)
		q.To = q.From + rapid.Int64Range(1, 300).Draw(t, "length")*int64(time.Minute)
		for range rapid.IntRange(1, 60).Draw(t, "cells") {
			x := told{rapid.IntRange(0, len(leaves)-1).Draw(t, "leaf"), base + rapid.Int64Range(0, 2000).Draw(t, "tick")*cohort.Tick, rapid.Int64Range(1, 9).Draw(t, "rows")}
			all = append(all, x)
			c := &cohort.Cell{Rows: x.rows}
			c.Credits.Add(event.Credits(x.rows * int64(event.Credit)))
			r.add(leaves[x.leaf], x.at, c)
			if old == nil && rapid.Bool().Draw(t, "publish") {
				old = r.publish(x.at)
				was = old.Ask(&q)
			}
		}
		got := r.publish(base).Ask(&q)
		if old != nil && !reflect.DeepEqual(old.Ask(&q), was) {
			t.Fatal("a published roll-up changed")
		}
		rows := map[string]int64{}
		steps := map[string][]int64{}
		total := int64(0)
		for _, x := range all {
			if at := x.at - x.at%cohort.Five; at < got.From || at >= got.To || !fulfils(q.Where, leaves[x.leaf]) {
				continue
			}
			key := ""
			for _, d := range q.By {
				key += leaves[x.leaf].Values[d] + " "
			}
			if steps[key] == nil {
				steps[key] = make([]int64, q.Steps())
			}
			rows[key] += x.rows
			steps[key][(x.at-x.at%cohort.Five-got.From)/q.Step] += x.rows
			total += x.rows
		}
		if got.Everything.Counts[CountRows] != total || len(got.Cohorts)+got.Others != len(rows) || len(got.Cohorts) > q.Most {
			t.Fatalf("%d rows in %d and %d cohorts, want %d in %d", got.Everything.Counts[CountRows], len(got.Cohorts), got.Others, total, len(rows))
		}
		shown := got.Rest.Counts[CountRows]
		for i, c := range got.Cohorts {
			key := ""
			for _, v := range c.Values {
				key += v + " "
			}
			var each []int64
			for _, s := range c.Steps {
				each = append(each, s.Counts[CountRows])
			}
			if c.Total.Counts[CountRows] != rows[key] || !slices.Equal(each, steps[key]) || i > 0 && c.Total.Counts[CountRows] > got.Cohorts[i-1].Total.Counts[CountRows] {
				t.Fatalf("%q: %d rows as %v, want %d as %v", key, c.Total.Counts[CountRows], each, rows[key], steps[key])
			}
			shown += c.Total.Counts[CountRows]
		}
		if shown != total {
			t.Fatalf("%d rows in all cohorts, want %d", shown, total)
		}
	})
}

func TestRollupIsBounded(t *testing.T) {
	r := newRoller()
	leaf := someLeaves(1)[0]
	for i := range int64(400) {
		r.add(leaf, 1782396000e9+i*cohort.Five, &cohort.Cell{Rows: 1})
	}
	r.add(leaf, 1782396000e9, &cohort.Cell{Rows: 1}) // of the day before
	if p := r.publish(0); len(p.slabs) != 288 || r.rows != 288 || p.Folded != 0 {
		t.Errorf("%d slabs, %d rows", len(p.slabs), r.rows)
	}
	var v [event.NumDims]string
	for i := range rollupMaxLeaves + 10 {
		v[event.Org] = fmt.Sprint(i)
		r.add(&cohort.Leaf{Values: v}, 1782396000e9+400*cohort.Five, &cohort.Cell{Rows: 1})
	}
	p := r.publish(0)
	// The first leaf is of this day, so that only what came beyond the bound has no room.
	if len(p.leaves) > rollupMaxLeaves+1 || p.Folded != 11 {
		t.Errorf("%d leaves, %d folded", len(p.leaves), p.Folded)
	}
	v[event.Org] = "the day after"
	r.add(&cohort.Leaf{Values: v}, 1782396000e9+800*cohort.Five, &cohort.Cell{Rows: 1})
	if p := r.publish(0); len(p.leaves) != 1 || p.leaves[0].Values != v {
		t.Errorf("%d leaves a day later", len(p.leaves))
	}
}

// busyDay is a roll-up of leaves that all have rows in each five minutes of a day.
func busyDay(leaves int) *Rollup {
	r := newRoller()
	rng := rand.New(rand.NewPCG(1, 2))
	all := someLeaves(leaves)
	for at := int64(1782345600e9); at < 1782345600e9+rollupKeep; at += cohort.Five {
		for _, leaf := range all {
			c := &cohort.Cell{Rows: 1 + rng.Int64N(50), Requests: 1, Input: rng.Int64N(1e6)}
			c.Credits.Add(event.Credits(rng.Int64N(1e12)))
			r.add(leaf, at, c)
		}
	}
	return r.publish(1782345600e9 + rollupKeep)
}

func BenchmarkRollupAsk(b *testing.B) {
	for _, leaves := range []int{200, 2000} {
		r := busyDay(leaves)
		for _, by := range [][]event.Dim{nil, {event.Plan, event.Region}, {event.Model}} {
			b.Run(fmt.Sprintf("leaves=%d/by=%d", leaves, cmp.Or(len(by), 0)), func(b *testing.B) {
				b.ReportAllocs()
				q := &CohortQuery{By: by, From: r.From(), To: r.At, Step: cohort.Five, Most: 100, Rank: byCredits, Fields: charged}
				for b.Loop() {
					r.Ask(q)
				}
			})
		}
	}
}

func BenchmarkRollupAdd(b *testing.B) {
	leaves := someLeaves(2000)
	r := newRoller()
	c := &cohort.Cell{Rows: 1}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		r.add(leaves[i%2000], int64(i/2000)*cohort.Tick, c)
		if i++; i%200_000 == 0 {
			r.publish(0)
		}
	}
}
