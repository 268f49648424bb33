package verdict

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Young accounts that share an identity are tied by it, and that is all it says: a device is one household's, a key one gateway's, an
// address a whole carrier's. Whose they are tells what they do: who farms works through what each account is given, one after the other;
// people come when they like, and few draw nearly all they may. So devices and keys tie by themselves once they have more accounts
// than people share them, and everything else needs its accounts' conduct (hard and soft links: Fraud Detection Through Large-Scale Graph Clustering
// with Heterogeneous Link Transformation, arXiv 2512.19061; what is gathered by soft links is weighed before it is named, or a travel agency is a ring).

// Ties are what accounts can share, as scopes name it, the closest first.
var Ties = [...]string{"device", "api_key", "ip"}

// Spell is a stretch in which an account was at work, and the hash of its device, 0 if none was named.
type Spell struct {
	From, To int64
	Seat     uint64
}

// Member is a young account that something ties to others.
type Member struct {
	Created int64   // when it was opened; 0 is not known
	First   int64   // its first row
	Spent   int64   // when it had first drawn nearly all of a window of its plan, to the hour; 0 is not yet
	Metered bool    // rows or the configuration say how much of its window it has drawn
	Drawn   float64 // credits in the first window's time
	Org     string  // who pays for it
	Spells  []Spell // in order
}

// Ring is accounts that something ties to each other.
type Ring struct {
	Members []Member // who is named, if anybody is
	Tied    []Member // all who share what ties them
	By      string   // what that is
	Count   float64  // accounts of one device or key
	Counted bool     // so many that nothing else is asked for
	Close   bool     // devices or keys tie them, rather than an address
	Now     int64
}

const (
	// SpentShare is the share of a window that is nearly all of it.
	SpentShare = 0.8
	// SpentWithin is how long an account takes at most that is drained at once: the shortest window of most plans, and an hour
	// by which that is known late.
	SpentWithin = 6 * int64(time.Hour)

	ringBar   = 8.0  // nats of conduct from which accounts are named that only an address, or a chain of devices, ties
	closeNats = 2.0  // what devices and keys say by themselves
	orgNats   = 15.0 // an organisation that pays for them all outweighs everything
	fewest    = 4    // accounts that say something together
)

// Told says whether a ring is to be named, and its conduct in nats.
func (r *Ring) Told(h *Hearing) (bool, float64) {
	nats, _ := r.weigh(h)
	return r.Counted || nats >= ringBar, nats
}

// weigh returns the nats of the conduct, and its pieces. Without it, what is tied is not told from a class, a gateway or a carrier.
func (r *Ring) weigh(h *Hearing) (sum float64, pieces []piece) {
	if r.Close {
		sum = closeNats
	}
	pieces = r.pieces()
	for _, x := range pieces {
		if x.nats != 0 && h.Says(x.signal, true) {
			sum += x.nats
		}
	}
	return sum, pieces
}

// piece is a line of evidence with what it is worth; against where nats are below 0.
type piece struct {
	signal Signal
	nats   float64
	say    Evidence
}

func (r *Ring) pieces() (out []piece) {
	for _, weigh := range []func(*Ring) (piece, bool){spent, turns, together, paid} {
		if x, ok := weigh(r); ok {
			out = append(out, x)
		}
	}
	return out
}

// spent holds how many accounts were drained at once, from the first row on, against how many newcomers do that who are people: hardly
// one in three where everybody works hard, as at a hackathon. Farmers leave nothing, or what they opened the account for is lost. Where neither
// a gauge nor a plan's budget tells what is nearly all, amounts do: accounts that are drained for what they are worth draw alike, people by the
// power of ten. Who began a while ago and may still do it is not counted.
func spent(r *Ring) (piece, bool) {
	const farmed, people, most, least = 0.9, 0.3, 6, -3
	var n, k, within float64
	var logs []float64
	for i := range r.Tied {
		m := &r.Tied[i]
		switch {
		case len(m.Spells) == 0:
		case m.Drained():
			n, k = n+1, k+1
			within += float64(m.Spent-m.First) / float64(time.Hour)
		case r.Now-m.First <= SpentWithin && m.atWork(r.Now):
		case m.Metered:
			n++
		case m.Drawn > 0:
			logs = append(logs, math.Log(m.Drawn))
		}
	}
	if n < fewest && len(logs) >= fewest {
		return alike(logs)
	}
	if n < fewest {
		return piece{}, false
	}
	nats := k*math.Log(farmed/people) + (n-k)*math.Log((1-farmed)/(1-people))
	x := piece{signal: Drained, nats: min(max(nats, least), most)}
	text := fmt.Sprintf("%.0f of %.0f accounts drew nearly all that their plan gives for one window as soon as they began", k, n)
	if k > 0 {
		text += fmt.Sprintf(", in %.1f h on average", within/k)
	}
	x.say = figure("drained_at_once", text, k/n, people)
	x.say.Against = nats < 0
	return x, true
}

// alike weighs how much accounts draw in the time of their first window, by the logarithm: normal about the median, three in ten off where they
// are drained for what they are worth and threefold where people please. One that is far off is no more than one.
func alike(logs []float64) (piece, bool) {
	const farmed, people, most, least = 0.3, 1.1, 6, -3
	slices.Sort(logs)
	median, squares, nats := logs[len(logs)/2], 0.0, 0.0
	for _, x := range logs {
		d := x - median
		squares += d * d
		nats += max(-2, math.Log(people/farmed)-d*d/2*(1/(farmed*farmed)-1/(people*people)))
	}
	spread := math.Exp(math.Sqrt(squares / float64(len(logs)-1)))
	x := piece{signal: Drained, nats: min(max(nats, least), most)}
	x.say = figure("draw_alike", fmt.Sprintf("what %d accounts drew when they began differs by x%.2g; what people draw, by x%.2g", len(logs), spread, math.Exp(people)), spread, math.Exp(people))
	x.say.Against = nats < 0
	return x, true
}

// turns holds how many stretches of work overlap against how many would if each had fallen where it liked in the time that they span:
// an operator with one pair of hands leaves one account for the next, so hardly any; a class, a team or a time zone works at the same hours,
// so more. Two at one machine cannot overlap, whoever they are, and say nothing. Where chance lets a tenth as many overlap as it does of a ring,
// k that do and e that would are e·0.9 - k·ln 10 nats. Shifts at one desk take turns as well: so it weighs most where all who do were drained. An
// operator with many hands looks like people here.
func turns(r *Ring) (piece, bool) {
	const leftover, shifts, drained, least = 0.1, 5, 12, -6
	most := float64(drained)
	if slices.ContainsFunc(r.Members, func(m Member) bool { return !m.Drained() }) {
		most = shifts
	}
	k, e := overlaps(r.Members)
	if e < 0.5 && k < 0.5 {
		return piece{}, false
	}
	nats := e*(1-leftover) + k*math.Log(leftover)
	x := piece{signal: TakeTurns, nats: min(max(nats, least), most)}
	text := "work goes on side by side: %.0f of its stretches overlap, where %.1f would if each fell where it liked"
	if nats > 0 {
		text = "accounts take turns, one stops and another begins: %.0f of their stretches of work overlap, where %.1f would if each fell where it liked"
	}
	x.say = figure("take_turns", fmt.Sprintf(text, k, e), k, e)
	x.say.Against = nats <= 0
	return x, true
}

// together says whether most were opened within a day. A class is, too, so it decides nothing; a carrier's customers are not.
func together(r *Ring) (piece, bool) {
	var opened []int64
	for i := range r.Members {
		if at := r.Members[i].Created; at != 0 {
			opened = append(opened, at)
		}
	}
	if len(opened) < fewest {
		return piece{}, false
	}
	slices.Sort(opened)
	best, from := 0, 0
	for to := range opened {
		for opened[to]-opened[from] > int64(24*time.Hour) {
			from++
		}
		best = max(best, to-from+1)
	}
	share := float64(best) / float64(len(opened))
	x := piece{say: figure("opened_together", fmt.Sprintf("%d of %d accounts were opened within one day", best, len(opened)), share, 1)}
	x.say.Against = share < 0.8
	return x, true
}

// paid looks for one organisation that pays for nearly all: then its gateway, its office or its course ties them, and what they draw is
// its own. Nobody can put that name on a row but the provider.
func paid(r *Ring) (piece, bool) {
	org, n := OneOrg(r.Tied)
	if org == "" {
		return piece{}, false
	}
	x := piece{signal: OnePays, nats: -orgNats}
	x.say = figure("one_organisation_pays", fmt.Sprintf("%d of %d accounts belong to one organisation: a team, behind a gateway or an office's address", n, len(r.Tied)), float64(n)/float64(len(r.Tied)), 0)
	x.say.Against = true
	return x, true
}

// OneOrg returns the organisation that pays for nine in ten accounts, and for how many of them; "" if none does.
func OneOrg(of []Member) (org string, n int) {
	count := map[string]int{}
	for i := range of {
		if name := of[i].Org; name != "" {
			if count[name]++; 10*count[name] >= 9*len(of) {
				return name, count[name]
			}
		}
	}
	return "", 0
}

// overlaps counts the pairs of stretches of different accounts, at different machines, that overlap, and how many would by chance.
func overlaps(of []Member) (k, e float64) {
	type key struct {
		member int
		seat   uint64
	}
	all, byMember, bySeat, byBoth := []Spell{}, map[int][]Spell{}, map[uint64][]Spell{}, map[key][]Spell{}
	for i := range of {
		for _, s := range of[i].Spells {
			all = append(all, s)
			byMember[i] = append(byMember[i], s)
			if s.Seat != 0 {
				bySeat[s.Seat] = append(bySeat[s.Seat], s)
				byBoth[key{i, s.Seat}] = append(byBoth[key{i, s.Seat}], s)
			}
		}
	}
	if len(all) < 2 {
		return 0, 0
	}
	slices.SortFunc(all, byFrom)
	from, to := all[0].From, all[0].To
	for _, s := range all {
		to = max(to, s.To)
	}
	// Two of lengths a and b that fall where they like in a span overlap (a+b)/span times. Sums are integers, so the order of maps does not show.
	could, shared := lengths(all), int64(0)
	for _, s := range byMember {
		could -= lengths(s)
	}
	for _, s := range bySeat {
		could -= lengths(s)
		slices.SortFunc(s, byFrom)
		shared += pairs(s)
	}
	for _, s := range byBoth {
		could += lengths(s)
	}
	return float64(pairs(all) - shared), float64(could) / max(float64(to-from)/1e9, 1)
}

// byFrom has the longer first of two that begin together: one row falls into it.
func byFrom(a, b Spell) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(b.To, a.To)) }

// lengths sums a+b over all pairs, in seconds.
func lengths(of []Spell) (sum int64) {
	for _, s := range of {
		sum += (s.To - s.From) / 1e9
	}
	return sum * int64(len(of)-1)
}

// pairs counts those that overlap, of stretches in order.
func pairs(of []Spell) (n int64) {
	var ends []int64 // of those at work, in order
	for _, s := range of {
		i, _ := slices.BinarySearch(ends, s.From+1)
		ends = ends[i:]
		n += int64(len(ends))
		i, _ = slices.BinarySearch(ends, s.To)
		ends = slices.Insert(ends, i, s.To)
	}
	return n
}

// Drained says whether it was drained as soon as it began.
func (m *Member) Drained() bool { return m.Spent != 0 && m.Spent-m.First <= SpentWithin }

// atWork says whether it had a row within the hour: that is known when the hour is over.
func (m *Member) atWork(now int64) bool {
	n := len(m.Spells)
	return n > 0 && now-m.Spells[n-1].To < 2*int64(time.Hour)
}

// JudgeFarm writes the verdict on young accounts that something ties to each other. Where conduct alone names them, a third of its nats beyond
// the bar is taken for odds, since its pieces depend on each other; where their number does, a sixth moves what that says.
func JudgeFarm(r *Ring, h *Hearing) Verdict {
	nats, pieces := r.weigh(h)
	odds := math.Exp((nats - ringBar + 2) / 3)
	if r.Counted {
		sure := min(0.95, 0.5+0.04*r.Count)
		if r.Close {
			nats -= closeNats // that is what the number says
		}
		odds = sure / (1 - sure) * math.Exp(nats/6)
	}
	v := Verdict{Confidence: min(max(odds/(1+odds), 0.5), 0.97)}
	v.Evidence = append(v.Evidence, tied(r))
	for _, x := range pieces {
		v.Evidence = append(v.Evidence, x.say)
	}
	v.Evidence = append(v.Evidence, Evidence{Code: "innocent_explanation", Text: "a lent classroom computer, a gateway or a crowd behind one address would look alike: ask before acting", Against: true})
	return v
}

func tied(r *Ring) Evidence {
	n := float64(len(r.Members))
	if r.By == Ties[0] && r.Counted && r.Count == n {
		return figure("accounts_on_device", fmt.Sprintf("%.0f accounts younger than a week run from one device", n), n, 1)
	}
	return figure("accounts_tied", fmt.Sprintf("%.0f accounts younger than a week are tied to each other by %s", n, r.By), n, 1)
}

// SpareFarm says what speaks for accounts that are tied to each other and not named, the weightiest first.
func SpareFarm(r *Ring) (out []Evidence) {
	pieces := r.pieces()
	slices.SortStableFunc(pieces, func(a, b piece) int { return cmp.Compare(a.nats, b.nats) })
	for _, x := range pieces {
		if x.say.Against {
			out = append(out, x.say)
		}
	}
	return out
}
