package detector

import (
	"math/rand/v2"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
)

// patient is an incident of penalties in us-east-1 whose traffic a test makes up.
type patient struct {
	*live
	f    *fleet
	leaf *cohort.Leaf
	at   int64
}

func newPatient(at int64) *patient {
	o := Options{}
	o.withDefaults()
	leaf := &cohort.Leaf{}
	leaf.Values[event.Region] = "us-east-1"
	p := &patient{f: newFleet(&o, []int32{0}, func(*live, []incident.Reason) {}), leaf: leaf, at: at}
	p.live = &live{
		by: byFlag, flag: cohort.Penalised, where: cohort.NewWhere(cohort.Cond{Dim: event.Region, Value: "us-east-1"}),
		onset: at, rate: 0.1, base: cohort.PriorRate, cluster: 3, lastHit: at, cleanHit: at,
	}
	p.Status = incident.Firing
	p.f.lives = append(p.f.lives, p.live)
	return p
}

// hours lets traffic pass, by ten minutes: so many users each hour, so many of them hit, and rows by each. It returns after how
// long the incident was first seen to be over, or -1.
func (p *patient) hours(n int, users, hit, rows int64) int64 {
	from, after := p.at, int64(-1)
	for ; p.at < from+int64(n)*hour; p.at += 10 * minute {
		c := &cohort.Cell{Rows: users * rows / 6}
		if p.at%hour == 0 {
			c.Users = users
		}
		if hit > 0 {
			off := c.OffOf(cohort.Penalised)
			off.Rows = hit * rows / 12
			off.Seen(p.at)
			if p.at%hour == 0 {
				off.Users, off.DayUsers = hit, hit
			}
		}
		p.f.now = p.at + cohort.Tick
		p.f.store.Head(p.f.now)
		p.f.add(cellAt{p.leaf, p.at, c})
		t := p.tick
		p.tick = tickHits{}
		p.observe(t, p.at)
		if after < 0 && p.f.recovered(p.live) {
			after = p.at - from
		}
	}
	return after
}

// midnight is 2026-06-18 00:00 UTC.
var midnight = noon - 12*hour

// A fault that hits everybody is over some clean minutes after it was mended, by day and by night.
func TestRecoveryOfABroadFault(t *testing.T) {
	for _, at := range []int64{noon, midnight} {
		p := newPatient(at)
		if after := p.hours(9, 20, 20, 12); after >= 0 {
			t.Fatalf("over after %d minutes while it goes on", after/minute)
		}
		if after := p.hours(3, 20, 0, 12); after < 0 || after > 20*minute {
			t.Errorf("over %d minutes after it was mended, want 20 at most", after/minute)
		}
	}
}

// At night few are left, and those may be the ones that it spares, however many rows they send: in the morning it goes on.
func TestRecoveryBearsTheNight(t *testing.T) {
	p := newPatient(noon)
	for day := range 3 {
		if after := p.hours(12, 30, 12, 12); after >= 0 {
			t.Fatalf("day %d: over after %d minutes while it goes on", day, after/minute)
		}
		if after := p.hours(8, 2, 0, 300); after >= 0 {
			t.Fatalf("night %d: over after %d minutes, as two send 600 rows an hour", day, after/minute)
		}
		p.hours(4, 15, 6, 12)
	}
	if after := p.hours(6, 30, 0, 12); after < 0 || after > 5*hour { // 150 mean gaps, since gaps as wide as its nights have been seen
		t.Errorf("mended by day, it is over %d minutes later, want five hours at most", after/minute)
	}
}

// What runs between two and three each night is over the first time, for who should know. Once it has come back it is not over
// before the hour at which it is due has passed without it.
func TestRecoveryWaitsForTheHour(t *testing.T) {
	p := newPatient(midnight + 2*hour)
	p.hours(1, 30, 30, 12)
	if after := p.hours(3, 30, 0, 12); after < 0 {
		t.Error("the first time it is not over within three hours")
	}
	p.hours(int((midnight+26*hour-p.at)/hour), 30, 0, 12)
	for night := range 3 {
		p.hours(1, 30, 30, 12)
		if after := p.hours(23, 30, 0, 12); after >= 0 {
			t.Fatalf("night %d: over %d minutes after it paused", night, after/minute)
		}
	}
	if after := p.hours(2, 30, 0, 12); after < 0 || after > hour {
		t.Errorf("clean at two, it is over %d minutes later, want an hour at most", after/minute)
	}
}

// A gauge is judged at its user's next row: who comes back in the evening tells of the morning, and says nothing of now.
func TestRecoveryOfGaugesJudgedLate(t *testing.T) {
	p := newPatient(noon)
	p.flag, p.rate, p.cluster = cohort.GaugeOff, 0.5, 1
	for p.f.now = noon; p.f.now < noon+5*hour; p.f.now += 10 * minute {
		c := &cohort.Cell{Rows: 40, Gauged: 20}
		if last := min(p.f.now, noon+hour); last == p.f.now || p.f.now%hour == 0 {
			c.OffOf(cohort.GaugeOff).Rows = 10
			c.OffOf(cohort.GaugeOff).Seen(last)
		}
		p.tick.add(c, p.live, p.f.now)
		p.observe(p.tick, p.f.now)
		p.tick = tickHits{}
		if over := p.f.recovered(p.live); over != (p.f.now >= noon+hour+20*minute) {
			t.Fatalf("over is %v %d minutes after it began; it went on for an hour", over, (p.f.now-noon)/minute)
		}
	}
	if p.lastHit != noon+hour {
		t.Errorf("ended %d minutes after it began, want 60", (p.lastHit-noon)/minute)
	}
}

// Silence is no recovery, of what was just opened neither.
func TestSilenceIsNoRecovery(t *testing.T) {
	p := newPatient(noon)
	p.hours(1, 5, 5, 12)
	p.clean, p.hits, p.chances, p.gap, p.widest = 0, 0, 0, 0, 0 // it was opened just now, on what had come before
	for ; p.f.now < noon+20*hour; p.f.now += hour {
		if p.f.recovered(p.live) {
			t.Fatalf("over after %d hours without a row", (p.f.now-noon)/hour)
		}
	}
}

// A fault of every second row that could bear it, found by a burst of nothing else, is not over because some rows are right.
func TestRecoveryOfASparseFault(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	p := newPatient(noon)
	p.base, p.rate, p.cluster = 0.005, 1, 2
	over := func(rows int, rate float64) (after int) {
		for n := range rows {
			p.f.now += 5 * minute
			one := tickHits{opportunities: 1}
			if rng.Float64() < rate {
				one.hits, one.last = 1, p.f.now
			}
			if p.observe(one, p.f.now); p.f.recovered(p.live) {
				return n + 1
			}
		}
		return 0
	}
	p.f.now = noon
	if n := over(3000, 0.5); n != 0 {
		t.Fatalf("over after %d rows, while it goes on", n)
	}
	if n := over(300, 0.005); n < 20 || n > 100 {
		t.Errorf("mended, it is over after %d rows, want 20 to 100", n)
	}
}
