package detector

import (
	"context"
	"fmt"
	"sync"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/ledger"
	"github.com/drainwatch/drainwatch/detector/state"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// leaderLayout is that of what SaveFleet returns, besides the fleet's own.
const leaderLayout = 1

// leading is what an engine that decides keeps besides the fleet.
type leading struct {
	claim Claim
	ctx   context.Context
	stop  context.CancelFunc
	ear   ear // of the fleet's goroutine

	speaking sync.Mutex // held while something is said
	said     int64

	waiting map[int64]chan struct{} // for a signal of that number to be heard; of the fleet's goroutine
}

// heard wakes who waits for what was said, and says whether somebody did.
func (l *leading) heard() (waited bool) {
	for seq, done := range l.waiting {
		if seq <= l.ear.register.Of(Everybody).Said {
			delete(l.waiting, seq)
			close(done)
			waited = true
		}
	}
	return waited
}

// ear turns the log into what the fleet takes: a pure fold, so that whoever decides hears the same.
type ear struct {
	register Register
	bodies   map[int32][]byte // of signals of which parts are to come
	next     int64            // offset in the log of the next signal
}

// hear folds the signal at an offset of the log.
func (x *ear) hear(f *fleet, offset int64, s *Signal) error {
	if offset < x.next {
		return nil // it has been heard
	}
	x.next = offset + 1
	heard, err := x.register.Hear(s)
	if err != nil || heard == Void {
		return err
	}
	if s.Kind == SignalClaim {
		delete(x.bodies, s.Partition)
		if p := f.parts[s.Partition]; p != nil {
			p.leaves = nil
		}
		return nil
	}
	body := s.Body
	if s.Parts > 1 {
		if x.bodies == nil {
			x.bodies = map[int32][]byte{}
		}
		body = append(x.bodies[s.Partition], s.Body...)
		x.bodies[s.Partition] = body
	}
	if heard == Partial {
		return nil
	}
	delete(x.bodies, s.Partition)
	return f.hear(s, body)
}

// hear takes a whole signal that counts.
func (f *fleet) hear(s *Signal, body []byte) error {
	switch s.Kind {
	case SignalClosing:
		p := f.parts[s.Partition]
		if p == nil {
			return fmt.Errorf("a closing of partition %d of %d", s.Partition, len(f.parts))
		}
		if s.whole != nil {
			p.leaves = append(p.leaves, s.whole.fresh...)
			f.take(s.whole.closing)
			return nil
		}
		var c closing
		var err error
		if p.leaves, err = c.decode(body, p.leaves, f.store.Canon); err != nil {
			return err
		}
		if c.partition != s.Partition {
			return fmt.Errorf("a closing of partition %d, said of %d", c.partition, s.Partition)
		}
		f.take(c)
	case SignalBooked:
		var results map[string]ledger.Result
		var asOf map[string]incident.Status
		if err := state.Restore(body, "booked", signalLayout, func(c *state.Coder) { codeBooked(c, &results, &asOf) }); err != nil {
			return err
		}
		f.booked(results, asOf, false)
	case SignalPass:
		var partitions []int32
		if err := state.Restore(body, "pass", signalLayout, func(c *state.Coder) { codePass(c, &partitions) }); err != nil {
			return err
		}
		for _, p := range partitions {
			if at := f.parts[p]; at != nil {
				at.idle = true
			}
		}
		f.proceed()
	case SignalClaim, numSignals:
	}
	return nil
}

func codePass(c *state.Coder, partitions *[]int32) {
	state.Slice(c, partitions, func(p *int32) { state.Ints(c, p) })
}

// codeBooked writes or reads what the fleet takes of what was booked. Rows stay with whoever booked them.
func codeBooked(c *state.Coder, results *map[string]ledger.Result, asOf *map[string]incident.Status) {
	state.Map(c, results, c.String, func(r *ledger.Result) {
		state.Ints(c, &r.Users)
		state.Ints(c, &r.First, &r.Last, &r.From, &r.To)
		r.Overcharge.Code(c)
		r.Charged.Code(c)
		r.Inside.Code(c)
		r.Now.Code(c)
		r.Before.Code(c)
		r.Unasked.Code(c)
		r.Blends[0].Code(c)
		r.Blends[1].Code(c)
		r.Left.Code(c)
		state.Slice(c, &r.Like, func(p *verdict.Period) { p.Code(c) })
	})
	state.Map(c, asOf, c.String, func(s *incident.Status) {
		text := string(*s)
		c.String(&text)
		*s = incident.Status(text)
	})
}

func codeLeader(c *state.Coder, x *ear, rows *[]ledger.Row, decided *[]byte) {
	x.register.Code(c)
	state.Map(c, &x.bodies, func(p *int32) { state.Ints(c, p) }, func(b *[]byte) { c.Bytes(b) })
	state.Ints(c, &x.next)
	codeLedger(c, rows)
	c.Bytes(decided)
}
