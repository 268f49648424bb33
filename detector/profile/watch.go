package profile

import (
	"maps"
	"slices"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/state"
)

// What was said of a user ends when who draws stops: a newcomer with the last row of a new identity, whatever the owner does then, and a
// machine with the last bucket that draws much or evenly. Evidence stands for longer than that: it leaks in a day, and buckets
// without rows weigh nothing.
const (
	calmAfter = 6 * cohort.Hour  // without a row of who was said to draw, it is over,
	goesOnFor = 23 * cohort.Hour // and so long after that a newcomer's row is the same story: the fleet reopens for a day
	watchFor  = 7 * day          // after the last such row what stands of the evidence is told no more
	watchMost = 1 << 16          // users
)

// watched is what tells when something that was said of a user ends.
type watched struct {
	id           string
	doer         Doer            // Owner while nothing was said: devices come, and what the owner had may soon be forgotten for them
	kind         kind            // of identity by which newcomers are told,
	own          [perKind]uint32 // and those that are none
	at           int64           // since when
	crowdFrom    int64           // when both a device and a network had come, where several came: who came first is soon forgotten
	last, strong int64           // event time of the last affected row, and of the last in a bucket that was strong
	over         int64           // when it was said to be over, 0 while it goes on
	even         bool            // a machine is told by even gaps
	mild         bool            // it was said to be over for its volume, and who draws goes on
}

// row notes the event time of a newcomer's row.
func (w *watched) row(e *event.Event) {
	if w.doer == Machine {
		return
	}
	if v := identityOf(e, w.kind); v != "" && !slices.Contains(w.own[:], hash24(v)) {
		w.last = max(w.last, e.Time)
	}
}

// identityOf returns what a row bears of a kind of identity, "" if nothing.
func identityOf(e *event.Event, k kind) string {
	switch k {
	case device:
		return e.Device
	case network:
		if e.ASN == "" {
			return e.IP
		}
		return e.ASN
	case apiKey:
		return e.APIKey
	case country:
		return e.Country
	case numKinds:
	}
	return ""
}

// tellApart notes which identities are the user's own: those that were there before the latest kind turned new, with the newcomer. What
// newcomers are told by is the first kind that has others.
func (w *watched) tellApart(u *User) {
	now, since := uint32(u.LastAt/1e9), uint32(0)
	for _, k := range []kind{device, network, country} {
		if fresh, _, first := u.ids[k].fresh(now); fresh > 0 {
			since = max(since, first)
		}
	}
	if since == 0 {
		since = now - min(now, daySec)
	}
	for w.kind = device; w.kind < country; w.kind++ {
		if slices.ContainsFunc(u.ids[w.kind][:], func(x identity) bool { return x.hash != 0 && x.first >= since }) {
			break
		}
	}
	for i, x := range u.ids[w.kind] {
		w.own[i] = 0
		switch {
		case x.hash == 0:
		case x.first < since:
			w.own[i] = x.hash
		case x.last == now:
			w.last = max(w.last, u.LastAt)
		default:
			w.last = max(w.last, int64(x.last)*1e9)
		}
	}
}

// meet begins to watch a user to whom strangers come one after the other, before they make the owner's identities go.
func (t *Table) meet(u *User, at int64) {
	if fresh, _, _ := u.ids[device].fresh(uint32(at / 1e9)); fresh < crowd-1 || t.watch[u.seat] != nil || len(t.watch) >= watchMost {
		return
	}
	w := &watched{id: string(u.key), at: at}
	_, _, dev := u.ids[device].fresh(uint32(at / 1e9))
	if fresh, _, net := u.ids[network].fresh(uint32(at / 1e9)); fresh > 0 {
		w.crowdFrom = int64(max(dev, net)) * 1e9
	}
	w.tellApart(u)
	t.watch[u.seat] = w
}

// note watches a user of whom something is said from now on, by who draws; nil if too many are watched.
func (t *Table) note(u *User, f *Finding, doer Doer) *watched {
	w := t.watch[u.seat]
	if w == nil {
		if len(t.watch) >= watchMost {
			return nil
		}
		w = &watched{id: string(u.key), at: u.LastAt}
		t.watch[u.seat] = w
	}
	if (doer == Stranger || doer == Many) && (w.doer == Owner || w.doer == Machine) {
		if w.doer == Machine || w.last == 0 {
			w.tellApart(u)
		}
		w.doer = doer
	} else if w.doer == Owner {
		w.doer, w.last = doer, u.LastAt
	}
	w.strong, w.over, w.mild = w.last, 0, false
	if doer == Machine {
		w.even = f.Script()
	}
	return w
}

// goesOn says whether the closed bucket has something of what was said; doer is who it shows itself, large that much
// was drawn, even that it came evenly. After a thief a machine may come.
func (w *watched) goesOn(u *User, f *Finding, doer Doer, large, even bool) bool {
	runs := doer == Machine && (even || f.Sleepless()) // and is no busy owner, whatever evidence stands
	switch {
	case w.doer != Machine && !(w.over != 0 && runs):
		return w.last >= u.bucket
	case doer == Stranger || doer == Many:
		return true
	case w.over != 0 && !runs:
		return false
	case w.over != 0, even, large && !w.even:
		w.doer, w.last = Machine, u.LastAt
		return true
	}
	return false
}

// crowded says whether many share the account still, however little they draw.
func (w *watched) crowded(u *User) bool {
	if w == nil || w.doer != Many || w.over != 0 {
		return false
	}
	n, now := 0, uint32(u.LastAt/1e9)
	for _, x := range u.ids[w.kind] {
		if x.hash != 0 && x.last+daySec >= now && !slices.Contains(w.own[:], x.hash) {
			n++
		}
	}
	return n >= crowd
}

// tell says what a closed bucket shows: that a drain begins or goes on, hourly, or that volume is as ever. strong says that some rule
// cries, large that the bucket adds to the evidence of volume, even that its rows come evenly.
func (t *Table) tell(u *User, f *Finding, strong, large, even bool) {
	doer := Owner
	if strong {
		u.strongIn = u.number()
		doer = f.Doer(func(_ Sign, is bool) bool { return is })
	}
	w := t.watch[u.seat]
	if w != nil {
		f.CrowdFrom = w.crowdFrom
	}
	said := w != nil && w.doer != Owner
	goes := !said || w.goesOn(u, f, doer, large, even)
	again := said && goes && w.over != 0 && (strong || w.doer != Machine && !w.mild && u.bucket-w.over < goesOnFor)
	switch {
	case again, strong && goes && (!u.said || u.number()-u.saidIn >= int32(cohort.Hour/Bucket)):
		u.said, u.saidIn, u.strongIn = true, u.number(), u.number()
		f.User = string(u.key)
		if said || doer != Owner {
			if w = t.note(u, f, doer); w != nil {
				f.Last = w.last
			}
		}
		t.Say(*f)
	case u.said && u.number()-u.strongIn > int32(calmAfter/Bucket) && f.Evidence < t.Limits[RuleVolume]/3 && f.Ratio < 2 && !w.crowded(u):
		if said && w.over == 0 && !goes {
			return // Calm says so if nobody goes on
		}
		if u.said = false; said && w.over != 0 {
			return // so it was said
		}
		if said {
			f.Last, w.over, w.mild = w.strong, f.At, true
		}
		f.Kind, f.User = Calm, string(u.key)
		t.Say(*f)
	case said && strong && goes:
		w.strong = w.last
	}
}

// Calm says, as of an event time, what is over since nobody goes on with it, by the numbers of users.
func (t *Table) Calm(at int64) {
	for _, n := range slices.Sorted(maps.Keys(t.watch)) {
		w := t.watch[n]
		switch {
		case w.doer == Owner:
			if at-w.at > day {
				delete(t.watch, n)
			}
		case w.over == 0 && at-w.last > calmAfter:
			w.over = at
			t.Say(Finding{Kind: Calm, User: w.id, At: at, Last: w.last})
		case at-w.last > watchFor, w.mild && at-w.over > watchFor:
			delete(t.watch, n)
		}
	}
}

func codeWatched(c *state.Coder, p **watched) {
	state.Opt(c, p, func(w *watched) {
		c.String(&w.id)
		state.Uints(c, &w.doer)
		state.Uints(c, &w.kind)
		for i := range w.own {
			state.Uints(c, &w.own[i])
		}
		state.Ints(c, &w.at, &w.crowdFrom, &w.last, &w.strong, &w.over)
		c.Bools(&w.even, &w.mild)
	})
	if w := *p; w == nil || w.doer > Machine || w.kind >= numKinds {
		c.Fail("who draws of a user's credits is not known")
	}
}
