package detector

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
)

// oversOf returns cells of rows that each of the faults charged, n cells a fault.
func oversOf(rng *rand.Rand, n int, faults ...cohort.Fault) (list []over) {
	for _, f := range faults {
		for range n {
			x := over{shape: &cohort.Shape{}, users: 1}
			for range 1 + rng.IntN(3) {
				in, d := 0.1+0.8*rng.Float64(), 4*rng.Float64()
				x.shape.Observe(in, d, f.Charge(in, d))
			}
			list = append(list, x)
		}
	}
	return list
}

// Rows of two faults, some of which bear both, are sorted into the two; rows of one stay one.
func TestSortOutFindsFaultsThatCross(t *testing.T) {
	price := cohort.Fault{Flat: 2.5, Input: 1}
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		other := rapid.SampledFrom([]cohort.Fault{
			{Flat: 1, Input: 1, Full: true}, {Flat: 1, Input: 3}, {Flat: 12, Input: 1},
		}).Draw(t, "other")
		one := sortOut(oversOf(rng, 15, price))
		if len(one) != 1 || !one[0].Like(price) || one[0].rows < 15 {
			t.Fatalf("one fault is taken for %+v", one)
		}
		two := sortOut(oversOf(rng, 15, price, other, price.And(other)))
		if len(two) < 2 || !(two[0].Like(price) && two[1].Like(other) || two[0].Like(other) && two[1].Like(price)) {
			t.Fatalf("%v and %v are taken for %+v", price, other, two)
		}
	})
}

// What varies from row to row for reasons of its own is no fault that multiplies.
func TestSortOutLeavesWhatVaries(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var list []over
	for range 300 {
		list = append(list, oversOf(rng, 1, cohort.Fault{Flat: 1.2 + 10*rng.Float64(), Input: 1})...)
	}
	if got := sortOut(list); got != nil {
		t.Errorf("sorted into %+v", got)
	}
}

// Where one fault charges too little, another that charges too much may make up for it: rows that look right there deny neither. Rows that
// look right elsewhere, or before, do.
func TestOppositeFaultsHideEachOther(t *testing.T) {
	const now = int64(500_000) * cohort.Hour
	for _, c := range []struct {
		why    string
		region string
		flag   cohort.Flag // of what is looked for
		ago    int64       // hours
		under  int64       // of ten rows, that are charged too little
		status incident.Status
		want   int64
	}{
		{"both multiply them", "north", cohort.Over, 1, 0, incident.Firing, 0},
		{"some bear the one alone", "north", cohort.Over, 1, 4, incident.Firing, 4},
		{"elsewhere", "south", cohort.Over, 1, 0, incident.Firing, 10},
		{"before it began", "north", cohort.Over, 5, 0, incident.Firing, 10},
		{"it is over", "north", cohort.Over, 1, 0, incident.Resolved, 10},
		{"another flag", "north", cohort.Duplicate, 1, 0, incident.Firing, 10},
	} {
		f := newFleet(newOptions(), []int32{0}, nil)
		f.now = now
		under := &live{by: byFlag, flag: cohort.Under, where: cohort.NewWhere(cohort.Cond{Dim: event.Region, Value: "north"}), onset: now - 3*cohort.Hour, lastHit: now - 2*cohort.Hour}
		under.Status = c.status
		f.lives = append(f.lives, under)
		values := [event.NumDims]string{event.Region: c.region, event.Model: "m"}
		cell := &cohort.Cell{Rows: 10, PricedRows: 10}
		cell.OffOf(cohort.Under).Rows = c.under
		if _, n, ok := f.part(cohort.NewLeaves().Of(&values), now-c.ago*cohort.Hour, cell, c.flag, nil, nil); !ok || n != c.want {
			t.Errorf("%s: %d rows could have shown it, want %d", c.why, n, c.want)
		}
		if _, n, _ := f.part(cohort.NewLeaves().Of(&values), now-c.ago*cohort.Hour, cell, c.flag, nil, &cohort.Fault{Full: true}); n < 0 {
			t.Errorf("%s: %d rows could have shown a lost discount", c.why, n)
		}
	}
}
