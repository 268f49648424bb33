package ledger

import (
	"maps"
	"math"
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// lossLevels are the shares of its requests that a scope's past is made to lose, lossRows how many requests that could show a gap are
// enough at each, and lossLeast how few of them tell nothing.
var lossLevels = [...]float64{0.1, 0.3, 0.5, 0.7, 0.85, 0.95}

const lossRows, lossLeast = 1 << 15, 20

// loss is what is known of a scope whose requests go missing. How many gaps show is not how many requests are lost: of several in a row
// one gap shows, of some none, as what is left may explain what was read from the cache. So the past, in which all are there, is made to
// lose some as well, each with the same chance; what shows then is held against what shows now. What is lost in one piece, a turn or a
// conversation, shows once or not at all, so of that there is more than is told.
type loss struct {
	past         gaps
	now          map[int64]*gaps // of five minutes each
	thinned      [len(lossLevels)]thinned
	turns, hours order // of the past

	keep float64 // what is left of what those who are hit do while it lasts
	left verdict.Left
}

// gaps counts requests that could show a gap, and those that do.
type gaps struct{ could, show int64 }

func (g *gaps) add(it *cohort.Row) {
	if it.Tells.Has(cohort.Gap) {
		g.could++
	}
	if it.Shows.Has(cohort.Gap) {
		g.show++
	}
}

// told is what the requests of one user show in a stretch of the incident.
type told struct {
	gaps
	at, rows int64
	charged  event.Sum
}

// thinned is the past without a share of its requests.
type thinned struct {
	gaps
	recall func(*cohort.Row) // of this partition
	recent map[string]*recent
}

// order counts requests of a scope by their place in their turn, or in their user's hour: the first, the second, ...
type order [256]int64

// count takes in the request that x has come to. One that comes after another one of a different scope begins nothing, whatever is lost.
func (n *order) count(x *run, in bool, bit uint64) {
	if !in {
		x.out |= bit
	} else if x.out&bit == 0 {
		n[min(x.rows, len(n))-1]++
	}
}

// left returns the share of turns (hours) of which some request is left where each is with the chance keep, 0 where there are none:
//
//	Σ 1-(1-keep)^k over turns of k requests = Σ keep·(1-keep)^(j-1) over requests that are the j-th of theirs
func (n *order) left(keep float64) float64 {
	sum, chance := 0.0, keep
	for _, x := range n {
		sum += float64(chance * float64(x))
		chance *= 1 - keep
	}
	return sum / math.Max(float64(n[0]), 1)
}

// lose takes in a request of turn and hour; bit is the claim's own, recall as Booker.Recall.
func (c *claim) lose(it *cohort.Row, turn, hour *run, bit uint64, recall func() func(*cohort.Row)) {
	l, e := c.loss, it.Event
	if e.Time >= c.From {
		if e.Time <= c.To && c.Where.Matches(&e.Dims) {
			l.at(e.Time).add(it)
			c.account(e.User).tell(it)
		}
		return
	}
	in := c.Before.Matches(&e.Dims)
	if turn != nil {
		l.turns.count(turn, in, bit)
	}
	l.hours.count(hour, in, bit)
	if in {
		l.past.add(it)
	}
	if recall == nil || !in && c.users[e.User] == nil {
		return
	}
	h := (xxhash.Sum64String(e.ID) ^ bits.RotateLeft64(xxhash.Sum64String(e.User), 17)) * 0x9e3779b97f4a7c15
	at := float64(h>>11) / (1 << 53)
	for i := range l.thinned {
		if x := &l.thinned[i]; x.could < lossRows && (!in || at >= lossLevels[i]) {
			x.add(it, in, recall)
		}
	}
}

func (x *thinned) add(it *cohort.Row, in bool, recall func() func(*cohort.Row)) {
	if x.recall == nil {
		x.recall, x.recent = recall(), map[string]*recent{}
	}
	r := *it
	r.NewTurn = recentOf(x.recent, r.Event.User).turn(r.Event.TurnID).first()
	if x.recall(&r); in {
		x.gaps.add(&r)
	}
}

func (l *loss) endPartition() {
	for i := range l.thinned {
		l.thinned[i].recall, l.thinned[i].recent = nil, nil
	}
}

func (l *loss) at(t int64) *gaps {
	x := l.now[t/cohort.Five]
	if x == nil {
		if l.now == nil {
			l.now = map[int64]*gaps{}
		}
		x = &gaps{}
		l.now[t/cohort.Five] = x
	}
	return x
}

// lasted returns the stretch in which the incident ends. It is followed until it is surely over, so that is where what came after most likely
// shows no more than the past does; what came after would hide the loss.
func (l *loss) lasted() (end int64) {
	var all, g gaps
	times := slices.Sorted(maps.Keys(l.now))
	for _, at := range times {
		all.could += l.now[at].could
		all.show += l.now[at].show
	}
	most := math.Inf(-1)
	for _, at := range times {
		g.could, g.show = g.could+l.now[at].could, g.show+l.now[at].show
		after := gaps{all.could - g.could, all.show - g.show}
		if likely := g.likely(float64(g.show)/float64(max(g.could, 1))) + after.likely(l.quiet()); likely > most {
			most, end = likely, at
		}
	}
	return end
}

// quiet returns the share of requests that show a gap though none is lost.
func (l *loss) quiet() float64 { return float64(l.past.show+1) / float64(l.past.could+2) }

// likely returns the log-likelihood of so many gaps where each request that could shows one with the chance p.
func (g *gaps) likely(p float64) float64 {
	nats := 0.0
	if g.show > 0 {
		nats += float64(g.show) * math.Log(p)
	}
	if g.show < g.could {
		nats += float64(g.could-g.show) * math.Log1p(-p)
	}
	return nats
}

// share returns which share of the scope's requests is lost, if each is with the same chance: the one at which as much would show in
// the past as does now. ok is false where too few requests could show it.
func (l *loss) share(could, show float64) (lost float64, ok bool) {
	if could < lossLeast || l.past.could < lossLeast {
		return 0, false
	}
	shows := show / (could + 1) // so that the kept ones, of which there may be few, are right at the mean as a divisor
	lost, shown := 0.0, float64(l.past.show)/float64(l.past.could)
	for i := range len(lossLevels) + 1 {
		level, x := 1.0, gaps{1, 1} // where all are lost, whatever is left goes on from one that is
		if i < len(lossLevels) {
			level, x = lossLevels[i], l.thinned[i].gaps
		}
		if x.could < lossLeast && level < 1 {
			continue
		}
		next := max(float64(x.show)/float64(x.could), shown)
		if shows < next {
			return lost + (level-lost)*max(shows-shown, 0)/(next-shown), true
		}
		lost, shown = level, next
	}
	return lost, true
}
