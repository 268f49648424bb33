package detector_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
)

// crowd writes rows that the simulator does not make, by hand.
type crowd struct {
	rng    *rand.Rand
	start  time.Time
	rows   []event.Event
	budget float64 // of a window of five hours
	gauge  bool
	used   map[string]float64
	ends   map[string]time.Duration
}

// who is an account, and where it is used from.
type who struct {
	name, org, device, key, ip string
	age                        time.Duration // when the farm begins, two days after the start
}

const farmFrom = 48 * time.Hour

func newCrowd(budget float64, gauge bool) *crowd {
	c := &crowd{
		rng: rand.New(rand.NewPCG(1, 2)), start: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), budget: budget, gauge: gauge,
		used: map[string]float64{}, ends: map[string]time.Duration{},
	}
	for i := range 40 { // who was there before, at all hours
		w := who{name: fmt.Sprint("old", i), device: fmt.Sprint("od", i), ip: fmt.Sprint("oip", i), age: 90 * 24 * time.Hour}
		for at := time.Duration(i) * time.Minute; at < 4*24*time.Hour; at += time.Duration(20+c.rng.IntN(80)) * time.Minute {
			c.row(w, at, budget/100)
		}
	}
	return c
}

// row adds a request, of so many credits.
func (c *crowd) row(w who, at time.Duration, credits float64) {
	e := event.Event{ID: fmt.Sprint("r", len(c.rows)), User: w.name, Time: c.start.Add(at).UnixNano(), Device: w.device, APIKey: w.key, IP: w.ip, HasTokens: true}
	e.Credits, e.Input, e.Output = event.Credits(int64(credits*1e6)*1000), int64(credits*1e6), 0
	e.AccountCreated = c.start.Add(farmFrom - w.age).UnixNano()
	e.Dims[event.Model], e.Dims[event.Plan], e.Dims[event.Org] = "m", "p", w.org
	e.RequestID, e.TurnID = e.ID, e.ID
	if at >= c.ends[w.name] {
		c.ends[w.name], c.used[w.name] = at+5*time.Hour, 0
	}
	c.used[w.name] += credits
	if c.gauge {
		e.HasQuota, e.QuotaUsed, e.QuotaResets = true, min(1, c.used[w.name]/c.budget), c.start.Add(c.ends[w.name]).UnixNano()
	}
	c.rows = append(c.rows, e)
}

// sit draws a share of the window in a sitting, and returns when it ends.
func (c *crowd) sit(w who, from, long time.Duration, share float64) time.Duration {
	const rows = 40
	for i := range rows {
		c.row(w, from+long*time.Duration(i)/rows+time.Duration(c.rng.IntN(20))*time.Second, share*c.budget/rows)
	}
	return from + long
}

// records returns the rows in order of time.
func (c *crowd) records() []detector.Record {
	slices.SortStableFunc(c.rows, func(a, b event.Event) int { return int(min(max(a.Time-b.Time, -1), 1)) })
	out := make([]detector.Record, len(c.rows))
	for i := range c.rows {
		out[i] = detector.Record{Offset: int64(i), Value: string(c.rows[i].AppendJSON(nil))}
	}
	return out
}

// said returns what replaying the rows says of farming: the same over one partition and three, and where it is stopped and taken up again.
func (c *crowd) said(t *testing.T, o detector.Options) []incident.Record {
	t.Helper()
	var all [2]string
	var out []incident.Record
	for i, n := range []int32{1, 3} {
		out = nil
		in := split(t, c.records(), n)
		whole := replay(t, o, in)
		if n == 3 {
			stops := make([]map[int32]int64, 6)
			for k := range stops {
				stops[k] = map[int32]int64{}
				for p, rows := range in {
					stops[k][p] = int64(len(rows)) * int64(12+k) / 24
				}
			}
			again, _ := interrupted(t, o, in, stops, false)
			if want, got := whole.said(t), again.said(t); got != want {
				t.Errorf("after restarts it says otherwise: %s", difference(strings.Split(want, "\n"), strings.Split(got, "\n")))
			}
		}
		for _, r := range whole.final() {
			if r.Class == "abuse" {
				out = append(out, r)
				all[i] += fmt.Sprintf("%s %s %s %v %v\n", r.Incident, kindText(r), r.Scope.LinkedBy, r.StartedAt, r.Severity)
			}
		}
	}
	if all[0] != all[1] {
		t.Errorf("in one partition\n%sin three\n%s", all[0], all[1])
	}
	return out
}

// some returns accounts, each on a device of its own.
func some(prefix string, n int, ip string) (out []who) {
	for i := range n {
		out = append(out, who{name: fmt.Sprint(prefix, i), device: fmt.Sprint(prefix, "d", i), ip: ip})
	}
	return out
}

func names(of []who) (out []string) {
	for _, w := range of {
		out = append(out, w.name)
	}
	slices.Sort(out)
	return out
}

// Farms that the simulator does not make, and innocents.
func TestFarmsByHand(t *testing.T) {
	const h, m = time.Hour, time.Minute
	for name, tc := range map[string]struct {
		why      string
		budget   float64
		gauge    bool
		plan     bool // configured
		cast     func(c *crowd) (ring []who)
		linkedBy string
	}{
		"aged accounts by turns": {
			"opened over six days, so that no burst shows, and each emptied in forty minutes as soon as it is used", 40, true, false, func(c *crowd) []who {
				ring, at := some("f", 12, "vpn"), farmFrom
				for i, w := range ring {
					w.age = time.Duration(i) * 12 * h
					at = c.sit(w, at, 40*m, 0.95) + 3*m
				}
				return ring
			}, "ip",
		},
		"the configuration knows the plan": {
			"no gauge is sent, but what a plan gives is known", 150, false, true, func(c *crowd) []who {
				ring, at := some("f", 10, "one"), farmFrom
				for _, w := range ring {
					at = c.sit(w, at, 50*m, 0.9) + 2*m
				}
				return ring
			}, "ip",
		},
		"nobody knows the plan": {
			"neither gauge nor plan: they draw alike, as nobody does who draws what they need", 7, false, false, func(c *crowd) []who {
				ring, at := some("f", 12, "one"), farmFrom
				for _, w := range ring {
					at = c.sit(w, at, 30*m, 0.85+0.1*c.rng.Float64()) + 2*m
				}
				return ring
			}, "ip",
		},
		"a few keys": {
			"three keys, and each account is used with one and then the next: no key has all", 2, true, false, func(c *crowd) []who {
				ring, at := some("f", 12, ""), farmFrom
				for round := range 2 {
					for i, w := range ring {
						w.key, w.ip = fmt.Sprint("key", (i+round)%3), fmt.Sprint("home", i, round)
						at = c.sit(w, at, 30*m, 0.92) + 2*m
					}
				}
				return ring
			}, "api_key",
		},
		"one key at once": {
			"eight accounts of no organisation, all at work with one key: it is in one hand, whatever they draw", 2, true, false, func(c *crowd) []who {
				ring := some("f", 8, "")
				for i := range ring {
					ring[i].key, ring[i].ip = "key", fmt.Sprint("home", i)
					c.sit(ring[i], farmFrom+time.Duration(i)*35*m, 30*m, 0.9)
				}
				return ring
			}, "api_key",
		},
		"in a crowd": {
			"an exit that thirty strangers use as well: they are not named, and do not hide it", 2, true, false, func(c *crowd) []who {
				ring, at := some("f", 16, "exit"), farmFrom
				for _, w := range ring {
					at = c.sit(w, at, 30*m, 0.95) + 2*m
				}
				for _, w := range some("s", 30, "exit") {
					for range 3 {
						c.sit(w, farmFrom+time.Duration(c.rng.Float64()*float64(20*h)), 20*m, 0.1)
					}
				}
				return ring
			}, "ip",
		},
		"two addresses, then one": {
			"two rings by what is known at first, which turn out to be one", 2, true, false, func(c *crowd) []who {
				ring, at := some("f", 20, "a"), farmFrom
				for i := range ring {
					if i%2 == 1 {
						ring[i].ip = "b"
					}
				}
				for _, w := range ring {
					at = c.sit(w, at, 30*m, 0.95) + 2*m
				}
				for _, w := range ring[:10] {
					w.ip = "c"
					at = c.sit(w, at, 30*m, 0.95) + 2*m
				}
				return ring
			}, "ip",
		},
		"a hackathon that empties its plans": {
			"all from one address, all to the end of what they may, but side by side", 2, true, false, func(c *crowd) []who {
				for _, w := range some("p", 30, "venue") {
					c.sit(w, farmFrom+time.Duration(c.rng.Float64()*float64(2*h)), time.Duration(1+c.rng.IntN(3))*h, 0.95)
				}
				return nil
			}, "",
		},
		"shifts": {
			"one desk, eight newcomers who take turns: none draws much", 40, true, false, func(c *crowd) []who {
				for i, w := range some("p", 8, "desk") {
					for k := range 6 {
						c.sit(w, farmFrom+time.Duration(i)*4*h+time.Duration(k)*40*m, 30*m, 0.05)
					}
				}
				return nil
			}, "",
		},
		"shifts without a gauge": {
			"the same, and nobody knows what they may draw: by turns alone nobody is named, and they draw what they need", 40, false, false, func(c *crowd) []who {
				for i, w := range some("p", 8, "desk") {
					for k := range 6 {
						c.sit(w, farmFrom+time.Duration(i)*4*h+time.Duration(k)*40*m, 30*m, 0.3*c.rng.ExpFloat64())
					}
				}
				return nil
			}, "",
		},
		"an organisation's batch": {
			"its gateway runs one newcomer's job after the other, each to the end of the window: it pays for them", 2, true, false, func(c *crowd) []who {
				at := farmFrom
				for _, w := range some("p", 12, "gateway") {
					w.key, w.org = "key", "acme"
					at = c.sit(w, at, 30*m, 0.95) + 2*m
				}
				return nil
			}, "",
		},
		"a gateway that names no organisation": {
			"forty newcomers sign with one key; when the eighth is heard of, they are already seen to work side by side", 40, true, false, func(c *crowd) []who {
				for _, w := range some("p", 40, "gateway") {
					w.key = "key"
					for range 3 {
						c.sit(w, farmFrom+time.Duration(c.rng.Float64()*float64(9*h)), 50*m, 0.03)
					}
				}
				return nil
			}, "",
		},
		"a carrier": {
			"strangers come through six days, one in five works until nothing is left", 2, true, false, func(c *crowd) []who {
				for i, w := range some("p", 120, "nat") {
					w.age = time.Duration(c.rng.Float64() * float64(6*24*h))
					share := 0.02 + 0.3*c.rng.Float64()
					if i%5 == 0 {
						share = 0.97
					}
					c.sit(w, farmFrom+time.Duration(c.rng.Float64()*float64(40*h)), 25*m, share)
				}
				return nil
			}, "",
		},
		"a family": {
			"four accounts on one computer, each emptied", 2, true, false, func(c *crowd) []who {
				at := farmFrom
				for _, w := range some("p", 4, "home") {
					w.device = "pc"
					at = c.sit(w, at, 30*m, 0.95) + 2*m
				}
				return nil
			}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrowd(tc.budget, tc.gauge)
			ring := tc.cast(c)
			o := detector.Options{ConfigVersion: "c", ProgramVersion: "p"}
			if tc.plan {
				o.Plans = map[string]detector.Plan{"p": {FiveHour: event.Credits(tc.budget) * event.Credit}}
			}
			said := c.said(t, o)
			if ring == nil {
				for _, r := range said {
					t.Errorf("%s, linked by %q, is named: %s", kindText(r), r.Scope.LinkedBy, tc.why)
				}
				return
			}
			if len(said) != 1 {
				t.Fatalf("%d incidents: %s", len(said), tc.why)
			}
			r := said[0]
			if want := "abuse/farming users " + strings.Join(names(ring), " "); kindText(r) != want || r.Scope.LinkedBy != tc.linkedBy || r.Severity != incident.Ticket {
				t.Errorf("%s by %q, %s; want %s by %q", kindText(r), r.Scope.LinkedBy, r.Severity, want, tc.linkedBy)
			}
			if at := r.StartedAt.Sub(c.start); at < farmFrom || at > farmFrom+time.Minute {
				t.Errorf("it began at %v, want %v", at, farmFrom)
			}
		})
	}
}
