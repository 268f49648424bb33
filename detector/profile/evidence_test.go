package profile

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// The evidence follows its formula, taken at its word in 64 bits: over any buckets, against any past, with the mean user
// standing in where there is little past.
func TestEvidenceFollowsItsFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, _ := newHeard()
		past := Counts{Buckets: float32(rapid.IntRange(0, 100).Draw(t, "past"))}
		past.List = past.Buckets * float32(rapid.Float64Range(0.1, 10).Draw(t, "mean"))
		u := &User{key: []byte("u"), bucket: monday, weighedIn: int32(monday / Bucket)}
		var logs []float64 // of earlier buckets, latest last
		W, N := 0.0, 0.0
		for range rapid.IntRange(1, 40).Draw(t, "buckets") {
			gap := rapid.Int64Range(1, 300).Draw(t, "gap")
			u.bucket += gap * Bucket
			y := rapid.Float64Range(0.01, 200).Draw(t, "y")
			novel := 0.0
			if rapid.Bool().Draw(t, "novel") {
				novel = y * rapid.Float64Range(0.1, 1).Draw(t, "share")
			}
			u.now, u.novelNow = Counts{Rows: 1, Buckets: 1, List: float32(y)}, float32(novel)
			table.weigh(u, &u.now, &past, false)

			mean, n, w := 0.0, 0.0, 1.0
			for _, x := range slices.Backward(logs) {
				mean, n, w = mean+w*x, n+w, w*0.9999
			}
			pop := 0.0
			if n > 0 {
				pop = math.Exp(mean / n)
			}
			logs = append(logs, math.Log(y))
			prior := 25 / (5 + float64(past.Buckets))
			m := (float64(past.List) + prior*pop) / (float64(past.Buckets) + prior)
			if m <= 0 {
				continue // nothing to compare with: no past, and nobody before
			}
			leak := math.Exp(-float64(gap*Bucket) / 1e9 / 86400)
			if past.Buckets == 0 && len(logs) == 2 {
				leak = math.Exp(-float64(u.bucket-monday) / 1e9 / 86400) // the first bucket was not weighed
			}
			guard := math.Exp(1.2 / math.Sqrt(1+float64(past.Buckets)/4)) // of a user of whom no day is known
			W = max(0, W*leak-0.1*min(float64(gap-1), 60))
			W = max(0, W+math.Log(0.55+0.45*min(y/(2.5*m*guard), 4)))
			if novel > 0 {
				N = max(0, N*leak+math.Log(0.6+0.4*min(novel/(2*m), 8)))
			} else {
				N *= leak * leak
			}
			if math.Abs(float64(u.volume)-W) > 1e-3 || math.Abs(float64(u.novel)-N) > 1e-3 {
				t.Fatalf("bucket %d: volume %v, novel %v; want %v, %v", len(logs), u.volume, u.novel, W, N)
			}
		}
	})
}

// person lives by fixed hours: each ten minutes of them active with chance one half, volumes heavy-tailed.
type person struct {
	rng      *rand.Rand
	from, to int64 // hours of the day
	device   string
	network  string // "" is the usual one
	leaf     *cohort.Leaf
}

// live folds days of a user's life; each bucket's volume is multiplied by factor, in all hours if always.
func (p *person) live(t *Table, user string, from, days int64, factor float64, always bool) {
	for b := range days * 144 {
		hour := b % 144 / 6
		if !always && (hour < p.from || hour >= p.to || p.rng.IntN(2) == 0) {
			continue
		}
		at := monday + (from*144+b)*Bucket
		credits := factor * math.Exp(p.rng.NormFloat64())
		for i := range int64(5) {
			e, q := charge(user, at+i*60e9+p.rng.Int64N(60e9), credits/5)
			e.Device = p.device
			if p.network != "" {
				e.ASN = p.network
			}
			t.Fold(e, cmp.Or(p.leaf, plain), 0, q)
		}
	}
	t.Close(monday + (from+days)*day)
}

// Twenty times the usual volume round the clock is found on almost every user within two days, by volume alone; the same
// inside a person's own hours mostly not, since people have such days; and a life without it never. The evidence begins when
// it last stood at nothing, which may be a busy evening before.
func TestDrainRoundTheClockIsFound(t *testing.T) {
	const users = 150
	found := map[string]int{}
	delays := map[string][]int64{}
	for u := range uint64(users) {
		for _, c := range []struct {
			name   string
			factor float64
			always bool
		}{{"round the clock", 20, true}, {"own hours", 20, false}, {"as ever", 1, false}} {
			table, h := newHeard()
			p := &person{rng: rand.New(rand.NewPCG(u, 1)), from: 8, to: 17, device: "laptop"}
			p.live(table, "u", 0, 10, 1, false)
			if len(h.of(Drain)) > 0 {
				t.Errorf("user %d: a drain before there was one: %+v", u, h.of(Drain)[0])
			}
			h.findings = nil
			p.live(table, "u", 10, 2, c.factor, c.always)
			if d := h.of(Drain); len(d) > 0 {
				found[c.name]++
				delays[c.name] = append(delays[c.name], (d[0].At-monday-10*day)/cohort.Hour)
				if f := d[0]; f.User != "u" || f.Ratio < 3 || f.Since < monday+9*day+12*cohort.Hour || f.Since >= monday+12*day || f.At <= f.Since || f.Evidence < 0 {
					t.Errorf("%s: %+v", c.name, f)
				}
			}
		}
	}
	for name, d := range delays {
		slices.Sort(d)
		t.Logf("%s: %d of %d users, half of them within %d h, all within %d h", name, found[name], users, d[len(d)/2], d[len(d)-1])
	}
	if n := found["round the clock"]; n < users*95/100 {
		t.Errorf("round the clock: %d of %d found", n, users)
	}
	if n := found["own hours"]; n > users/10 {
		t.Errorf("own hours: %d of %d found", n, users)
	}
	if n := found["as ever"]; n > 0 {
		t.Errorf("as ever: %d of %d found", n, users)
	}
}

// A drain is said hourly while it stands, and once that it is over when the user's life has gone on as before for hours.
func TestDrainIsSaidHourlyAndCalmOnce(t *testing.T) {
	table, h := newHeard()
	p := &person{rng: rand.New(rand.NewPCG(3, 3)), from: 8, to: 17, device: "laptop"}
	p.live(table, "u", 0, 10, 1, false)
	p.live(table, "u", 10, 1, 20, true)
	said := h.of(Drain)
	if len(said) < 2 {
		t.Fatalf("%d findings of a day's drain", len(said))
	}
	for i, f := range said[1:] {
		if d := f.At - said[i].At; d < cohort.Hour {
			t.Errorf("said again after %d s", d/1e9)
		}
	}
	h.findings = nil
	p.live(table, "u", 11, 6, 1, false)
	calm := h.of(Calm)
	if len(calm) != 1 {
		t.Fatalf("calm was said %d times", len(calm))
	}
	if calm[0].At < monday+11*day+6*cohort.Hour {
		t.Errorf("calm %v hours after the drain's end", (calm[0].At-monday-11*day)/cohort.Hour)
	}
	if late := slices.ContainsFunc(h.of(Drain), func(f Finding) bool { return f.At > calm[0].At }); late {
		t.Error("the drain was said again after calm")
	}
	// What it did not learn from: the past is still of the old size.
	if u := table.user("u"); float64(u.past.List/u.past.Buckets) > 5 {
		t.Errorf("the past has %v an active bucket: it learned from the drain", u.past.List/u.past.Buckets)
	}
}

// A key in strange hands is found by who draws, long before by volume alone.
func TestANewIdentityIsFoundSooner(t *testing.T) {
	sooner := 0
	const users = 40
	for u := range uint64(users) {
		at := func(device string) int64 {
			table, h := newHeard()
			p := &person{rng: rand.New(rand.NewPCG(u, 2)), from: 8, to: 17, device: "laptop"}
			p.live(table, "u", 0, 10, 1, false)
			h.findings = nil
			p.device = device
			p.live(table, "u", 10, 1, 20, true)
			d := h.of(Drain)
			if len(d) == 0 {
				return math.MaxInt64
			}
			if device != "laptop" && (d[0].NewDevices != 1 || d[0].Score < IdentityThreshold) {
				t.Errorf("user %d: %+v", u, d[0])
			}
			if device == "laptop" && d[0].NewDevices != 0 {
				t.Errorf("user %d: the old device counts as new", u)
			}
			return d[0].At
		}
		if at("elsewhere") < at("laptop") {
			sooner++
		}
	}
	if sooner < users*9/10 {
		t.Errorf("sooner for %d of %d users", sooner, users)
	}
}

// A new laptop on an account that draws as ever is no theft; nor is anything on an account's first day, when all is new.
func TestANewIdentityAloneIsNoDrain(t *testing.T) {
	for u := range uint64(60) {
		table, h := newHeard()
		p := &person{rng: rand.New(rand.NewPCG(u, 4)), from: 8, to: 17, device: "laptop"}
		p.live(table, "u", 0, 10, 1, false)
		p.device = "laptop2"
		p.live(table, "u", 10, 4, 1, false)
		if d := h.of(Drain); len(d) > 0 {
			t.Errorf("user %d: %+v", u, d[0])
		}
	}
	e, _ := charge("fresh", monday, 1)
	user := &User{FirstAt: monday}
	if novel, _ := user.identify(e); novel {
		t.Error("an account's first device is a stranger's")
	}
}

// Several people on one account: many new devices and networks, and a day that draws several times the usual.
func TestCrowd(t *testing.T) {
	live := func(devices int, factor float64) (f Finding) {
		table, h := newHeard()
		p := &person{rng: rand.New(rand.NewPCG(9, 9)), from: 8, to: 17, device: "laptop"}
		p.live(table, "u", 0, 7, 1, false)
		h.findings = nil
		for b := range int64(9 * 6) {
			for d := range devices {
				at := monday + 7*day + 8*cohort.Hour + b*Bucket + int64(d)*60e9
				e, q := charge("u", at, factor/float64(devices))
				e.Device, e.ASN = fmt.Sprint("d", d), fmt.Sprint("n", d)
				table.Fold(e, plain, 0, q)
			}
		}
		table.Close(monday + 8*day)
		for _, f = range h.of(Drain) {
			if f.Crowd() {
				return f
			}
		}
		return f
	}
	if f := live(5, 4); !f.Crowd() || f.NewDevices < 5 || f.NewNetworks < 5 {
		t.Errorf("five devices, four times the volume: %+v", f)
	}
	if f := live(5, 0.5); f.Crowd() {
		t.Errorf("five devices that draw as little as one did: %+v", f)
	}
	if f := live(2, 4); f.Crowd() {
		t.Errorf("two devices: %+v", f)
	}
}

// Even rows are a script's drain where the user's were not even, the volume is out of proportion, and they are not plainly the
// owner's new script or the account's habit.
func TestScript(t *testing.T) {
	base := Finding{At: monday + day, EvenSince: monday + day - 5*cohort.Hour, Evenness: 0.1, PastEvenness: 1, DayRatio: 15, Days: 5, Past: 30, Evidence: 15, pressure: 15}
	for _, c := range []struct {
		name   string
		change func(*Finding)
		want   bool
	}{
		{"even unlike before, fifteen days' volume", func(*Finding) {}, true},
		{"long, but little in each stretch: an owner's", func(f *Finding) { f.pressure, f.Evidence = 5, 5 }, false},
		{"the same so long and so restlessly that it is out of all proportion", func(f *Finding) {
			f.pressure, f.Evidence, f.Ratio, f.AwakeHours, f.DayRatio = 5, 5, 3, 22, 110
		}, true},
		{"little in each stretch, but without a pause for eleven hours, twenty days' volume", func(f *Finding) {
			f.pressure, f.Evidence, f.EvenSince, f.Duty, f.DayRatio = 0, 0, f.At-11*cohort.Hour, 0.985, 21
		}, true},
		{"the same on a key made for it on the owner's machine", func(f *Finding) {
			f.pressure, f.Evidence, f.EvenSince, f.Duty, f.DayRatio, f.OwnKey, f.NewKeys = 0, 0, f.At-11*cohort.Hour, 1, 21, true, 1
		}, false},
		{"with pauses: there is not always something to do", func(f *Finding) {
			f.pressure, f.Evidence, f.EvenSince, f.Duty, f.DayRatio = 0, 0, f.At-11*cohort.Hour, 0.95, 60
		}, false},
		{"no longer than a person's day", func(f *Finding) {
			f.pressure, f.Evidence, f.EvenSince, f.Duty, f.DayRatio = 0, 0, f.At-9*cohort.Hour, 1, 60
		}, false},
		{"less than twenty days' volume", func(f *Finding) {
			f.pressure, f.Evidence, f.EvenSince, f.Duty, f.DayRatio = 0, 0, f.At-11*cohort.Hour, 1, 19
		}, false},
		{"of an account too new to be judged by volume alone", func(f *Finding) { f.Evidence, f.Past = 0, 8 }, true},
		{"of one of which next to nothing is known", func(f *Finding) { f.Evidence, f.Past = 0, 3 }, false},
		{"too little to be more than a chore", func(f *Finding) { f.DayRatio = 5 }, false},
		{"for too short a time", func(f *Finding) { f.EvenSince = f.At - 3*cohort.Hour }, false},
		{"for so long that it is a habit", func(f *Finding) { f.EvenSince = f.At - 4*day }, false},
		{"as even as ever: an old bot on a busy day", func(f *Finding) { f.PastEvenness = 0.12 }, false},
		{"nobody knows how even it was", func(f *Finding) { f.PastEvenness = math.NaN() }, false},
		{"nobody knows, and beyond doubt", func(f *Finding) { f.PastEvenness, f.DayRatio = math.NaN(), 40 }, true},
		{"a key made for it on the owner's machine", func(f *Finding) { f.OwnKey, f.NewKeys = true, 1 }, false},
		{"the same beyond doubt", func(f *Finding) { f.OwnKey, f.NewKeys, f.DayRatio = true, 1, 40 }, true},
		{"a key made for it from elsewhere", func(f *Finding) { f.OwnKey, f.NewKeys, f.NewNetworks = true, 1, 1 }, true},
		{"uneven", func(f *Finding) { f.Evenness = 0.9 }, false},
		{"no day to compare with", func(f *Finding) { f.Days = 0.5 }, false},
	} {
		f := base
		c.change(&f)
		if f.Script() != c.want {
			t.Errorf("%s: %v", c.name, !c.want)
		}
	}
}

// A script of three to seven rows every ten minutes that draws no more in each than its owner does is told once it has not paused for a
// person's day, from when it began to when it ended; not one that was always there, that pauses, that asks every seven minutes, or a
// person's busy day.
func TestASlowScript(t *testing.T) {
	const days, begins, lasts = 6, 6*day + 3*cohort.Hour + 120*1e9, 18 * cohort.Hour
	for _, c := range []struct {
		name   string
		every  int64 // ns between rows
		jitter float64
		always bool    // since the first day
		pauses int     // one in so many stretches has no rows
		finds  float64 // of twenty users
	}{
		{"five rows", 120e9, 0.03, false, 0, 1},
		{"three rows, jittered by a quarter", 180e9, 0.25, false, 0, 1},
		{"a slow cron that was always there", 120e9, 0.03, true, 0, 0},
		{"one that pauses", 120e9, 0.03, false, 12, 0},
		{"a check every seven minutes", 420e9, 0.03, false, 0, 0},
		{"a person's busy day", 120e9, 1.9, false, 0, 0},
	} {
		found := 0.0
		for u := range uint64(20) {
			table, h := newHeard()
			p := &person{rng: rand.New(rand.NewPCG(u, 5)), from: 12, to: 13, device: "laptop"}
			at, end := monday+begins, monday+begins+lasts
			play := func(from, to int64) (last int64) {
				for at := from; at < to; at += int64(float64(c.every) * (1 + c.jitter*(p.rng.Float64()-0.5))) {
					if c.pauses > 0 && at/Bucket%int64(c.pauses) == 0 {
						continue
					}
					e, q := charge("u", at, 0.8*float64(c.every)/120e9)
					if e.Device = "laptop"; c.always {
						e.Credits, q.Expected = e.Credits/30, q.Expected/30
						if at >= monday+begins {
							e.Credits, q.Expected = e.Credits*30, q.Expected*30
						}
					}
					table.Fold(e, plain, 0, q)
					last = at
				}
				return last
			}
			if c.always {
				play(monday, monday+begins)
			} else {
				p.live(table, "u", 0, days, 1, false)
			}
			last := play(at, end)
			table.Close(end + day)
			table.Calm(end + day)
			for _, f := range h.of(Drain) {
				if f.Script() {
					if found++; math.Abs(float64(f.EvenSince-at)) > float64(2*Bucket) {
						t.Errorf("%s: user %d: since %d s after it began", c.name, u, (f.EvenSince-at)/1e9)
					}
					break
				}
			}
			if calm := h.of(Calm); c.finds > 0 && (len(calm) != 1 || last-calm[0].Last > 2*Bucket) {
				t.Errorf("%s: user %d: ended %+v, want %d", c.name, u, calm, last)
			}
		}
		if found /= 20; math.Abs(found-c.finds) > 0.1*c.finds {
			t.Errorf("%s: told of %.2f of users, want %.2f", c.name, found, c.finds)
		}
	}
}

// An account that was even from the start is known to be so: its busy days are no script's, and its past is learned.
func TestAnOldBotIsKnown(t *testing.T) {
	table, h := newHeard()
	rng := rand.New(rand.NewPCG(1, 2))
	for b := range int64(10 * 144) {
		credits := math.Exp(rng.NormFloat64())
		if b > 9*144 {
			credits *= 30
		}
		for i := range int64(20) {
			e, q := charge("bot", monday+b*Bucket+i*30e9, credits/20)
			table.Fold(e, plain, 0, q)
		}
	}
	table.Close(monday + 10*day)
	if u := table.user("bot"); u.past.Buckets < dayCap || u.evenness.n == 0 {
		t.Errorf("past of %v buckets, evenness of %v", u.past.Buckets, u.evenness.n)
	}
	for _, f := range h.of(Drain) {
		if f.Script() {
			t.Errorf("a script's: %+v", f)
		}
	}
}

// Automation is read from even gaps and sleepless hours.
func TestAutomation(t *testing.T) {
	for _, c := range []struct {
		name string
		f    Finding
		want float64
	}{
		{"a person", Finding{Evenness: 1.2, PastEvenness: 1.1, AwakeHours: 10}, 0},
		{"unknown", Finding{Evenness: math.NaN(), PastEvenness: math.NaN(), AwakeHours: 3}, 0},
		{"even, as always", Finding{Evenness: 0.2, PastEvenness: 0.25, AwakeHours: 10}, 2},
		{"even, unlike before", Finding{Evenness: 0.2, PastEvenness: 1, AwakeHours: 10}, 3},
		{"sleepless and even, unlike before", Finding{Evenness: 0.2, PastEvenness: 1, AwakeHours: 24}, 6},
	} {
		if got := c.f.Automation(); got != c.want {
			t.Errorf("%s: %v nats, want %v", c.name, got, c.want)
		}
	}
}

// Hours awake are those of the last 24 with rows.
func TestAwakeHours(t *testing.T) {
	u := &User{}
	for h := range int64(30) {
		u.tick(monday + h*cohort.Hour)
	}
	if u.awake != 1<<24-1 {
		t.Errorf("awake %024b after thirty hours", u.awake)
	}
	if u.tick(monday + 29*cohort.Hour + 60e9) {
		t.Error("an hour began twice")
	}
	if u.tick(monday + 28*cohort.Hour) {
		t.Error("a late row begins an hour")
	}
	u.tick(monday + 32*cohort.Hour)
	if got := u.awake & 0b1111; got != 0b1001 {
		t.Errorf("two hours asleep: %04b", got)
	}
	u.tick(monday + 90*cohort.Hour)
	if u.awake != 1 {
		t.Errorf("a day asleep: %b", u.awake)
	}
}

// A stranger abroad who draws no more in a stretch than the owner of few stretches does, but never rests, is found within a day: what
// the day before midnight taught would hide it. The owner on a new computer abroad, who works long and sleeps, is not accused.
func TestAStrangerNeedNotHurry(t *testing.T) {
	for u := range uint64(20) {
		stay := func(rests bool) (found int64) {
			table, h := newHeard()
			p := &person{rng: rand.New(rand.NewPCG(u, 6)), from: 12, to: 13, device: "laptop"}
			p.live(table, "u", 0, 5, 0.2, false)
			from := monday + 5*day + 16*cohort.Hour
			for b := range int64(144) {
				at := from + b*Bucket
				if rests && (at%day < 9*cohort.Hour || at%day > 22*cohort.Hour) {
					continue
				}
				volume := 0.5 * math.Exp(0.3*p.rng.NormFloat64())
				for i := range int64(4) {
					e, q := charge("u", at+i*140e9+p.rng.Int64N(140e9), volume/4)
					e.Device, e.ASN, e.Country = "machine", "AS666", "NZ"
					table.Fold(e, plain, 0, q)
				}
			}
			table.Close(from + day)
			for _, f := range h.of(Drain) {
				if f.Intruder() {
					return f.At - from
				}
			}
			return 0
		}
		if at := stay(false); at == 0 || at > 18*cohort.Hour {
			t.Errorf("user %d: the stranger is found after %v hours", u, float64(at)/float64(cohort.Hour))
		}
		if at := stay(true); at != 0 {
			t.Errorf("user %d: a traveller is taken for a stranger", u)
		}
	}
}

// A stranger abroad need not be there for most of a day: half a day without a pause is nobody's first on a new computer. Three days
// are past enough, though none of them counts in full once another has come.
func TestAStrangerWithoutAPause(t *testing.T) {
	u := &User{}
	for d := int32(20000); d < 20003; d++ {
		u.dayNo, u.today = d, Counts{Buckets: 6, Credits: 1}
		u.learn(d + 1)
	}
	for _, c := range []struct {
		name   string
		change func(*Finding)
		want   bool
	}{
		{"half a day on end", func(*Finding) {}, true},
		{"with a pause", func(f *Finding) { f.Bout = 6 }, false},
		{"with a pause, and most of a day", func(f *Finding) { f.Bout, f.NovelHours = 6, 16 }, true},
		{"the owner goes on where the new device stopped", func(f *Finding) { f.NovelHours = 9 }, false},
		{"at home", func(f *Finding) { f.NewCountries = 0 }, false},
		{"on a device of the owner's", func(f *Finding) { f.NewDevices = 0 }, false},
		{"ten days' volume", func(f *Finding) { f.NovelRatio = 10 }, false},
		{"an account of three days", func(f *Finding) { f.Days = float64(u.pastDays) }, true},
		{"an account of two", func(f *Finding) { f.Days = 2 }, false},
	} {
		f := Finding{NewDevices: 1, NewNetworks: 1, NewCountries: 1, Devices: 1, NovelHours: 13, Bout: 12, NovelRatio: 30, Days: 10, Evenness: 1}
		if c.change(&f); f.Intruder() != c.want {
			t.Errorf("%s: intruder %v", c.name, f.Intruder())
		}
	}
}

// A day that strangers abroad drew most of is no past of the owner's, however little it is; what they draw from the next day on is, if
// nothing is said of it by then.
func TestAnEveningOfStrangersTeachesNothing(t *testing.T) {
	for u := range uint64(10) {
		after := func(evenings int64) (perDay float64) {
			table, _ := newHeard()
			p := &person{rng: rand.New(rand.NewPCG(u, 8)), from: 9, to: 17, device: "laptop"}
			for d := range 5 + max(evenings, 1) {
				p.live(table, "u", d, 1, 1, false)
				for b := 19 * cohort.Hour; b < day && d >= 5 && d < 5+evenings; b += Bucket {
					e, q := charge("u", monday+d*day+b, 4)
					e.Device, e.ASN, e.Country = "machine", "AS666", "NZ"
					table.Fold(e, plain, 0, q)
				}
			}
			e, q := charge("u", monday+(5+max(evenings, 1))*day+9*cohort.Hour, 1)
			table.Fold(e, plain, 0, q)
			x := table.user("u")
			return float64(x.past.volume() / x.pastDays)
		}
		none, one, two := after(0), after(1), after(2)
		if one > 1.1*none || one < 0.8*none || two < 1.2*none {
			t.Errorf("user %d: a day of the past is %.3g, %.3g after an evening of strangers, %.3g after two", u, none, one, two)
		}
	}
}
