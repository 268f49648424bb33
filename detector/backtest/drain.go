package backtest

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector/event"
)

// Kind is a kind of drain that is injected into a history to see what thresholds cost.
type Kind struct {
	Name     string
	Factor   float64 // times the user's mean active ten minutes, in nine of ten of them, for a day and a night
	Stranger bool    // from a new device, network and country
	Even     bool    // in even gaps, under a new key
	Crowd    bool    // from five new devices and networks in turn
}

// Kinds are the drains that are tried.
var Kinds = []Kind{
	{Name: "10x, new identity", Factor: 10, Stranger: true},
	{Name: "20x, new identity", Factor: 20, Stranger: true},
	{Name: "20x, known identity", Factor: 20},
	{Name: "20x, even gaps", Factor: 20, Even: true},
	{Name: "4x, five new people", Factor: 4, Crowd: true},
}

// What a user must have behind them to be drained, and how much of that is kept.
const (
	drainRows    = 20
	drainBuckets = 10
	drainAge     = 5 * 24 * hour
	drainFor     = 24 * hour
	drainBegin   = 12 * hour // within which drains begin, each with a row of the user's
	drainKeep    = 60        // latest rows
	drainMost    = 300       // rows in ten minutes
	evenRows     = 16        // rows in ten minutes of a script at least
	drainDuty    = 0.9
)

// Drains injects drains into a second reading of a history: the same rows, and those of drained users beside them, made of pairs
// of their own rows, so that they are priced right and none is a copy. Every user is drained at most once. Not safe for concurrent
// use; with several partitions each has its own.
type Drains struct {
	begin int64 // of the first row that may start one
	seed  uint64
	most  int     // users to drain
	odds  float64 // that a user is looked at: most of these cannot be drained, or have no row when drains begin
	users map[string]*drainee
	under queue // what is under way
	Begun map[string]Begun
}

// Begun is a drain that was begun.
type Begun struct {
	Kind int
	At   int64
}

type drainee struct {
	first, bucket int64
	buckets       int
	rows          int
	credits       float64
	kept          []event.Event
	done          bool
}

// NewDrains returns drains of about perKind users of each kind, of so many users in all, in the last day and a half of a history
// that ends at last. A fifth of all users are drained at most.
func NewDrains(seed uint64, perKind, users int, last time.Time) *Drains {
	d := &Drains{begin: last.UnixNano() - drainFor - drainBegin, seed: seed, users: map[string]*drainee{}, Begun: map[string]Begun{}}
	d.most = min(perKind*len(Kinds), users/5)
	d.odds = 8 * float64(d.most) / float64(max(users, 1))
	return d
}

// From is the event time of the first row that may begin a drain.
func (d *Drains) From() int64 { return d.begin }

// Row takes the next row of the history and calls inject with the rows that come before it.
func (d *Drains) Row(e *event.Event, inject func(*event.Event)) {
	for len(d.under) > 0 && d.under[0].rows[0].Time <= e.Time {
		x := d.under[0]
		inject(&x.rows[0])
		if x.rows = x.rows[1:]; len(x.rows) > 0 || x.more() {
			heap.Fix(&d.under, 0)
		} else {
			heap.Pop(&d.under)
		}
	}
	// Who is drained is decided by name, whatever else is in the history.
	h := mix(xxhash.Sum64String(e.User) + d.seed)
	if e.Time >= d.begin+drainBegin || float64(h>>11)/(1<<53) >= d.odds {
		return
	}
	u := d.users[e.User]
	if u == nil {
		u = &drainee{first: e.Time}
		d.users[strings.Clone(e.User)] = u
	}
	if u.done {
		return
	}
	u.observe(e)
	if e.Time >= d.begin && len(d.Begun) < d.most && u.rows >= drainRows && u.buckets >= drainBuckets && e.Time-u.first >= drainAge {
		u.done = true
		d.start(u, e.Time, h)
	}
}

func (u *drainee) observe(e *event.Event) {
	if e.Kind != event.Usage || e.Status != event.OK || e.Credits <= 0 {
		return
	}
	u.rows++
	u.credits += e.Credits.Float64()
	if b := e.Time / int64(bucket); b != u.bucket {
		u.bucket = b
		u.buckets++
	}
	c := *e
	for _, s := range []*string{&c.User, &c.Session, &c.Device, &c.IP, &c.ASN, &c.Country, &c.APIKey} {
		*s = strings.Clone(*s)
	}
	for i := range c.Dims {
		c.Dims[i] = strings.Clone(c.Dims[i])
	}
	c.ID, c.RequestID, c.TurnID, c.Reason, c.Enforcement, c.HasQuota, c.QuotaUsed, c.QuotaResets = "", "", strings.Clone(c.TurnID), "", "", false, 0, 0
	if len(u.kept) < drainKeep {
		u.kept = append(u.kept, c)
	} else {
		u.kept[u.rows%drainKeep] = c
	}
}

// start begins the drain of a user.
func (d *Drains) start(u *drainee, at int64, h uint64) {
	kind := int(h % uint64(len(Kinds)))
	x := &drain{Kind: &Kinds[kind], drainee: u, name: h, at: at, until: at + drainFor, rng: rand.New(rand.NewPCG(d.seed, h))}
	x.target = x.Factor * u.credits / float64(u.buckets)
	if x.more() {
		heap.Push(&d.under, x)
	}
	d.Begun[u.kept[0].User] = Begun{kind, at}
}

// drain is one under way. Its rows are made ten minutes at a time.
type drain struct {
	*Kind
	*drainee
	name      uint64
	at, until int64
	target    float64 // credits in ten minutes
	rng       *rand.Rand
	rows      []event.Event // made, and not injected yet
	made      int
}

// more makes the rows of the next ten minutes in which there are any.
func (x *drain) more() bool {
	x.rows = nil
	for ; x.at < x.until && len(x.rows) == 0; x.at += int64(bucket) {
		if x.rng.Float64() >= drainDuty {
			continue
		}
		for sum := 0.0; (sum < x.target || x.Even && len(x.rows) < evenRows) && len(x.rows) < drainMost; {
			r := x.pair(x.rng)
			sum += r.Credits.Float64()
			x.rows = append(x.rows, r)
		}
		offsets := make([]int64, len(x.rows))
		for i := range offsets {
			offsets[i] = x.rng.Int64N(int64(bucket))
			if x.Even {
				offsets[i] = int64(bucket) * int64(i) / int64(len(x.rows))
			}
		}
		slices.Sort(offsets)
		for i := range x.rows {
			r := &x.rows[i]
			x.made++
			r.Time = x.at + offsets[i]
			r.ID = fmt.Sprintf("calibrate-%016x-%d", x.name, x.made)
			r.RequestID = r.ID
			if r.TurnID != "" {
				r.TurnID = r.ID
			}
			x.disguise(r, x.name, x.made)
		}
	}
	return len(x.rows) > 0
}

// queue holds drains by the time of their next row.
type queue []*drain

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	a, b := &q[i].rows[0], &q[j].rows[0]
	return a.Time < b.Time || a.Time == b.Time && a.ID < b.ID
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(*drain)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	*q = (*q)[:last]
	return x
}

// disguise says who the nth row of a drain comes from.
func (k *Kind) disguise(r *event.Event, h uint64, n int) {
	who := ""
	switch {
	case k.Stranger:
		who = fmt.Sprintf("calibrate-%x", h)
		r.Country = who[:12]
	case k.Crowd:
		who = fmt.Sprintf("calibrate-%x-%d", h, n%5)
	case k.Even:
		r.APIKey = fmt.Sprintf("calibrate-%x", h)
	}
	if who != "" {
		r.Device, r.Session, r.IP, r.ASN = who, who, who, who
	}
}

// mix spreads a hash over all bits (the finaliser of SplitMix64).
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// pair returns a row that costs what two of a user's rows do: list prices are linear in tokens.
func (u *drainee) pair(rng *rand.Rand) event.Event {
	a := u.kept[rng.IntN(len(u.kept))]
	for range 8 {
		b := &u.kept[rng.IntN(len(u.kept))]
		if b.Dims != a.Dims || b.HasTokens != a.HasTokens {
			continue
		}
		a.Input, a.Cached, a.CacheWrite = a.Input+b.Input, a.Cached+b.Cached, a.CacheWrite+b.CacheWrite
		a.Output, a.Reasoning, a.Credits = a.Output+b.Output, a.Reasoning+b.Reasoning, a.Credits+b.Credits
		break
	}
	return a
}
