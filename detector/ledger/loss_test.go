package ledger

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// blunt returns what says of a partition's rows whether requests are missing before them in their turn, if two in a row are: of one it
// has nothing to say.
func blunt() func(*cohort.Row) {
	last := map[string]int64{}
	return func(r *cohort.Row) {
		was, known := last[r.Event.TurnID]
		last[r.Event.TurnID] = r.Event.Input
		r.Tells, r.Shows = 0, 0
		if !known {
			return
		}
		r.Tells = r.Tells.With(cohort.Gap)
		if r.Event.Input > was+2 {
			r.Shows = r.Shows.With(cohort.Gap)
		}
	}
}

// losing feeds what so many users did, two turns of ten requests in each of their hours, a credit a request: forty hours that are all
// there, ten in which every request of the first so many is lost with that chance, and some that are all there again. It returns how many
// of the ten are left.
func losing(b *Booker, users, hit int, chance float64, again int64) (left int) {
	rng := rand.New(rand.NewPCG(1, uint64(1000*chance)))
	for u := range users {
		for h := int64(-40); h < 10+again; h++ {
			for i := range int64(20) {
				e := &event.Event{
					ID: fmt.Sprint(h, "-", i), User: fmt.Sprint("u", u), TurnID: fmt.Sprint("t", u, "-", h, "-", i/10),
					Time: onset + h*cohort.Hour + i*1e9, Credits: event.Credit, Input: 1 + i%10, HasTokens: true,
				}
				e.Dims[event.Plan] = "pro"
				if h >= 0 && h < 10 {
					if u < hit && rng.Float64() < chance {
						continue
					}
					left++
				}
				b.Add(cohort.Row{Event: e})
			}
		}
	}
	b.EndPartition()
	return left
}

// Of requests that are missing in a row one gap shows, or none. How many there are is told by the past, of which as many are taken
// away as it takes until as much shows.
func TestLossShowsAsItWouldInThePast(t *testing.T) {
	for _, chance := range []float64{0.1, 0.3, 0.5, 0.8, 0.95} {
		b := lossBooker()
		const users = 100
		left := losing(b, users, users, chance, 0)
		r := b.Results()["inc_1"]
		if missing := float64(users*200 - left); math.Abs(-r.Overcharge.Float64()/missing-1) > 0.1 {
			t.Errorf("of %v: %.0f missing, told %v", chance, missing, r.Overcharge)
		}
		keep := 1 - chance
		turns, hours := 1-math.Pow(chance, 10), 1-math.Pow(chance, 20)
		if math.Abs(r.Left.Requests/keep-1) > 0.1 || math.Abs(r.Left.Turns/turns-1) > 0.1 || math.Abs(r.Left.Users/hours-1) > 0.1 {
			t.Errorf("of %v: %+v left, want %.3f of requests, %.3f of turns, %.3f of hours", chance, r.Left, keep, turns, hours)
		}
	}
}

// It is over before anybody can be sure of that. What follows is no part of it, whatever is charged then.
func TestLossEnds(t *testing.T) {
	for _, again := range []int64{0, 3, 30} {
		b := lossBooker()
		const users = 100
		left := losing(b, users, users, 0.8, again)
		r := b.Results()["inc_1"]
		if missing := float64(users*200 - left); math.Abs(-r.Overcharge.Float64()/missing-1) > 0.1 || math.Abs(r.Left.Requests/0.2-1) > 0.1 {
			t.Errorf("%d hours after it: %.0f missing, told %v, %+v", again, missing, r.Overcharge, r.Left)
		}
	}
}

// It hits some of the users, and the others are not the poorer for it.
func TestLossOfSome(t *testing.T) {
	for _, chance := range []float64{0.3, 0.8, 0.95} {
		b := lossBooker()
		const users, hit = 100, 40
		left := losing(b, users, hit, chance, 5)
		r := b.Results()["inc_1"]
		missing := float64(users*200 - left)
		others := 0.0
		for _, x := range r.Rows {
			if x.Rows == 300 {
				others -= x.Overcharge().Float64()
			}
		}
		if math.Abs(-r.Overcharge.Float64()/missing-1) > 0.1 || others > missing/50 {
			t.Errorf("of %v: %.0f missing, told %v, %.0f of those who miss nothing", chance, missing, r.Overcharge, others)
		}
		if keep := 1 - chance*hit/users; math.Abs(r.Left.Requests/keep-1) > 0.1 {
			t.Errorf("of %v: %+v left, want %.2f of requests", chance, r.Left, keep)
		}
	}
}

func lossBooker() *Booker {
	b := NewBooker([]Claim{{
		Incident: "inc_1", Where: where("plan", "pro"), Before: where("plan", "pro"), From: onset, To: onset + 1000*cohort.Hour,
		ByMeasure: true, Measure: cohort.InputPerRequest, Short: true, Flag: cohort.Gap, Lost: 0.01,
	}})
	b.Recall = blunt
	return b
}

// What lies outside of the scope is not lost: a turn that began there is not the scope's, whatever is left of it.
func TestLossLeavesWhatLiesOutside(t *testing.T) {
	for _, c := range []struct {
		why string
		in  []bool // rows of a turn
		n   []int64
	}{
		{"all of it lies inside", []bool{true, true, true}, []int64{1, 1, 1}},
		{"it goes on outside", []bool{true, true, false, true}, []int64{1, 1, 0, 0}},
		{"it began outside", []bool{false, true, true}, []int64{0, 0, 0}},
	} {
		var n order
		var x run
		for _, in := range c.in {
			x.rows++
			n.count(&x, in, 1)
		}
		for i, want := range c.n {
			if n[i] != want {
				t.Errorf("%s: %v, want %v", c.why, n[:len(c.n)], c.n)
				break
			}
		}
	}
}
