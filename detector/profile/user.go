package profile

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// Bucket is the length of the stretches of time that evidence is counted in.
const Bucket = int64(600e9)

const (
	day         = int64(86400e9)
	dayDecay    = 0.97         // of the past, an active day
	threeDays   = 2.9          // of past on end, decayed so
	dayCap      = 48           // active buckets that one day counts for at most: a drain of 133 would count for a week otherwise
	evenGaps    = 12           // gaps of a bucket, or of several that have few, that say how even they are
	pooledGaps  = 2            // without which a bucket is left out of those: one gap is always shorter than the bucket, as any other
	evenHint    = 4            // that say something of it before those are as many
	evenBuckets = 6            // buckets over which that is averaged
	acceptDays  = 7            // active days for which evidence stands until the user is taken to have changed
	longDays    = 7 / math.Ln2 // days that a window which halves in seven stands on

	evenAccepted = 3 * day // even rows for so long are the account's habit
	minPast      = 3       // active buckets of past below which a user is not compared with it
	minRequests  = 15      // requests of past below which a user is not measured
)

// Counts are sums over a stretch of time, or decayed sums. Float32 carries seven digits: for ratios, never for money owed.
type Counts struct {
	Buckets, Rows, Requests, Turns, Background, Failures, Penalties float32
	Credits, List, Input, Cached, CacheWrite, Output                float32
}

func (c *Counts) add(d *Counts, w float32) {
	c.Buckets += w * d.Buckets
	c.Rows += w * d.Rows
	c.Requests += w * d.Requests
	c.Turns += w * d.Turns
	c.Background += w * d.Background
	c.Failures += w * d.Failures
	c.Penalties += w * d.Penalties
	c.Credits += w * d.Credits
	c.List += w * d.List
	c.Input += w * d.Input
	c.Cached += w * d.Cached
	c.CacheWrite += w * d.CacheWrite
	c.Output += w * d.Output
}

func (c *Counts) scale(f float32) {
	var zero Counts
	zero.add(c, f)
	*c = zero
}

// asked is how many requests were made for the user and went well: what fails is made again, and no client is at fault for that.
func (c *Counts) asked() float32 { return max(c.Requests-c.Background-c.Failures, 0) }

// volume is what the user drew, at list price where that is known, so that a wrong price is not taken for appetite.
func (c *Counts) volume() float32 {
	if c.List > 0 {
		return c.List
	}
	return c.Credits
}

// User is the state of one user. At rest it is packed (pack.go), so that a new field must be packed too.
type User struct {
	key     []byte
	FirstAt int64 // to grain
	LastAt  int64 // to grain once the bucket has closed
	created int32 // day of account_created_at since 1970, 0 unknown
	leaf    *cohort.Leaf
	seat    uint32 // the number in the table
	mark    uint32 // as of which this is written, or kept besides

	bucket     int64  // start of the current one, in which LastAt lies
	now        Counts // of it
	gaps       spread // between its rows
	today      Counts
	past       Counts  // up to yesterday
	pastDays   float32 // days that past stands on, decayed alike
	pastActive float32 // active buckets of those days, uncapped
	logsToday  spread  // of the logarithm of a bucket's volume
	logsPast   spread
	dayNo      int32
	hourNo     int32
	awake      uint32 // one bit an hour of the last 24 in which there were rows
	novelAwake uint32 // the same of rows of new identities

	// What becomes the past if it is given up: over 7 days and what came since, half-life 7 days. Only while the past is held.
	recent Counts
	short  usage // of the rows of closed buckets, decayed with a half-life of five hours; for people to read only

	turns    [4]uint32 // hashes of the latest turns
	turnAt   uint8     // where the next goes, and 4 more once all four are there
	dayOf    uint8     // rollout that the user counted on
	said     bool
	heldDays uint8 // active days on which the past was held, in a row

	flags        *flagState // nil until a row bears a flag: most users never do
	freshMeasure int32
	dayMeasure   int32
	tokens       tokenSpans

	volume              float32 // evidence of volume: leaky, in nats
	novel               float32 // the same of identities first seen within a day
	novelNow            float32 // what those drew in this bucket
	strange, strangeNow float32 // the same of rows that look like nobody known
	dayVolume, dayNovel float32 // list value over the last day, decayed, of all and of those
	weighedIn           int32   // the bucket weighed last
	since               int64   // when the evidence that stands began
	saidIn, strongIn    int32   // the buckets in which it was last said, and last strong
	standing            Counts  // drawn since then
	bout                bout
	ids                 [numKinds]identities
	evenSince           int64 // start of the stretch in which they were even
	slow                pool
	lately              average //  of the coefficients of variation of the latest buckets' gaps
	evenness            average // and of the past's
}

// number returns the number of the current bucket.
func (u *User) number() int32 { return int32(u.bucket / Bucket) }

// usage is what a user drew lately, in the few measures that are worth their room at rest.
type usage struct{ credits, rows, requests float32 }

func (x *usage) all() [3]*float32 { return [...]*float32{&x.credits, &x.rows, &x.requests} }

// fade halves what was drawn every five hours, rounded like all that is packed.
func (x *usage) fade(ns int64) {
	w := float32(math.Exp2(-float64(ns) / float64(5*cohort.Hour)))
	for _, p := range x.all() {
		*p *= w
		round(p)
	}
}

func (x *usage) add(c *Counts) {
	x.credits += c.Credits
	x.rows += c.Rows
	x.requests += c.Requests
}

func (x *usage) counts() Counts {
	return Counts{Credits: x.credits, Rows: x.rows, Requests: x.requests}
}

// average sums values to give their mean.
type average struct{ n, sum float32 }

func (a *average) observe(x float32) { a.n++; a.sum += x }

func (a *average) fade(w float32) { a.n *= w; a.sum *= w }

// spread sums values to give a coefficient of variation.
type spread struct{ n, sum, squares float32 }

func (s *spread) observe(x float32) { s.n++; s.sum += x; s.squares += x * x }

func (s *spread) add(t *spread, w float32) {
	s.n += w * t.n
	s.sum += w * t.sum
	s.squares += w * t.squares
}

func (s *spread) fade(w float32) { s.n *= w; s.sum *= w; s.squares *= w }

// cv returns standard deviation over mean, NaN below two values.
func (s *spread) cv() float64 {
	if s.n < 2 || s.sum <= 0 {
		return math.NaN()
	}
	m := float64(s.sum / s.n)
	return math.Sqrt(max(float64(s.squares/s.n)-m*m, 0)) / m
}

// open says whether there are rows in the present bucket.
func (u *User) open() bool { return u.now.Rows+u.now.Penalties > 0 }

// even takes the closed bucket's gaps into what is known of how evenly the user's rows come, and says whether they come so now. Few
// gaps look even by chance, so those of a slow script are pooled over the buckets of a bout until they are as many as say it in one.
func (u *User) even() (now bool) {
	p := &u.slow
	idle := u.number() - u.weighedIn - 1
	if u.evenSince != 0 {
		p.idle = uint8(min(int32(p.idle)+max(idle, 0), math.MaxUint8))
	}
	if idle >= boutPause || u.gaps.n >= evenGaps {
		if p.gaps >= evenHint {
			g := p.spread()
			u.knowEven(evenFew(g.cv()), g.n/evenGaps)
		}
		*p = pool{idle: p.idle}
	}
	if u.gaps.n < pooledGaps {
		return false
	}
	cv, from := u.gaps.cv(), u.bucket
	if u.gaps.n < evenGaps {
		if p.gaps == 0 {
			p.from = u.number()
		}
		g := p.spread()
		g.add(&u.gaps, 1)
		if cv, from = evenFew(g.cv()), int64(p.from)*Bucket; g.n < evenGaps {
			p.gaps, p.sum, p.squares = uint8(g.n), g.sum, g.squares
			return u.evenSince != 0 && p.gaps >= evenHint && cv < evenAt/5
		}
		*p = pool{idle: p.idle}
	}
	if math.IsNaN(cv) {
		return false
	}
	u.lately.fade(1 - 1.0/evenBuckets)
	u.lately.observe(float32(cv))
	switch {
	case cv >= evenAt && u.evenly() >= evenAt:
		u.evenSince, p.idle = 0, 0
	case cv < evenAt && u.evenSince == 0:
		u.evenSince = from
	}
	u.knowEven(cv, 1)
	return cv < evenAt
}

// pool is the gaps of a bout's buckets of which none has enough to say how even they are.
type pool struct {
	sum, squares float32
	from         int32 // number of the first of those buckets
	gaps         uint8
	idle         uint8 // buckets without rows since User.evenSince, up to 255
}

func (p *pool) spread() spread { return spread{float32(p.gaps), p.sum, p.squares} }

// evenFew returns the coefficient of variation that pooled gaps are taken to have. All are shorter than a bucket, and so alike by that alone:
// they are a machine's at half of evenAt, else as uneven as a person's at least.
func evenFew(cv float64) float64 {
	if cv < evenAt/2 {
		return cv
	}
	return max(cv, 1)
}

// knowEven takes a coefficient of variation into the past's, w of one.
func (u *User) knowEven(cv float64, w float32) {
	settled := u.evenSince == 0 || u.bucket-u.FirstAt < 2*day || u.bucket-u.evenSince > evenAccepted
	if settled && !math.IsNaN(cv) && !u.held() && u.novel == 0 {
		u.evenness.fade(1 - 0.01*w)
		u.evenness.n += w
		u.evenness.sum += w * float32(cv)
	}
}

// oddlyEven says whether the user's rows have come much more evenly than they used to for hours, but not yet for days.
func (u *User) oddlyEven() bool {
	since := u.bucket - u.evenSince
	return u.evenSince != 0 && since >= evenFor/2 && since <= evenAccepted &&
		u.evenness.n > 0 && float64(u.evenness.sum/u.evenness.n) > 2*u.evenly()
}

// evenly returns the mean coefficient of variation lately; NaN while it stands on too little.
func (u *User) evenly() float64 {
	if u.lately.n < evenBuckets/2 {
		return math.NaN()
	}
	return float64(u.lately.sum / u.lately.n)
}

// base returns the past that the user is held against: what is older than today, and where that is too little today's as
// well, up to where the evidence that stands began.
func (u *User) base() Counts {
	b := u.past
	if b.Buckets < 6 && u.today.Buckets > u.standing.Buckets {
		b.add(&u.today, 1)
		b.add(&u.standing, -1)
	}
	return b
}

// newDay merges the day before into the past, unless evidence stands. When that has stood for acceptDays active days, it says
// that the past is to be given up: what a user has done for so long is what they do.
func (u *User) newDay(no int32, held bool) (accept bool) {
	if u.dayNo != 0 && u.today.Buckets > 0 {
		if held {
			u.keep(no)
			u.heldDays++
			accept = u.heldDays >= acceptDays
		} else {
			u.heldDays, u.recent = 0, Counts{}
			if !u.wasAnother() {
				u.learn(no)
			}
		}
	}
	u.today, u.logsToday = Counts{}, spread{}
	u.dayNo = no
	return accept
}

// learn merges today into the past.
func (u *User) learn(no int32) {
	w := float32(1)
	if u.today.Buckets > dayCap {
		w = dayCap / u.today.Buckets
	}
	u.past.scale(dayDecay)
	u.past.add(&u.today, w)
	u.pastDays = u.pastDays*dayDecay + float32(no-u.dayNo)
	u.pastActive = u.pastActive*dayDecay + u.today.Buckets
	u.logsPast.fade(dayDecay)
	u.logsPast.add(&u.logsToday, w)
}

// keep merges today into what becomes the past if that is given up.
func (u *User) keep(no int32) {
	u.recent = u.lastDays()
	u.recent.scale(float32(math.Exp2(-float64(no-u.dayNo) / 7)))
	u.recent.add(&u.today, 1)
}

// lastDays returns what the last seven days before today drew, half-life 7 days: of the past as much as such a window stands on,
// and while that is held, what came since as it was.
func (u *User) lastDays() Counts {
	if u.heldDays > 0 {
		return u.recent
	}
	c := u.past
	if u.pastDays > longDays {
		c.scale(longDays / u.pastDays)
	}
	return c
}

// accept takes what the user did lately for what they do: that becomes the past, and no evidence stands.
func (u *User) accept() {
	u.past, u.recent = u.recent, Counts{}
	u.pastDays = float32(min(float64(u.bucket-u.FirstAt)/float64(day), longDays))
	u.pastActive = u.past.Buckets
	u.volume, u.novel, u.strange, u.heldDays, u.said = 0, 0, 0, 0, false
	u.bout = bout{}
}

// tick notes the hour in the awake bits.
func (u *User) tick(at int64) (newHour bool) {
	h := int32(at / cohort.Hour)
	if h == u.hourNo {
		return false
	}
	if d := h - u.hourNo; d > 0 && d < 24 {
		u.awake <<= uint(d)
		u.novelAwake = u.novelAwake << uint(d) & (1<<24 - 1)
	} else if d < 0 {
		return false
	} else {
		u.awake, u.novelAwake = 0, 0
	}
	u.awake = u.awake&(1<<24-1) | 1
	u.hourNo = h
	return true
}

// turn says whether the turn is new to the user.
func (u *User) turn(id string) bool {
	hash := hash24(id)
	for _, t := range u.turns {
		if t == hash {
			return false
		}
	}
	u.turns[u.turnAt%4] = hash
	if u.turnAt++; u.turnAt == 8 {
		u.turnAt = 4
	}
	return true
}

// Unprompted says whether nobody asked for the request: its origin says so, or it has no turn where the user's others have.
func (u *User) unprompted(e *event.Event) bool {
	switch e.Dims[event.Origin] {
	case "background", "auto_review":
		return true
	case "":
		return e.TurnID == "" && u.turnAt > 0
	}
	return false
}
