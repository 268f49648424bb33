package profile

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/state"
)

// kin are the dimensions that users are alike in, from the widest to the narrowest: each says what the ones before leave open.
var kin = [...]event.Dim{event.Plan, event.Client, event.Model, event.Org}

// How far users like a newcomer are believed.
const (
	maxGroups   = 1024 // values of a dimension that are known at most
	groupSample = 16   // of which the least goes for the next, as in Table.evict
	groupDecay  = 0.9  // of what was seen, a day
	leastPeers  = 5    // users a day below which a group says nothing
	peersDoubt  = 20   // users that what holds where nothing is known counts for: the partition's mean bucket
	spreadDoubt = 8    // and that the spread of the next wider group does
	peersReach  = 32   // times what everybody draws that no group makes usual, or a part of it
	strayMost   = 4.0  // nats beyond which how far a user strays counts no more
	pullMost    = 1.0  // and beyond which it moves a group no further
	pullGain    = 3    // days that a user's counts for in the centre: the first to come may be far off, whom a plain mean of pulls follows for months

	ownWeight   = 5    // buckets that everybody counts for where the spread of users is not known, or wide;
	peerWeight  = 24   // and that peers do at most, however alike
	usualSpread = 1.2  // deviation of a bucket's logarithm of those of whom too little is known
	firmWeight  = 15   // from which on they stand in for a past by themselves: where two users in three lie within a factor of 1.9
	peerDays    = 3    // days that their mean day stands on
	sitting     = 4    // buckets that are one sitting
	unlike      = 3    // deviations from peers beyond which a user is none of them
	peersHold   = 0.25 // of holdAt, at which a newcomer's first days are not learned from where peers say what is usual
)

// group is what the users of one value do: how far their logarithm of volume an active bucket lies from what was expected of
// them without it. Every user counts once an active day, whatever they draw.
type group struct {
	name             string
	n                float32 // user-days, decayed
	users            float32 // a day, that those are of
	center, variance float32
	born, day        int32
}

// fade brings a group to a day.
func (g *group) fade(day int32) {
	if d := day - g.day; d > 0 {
		g.n *= float32(math.Pow(groupDecay, float64(d)))
		g.day = day
	}
}

// take counts a user's day. The centre is Huber's: who strays far pulls no more than who strays by pullMost, so that a few who drain
// move it little. The spread is not robust: where some stray far, nobody is said to be alike.
func (g *group) take(x float64) {
	g.n++
	g.users = g.n * float32((1-groupDecay)/(1-math.Pow(groupDecay, float64(g.day-g.born+1))))
	stray := max(-strayMost, min(x-float64(g.center), strayMost))
	g.center += float32(max(-pullMost, min(stray, pullMost))) / max(g.n/pullGain, 1)
	g.variance += (float32(stray*stray) - g.variance) / g.n
}

// square counts the square of what is not explained: the centre is its mean.
func (g *group) square(x float64, day int32) {
	g.fade(day)
	g.n++
	g.center += (float32(min(x*x, strayMost*strayMost)) - g.center) / g.n
}

// trait are the groups of one dimension.
type trait struct {
	groups        []group
	index         map[string]int
	hand          int
	before, after group // squares of what is not explained without the dimension, and with it
}

// of returns the group of a value, nil if it is not known or not a value.
func (k *trait) of(name string) *group {
	if i, ok := k.index[name]; ok {
		return &k.groups[i]
	}
	return nil
}

// add makes room for a value. Beyond maxGroups the least of the next few goes.
func (k *trait) add(name string, day int32) *group {
	i := len(k.groups)
	if i < maxGroups {
		k.groups = append(k.groups, group{})
	} else {
		i = k.hand
		for range groupSample {
			g := &k.groups[k.hand]
			if g.fade(day); g.n < k.groups[i].n {
				i = k.hand
			}
			k.hand = (k.hand + 1) % maxGroups
		}
		delete(k.index, k.groups[i].name)
	}
	k.groups[i] = group{name: name, born: day, day: day}
	k.index[name] = i
	return &k.groups[i]
}

// between returns the variance between the groups of the dimension.
func (k *trait) between() float64 { return max(0, float64(k.before.center-k.after.center)) }

// belief returns the share of a group's distance that is taken for its own: that of the variance between groups in the variance of
// a group's mean.
func (k *trait) belief(g *group) float64 {
	n, b := float64(g.users), k.between()
	if n < leastPeers || b == 0 {
		return 0
	}
	return n * b / (n*b + float64(g.variance))
}

// peers is what the users of a partition do, by what they have in common: the cold start of the next.
type peers struct {
	all    group
	duty   group // the logarithm of a user's active buckets a day
	traits [len(kin)]trait
}

func newPeers() (p peers) {
	for k := range p.traits {
		p.traits[k].index = map[string]int{}
	}
	return p
}

// counted says whether a value is one that users are alike in.
func counted(name string) bool { return name != "" && name != cohort.Other }

// learn counts a day of a user with a past: the volume of an active bucket, and how many of those a day has.
func (p *peers) learn(l *cohort.Leaf, volume, duty float64, day int32) {
	if p.all.n == 0 {
		p.all = group{center: float32(math.Log(volume)), born: day, day: day}
		p.duty = group{center: float32(math.Log(duty)), born: day, day: day}
	}
	p.all.fade(day)
	p.duty.fade(day)
	x := math.Log(volume) - float64(p.all.center)
	p.all.take(math.Log(volume))
	p.duty.take(math.Log(duty))
	for i := range kin {
		k, name := &p.traits[i], l.Values[kin[i]]
		if !counted(name) {
			continue
		}
		g := k.of(name)
		if g == nil {
			g = k.add(name, day)
		}
		g.fade(day)
		was := x
		x -= k.belief(g) * float64(g.center)
		k.before.square(was, day)
		k.after.square(was-float64(g.center), day)
		g.take(was)
	}
}

// prior is what holds of a user before their own past does: the volume of an active bucket, how many buckets of past that is
// worth, by how much a user may be off (variance of the logarithm), and the volume of a day.
type prior struct {
	mean, weight float32
	variance     float64
	day          float32
}

// standsIn returns for how many buckets of past peers stand in: as many as would pin a user's level as well. Where they differ as
// everybody does, none.
func (p *prior) standsIn() float64 { return float64(p.weight - ownWeight) }

// firm says whether who has no past can be judged by what peers do.
func (p *prior) firm() bool { return p.weight >= firmWeight }

// of returns the prior of users of a leaf, where pop is the partition's mean bucket.
func (p *peers) of(l *cohort.Leaf, pop float32) prior {
	out := prior{mean: pop, weight: ownWeight}
	if l == nil || pop <= 0 || p.all.n == 0 || p.all.users < leastPeers {
		return out
	}
	n := float64(p.all.users)
	base := (n*float64(p.all.center) + peersDoubt*math.Log(float64(pop))) / (n + peersDoubt)
	c, v, doubt := 0.0, float64(p.all.variance), float64(p.all.variance)/n
	for i := range kin {
		k, name := &p.traits[i], l.Values[kin[i]]
		if !counted(name) {
			continue
		}
		g, belief := k.of(name), 0.0
		if g != nil {
			belief = k.belief(g)
		}
		doubt += (1 - belief) * k.between()
		if belief == 0 {
			continue
		}
		c += belief * float64(g.center)
		left := float64(k.after.center / k.before.center) // of the spread, by groups of this dimension on the mean
		u := float64(g.users)
		v = (u*float64(g.variance) + spreadDoubt*v*left) / (u + spreadDoubt)
	}
	reach := math.Log(peersReach)
	out.mean, out.variance = pop*float32(math.Exp(max(-reach, min(base+c-math.Log(float64(pop)), reach)))), v+doubt
	out.weight = float32(max(ownWeight, min(sitting*usualSpread*usualSpread/out.variance, peerWeight)))
	out.day = out.mean * float32(math.Exp(float64(p.duty.center)))
	return out
}

// priorOf returns what holds of a user before the past b does. Peers are heard in the first four days only: later they delay what the own past
// says. Who is known to be unlike the users of their groups is held against everybody, as if there were no groups: so a group that has
// been made to look busy hides none of those who are not.
func (t *Table) priorOf(u *User, b *Counts) prior {
	pop := float32(0)
	if t.logs.n > 0 {
		pop = float32(math.Exp(float64(t.logs.sum / t.logs.n)))
	}
	everybody := prior{mean: pop, weight: ownWeight}
	if u.bucket-u.FirstAt >= volumeAge {
		return everybody
	}
	p := t.peers.of(u.leaf, pop)
	if p.variance > 0 && b.Buckets > 0 && b.volume() > 0 {
		off := math.Log(float64(b.volume() / b.Buckets / p.mean))
		if own := usualSpread * usualSpread / max(float64(b.Buckets)/sitting, 1); off*off > unlike*unlike*(p.variance+own) {
			return everybody
		}
	}
	return p
}

// teach has what is known of a user be learned for those who come after, as the day's first bucket ends: in the order in which buckets do.
// Who is not known for long, or under suspicion, teaches nobody.
func (t *Table) teach(u *User) {
	if u.today.Buckets > 0 || u.leaf == nil || u.isNew() || u.heldDays > 0 || u.held() || u.novel >= novelNats || u.past.volume() <= 0 {
		return
	}
	t.peers.learn(u.leaf, float64(u.past.volume()/u.past.Buckets), float64(max(u.pastActive/max(u.pastDays, 1), 1)), u.dayNo)
}

// held says whether the table must not learn from a user's day: evidence stands, of who has hardly a past too where peers
// stand in for it.
func (t *Table) held(u *User) bool {
	if u.held() {
		return true
	}
	if u.past.Buckets >= minPast || u.volume < peersHold*holdAt {
		return false
	}
	b := u.base()
	p := t.priorOf(u, &b)
	return p.firm()
}

func (g *group) code(c *state.Coder) {
	c.String(&g.name)
	c.Floats32(&g.n, &g.users, &g.center, &g.variance)
	state.Ints(c, &g.born, &g.day)
}

func (p *peers) code(c *state.Coder) {
	p.all.code(c)
	p.duty.code(c)
	for i := range p.traits {
		k := &p.traits[i]
		k.before.code(c)
		k.after.code(c)
		state.Ints(c, &k.hand)
		state.Slice(c, &k.groups, func(g *group) { g.code(c) })
		if !c.Reading() {
			continue
		}
		k.index = make(map[string]int, len(k.groups))
		for n := range k.groups {
			k.index[k.groups[n].name] = n
		}
		if len(k.groups) > maxGroups || len(k.index) != len(k.groups) || k.hand < 0 || k.hand >= maxGroups {
			c.Fail("the groups of users are too many, or there twice")
		}
	}
}
