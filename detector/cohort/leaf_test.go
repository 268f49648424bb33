package cohort

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/drainwatch/drainwatch/detector/event"
)

// A million client versions cost a bounded number of leaves, and every row still lands in one that says what is known of it.
func TestLeavesFoldWhatIsBeyondTheirCap(t *testing.T) {
	const versions = 1_000_000
	l := NewLeaves()
	rows := map[*Leaf]int{}
	var v [event.NumDims]string
	v[event.Plan] = "pro"
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range versions {
		v[event.ClientVersion] = fmt.Sprintf("1.%d", i)
		leaf := l.Of(&v)
		if got := leaf.Values[event.ClientVersion]; leaf.Values[event.Plan] != "pro" || got != v[event.ClientVersion] && got != Other {
			t.Fatalf("row %d came to %v", i, leaf.Values)
		}
		rows[leaf]++
	}
	total := 0
	for _, n := range rows {
		total += n
	}
	folded := rows[l.Of(&v)]
	if total != versions || len(rows) != l.Len() || l.Len() > MaxValues+1 || folded != versions-MaxValues || l.Folded() != int64(folded)+1 {
		t.Errorf("%d rows in %d leaves, %d of them folded (said %d)", total, len(rows), folded, l.Folded())
	}
	if used := int64(heap() - before); used > 4<<20 {
		t.Errorf("%d bytes for what a million versions left", used)
	}
	runtime.KeepAlive(l)

	// What was known before the flood is still told apart.
	v[event.ClientVersion] = "1.7"
	if got := l.Of(&v).Values[event.ClientVersion]; got != "1.7" {
		t.Errorf("a known version came to %q", got)
	}
}

// Combinations are bounded too, whichever dimensions they come from: an attacker picks those that the caps spare longest.
func TestLeavesBoundCombinations(t *testing.T) {
	for name, d := range map[string][2]event.Dim{"narrow": {event.Org, event.PriceID}, "broad": {event.Model, event.Region}} {
		t.Run(name, func(t *testing.T) {
			l := NewLeaves()
			var v [event.NumDims]string
			v[event.Plan] = "pro"
			for i := range 2 * MaxLeaves {
				v[d[0]], v[d[1]] = fmt.Sprint(i%1000), fmt.Sprint(i/1000)
				if l.Of(&v) == nil {
					t.Fatal("a row without a leaf")
				}
			}
			if l.Len() > MaxLeaves || l.Folded() == 0 {
				t.Errorf("%d leaves, %d rows folded", l.Len(), l.Folded())
			}
			first := [event.NumDims]string{event.Plan: "pro"}
			first[d[0]], first[d[1]] = "0", "0"
			if l.Of(&first).Values != first {
				t.Errorf("a known combination came to %v", l.Of(&first).Values)
			}
		})
	}
}

// Two combinations whose hashes collide are two leaves, found again each.
func TestLeavesSurviveCollisions(t *testing.T) {
	a, b := [event.NumDims]string{event.Plan: "pro"}, [event.NumDims]string{event.Plan: "free"}
	l := NewLeaves()
	squatter := &Leaf{Values: b}
	l.byHash[hash(&a)] = squatter // as if b hashed like a
	leaf := l.Of(&a)
	if leaf == squatter || leaf.Values != a {
		t.Fatalf("%v came to the leaf of %v", a, leaf.Values)
	}
	if l.Of(&a) != leaf {
		t.Error("the same combination came to two leaves")
	}
}

// Leaves keep nothing of the line that they were read from, and finding a known one allocates nothing.
func TestLeavesOfKnownAllocatesNothing(t *testing.T) {
	l := NewLeaves()
	v := [event.NumDims]string{event.Plan: "pro", event.Model: "gpt-5-codex", event.Region: "eu-west-1", event.ClientVersion: "1.2.3"}
	leaf := l.Of(&v)
	if n := testing.AllocsPerRun(100, func() {
		if l.Of(&v) != leaf {
			t.Fatal("another leaf")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
