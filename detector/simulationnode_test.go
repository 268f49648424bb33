package detector

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/state"
)

func (s *sim) feed(n *simNode, p int32, rows int) {
	h := n.held[p]
	for range rows {
		if h == nil || h.next >= s.avail[p] {
			return
		}
		r := s.rows[p][h.next]
		h.next++
		h.fold(r.Record, &r.event, nil)
	}
}

func (s *sim) pause(n *simNode, p int32) {
	if h := n.held[p]; h != nil && h.next == s.avail[p] {
		h.idle()
	}
}

// write brings signals into the log, some of them twice.
func (s *sim) write(n *simNode, k int, twice bool) {
	k = min(k, len(n.outbox))
	for range 1 + map[bool]int{true: 1}[twice] {
		for _, x := range n.outbox[:k] {
			s.log = append(s.log, x.AppendBinary(nil))
		}
	}
	if k > 0 {
		n.wrote = slices.Clone(n.outbox[:k])
	}
	n.outbox = n.outbox[k:]
}

func (s *sim) read(n *simNode, k int) {
	for ; k > 0 && n.tail < len(s.log); k-- {
		x := s.signal(n.tail)
		n.tail++
		s.hear(&n.register, &x)
	}
}

func (s *sim) signal(at int) (x Signal) {
	if err := x.Parse(s.log[at]); err != nil {
		s.fail("signal %d: %v", at, err)
	}
	return x
}

// hear is Register.Hear with what is broken on purpose.
func (s *sim) hear(r *Register, x *Signal) {
	before := r.Of(x.Partition)
	switch {
	case s.broken == termIgnored && x.Kind == SignalClaim:
		x.Term = before.Term + 1
	case s.broken == ownerIgnored && x.Kind != SignalClaim:
		x.Owner, x.Term = before.Owner, before.Term
	}
	if _, err := r.Hear(x); err != nil {
		s.fail("%v", err)
	}
}

// own claims a partition that Kafka has given, and takes it over once it has read its claim.
func (s *sim) own(n *simNode, p int32) {
	claim, claiming := n.claiming[p]
	switch at := n.register.Of(p); {
	case s.owner[p] != n.id:
		return
	case n.held[p] != nil && n.held[p].claim == at.Claim:
		return
	case !claiming || at.Term >= claim.Term && at.Claim != claim:
		delete(n.held, p) // somebody else claimed it since
		s.terms++
		claim = Claim{Owner: fmt.Sprintf("node %d, %d", n.id, s.terms), Term: at.Term + 1}
		n.claiming[p] = claim
		x := Signal{Kind: SignalClaim, Partition: p, Owner: claim.Owner, Term: claim.Term}
		s.log = append(s.log, x.AppendBinary(nil))
		if s.broken != claimUnread {
			return
		}
	case at.Claim != claim:
		return // not read yet
	}
	delete(n.claiming, p)
	h := Holding{Partition: p, Claim: claim}
	past, from := Past{Partition: p}, 0
	if kept := s.shards[p]; len(kept) > 0 {
		c := kept[len(kept)-1-min(s.rng.IntN(3)/2, len(kept)-1)] // now and then the newest is torn
		h.State = c.Parts
		next, err := past.Restore(c.register)
		if err != nil {
			s.fail("%v", err)
		}
		from = int(next)
	}
	for ; from < len(s.log); from++ {
		x := s.signal(from)
		if err := past.Hear(&x); err != nil {
			s.fail("%v", err)
		}
	}
	if past.Of(p).Claim != claim && s.broken != claimUnread {
		return // lost again meanwhile
	}
	h.Said, h.Pauses = past.Of(p).Said, past.Pauses
	if s.broken == pausesForgotten {
		h.Pauses = nil
	}
	sh, err := h.take(&s.o, func(Record, error) {}, func(x Signal) { n.outbox = append(n.outbox, x.parts(simPart)...) })
	if err != nil {
		s.fail("partition %d: %v", p, err)
		return
	}
	n.held[p] = &simHeld{shard: sh, claim: claim, next: int(sh.offset)}
	switch s.broken {
	case rowsSkipped:
		if sh.offset > 0 {
			n.held[p].next++
		}
	case rowsRepeated:
		n.held[p].next = max(n.held[p].next-1, 0)
	}
	s.note("%d owns partition %d from row %d on, %d signals were said, state speaks of %d", n.id, p, sh.offset, h.Said, sh.said)
}

// save takes a shard's state; keep keeps it once its owner has read that all it speaks of counts.
func (s *sim) save(n *simNode, p int32) {
	h := n.held[p]
	if h == nil {
		return
	}
	c := simSaved{claim: h.claim, register: n.register.AppendBinary(nil, int64(n.tail)), ShardState: ShardState{Next: h.offset, Said: h.said}}
	switch s.broken {
	case saidUnsaved:
		said := h.said
		h.said = 0
		c.Parts = s.partsOf(h.shard)
		h.said = said
	case dedupeUnsaved:
		rows := h.class.rows
		fresh, err := newShard(p, &s.o, simPartitions, nil, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		h.class.rows = fresh.class.rows
		c.Parts = s.partsOf(h.shard)
		h.class.rows = rows
	case pausesUnsaved:
		pauses := h.pauses
		h.pauses = nil
		c.Parts = s.partsOf(h.shard)
		h.pauses = pauses
	default:
		c.Parts = s.partsOf(h.shard)
	}
	n.unkept, n.unkeptOf = append(n.unkept, c), append(n.unkeptOf, p)
}

// partsOf writes a shard's state while it stands still.
func (s *sim) partsOf(h *shard) []Part {
	m := h.mark(nil)
	for !m.step() {
	}
	m.release()
	parts, err := m.collect(s.t.Context(), s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return parts
}

func (s *sim) keep(n *simNode) {
	if len(n.unkept) == 0 {
		return
	}
	c, p := n.unkept[0], n.unkeptOf[0]
	at := n.register.Of(p)
	if s.broken != saveUnheard && (at.Claim != c.claim || at.Said < c.Said) {
		if at.Claim != c.claim {
			n.unkept, n.unkeptOf = n.unkept[1:], n.unkeptOf[1:]
		}
		return
	}
	if s.broken == saveLateRegister {
		c.register = n.register.AppendBinary(nil, int64(n.tail))
	}
	n.unkept, n.unkeptOf = n.unkept[1:], n.unkeptOf[1:]
	if kept := s.shards[p]; len(kept) == 0 || kept[len(kept)-1].Next <= c.Next || s.broken == saveUnheard {
		s.shards[p] = append(kept, c)
	}
}

func (s *sim) takeLead(n *simNode) {
	if n.lead != nil || s.leader != n.id {
		return
	}
	all := make([]int32, simPartitions)
	for p := range all {
		all[p] = int32(p)
	}
	l := &simLead{fleet: newFleet(&s.o, all, s.say)}
	if len(s.fleets) > 0 {
		c := s.fleets[len(s.fleets)-1-min(s.rng.IntN(3)/2, len(s.fleets)-1)]
		var decided []byte
		if err := state.Restore(c.State, "leader", leaderLayout, func(c *state.Coder) { codeLeader(c, &l.ear, &noRows, &decided) }); err != nil {
			s.fail("%v", err)
			return
		}
		if err := l.restore(decided); err != nil {
			s.fail("%v", err)
			return
		}
		switch l.next = int(l.ear.next); s.broken {
		case earUnsaved:
			l.next = len(s.log)
		case earRepeats:
			l.next, l.ear = max(l.next-3, 0), ear{}
			for i := range l.next {
				x := s.signal(i)
				_, _ = l.ear.register.Hear(&x)
			}
		}
	}
	n.lead = l
	s.note("%d decides from signal %d on", n.id, l.next)
}

func (s *sim) decide(n *simNode, k int) {
	l := n.lead
	for ; l != nil && k > 0 && l.next < len(s.log); k-- {
		x := s.signal(l.next)
		before := l.ear.register.Of(x.Partition)
		switch {
		case s.broken == termIgnored && x.Kind == SignalClaim:
			x.Term = before.Term + 1
		case s.broken == ownerIgnored && x.Kind != SignalClaim:
			x.Owner, x.Term = before.Owner, before.Term
		case s.broken == repeatsCount && x.Kind != SignalClaim && x.Owner == before.Owner && x.Seq <= before.Said:
			x.Seq, x.Part, x.Parts = before.Said+1, 0, 1
		}
		left, kept := l.ear.bodies[x.Partition]
		if err := l.ear.hear(l.fleet, int64(l.next), &x); err != nil {
			s.fail("signal %d: %v", l.next, err)
			return
		}
		l.next++
		if s.broken == partsKept && x.Kind == SignalClaim && kept {
			l.ear.bodies[x.Partition] = left
		}
		for p, at := range l.parts {
			if c := l.counts[p]; at.read > 0 && c.Rows != at.read {
				s.fail("partition %d: %d rows were told by the closing as of offset %d", p, c.Rows, at.read)
			}
		}
	}
}

func (s *sim) saveFleet(n *simNode) {
	l := n.lead
	if l == nil {
		return
	}
	decided := l.AppendBinary(nil)
	c := FleetState{Next: l.ear.next, State: state.Append(nil, "leader", leaderLayout, func(c *state.Coder) { codeLeader(c, &l.ear, &noRows, &decided) })}
	if k := len(s.fleets); k == 0 || s.fleets[k-1].Next <= c.Next {
		s.fleets = append(s.fleets, c)
	}
}

// say is where whoever decides says something: others may have said the same, and nothing else.
func (s *sim) say(l *live, _ []incident.Reason) {
	r := l.Record(incident.Identity{})
	text, err := json.Marshal(r)
	if err != nil {
		s.t.Fatal(err)
	}
	key := fmt.Sprintf("%s/%d", r.Incident, r.Revision)
	switch was, known := s.said[key]; {
	case !known:
		s.said[key] = string(text)
		s.order = append(s.order, r)
	case was != string(text):
		s.fail("revision %s was said as\n%s\nand then as\n%s", key, was, text)
	}
}
