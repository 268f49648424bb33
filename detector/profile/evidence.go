package profile

import (
	"math"
	"math/bits"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// FindingKind says what a finding is about.
type FindingKind uint8

// What can be found about one user.
const (
	Suspect  FindingKind = iota // rows that are off by themselves
	Drain                       // volume beyond the user's own past
	Calm                        // the drain is over
	Accepted                    // it has gone on for so long that it is what the user does now
	Righted                     // rows came of which none is off, after a run of those that were
)

// Finding is said of one user, first when evidence passes its threshold, then hourly while it stands.
type Finding struct {
	Kind      FindingKind
	User      string
	Leaf      *cohort.Leaf
	At, Since int64
	Last      int64 // event time of the last row of who draws, 0 unknown

	Flag cohort.Flag // of a Suspect, or of who is Righted
	Rows int64

	// Of a Drain.
	Evidence               float64 // nats of the leaky volume evidence
	Novel                  float64 // nats of the same over identities first seen within a day
	Strange                float64 // and over rows of which device and network or country are new at once
	Score                  float64 // of the evidence with identity
	Ratio                  float64 // list value an active bucket over the user's past
	Observed, Expected     float64 // credits an active bucket
	DayRatio, Days         float64 // the last day's list value over the mean day's, and the days that stands on, those that peers stand in for included
	NovelRatio             float64 // the same of what identities first seen within a day drew
	NovelHours             int     // of the last 24 in which those had rows
	NewFrom, NewSince      int64   // when the first of those came, and the first of the kind that turned new last
	CrowdFrom              int64   // when both a device and a network had come, as it was when several had; 0 unknown
	EvenSince              int64   // start of the stretch of even gaps, 0 if there is none
	Duty                   float64 // share of the buckets since then that have rows
	OwnKey                 bool    // a key was first seen when that began
	Past                   float64 // active buckets that the past stands on
	NewDevices, Devices    int     // first seen within a day, and seen within a day
	NewNetworks, Networks  int
	NewKeys, NewCountries  int
	AwakeHours             int     // of the last 24
	Bout                   float64 // hours since the last pause of an hour
	Now, Base              Counts  // since the evidence began, and the past, of a Drain scaled to the same time
	Evenness, PastEvenness float64 // coefficient of variation of the gaps between rows; NaN unknown

	pressure float64 // Evidence also of who is too new to be judged by it alone
	limits   Limits  // zero is the default
}

// Thresholds of evidence, in nats, set on the frontier (make frontier, seeds 1 to 9; figures in doc.go): ten findings in a
// million innocent account-weeks of the calm population for all rules together.
const (
	VolumeThreshold   = 52
	IdentityThreshold = 28
	volumeNats        = 0.3 // of score a nat of volume is worth where a device is new,
	strangeNats       = 1   // and one that stands on strangers alone

	holdAt     = 20      // of volume, before the usual day's share is taken off: what stands there is not learned from
	volumePast = 15      // active buckets of past without which nobody is accused by volume alone,
	volumeAge  = 4 * day // nor before that age: what a user's usual is, is not known
	dutyNats   = 0.3     // of evidence that an active bucket of the user's usual day takes: who works all day has such days
	dutyMost   = 100     // active buckets of a day that count for that
	stepOver   = 2.5     // times m that a bucket is held against,
	stepLeast  = 0.55    // what is left of the evidence, as a factor, by one without volume
	stepMost   = 4       // times stepOver·m beyond which a bucket says no more: how many there are says more than how large they are

	SuspectRows   = 10
	leastPast     = 2 // active buckets of past without which nobody is accused
	crowd         = 4
	CrowdRatio    = 2.5   // days' volume
	scriptNats    = 14    // of volume: an owner's script runs long, a drain's draws much in each stretch as well;
	scriptPast    = 6     // where as many active buckets of past, three days and its evenness are known;
	scriptTimes   = 3     // or so many times the past's an active bucket,
	pausesNot     = 0.985 // of the stretches since the even gaps began that have rows,
	pausesNotFor  = 10 * cohort.Hour
	pausesRatio   = 20  // and so many days' volume, of which less in each stretch is needed;
	endlessRatio  = 100 // so many days' volume, and hardly an hour's rest
	intruderNats  = 2   // of volume by strangers,
	intruderTimes = 3   // and times the past's volume an active bucket
	intruderHours = 12  // a person on a new computer rests more, and does not do as many on end,
	restlessHours = 16  // or never works so much of a day abroad
	IntruderRatio = 20  // days' volume that a job in a cloud seldom draws
	ScriptRatio   = 10  // days' volume that the owner's own new script seldom draws,
	doubtRatio    = 25  // and beyond which that it may be the owner's, or may always have been so even, no longer explains it
	evenFor       = 4 * cohort.Hour

	novelNats      = 3 // of volume by new identities that make a drain theirs, whatever it looks like otherwise
	sleeplessHours = 20
	sleeplessRatio = 20 // days' volume

	evenAt    = 0.5 // coefficient of variation below which gaps are a machine's; exponential gaps have 1
	leakHours = 24.0
	idleNats  = 0.1 // that a bucket without rows takes,
	idleMost  = 60  // up to so many in a row
)

// weigh updates the evidence with a closed bucket:
//
//	W ← max(0, max(0, W·e^(−Δ/24 h) − i/10) + ln(0.55 + 0.45·min(y/2.5mg, 4)))
//
// with y the bucket's list value, m the past's mean an active bucket, g ≥ 1 how far m may be off (guard) and i the buckets
// without rows before it, 60 at most. N alike without i on what identities first seen within a day drew, and J on what a stranger
// drew: ln(0.6 + 0.4·min(y/2m, 8)), and leaking twice as fast while they draw nothing.
// A low bound on a bucket and one that falls with the user's usual day tell a drain from a bout of work better than large
// bounds do: on the frontier that was worth a third of the time.
func (t *Table) weigh(u *User, c, b *Counts, even bool) {
	p := t.priorOf(u, b)
	if v := c.volume(); v > 0 {
		log := float32(math.Log(float64(v)))
		t.logs.n, t.logs.sum = t.logs.n*0.9999+1, t.logs.sum*0.9999+log
		u.logsToday.observe(log)
	}
	m := b.mean(&p)
	if p.firm() && u.isNew() {
		m = max(m, p.mean) // first days may be a try
	}
	if m <= 0 {
		return
	}
	gap := int64(u.number() - u.weighedIn)
	leak := float32(math.Exp(-float64(gap) * float64(Bucket) / (leakHours * float64(cohort.Hour))))
	u.weighedIn = u.number()
	u.dayVolume = u.dayVolume*leak + c.volume()
	u.dayNovel = u.dayNovel*leak + u.novelNow
	step := func(y, m, least, most float64) float32 {
		return float32(math.Log(least + float64((1-least)*min(y/m, most))))
	}
	before, bar := u.volume, stepOver*float64(m)*u.guard(b, &p)
	u.volume = max(0, u.volume*leak-float32(idleNats*float64(max(0, min(gap-1, idleMost)))))
	u.volume = max(0, u.volume+step(float64(c.volume()), bar, stepLeast, stepMost))
	u.bout.observe(gap, float64(c.volume()), bar)
	gather := func(w *float32, y float32) {
		if y > 0 {
			*w = max(0, *w*leak+step(float64(y), 2*float64(m), 0.6, 8))
		} else {
			*w *= leak * leak
		}
	}
	gather(&u.novel, u.novelNow)
	gather(&u.strange, u.strangeNow)
	if !u.said && before == 0 && u.novel <= 1 {
		u.since, u.standing = u.bucket, Counts{}
	}
	f := t.finding(u, c, m, &p)
	// Who has no past of their own has left none: everybody's is no measure of a person, that of people alike is.
	known := (b.Buckets >= leastPast || p.firm()) && u.bucket-u.FirstAt >= day
	if known && t.weighed != nil {
		f.User = string(u.key)
		t.weighed(f)
	}
	t.tell(u, &f, known && f.Strong() > 0, float64(c.volume()) > bar, even)
}

// mean returns the mean volume of an active bucket. The prior's counts for its weight where there is no past, and for ever less
// as there is: everybody's, whose users differ by orders of magnitude, for five buckets.
func (c *Counts) mean(p *prior) float32 {
	w := p.weight * p.weight / (p.weight + c.Buckets)
	return (c.volume() + w*p.mean) / (c.Buckets + w)
}

// guard returns by how much the past's mean may be off: e^(s/√(1+n/4)), where s is how much the logarithm of a bucket deviates
// and n the past's buckets, those that peers stand in for included, of which about four at a time are one sitting.
func (u *User) guard(b *Counts, p *prior) float64 {
	const weight = 10 // buckets that usualSpread counts for
	l := &u.logsPast
	variance := 0.0
	if l.n > 0 {
		mean := float64(l.sum / l.n)
		variance = max(float64(l.squares/l.n)-mean*mean, 0)
	}
	s := math.Sqrt((variance*float64(l.n) + usualSpread*usualSpread*weight) / (float64(l.n) + weight))
	return math.Exp(s / math.Sqrt(1+(float64(b.Buckets)+p.standsIn())/sitting))
}

// identified returns the score with identity where the volume is several times the past's: a new machine alone is no drain.
func (f *Finding) identified() float64 {
	if f.Ratio < 3 {
		return 0
	}
	return f.Score
}

// pressure returns the volume evidence as far as it is steady, less what the user's usual day takes.
func (u *User) pressure() float64 {
	return max(0, float64(u.volume)*u.bout.steadiness()-dutyNats*min(float64(u.pastActive/max(u.pastDays, 1)), dutyMost))
}

// isNew says whether too little is known of a user to be judged by volume alone.
func (u *User) isNew() bool { return u.past.Buckets < volumePast || u.bucket-u.FirstAt < volumeAge }

// judge says what a user is to be judged by: the pressure, none of who is too new for volume alone; and whether it stands on what
// peers do.
func (u *User) judge(p *prior) (evidence float64, byPeers bool) {
	if !u.isNew() {
		return u.pressure(), false
	}
	if !p.firm() || u.bucket-u.FirstAt < day {
		return 0, false
	}
	return u.pressure(), true
}

func (t *Table) finding(u *User, c *Counts, m float32, p *prior) Finding {
	f := Finding{
		Kind: Drain, limits: t.Limits, Leaf: u.leaf, At: u.bucket + Bucket, Since: u.since,
		pressure: u.pressure(), Past: float64(u.past.Buckets), AwakeHours: bits.OnesCount32(u.awake), Bout: u.bout.hours(),
		Evenness: u.evenly(), PastEvenness: math.NaN(), Expected: float64(m), Observed: float64(c.volume()),
	}
	if u.evenness.n > 0 {
		f.PastEvenness = float64(u.evenness.sum / u.evenness.n)
	}
	var byPeers bool
	f.Evidence, byPeers = u.judge(p)
	recent := u.today
	recent.add(c, 1)
	f.Observed = float64(recent.volume() / max(recent.Buckets, 1))
	f.Ratio = f.Observed / float64(m)
	f.Now, f.Base = u.drawn()
	mean := float32(0)
	if f.Days = float64(u.pastDays); u.pastDays > 0 {
		mean = u.past.volume() / u.pastDays
	}
	if byPeers {
		f.Days, mean = max(f.Days, peerDays), max(mean, p.day)
	}
	if f.Days > 0 && mean > 0 {
		f.DayRatio, f.NovelRatio = float64(u.dayVolume/mean), float64(u.dayNovel/mean)
	}
	if u.evenSince != 0 {
		f.Duty = max(0, 1-float64(u.slow.idle)/float64((u.bucket-u.evenSince)/Bucket+1))
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
	for _, at := range since {
		if at < now {
			f.NewSince = max(f.NewSince, int64(at)*1e9)
		}
	}
	f.OwnKey = u.evenSince != 0 && u.ids[apiKey].firstSince(uint32((u.evenSince-2*cohort.Hour)/1e9))
	f.Novel, f.Strange = float64(u.novel), float64(u.strange)
	f.Score = f.score()
	return f
}

// ByPeers says whether what is drawn is held against what users of the same plan, client, model and organisation do, since there is too
// little of the user's own past.
func (f *Finding) ByPeers() bool { return f.Evidence > 0 && f.Past < volumePast }

// score returns the evidence with identity, 0 where nothing new draws.
func (f *Finding) score() float64 {
	if f.Novel <= 0 {
		return 0
	}
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
	s := 1.1*math.Log1p(2*f.Novel) + f.Novel/8 + 0.85*min(nats, 11) + 0.4*f.Automation() + strangeNats*f.Strange
	if f.NewDevices > 0 { // a network or key may be new to whoever runs a long job
		s += volumeNats * f.Evidence
	}
	return s
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

// atWork returns what was drawn since the evidence that stands began, else in this bucket, and the user's past, each with its active buckets:
// rows that are off by themselves say nothing of when the user works.
func (u *User) atWork() (now, past Counts) {
	now = u.standing
	now.add(&u.now, 1)
	now.Buckets = u.standing.Buckets + 1
	return now, u.past
}

// held says whether evidence stands that the past must not learn from.
func (u *User) held() bool {
	return u.past.Buckets >= minPast && u.volume >= holdAt || u.said || u.oddlyEven() || u.intruded()
}

// What strangers draw of a user's days in how many hours before it is not learned from: it would hide what they draw later.
const (
	intrudedRatio = 10
	intrudedHours = 6
)

// intruded says whether a stranger has drawn much of late.
func (u *User) intruded() bool {
	if u.pastDays < threeDays || bits.OnesCount32(u.novelAwake) < intrudedHours || u.dayNovel*u.pastDays < intrudedRatio*u.past.volume() {
		return false
	}
	return u.abroad()
}

// abroad says whether a device, a network and a country came within a day.
func (u *User) abroad() bool {
	now := uint32(u.bucket / 1e9)
	devices, _, _ := u.ids[device].fresh(now)
	networks, _, _ := u.ids[network].fresh(now)
	countries, _, _ := u.ids[country].fresh(now)
	return devices > 0 && networks > 0 && countries > 0
}

// wasAnother says whether strangers drew most of today: a day of theirs is no past of the owner's, however little of it there is yet. A day
// after they came they are who the user is now.
func (u *User) wasAnother() bool {
	today := min(u.dayVolume, u.today.volume()) // the one holds what is left of yesterday, the other does not leak as dayNovel does
	return u.dayNovel > today/2 && u.abroad()
}

// isAnother says whether strangers draw so much that what is done now is no measure of the user: held against the user's own past it
// would say of a cohort what is so of one thief, who has rows in every hour.
func (u *User) isAnother() bool { return u.strange >= intruderNats }
