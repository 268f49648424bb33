package profile

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/state"
)

// rows of an hour.
type hours func(hour int64) []*event.Event

// play folds hours of what several do with one account, in order, as a shard does; each hour the table goes to bytes and into another
// one, if saved.
func play(t *testing.T, table *Table, h *heard, from, to int64, saved bool, do ...hours) *Table {
	t.Helper()
	for hour := from; hour < to; hour++ {
		leaf := plain
		if len(table.leaves) > 1 {
			leaf = table.leaves[1] // as it was read
		}
		var rows []*event.Event
		for _, d := range do {
			rows = append(rows, d(hour)...)
		}
		slices.SortStableFunc(rows, func(a, b *event.Event) int { return int(a.Time - b.Time) })
		next := monday + hour*cohort.Hour
		for _, e := range rows {
			for ; next+Bucket <= e.Time; next += Bucket {
				table.Close(next + Bucket)
				table.Calm(next + Bucket)
			}
			_, q := charge("u", e.Time, e.Credits.Float64())
			table.Fold(e, leaf, 0, q)
		}
		table.Close(monday + (hour+1)*cohort.Hour)
		table.Calm(monday + (hour+1)*cohort.Hour)
		if saved {
			was := table
			table, _ = newHeard()
			table.Say = was.Say
			if err := state.Restore(state.Append(nil, "table", 1, was.Code), "table", 1, table.Code); err != nil {
				t.Fatal(err)
			}
		}
	}
	return table
}

// atWork returns somebody who draws so many credits in so many rows of each of the hours of the day in [from, to).
func atWork(rng *rand.Rand, from, to int64, rows int, credits float64, who func() (device, network, country string)) hours {
	return func(hour int64) (out []*event.Event) {
		if hour%24 < from || hour%24 >= to {
			return nil
		}
		for range rows {
			e, _ := charge("u", monday+hour*cohort.Hour+rng.Int64N(cohort.Hour), credits)
			e.Device, e.ASN, e.Country = who()
			out = append(out, e)
		}
		return out
	}
}

// only keeps who works to some hours, and notes their last row.
func only(d hours, from, to int64, last *int64) hours {
	return func(hour int64) (rows []*event.Event) {
		if hour >= from && hour < to {
			rows = d(hour)
		}
		for _, e := range rows {
			*last = max(*last, e.Time)
		}
		return rows
	}
}

// script returns a machine that draws day and night.
func script(rng *rand.Rand) hours {
	return func(hour int64) (out []*event.Event) {
		for i := range int64(240) {
			e, _ := charge("u", monday+hour*cohort.Hour+i*15e9+rng.Int64N(1e9), 0.5)
			out = append(out, e)
		}
		return out
	}
}

// What was said of a user is over when who draws stops, to their row, whatever the owner does then, and goes on when they come back; also
// if the table was saved in between.
func TestWhatWasSaidEndsWithWhoDraws(t *testing.T) {
	const begins, ends = 10 * 24, 10*24 + 18
	owner := func() (string, string, string) { return "laptop", "as1", "DE" }
	for _, c := range []struct {
		name  string
		doer  Doer
		draws func(rng *rand.Rand) hours
		again bool
	}{
		{"a thief", Stranger, func(rng *rand.Rand) hours {
			return atWork(rng, 0, 24, 40, 1, func() (string, string, string) { return "other", "as9", "RU" })
		}, true},
		{"forty who share it", Many, func(rng *rand.Rand) hours {
			return atWork(rng, 0, 24, 60, 1, func() (string, string, string) {
				n := rng.IntN(40)
				return fmt.Sprint("d", n), fmt.Sprint("as", 10+n), "DE"
			})
		}, true},
		{"a script", Machine, script, false},
	} {
		for _, saved := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, "/", saved), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(7, 7))
				works := atWork(rng, 8, 18, 12, 0.5, owner)
				table, h := newHeard()
				first, last := int64(0), int64(0)
				draws := only(c.draws(rng), begins, ends, &last)
				table = play(t, table, h, 0, ends, saved, works, func(hour int64) []*event.Event {
					rows := draws(hour)
					if hour == begins {
						first = slices.MinFunc(rows, func(a, b *event.Event) int { return cmp.Compare(a.Time, b.Time) }).Time
					}
					return rows
				})
				d := h.of(Drain)
				for _, f := range d {
					if c.doer == Many && f.CrowdFrom != first-first%1e9 {
						t.Errorf("they came from %d on, not %d", first, f.CrowdFrom)
					}
				}
				if len(d) == 0 || len(h.of(Calm)) != 0 {
					t.Fatalf("%d findings, calm said %d times", len(d), len(h.of(Calm)))
				}
				if doer := d[len(d)-1].Doer(func(_ Sign, is bool) bool { return is }); doer != c.doer || d[len(d)-1].Last > last || last-d[len(d)-1].Last > cohort.Hour {
					t.Errorf("%d draws, last at %d; want %d at %d", doer, d[len(d)-1].Last, c.doer, last)
				}
				h.findings = nil
				table = play(t, table, h, ends, ends+14, saved, works)
				calm := h.of(Calm)
				if len(calm) != 1 || calm[0].User != "u" || calm[0].Last != last || calm[0].At-last <= calmAfter || calm[0].At-last > calmAfter+2*Bucket {
					t.Fatalf("calm %+v, want one after the last row at %d", calm, last)
				}
				if d := h.of(Drain); len(d) > 0 {
					t.Errorf("said again of the owner at work: %+v", d[0])
				}
				h.findings = nil
				if c.again {
					table = play(t, table, h, ends+14, ends+16, saved, works, only(c.draws(rng), ends+14, ends+15, &last))
					if d := h.of(Drain); len(d) == 0 || d[0].At > monday+(ends+15)*cohort.Hour || d[0].Last > last {
						t.Errorf("%+v was said when they came back", d)
					}
				}
				h.findings = nil
				_ = play(t, table, h, ends+16, ends+16+9*24, saved, works)
				if calm := h.of(Calm); c.again && (len(calm) != 1 || calm[0].Last != last) || len(h.of(Drain)) > 0 {
					t.Errorf("in the days that follow: %+v", h.findings)
				}
			})
		}
	}
}

// After a thief has gone, a script on the owner's machine is said as ever, days or a day later, and so is the next thief.
func TestWhoComesAfterAThiefIsSaid(t *testing.T) {
	for _, c := range []struct {
		doer  Doer
		draws func(rng *rand.Rand) hours
	}{
		{Machine, script},
		{Stranger, func(rng *rand.Rand) hours {
			return atWork(rng, 0, 24, 40, 1, func() (string, string, string) { return "third", "as7", "BR" })
		}},
	} {
		for _, days := range []int64{1, 3} {
			rng := rand.New(rand.NewPCG(8, 8))
			works := atWork(rng, 8, 18, 12, 0.5, func() (string, string, string) { return "laptop", "as1", "DE" })
			thief := atWork(rng, 0, 24, 40, 1, func() (string, string, string) { return "other", "as9", "RU" })
			table, h := newHeard()
			last, begins := int64(0), int64(10*24+18)+days*24
			table = play(t, table, h, 0, begins, false, works, only(thief, 10*24, 10*24+18, &last))
			if d := h.of(Drain); len(d) == 0 || len(h.of(Calm)) != 1 {
				t.Fatalf("%d findings of the thief, calm said %d times", len(d), len(h.of(Calm)))
			}
			h.findings = nil
			table = play(t, table, h, begins, begins+20, false, works, only(c.draws(rng), begins, begins+20, &last))
			_ = play(t, table, h, begins+20, begins+30, false, works)
			d, calm := h.of(Drain), h.of(Calm)
			if len(d) == 0 || len(calm) != 1 || calm[0].Last != last {
				t.Errorf("%d after %d days: %d findings, calm %+v, want at %d", c.doer, days, len(d), calm, last)
				continue
			}
			if doer := d[0].Doer(func(_ Sign, is bool) bool { return is }); doer != c.doer {
				t.Errorf("%d after %d days: %d is said", c.doer, days, doer)
			}
		}
	}
}
