package verdict

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const minute = int64(time.Minute)

// relay is n accounts of which each is at work for so long, a while after the one before.
func relay(n int, long, pause int64) (out []Member) {
	for i := range n {
		at := int64(i) * (long + pause)
		out = append(out, Member{Created: 1, First: at, Spent: at + long, Metered: true, Drawn: 2, Spells: []Spell{{at, at + long, uint64(i + 1)}}})
	}
	return out
}

// side is n accounts that are all at work at once.
func side(n int, long int64) []Member {
	out := relay(n, long, 0)
	for i := range out {
		out[i].First, out[i].Spent, out[i].Spells = int64(i), long, []Spell{{int64(i), int64(i) + long, uint64(i + 1)}}
	}
	return out
}

func ringOf(m []Member) *Ring { return &Ring{Members: m, Tied: m, By: "ip", Now: 1 << 60} }

func with(m []Member, change func(i int, x *Member)) []Member {
	for i := range m {
		change(i, &m[i])
	}
	return m
}

// What tells a ring from its innocent twins, piece by piece: which way it points, and how far.
func TestRingEvidence(t *testing.T) {
	idle := func(i int, x *Member) { x.Spent = 0 }
	late := func(i int, x *Member) { x.Spent += 3 * SpentWithin }
	for _, c := range []struct {
		name  string
		of    func(*Ring) (piece, bool)
		ring  *Ring
		least float64 // nats
		most  float64
		code  string // "" is nothing to say
	}{
		{"all are drained at once", spent, ringOf(relay(8, 30*minute, minute)), 6, 6, "drained_at_once"},
		{"none is", spent, ringOf(with(relay(8, 30*minute, minute), idle)), -3, -3, "drained_at_once"},
		{"all are, but days after they began: people who came to like it", spent, ringOf(with(relay(8, 30*minute, minute), late)), -3, -3, "drained_at_once"},
		{"one in three is, as at a hackathon", spent, ringOf(with(relay(9, minute, minute), func(i int, x *Member) {
			if i%3 > 0 {
				x.Spent = 0
			}
		})), -3, -3, "drained_at_once"},
		{"all but one of ten", spent, ringOf(with(relay(10, minute, minute), func(i int, x *Member) {
			if i == 0 {
				x.Spent = 0
			}
		})), 6, 6, "drained_at_once"},
		{"too few to say", spent, ringOf(relay(3, minute, minute)), 0, 0, ""},
		{"who is at it may still do it, and is not counted", spent, &Ring{Tied: with(relay(8, 30*minute, minute), func(i int, x *Member) {
			if i == 7 {
				x.Spent = 0
			}
		}), Now: 8 * 31 * minute}, 6, 6, "drained_at_once"},
		{"no gauge, no plan: all draw the same", spent, ringOf(with(relay(8, minute, minute), func(i int, x *Member) { x.Metered, x.Spent, x.Drawn = false, 0, 2+float64(i)/20 })), 6, 6, "draw_alike"},
		{"no gauge, no plan: each as they need", spent, ringOf(with(relay(8, minute, minute), func(i int, x *Member) { x.Metered, x.Spent, x.Drawn = false, 0, math.Pow(3, float64(i)-4) })), -3, -3, "draw_alike"},
		{"no gauge, no plan: alike but for one", spent, ringOf(with(relay(12, minute, minute), func(i int, x *Member) {
			if x.Metered, x.Spent, x.Drawn = false, 0, 2; i == 0 {
				x.Drawn = 0.001
			}
		})), 6, 6, "draw_alike"},
		{"one stops, the next begins", turns, ringOf(relay(8, 30*minute, minute)), 5, 7, "take_turns"},
		{"and twenty of them", turns, ringOf(relay(20, 30*minute, minute)), 12, 12, "take_turns"},
		{"shifts at one desk", turns, ringOf(with(relay(20, 30*minute, minute), idle)), 5, 5, "take_turns"},
		{"side by side", turns, ringOf(side(8, 30*minute)), -6, -6, "take_turns"},
		{"so seldom that none need overlap", turns, ringOf(relay(8, minute, 600*minute)), 0, 0, ""},
		{"at one machine nobody can overlap: it says nothing", turns, ringOf(with(relay(8, 30*minute, minute), func(_ int, x *Member) { x.Spells[0].Seat = 1 })), 0, 0, ""},
		{"devices are not sent: every account might be elsewhere", turns, ringOf(with(relay(8, 30*minute, minute), func(_ int, x *Member) { x.Spells[0].Seat = 0 })), 5, 7, "take_turns"},
		{"opened within a day", together, ringOf(relay(8, minute, minute)), 0, 0, "opened_together"},
		{"nobody knows when they were opened", together, ringOf(with(relay(8, minute, minute), func(_ int, x *Member) { x.Created = 0 })), 0, 0, ""},
		{"one organisation's, but for one", paid, ringOf(with(relay(10, minute, minute), func(i int, x *Member) {
			if i > 0 {
				x.Org = "acme"
			}
		})), -15, -15, "one_organisation_pays"},
		{"of several", paid, ringOf(with(relay(10, minute, minute), func(i int, x *Member) { x.Org = fmt.Sprint("org", i%2) })), 0, 0, ""},
	} {
		x, ok := c.of(c.ring)
		if ok != (c.code != "") || x.say.Code != c.code || x.nats < c.least-1e-9 || x.nats > c.most+1e-9 {
			t.Errorf("%s: %v, %q, %.2f nats; want %q, %v to %v", c.name, ok, x.say.Code, x.nats, c.code, c.least, c.most)
		}
		if ok && x.nats != 0 && x.say.Against != (x.nats < 0) {
			t.Errorf("%s: %.2f nats, against %v", c.name, x.nats, x.say.Against)
		}
	}
}

// No piece names anybody alone, and an organisation that pays outweighs all others together.
func TestRingNeedsCorroboration(t *testing.T) {
	pays := func(_ int, x *Member) { x.Org = "acme" }
	for _, c := range []struct {
		name string
		r    *Ring
		told bool
	}{
		{"drained by turns", ringOf(relay(8, 30*minute, minute)), true},
		{"drained side by side", ringOf(side(20, 30*minute)), false},
		{"turns, and nobody drained", ringOf(with(relay(8, 30*minute, minute), func(_ int, x *Member) { x.Spent = 0 })), false},
		{"turns, and nobody knows what they may draw", ringOf(with(relay(20, 30*minute, minute), func(_ int, x *Member) { x.Spent, x.Metered, x.Drawn = 0, false, 0 })), false},
		{"drained by turns, for one organisation", ringOf(with(relay(40, 30*minute, minute), pays)), false},
		{"eight on one device", &Ring{Counted: true, Close: true}, true},
	} {
		if told, nats := c.r.Told(&Hearing{}); told != c.told {
			t.Errorf("%s: told %v at %.1f nats", c.name, told, nats)
		}
	}
	r := ringOf(relay(8, 30*minute, minute))
	for _, s := range []Signal{Drained, TakeTurns} {
		if told, _ := r.Told(&Hearing{Without: Signals(0).With(s)}); told {
			t.Errorf("without %s it is told", s)
		}
	}
}

// Confidence follows the evidence, and the verdict has figures for and against.
func TestFarmConfidence(t *testing.T) {
	at := func(r *Ring) float64 { return JudgeFarm(r, &Hearing{}).Confidence }
	counted := func(n int, m []Member) *Ring {
		return &Ring{Members: m, Tied: m, By: "device", Count: float64(n), Counted: true, Close: true, Now: 1 << 60}
	}
	few, many := at(counted(8, make([]Member, 8))), at(counted(12, make([]Member, 12)))
	idle := at(counted(12, with(side(12, 30*minute), func(_ int, x *Member) { x.Spent = 0 })))
	bar, sure := at(ringOf(relay(6, 30*minute, 15*minute))), at(ringOf(relay(20, 30*minute, minute)))
	if few >= many || idle >= many || bar >= sure || sure > 0.97 || idle < 0.5 || math.Abs(few-0.82) > 1e-9 {
		t.Errorf("eight %.2f, twelve %.2f, and side by side %.2f; six by turns %.2f, twenty %.2f", few, many, idle, bar, sure)
	}
	v := JudgeFarm(ringOf(with(relay(20, 30*minute, minute), func(i int, x *Member) { x.Created = int64(i) * 12 * 60 * minute })), &Hearing{})
	var codes []string
	for _, e := range v.Evidence {
		codes = append(codes, map[bool]string{true: "-", false: "+"}[e.Against]+e.Code)
		if e.Code != "innocent_explanation" && (e.Observed == nil || e.Expected == nil) {
			t.Errorf("%s has no figure", e.Code)
		}
	}
	if got := strings.Join(codes, " "); got != "+accounts_tied +drained_at_once +take_turns -opened_together -innocent_explanation" {
		t.Error(got)
	}
}

// Overlaps are counted as the plain definition has it, in whatever order accounts come.
func TestOverlapsAreWhatTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var of []Member
		for range rapid.IntRange(0, 8).Draw(t, "members") {
			var m Member
			at := int64(0)
			for range rapid.IntRange(0, 4).Draw(t, "spells") {
				at += rapid.Int64Range(1, 20).Draw(t, "pause") * 1e9
				to := at + rapid.Int64Range(0, 20).Draw(t, "long")*1e9
				m.Spells = append(m.Spells, Spell{at, to, rapid.Uint64Range(0, 2).Draw(t, "seat")})
				at = to
			}
			of = append(of, m)
		}
		var k, e float64
		from, to, n := int64(math.MaxInt64), int64(0), 0
		for _, m := range of {
			for _, s := range m.Spells {
				from, to, n = min(from, s.From), max(to, s.To), n+1
			}
		}
		for i := range of {
			for _, a := range of[i].Spells {
				for j := range i {
					for _, b := range of[j].Spells {
						if a.Seat == b.Seat && a.Seat != 0 {
							continue
						}
						e += float64(a.To-a.From+b.To-b.From) / 1e9
						if x, y := a, b; byFrom(x, y) <= 0 && y.From < x.To || byFrom(x, y) > 0 && x.From < y.To {
							k++
						}
					}
				}
			}
		}
		if n < 2 {
			k, e, to = 0, 0, from
		}
		e /= max(float64(to-from)/1e9, 1)
		gotK, gotE := overlaps(of)
		if gotK != k || math.Abs(gotE-e) > 1e-9 {
			t.Fatalf("%v overlap, %v by chance, want %v and %v: %v", gotK, gotE, k, e, of)
		}
		rotated := append(append([]Member{}, of[len(of)/2:]...), of[:len(of)/2]...)
		if x, y := overlaps(rotated); x != gotK || y != gotE {
			t.Fatalf("%v, %v in another order; %v, %v", x, y, gotK, gotE)
		}
	})
}
