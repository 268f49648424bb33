package profile

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
	"github.com/drainwatch/drainwatch/fixtures"
)

var (
	frontierFile   = flag.String("frontier", "", "file of results: run the frontier's bench, going on where the file ends")
	frontierChunks = flag.Int("frontier-chunks", 32, "chunks of 32,000 account-weeks, of each population")
	frontierSeed   = flag.Uint64("frontier-seed", 101, "seed of the accounts; 1 to 9 are for tuning")
)

// lifeWeeks is how long each account of the bench lives before drains are tried on it.
const lifeWeeks = 8

// jump is one kind of drain that the bench tries.
type jump struct {
	name string
	fixtures.Drain
	ownHours bool // inside the owner's own stretches instead of round the clock
}

var jumps = []jump{
	{"5x", fixtures.Drain{Factor: 5}, false},
	{"10x", fixtures.Drain{Factor: 10}, false},
	{"20x", fixtures.Drain{Factor: 20}, false},
	{"50x", fixtures.Drain{Factor: 50}, false},
	{"5x, new identity", fixtures.Drain{Factor: 5, Stranger: true}, false},
	{"10x, new identity", fixtures.Drain{Factor: 10, Stranger: true}, false},
	{"20x, new identity", fixtures.Drain{Factor: 20, Stranger: true}, false},
	{"50x, new identity", fixtures.Drain{Factor: 50, Stranger: true}, false},
	{"5x, even gaps", fixtures.Drain{Factor: 5, Even: true}, false},
	{"10x, even gaps", fixtures.Drain{Factor: 10, Even: true}, false},
	{"20x, even gaps", fixtures.Drain{Factor: 20, Even: true}, false},
	{"20x in own hours", fixtures.Drain{Factor: 20}, true},
}

var ruleNames = [NumRules]string{"volume", "identity", "crowd", "script", "intruder"}

// bench runs accounts through a table.
type bench struct {
	table *Table
	rng   *rand.Rand // of gaps
	e     event.Event
	best  [2]float64 // highest of this week, or of this drain
	twins fixtures.Twins
	out   *chunk
	week  struct {
		rules  map[string]bool // that were passed
		ticket bool            // somebody was accused
		twins  fixtures.Twins
	}
}

func newBench() *bench {
	b := &bench{out: newChunk(), rng: rand.New(rand.NewPCG(1, 1))}
	b.week.rules = map[string]bool{}
	b.table = NewTable(func(*Moments) {}, func(Finding) {})
	b.table.weighed = func(f Finding) {
		b.best[statVolume] = max(b.best[statVolume], f.Evidence)
		b.best[statIdentity] = max(b.best[statIdentity], f.identified())
		if f.Strong() == 0 {
			return
		}
		for r, name := range ruleNames {
			if f.Passes(Rule(r)) {
				b.week.rules[name] = true
			}
		}
		if f.Doer(func(_ Sign, is bool) bool { return is }) == Owner {
			return
		}
		b.week.ticket = true
		if b.week.twins == 0 {
			b.week.twins = b.twins
		}
	}
	return b
}

// fold charges what an account drew in a stretch.
func (b *bench) fold(a fixtures.Active) {
	b.e.Device, b.e.ASN, b.e.APIKey, b.e.Country = a.Device, a.Network, a.Key, a.Country
	b.e.Credits = event.Credits(a.Credits / float64(a.Rows) * 1e9)
	b.e.Time = a.At
	for i := range a.Rows {
		if i > 0 {
			gap := float64(fixtures.Stretch) / float64(a.Rows+1)
			if !a.Even {
				gap *= min(0.7*b.rng.ExpFloat64(), 6) / 0.9 // stays within the stretch all but always
			}
			b.e.Time = min(b.e.Time+int64(gap)+1, a.At+fixtures.Stretch-1)
		}
		b.table.Fold(&b.e, nil, 0, price.Quote{Known: true, Expected: b.e.Credits})
	}
	b.twins = a.Twins // a stretch closes when the next begins, and is what the next weighing is of
}

// endWeek books what the week's weighings reached.
func (b *bench) endWeek() {
	b.out.Weeks++
	for s, x := range b.best {
		b.out.Highest[s][levelOf(x)]++
	}
	for r := range b.week.rules {
		b.out.Rules[r]++
	}
	if b.week.ticket {
		b.out.AsSet++
		none := true
		for t := range fixtures.NumTwins {
			if b.week.twins.Has(t) {
				b.out.Twins[fixtures.TwinNames[t]]++
				none = false
			}
		}
		if none {
			b.out.Twins["nothing of note"]++
		}
	}
	b.reset()
}

func (b *bench) reset() {
	b.best = [2]float64{}
	clear(b.week.rules)
	b.week.twins, b.week.ticket = 0, false
}

// live plays an account's life, and then, if asked, every jump upon the same day after it.
func (b *bench) live(h *fixtures.Habits, seed, id uint64, drained bool) {
	l := fixtures.NewLife(h, seed, id, monday)
	b.e = event.Event{User: l.ID, HasTokens: true}
	b.twins = 0
	b.reset()
	at := monday
	for range lifeWeeks {
		for range 7 {
			l.Day(at, b.fold)
			at += day
		}
		b.endWeek()
	}
	mean, stretches := l.Mean()
	u := b.table.user(l.ID)
	if !drained || stretches < 10 || u == nil {
		return
	}
	b.out.Drains++
	b.table.close(u)
	var own []fixtures.Active
	l.Day(at, func(a fixtures.Active) { own = append(own, a) })
	before, logs := *u, b.table.logs
	for j := range jumps {
		var all []fixtures.Active
		if jumps[j].ownHours {
			for _, a := range own {
				a.Credits *= jumps[j].Factor
				all = append(all, a)
			}
		} else {
			all = slices.Clone(own)
			rng := rand.New(rand.NewPCG(seed, id))
			jumps[j].Play(l, rng, at, mean, func(a fixtures.Active) { all = append(all, a) })
			slices.SortStableFunc(all, func(a, b fixtures.Active) int { return int((a.At - b.At) / fixtures.Stretch) })
		}
		b.drain(u, &b.out.Found[j], all)
		*u, b.table.logs = before, logs
	}
}

// drain folds a drain's day and books at which active stretch each level was first reached.
func (b *bench) drain(u *User, found *[numStats]passages, all []fixtures.Active) {
	b.reset()
	var reached [numStats]int
	stretches, last := 0, int64(0)
	book := func() {
		bin := min((stretches-1)/4, passageBins-2)
		for s := range reached {
			top := 0
			if s == statAsSet {
				if b.week.ticket {
					top = numLevels
				}
			} else {
				top = levelOf(b.best[s])
			}
			for ; reached[s] < top; reached[s]++ {
				found[s][reached[s]][bin]++
			}
		}
	}
	for _, a := range all {
		b.fold(a)
		if a.At != last {
			if stretches > 0 {
				book()
			}
			stretches, last = stretches+1, a.At
		}
	}
	b.table.close(u)
	if stretches > 0 {
		book()
	}
	for s := range reached {
		for ; reached[s] < numLevels; reached[s]++ {
			found[s][reached[s]][passageBins-1]++
		}
	}
	b.reset()
}

// runChunk plays accounts number·size to (number+1)·size-1; every nth is drained at last.
func runChunk(name string, h *fixtures.Habits, seed uint64, number, size, nth int) *chunk {
	b := newBench()
	for i := range size {
		b.live(h, seed, uint64(number*size+i), i%nth == nth-1)
	}
	b.out.Population, b.out.Number = name, number
	return b.out
}

var populations = []struct {
	name string
	h    *fixtures.Habits
}{{"calm", &fixtures.Calm}, {"restless", &fixtures.Restless}}

// TestFrontier draws recall and delay against false findings over account-weeks by the million: make frontier. Results are
// kept by chunk, so that a run that was stopped goes on, unless the sources have changed.
func TestFrontier(t *testing.T) {
	if *frontierFile == "" {
		t.Skip("long: make frontier")
	}
	stamp := frontierStamp(t)
	done := map[string]map[int]*chunk{}
	for _, p := range populations {
		done[p.name] = map[int]*chunk{}
	}
	old, err := os.ReadFile(*frontierFile)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	kept := old[:0:0]
	for line := range bytes.Lines(old) {
		c := newChunk()
		if json.Unmarshal(line, c) == nil && c.Bench == stamp && done[c.Population] != nil {
			done[c.Population][c.Number] = c
			kept = append(kept, line...)
		}
	}
	if err := os.MkdirAll(filepath.Dir(*frontierFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*frontierFile, kept, 0o644); err != nil { // what other sources made goes
		t.Fatal(err)
	}
	out, err := os.OpenFile(*frontierFile, os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	type job struct{ population, number int }
	var jobs []job
	for n := range *frontierChunks {
		for p := range populations {
			if done[populations[p].name][n] == nil {
				jobs = append(jobs, job{p, n})
			}
		}
	}
	began, todo := time.Now(), len(jobs)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				mu.Lock()
				if len(jobs) == 0 {
					mu.Unlock()
					return
				}
				next := jobs[0]
				jobs = jobs[1:]
				mu.Unlock()
				p := populations[next.population]
				c := runChunk(p.name, p.h, *frontierSeed, next.number, 4000, 8)
				c.Bench = stamp
				line, err := json.Marshal(c)
				mu.Lock()
				if err == nil {
					_, err = out.Write(append(line, '\n'))
				}
				if err != nil {
					t.Error(err)
				}
				done[p.name][next.number] = c
				left := todo - len(jobs)
				t.Logf("%d of %d chunks begun, about %v left", left, todo, (time.Since(began) / time.Duration(max(left, 1)) * time.Duration(len(jobs))).Round(time.Second))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	var sums []*chunk
	for _, p := range populations {
		sum := newChunk()
		sum.Population = p.name
		for n := range *frontierChunks {
			if c := done[p.name][n]; c != nil {
				sum.add(c)
			}
		}
		fmt.Println(sum.report())
		sums = append(sums, sum)
	}
	picture := strings.TrimSuffix(*frontierFile, ".jsonl") + ".png"
	if err := drawFrontier(picture, sums); err != nil {
		t.Fatal(err)
	}
	fmt.Println("drawn into", picture)
}

// A sample of the frontier: what is found, what stays unfound by design, and that the same accounts give the same result.
func TestFrontierSample(t *testing.T) {
	c := runChunk("calm", &fixtures.Calm, 102, 0, 300, 3)
	t.Log("\n" + c.report())
	for _, want := range []struct {
		jump        string
		least, most float64
	}{
		{"20x, new identity", 0.9, 1},
		{"10x, new identity", 0.8, 1},
		{"50x", 0.85, 1},
		{"20x", 0.6, 1},
		{"20x in own hours", 0, 0.15}, // people have such days
	} {
		j := jumpNamed(want.jump)
		if r, _ := c.Found[j][statAsSet].quality(0); r < want.least || r > want.most {
			t.Errorf("%s: recall %.2f, want %.2f to %.2f", want.jump, r, want.least, want.most)
		}
	}
	if n := c.Rules["volume"] + c.Rules["identity"]; n > 3 {
		t.Errorf("%d of %d innocent account-weeks with a finding by volume or identity", n, c.Weeks)
	}
	if one, two := runChunk("calm", &fixtures.Calm, 102, 0, 30, 3), runChunk("calm", &fixtures.Calm, 102, 0, 30, 3); fmt.Sprint(one) != fmt.Sprint(two) {
		t.Error("the same accounts give different results")
	}
}

// frontierStamp is a fingerprint of all that the results depend on.
func frontierStamp(t *testing.T) string {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../fixtures/*.go")
	if err != nil {
		t.Fatal(err)
	}
	h := fnv.New64a()
	for _, f := range append(files, more...) {
		if strings.HasSuffix(f, "_test.go") && f != "frontier_test.go" || filepath.Base(f) == "doc.go" {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		h.Write(text)
	}
	fmt.Fprint(h, *frontierSeed)
	return fmt.Sprintf("%016x", h.Sum64())
}
