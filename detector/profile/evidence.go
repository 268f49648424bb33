package profile

import (
	"math"
	"math/bits"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// FindingKind says what a finding is about.
type FindingKind uint8

// What can be found about one user.
const (
	Suspect FindingKind = iota // rows that are off by themselves
	Drain                      // volume beyond the user's own past
	Calm                       // the drain is over
)

// Finding is said of one user, first when evidence passes its threshold, then hourly while it stands.
type Finding struct {
	Kind      FindingKind
	User      string
	Leaf      *cohort.Leaf
	At, Since int64

	Flag cohort.Flag // of a Suspect
	Rows int64

	// Of a Drain.
	Evidence               float64 // nats of the leaky volume evidence
	Novel                  float64 // nats of the same over identities first seen within a day
	Score                  float64 // of the evidence with identity
	Ratio                  float64 // list value an active bucket over the user's past
	Observed, Expected     float64 // credits an active bucket
	DayRatio, Days         float64 // the last day's list value over the mean day's, and the days that stands on
	NovelRatio             float64 // the same of what identities first seen within a day drew
	NovelHours             int     // of the last 24 in which those had rows
	NewFrom, NewSince      int64   // when the first of those came, and the first of the kind that turned new last
	EvenSince              int64   // start of the stretch of even gaps, 0 if there is none
	Past                   float64 // active buckets that the past stands on
	NewDevices, Devices    int     // first seen within a day, and seen within a day
	NewNetworks, Networks  int
	NewKeys, NewCountries  int
	AwakeHours             int     // of the last 24
	Now, Base              Counts  // since the day began, and the past scaled to as many active buckets
	Evenness, PastEvenness float64 // coefficient of variation of the gaps between rows; NaN unknown
}

// Thresholds of evidence. Source of the recursions: the frontier of research on client traces, where Volume 75 stands near
// ten false alarms a million user-weeks; evidence with identity needs less.
const (
	VolumeThreshold   = 75
	IdentityThreshold = 14
	suspectRows       = 10
	leastPast         = 2 // active buckets of past without which nobody is accused
	crowd             = 4
	intruderHours     = 12 // a person on a new computer rests more
	evenFor           = 4 * cohort.Hour
	evenAt            = 0.5 // coefficient of variation below which gaps are a machine's; exponential gaps have 1
	leakHours         = 24.0
)

// weigh updates the evidence with a closed bucket:
//
//	W ← max(0, W·e^(−Δ/24 h) + ln(0.6 + 0.4·min(y/3m, 8)))
//
// with y the bucket's list value and m the past's mean an active bucket; N alike on what identities first seen within a day
// drew, with 2m, and reset when they drew nothing.
func (t *Table) weigh(u *User, c, b *Counts) {
	const prior = 5 // active buckets that the mean user counts for
	pop := float32(0)
	if t.logs.n > 0 {
		pop = float32(math.Exp(float64(t.logs.sum / t.logs.n)))
	}
	if v := c.volume(); v > 0 {
		t.logs.n, t.logs.sum = t.logs.n*0.9999+1, t.logs.sum*0.9999+float32(math.Log(float64(v)))
	}
	m := (b.volume() + prior*pop) / (b.Buckets + prior)
	if m <= 0 {
		return
	}
	leak := float32(math.Exp(-float64(u.bucket-u.weighedAt) / float64(leakHours*float64(cohort.Hour))))
	u.weighedAt = u.bucket
	u.dayVolume = u.dayVolume*leak + c.volume()
	u.dayNovel = u.dayNovel*leak + u.novelNow
	step := func(y, h float32) float32 {
		return float32(math.Log(0.6 + 0.4*min(float64(y/(h*m)), 8)))
	}
	before := u.volume
	u.volume = max(0, u.volume*leak+step(c.volume(), 3))
	if u.novelNow > 0 {
		u.novel = max(0, u.novel*leak+step(u.novelNow, 2))
	} else {
		u.novel *= leak * leak
	}
	if !u.said && before == 0 && u.novel <= 1 {
		u.since, u.standing = u.bucket, Counts{}
	}
	f := t.finding(u, c, m)
	// Who has no past of their own has left none: the population's is no measure of a person.
	known := b.Buckets >= leastPast && u.bucket-u.FirstAt >= day
	if known && t.weighed != nil {
		t.weighed(f)
	}
	if known && f.strong() {
		u.strongAt = u.bucket
	}
	switch strong := u.strongAt == u.bucket; {
	case strong && (!u.said || u.bucket-u.saidAt >= cohort.Hour):
		u.said, u.saidAt = true, u.bucket
		t.Say(f)
	case u.said && u.bucket-u.strongAt > 6*cohort.Hour && f.Evidence < VolumeThreshold/3 && f.Ratio < 2:
		u.said = false
		f.Kind = Calm
		t.Say(f)
	}
}

// strong says whether a finding passes any threshold.
func (f *Finding) strong() bool {
	return f.Evidence >= VolumeThreshold || f.identified() >= IdentityThreshold || f.Crowd() || f.Script() || f.Intruder()
}

// identified returns the score with identity where the volume is several times the past's: a new machine alone is no drain.
func (f *Finding) identified() float64 {
	if f.Ratio < 3 {
		return 0
	}
	return f.Score
}

func (t *Table) finding(u *User, c *Counts, m float32) Finding {
	f := Finding{
		Kind: Drain, User: u.Key, Leaf: u.leaf, At: u.bucket + Bucket, Since: u.since,
		Evidence: float64(u.volume), Past: float64(u.past.Buckets), AwakeHours: bits.OnesCount32(u.awake),
		Evenness: u.evenly(), PastEvenness: math.NaN(), Expected: float64(m), Observed: float64(c.volume()),
	}
	if u.evenness.n > 0 {
		f.PastEvenness = float64(u.evenness.sum / u.evenness.n)
	}
	recent := u.today
	recent.add(c, 1)
	f.Observed = float64(recent.volume() / max(recent.Buckets, 1))
	f.Ratio = f.Observed / float64(m)
	f.Now, f.Base = u.drawn()
	if f.Days = float64(u.pastDays); u.pastDays > 0 && u.past.volume() > 0 {
		mean := u.past.volume() / u.pastDays
		f.DayRatio, f.NovelRatio = float64(u.dayVolume/mean), float64(u.dayNovel/mean)
	}
	f.EvenSince, f.NovelHours = u.evenSince, bits.OnesCount32(u.novelAwake)
	now := uint32((u.bucket + Bucket) / 1e9)
	var since [numKinds]uint32
	f.NewDevices, f.Devices, since[device] = u.ids[device].fresh(now)
	f.NewNetworks, f.Networks, since[network] = u.ids[network].fresh(now)
	f.NewKeys, _, since[apiKey] = u.ids[apiKey].fresh(now)
	f.NewCountries, _, since[country] = u.ids[country].fresh(now)
	// The latest kind to turn new is the newcomer's: the owner may have roamed the evening before.
	f.NewFrom = int64(min(since[device], since[network], since[apiKey], since[country])) * 1e9
	for k, at := range since {
		if at < now && kind(k) != client {
			f.NewSince = max(f.NewSince, int64(at)*1e9)
		}
	}
	f.Novel = float64(u.novel)
	if u.novel > 0 {
		nats := 0.0
		if f.NewDevices > 0 {
			nats += 3
		}
		if f.NewNetworks > 0 {
			nats += 2.5
		}
		if f.NewKeys > 0 {
			nats += 2.5
		}
		if f.NewCountries > 0 {
			nats += 2.5
		}
		n := float64(u.novel)
		f.Score = 1.1*math.Log1p(2*n) + n/16 + 0.85*min(nats, 11) + 0.4*f.Automation()
	}
	return f
}

// drawn returns what the user drew since the evidence that stands began, and the past scaled to the same time.
func (u *User) drawn() (now, past Counts) {
	now = u.standing
	now.add(&u.now, 1)
	past = u.past
	days := float32(u.bucket+Bucket-u.since) / float32(day)
	if u.pastDays > 0 {
		past.scale(days / u.pastDays)
	} else {
		past = Counts{}
	}
	now.Buckets, past.Buckets = 1, 1
	return now, past
}

// Script says whether a machine seems to draw: evenly for hours where the user's rows are not even, and several times what the
// user's days do.
func (f *Finding) Script() bool {
	return f.EvenSince != 0 && f.At-f.EvenSince >= evenFor && f.Evenness < evenAt && !(f.PastEvenness < 2*f.Evenness) && f.DayRatio >= 4 && f.Days >= 1
}

// Elsewhere says whether what is new comes from elsewhere: a new network or country, or a new key on a new device. A new key
// on the owner's own machines is the owner's script.
func (f *Finding) Elsewhere() bool {
	return f.NewNetworks+f.NewCountries > 0 || f.NewKeys > 0 && f.NewDevices > 0
}

// Intruder says whether somebody else seems to draw beside the owner: a new device on a new network or key that hardly rests
// and draws several of the owner's days, while one of the owner's is at work too. A new computer replaces the old.
func (f *Finding) Intruder() bool {
	return f.NewDevices > 0 && f.Devices > f.NewDevices && f.NewNetworks+f.NewKeys+f.NewCountries > 0 && f.Days >= 3 && f.NovelHours >= intruderHours && f.NovelRatio >= 3
}

// Crowd says whether several people seem to share the account: many devices and networks that were not there before, and a
// day that draws several times what the user's days do.
func (f *Finding) Crowd() bool {
	return f.NewDevices >= crowd && f.NewNetworks >= crowd && f.DayRatio >= 2.5 && f.Days >= 1
}

// Even says whether the gaps between rows are a machine's.
func (f *Finding) Even() bool { return f.Evenness < evenAt }

// Automation returns how much more even and sleepless than before the user's rows are, in nats, 0 to 6.
func (f *Finding) Automation() float64 {
	a := 0.0
	if f.Even() {
		a += 2
		if f.PastEvenness > 2*f.Evenness {
			a++
		}
	}
	if f.AwakeHours >= 20 {
		a += 3
	}
	return a
}

// held says whether evidence stands that the past must not learn from.
func (u *User) held() bool {
	return u.past.Buckets >= minPast && u.volume >= VolumeThreshold/3 || u.said || u.evenSince != 0 && u.bucket-u.evenSince >= evenFor/2 && u.oddlyEven()
}

func (t *Table) keys(want func(*User) bool) []string {
	var keys []string
	for k, u := range t.users {
		if want(u) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}
