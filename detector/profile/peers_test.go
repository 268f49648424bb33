package profile

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/state"
)

func leafOf(plan, org string) *cohort.Leaf {
	return &cohort.Leaf{Values: [event.NumDims]string{event.Plan: plan, event.Org: org}}
}

// folk are users of one leaf, whose levels lie about its level.
type folk struct {
	leaf  *cohort.Leaf
	users int
	level float64 // of a median stretch of the median user
}

// town is a table in which users of several leaves have lived for warmDays, nine hours a day.
type town struct {
	table *Table
	heard *heard
	sigma float64 // how much the logarithms of levels deviate within a leaf
	logs  spread
	peers []byte
	came  int // newcomers
}

const warmDays = 21

func settle(sigma float64, people ...folk) *town {
	w := &town{sigma: sigma}
	w.table, w.heard = newHeard()
	rng := rand.New(rand.NewPCG(1, 12))
	type settler struct {
		id    string
		leaf  *cohort.Leaf
		level float64
	}
	var all []settler
	for _, f := range people {
		for range f.users {
			all = append(all, settler{fmt.Sprint("settler", len(all)), f.leaf, f.level * math.Exp(sigma*rng.NormFloat64())})
		}
	}
	for b := range int64(warmDays) * 144 {
		for _, s := range all {
			if hour := b % 144 / 6; hour >= 8 && hour < 17 && rng.IntN(2) == 0 {
				e, q := charge(s.id, monday+b*Bucket, s.level*math.Exp(rng.NormFloat64()))
				w.table.Fold(e, s.leaf, 0, q)
			}
		}
		w.table.Close(monday + (b+1)*Bucket)
	}
	w.logs, w.peers = w.table.logs, state.Append(nil, "peers", 1, w.table.peers.code)
	return w
}

// taught is what users of leaves have taught in as many days, whose levels are those of a settled past.
func taught(sigma float64, people ...folk) *peers {
	p := newPeers()
	rng := rand.New(rand.NewPCG(1, 14))
	var leaves []*cohort.Leaf
	var levels []float64
	for _, f := range people {
		for range f.users {
			leaves, levels = append(leaves, f.leaf), append(levels, f.level*math.Exp(sigma*rng.NormFloat64()))
		}
	}
	for d := range int32(warmDays) {
		for i, l := range leaves {
			p.learn(l, levels[i], 27, d)
		}
	}
	return &p
}

// stranger has the table know nobody but everybody.
func (w *town) stranger() *town {
	p := newPeers()
	w.peers = state.Append(nil, "peers", 1, p.code)
	w.anew()
	return w
}

// anew has the table know what the settlers have taught, and no later ones.
func (w *town) anew() {
	w.table.logs, w.heard.findings = w.logs, nil
	if err := state.Restore(w.peers, "peers", 1, w.table.peers.code); err != nil {
		panic(err)
	}
}

func (w *town) pop() float32 { return float32(math.Exp(float64(w.logs.sum / w.logs.n))) }

// part is a part of a newcomer's first days, at so many times the level of their leaf.
type part struct {
	days   int64
	level  float64
	always bool
	from   string // who draws: device and network
}

// come has newcomers of a leaf live, and returns after how many stretches of the last part each was found, and accused of being
// somebody or something other than the owner.
func (w *town) come(leaf *cohort.Leaf, level float64, parts []part, lives int) (found, accused []int64) {
	for i := range lives {
		w.anew()
		rng := rand.New(rand.NewPCG(uint64(i), 13))
		w.came++
		own, at := level*math.Exp(w.sigma*rng.NormFloat64()), int64(warmDays)
		for k, x := range parts {
			w.heard.findings = nil
			p := &person{rng: rng, from: 8, to: 17, leaf: leaf, device: x.from, network: x.from}
			p.live(w.table, fmt.Sprint("newcomer", w.came), at, x.days, own*x.level, x.always)
			if k < len(parts)-1 {
				at += x.days
			}
		}
		f, a := never, never
		for _, d := range w.heard.of(Drain) {
			after := (d.At - monday - at*day) / Bucket
			if f = min(f, after); d.accused() {
				a = min(a, after)
			}
		}
		found, accused = append(found, f), append(accused, a)
	}
	return found, accused
}

// A newcomer starts from what users of their plan or organisation do. Heavy ones of a heavy plan are not held against light ones, and
// where users of a plan are alike, who draws twenty times as much is found in a day instead of never. Where they are not, it changes
// what is expected of a newcomer, and accuses nobody. The table in doc.go.
func TestNewcomersStartFromTheirPeers(t *testing.T) {
	light, heavy := leafOf("light", ""), leafOf("heavy", "")
	mean := math.Exp(0.5) // of a stretch, where the median is 1
	lives := max(*fateLives/10, 1)
	for _, sigma := range []float64{0.4, 0.8} {
		w := settle(sigma, folk{light, 140, 1}, folk{heavy, 60, 20})
		alike := sigma < 0.5
		for _, x := range []struct {
			leaf  *cohort.Leaf
			level float64
		}{{light, 1}, {heavy, 20}} {
			p := w.table.peers.of(x.leaf, w.pop())
			if off := math.Abs(math.Log(float64(p.mean) / (x.level * mean))); off > 0.3 {
				t.Errorf("deviation %v: %.3g is expected of a newcomer of plan %s, want about %.3g", sigma, p.mean, x.leaf.Values[event.Plan], x.level*mean)
			}
			if p.firm() != alike {
				t.Errorf("deviation %v: peers of plan %s count for %v buckets", sigma, x.leaf.Values[event.Plan], p.weight)
			}
		}
		if n := len(w.heard.findings); n > 0 {
			t.Errorf("%d findings while the town lived", n)
		}
		table := fmt.Sprintf("deviation of levels %.1f: everybody's stretch %.3g, of plans %.3g and %.3g\n%-52s everybody's mean           peers\n%-52s found  50%%  90%% accused  found  50%%  90%% accused\n",
			sigma, w.pop(), w.table.peers.of(light, w.pop()).mean, w.table.peers.of(heavy, w.pop()).mean, "", "")
		known := w.peers
		for _, c := range []struct {
			name  string
			leaf  *cohort.Leaf
			level float64
			parts []part
			found [2]int64 // with peers, where they are alike
			why   string
		}{
			{"light: like all of the plan", light, 1, []part{{8, 1, false, "own"}}, [2]int64{never, never}, "nothing is wrong"},
			{"light: three times that, by day and night", light, 1, []part{{8, 3, true, "own"}}, [2]int64{never, never}, "somebody is the busiest"},
			{"heavy: like all of the plan", heavy, 20, []part{{8, 1, false, "own"}}, [2]int64{never, never}, "a plan's usual is no drain"},
			{"heavy: by day and night", heavy, 20, []part{{8, 1, true, "own"}}, [2]int64{never, never}, "nor is working long"},
			{"heavy: on another machine from the second day on", heavy, 20, []part{{1, 1, false, "own"}, {7, 1, false, "other"}}, [2]int64{never, never}, "nor a new one"},
			{"light: little on a first day, then like all", light, 1, []part{{1, 0.1, false, "own"}, {7, 1, true, "own"}}, [2]int64{never, never}, "first days are a try"},
			{"light: 20x from the first row on", light, 1, []part{{8, 20 * mean, true, "own"}}, [2]int64{100, 300}, "no user of the plan draws as much"},
			{"light: 20x from the second day on", light, 1, []part{{1, 1, false, "own"}, {8, 20 * mean, true, "own"}}, [2]int64{60, 250}, "nor did this one"},
			{"the same by a new identity", light, 1, []part{{1, 1, false, "own"}, {8, 20 * mean, true, "thief's"}}, [2]int64{5, 100}, "who draws is known too"},
			{"heavy: 20x from the second day on", heavy, 20, []part{{1, 1, false, "own"}, {8, 20 * mean, true, "own"}}, [2]int64{60, 250}, "no user of the plan draws as much"},
			{"light: 20x from the sixth day on", light, 1, []part{{5, 1, false, "own"}, {8, 20 * mean, true, "own"}}, [2]int64{60, 200}, "the own past says so"},
		} {
			table += fmt.Sprintf("%-52s", c.name)
			w.stranger()
			before, accusedBefore := w.come(c.leaf, c.level, c.parts, lives)
			w.peers = known
			after, accused := w.come(c.leaf, c.level, c.parts, lives)
			a, b := fated(before), fated(after)
			table += fmt.Sprintf(" %s %5.2f    %s %5.2f\n", a, fated(accusedBefore).share(), b, fated(accused).share())
			if m := b.at(0.5); alike && (m < c.found[0] || m > c.found[1]) {
				t.Errorf("%s: found after %d stretches at the median, want %v: %s", c.name, m, c.found, c.why)
			}
			if m, was := b.at(0.5), a.at(0.5); m > was+was/10 {
				t.Errorf("deviation %v, %s: found after %d stretches at the median, and %d by everybody's mean", sigma, c.name, m, was)
			}
			if c.found[0] == never && fated(accused).share() > 0 {
				t.Errorf("deviation %v, %s: accused, though %s", sigma, c.name, c.why)
			}
		}
		t.Logf("%d lives each, %s", lives, table)
	}
}

// An organisation says more of its users than the plan does, if it has users with a past; who belongs to none, or to a small one,
// starts from the plan.
func TestOrganisationsComeBeforePlans(t *testing.T) {
	people := []folk{{leafOf("team", ""), 40, 1}}
	for i := range 10 {
		people = append(people, folk{leafOf("team", fmt.Sprint("org", i)), 10, math.Pow(30, float64(i)/9)})
	}
	small := leafOf("team", "small")
	p := taught(0.4, append(people, folk{small, 2, 30})...)
	for _, f := range people[1:] {
		x := p.of(f.leaf, 3)
		if off := math.Abs(math.Log(float64(x.mean) / f.level)); off > 0.4 {
			t.Errorf("%.3g is expected of a newcomer of %s, want about %.3g", x.mean, f.leaf.Values[event.Org], f.level)
		}
	}
	plan := p.of(leafOf("team", ""), 3)
	for _, l := range []*cohort.Leaf{small, leafOf("team", "unheard of"), leafOf("team", cohort.Other)} {
		if x := p.of(l, 3); x.mean != plan.mean || x.weight > plan.weight {
			t.Errorf("of organisation %q %+v is expected, want the plan's %+v", l.Values[event.Org], x, plan)
		}
	}
	if x := p.of(leafOf("", ""), 3); x.firm() {
		t.Errorf("of nobody in particular: %+v, though everybody differs", x)
	}
}

// Who opens accounts to teach a plan or an organisation what theirs draw, gets that: what is expected of a newcomer grows by a factor that
// is bounded, and nobody is told by their peers any more. Whoever has a past of their own is held against that as before.
func TestThievesTeachLittle(t *testing.T) {
	free, den := leafOf("free", ""), leafOf("free", "den")
	for _, c := range []struct {
		thieves int     // of 100 users
		most    float64 // times what is expected of a newcomer else
	}{{5, 1.2}, {10, 1.4}, {25, 2.5}, {50, 20}} {
		p := taught(0.4, folk{free, 100 - c.thieves, 1}, folk{free, c.thieves, 1000}).of(free, 1)
		was := taught(0.4, folk{free, 100 - c.thieves, 1}).of(free, 1)
		t.Logf("%d%% thieves at 1000x: %.2f times what was expected, %.1f buckets instead of %.1f", c.thieves, p.mean/was.mean, p.weight, was.weight)
		if x := float64(p.mean / was.mean); x > c.most {
			t.Errorf("%d%% thieves: %.3g is expected of a newcomer, %.3g without them", c.thieves, p.mean, was.mean)
		}
		if p.firm() || !was.firm() {
			t.Errorf("%d%% thieves: newcomers are told by peers who count for %v buckets; by %v without thieves", c.thieves, p.weight, was.weight)
		}
	}
	if p := taught(0.4, folk{free, 1, 1e9}, folk{free, 100, 1}).of(free, 1); p.mean > 1.5 {
		t.Errorf("%.3g is expected of a newcomer where the first user to teach anything draws 1e9", p.mean)
	}
	w := settle(0.4, folk{free, 100, 1}, folk{den, 30, 1000})
	if x := w.table.peers.of(den, w.pop()).mean / w.pop(); x > 1.01*peersReach {
		t.Errorf("an organisation of thieves makes %v times what everybody draws usual", x)
	}
	mean := math.Exp(0.5)
	late := []part{{5, 1, false, "own"}, {4, 20 * mean, true, "own"}}
	in, _ := w.come(den, 1, late, 4)
	out, _ := w.come(free, 1, late, 4)
	if in, out := fated(in).at(0.5), fated(out).at(0.5); in == never || in > out+out/10 {
		t.Errorf("an account with a past of five days is drained: found after %d stretches in an organisation of thieves, %d outside", in, out)
	}
}

// Values that nobody has ever seen cost a bounded number of groups, and do not displace what many users have taught.
func TestGroupsAreBounded(t *testing.T) {
	p := newPeers()
	for i := range 200_000 {
		d := int32(i / 2000)
		p.learn(leafOf("free", fmt.Sprint("org", i)), 1, 20, d)
		if i%20 == 0 {
			p.learn(leafOf("pro", "large"), 20, 20, d)
		}
	}
	for i := range p.traits {
		x := &p.traits[i]
		if len(x.groups) > maxGroups || len(x.index) != len(x.groups) {
			t.Errorf("%d groups of a dimension, %d of them found by name", len(x.groups), len(x.index))
		}
		for name, n := range x.index {
			if x.groups[n].name != name {
				t.Errorf("%q stands where %q should", x.groups[n].name, name)
			}
		}
	}
	if p.of(leafOf("pro", "large"), 1).mean < 5 {
		t.Errorf("%+v is expected in the large organisation", p.of(leafOf("pro", "large"), 1))
	}
	kept := state.Append(nil, "peers", 1, p.code)
	q := newPeers()
	if err := state.Restore(kept, "peers", 1, q.code); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes kept", len(kept))
	for i := range 3000 {
		for _, x := range []*peers{&p, &q} {
			x.learn(leafOf("free", fmt.Sprint("later", i)), 3, 20, 101)
		}
	}
	if string(state.Append(nil, "peers", 1, p.code)) != string(state.Append(nil, "peers", 1, q.code)) {
		t.Error("what was read goes on otherwise than what was kept")
	}
}

// BenchmarkPrior is what a bucket's end costs more where all four groups are known.
func BenchmarkPrior(b *testing.B) {
	l := &cohort.Leaf{Values: [event.NumDims]string{event.Plan: "pro", event.Client: "cli", event.Model: "large", event.Org: "org"}}
	p := taught(0.4, folk{l, 100, 1}, folk{leafOf("free", ""), 100, 20})
	b.ReportAllocs()
	for b.Loop() {
		p.of(l, 1)
	}
}
