package detector

import (
	"fmt"

	"github.com/drainwatch/drainwatch/detector/state"
)

// signalLayout counts up whenever what a Signal or its body holds changes: instances of both layouts cannot share a log.
const signalLayout = 12

// Everybody is the partition of what whoever decides says: what no single source partition is about.
const Everybody int32 = -1

// Deliverer is the partition that whoever tells the sinks claims. Nothing else is said of it.
const Deliverer int32 = -2

// SignalKind tells signals apart.
type SignalKind uint8

// Kinds of signals.
const (
	SignalClaim   SignalKind = iota // from here on the partition is this owner's
	SignalClosing                   // what a shard closed
	SignalBooked                    // what the affected rows came to, of Everybody
	SignalPass                      // ticks go on without a partition until it is heard again, of Everybody
	numSignals
)

// Signal is a record of the signals log, the one order that all instances agree on: who owns which partition, and what each owner says.
//
// What is said counts only under the claim that stands at its place in the log, once, and in the order of its numbers. So an owner that
// does not know yet that it is none any more can say what it likes: it is void wherever it is read.
type Signal struct {
	Kind      SignalKind
	Partition int32
	Owner     string // who claims, unique for every claim
	Term      int64  // the claim's number: one more than that of the claim before
	Seq       int64  // of what is said about the partition, from 1 on, whoever says it
	Offset    int64  // of a closing: the source record that its shard reads next
	Idle      bool   // of a closing: made because there was nothing more to read, which the rows themselves do not tell
	Part      int32  // a long body comes in parts
	Parts     int32
	Body      []byte

	whole *spoken // what the body holds, where it is at hand
}

// AppendBinary appends the signal as it stands in the log.
func (s *Signal) AppendBinary(dst []byte) []byte {
	return state.Append(dst, "signal", signalLayout, s.code)
}

// Parse reads what AppendBinary wrote. The body is a part of src.
func (s *Signal) Parse(src []byte) error {
	return state.Restore(src, "signal", signalLayout, s.code)
}

func (s *Signal) code(c *state.Coder) {
	state.Uints(c, &s.Kind)
	state.Ints(c, &s.Partition)
	c.String(&s.Owner)
	state.Ints(c, &s.Term, &s.Seq, &s.Offset)
	c.Bools(&s.Idle)
	state.Ints(c, &s.Part, &s.Parts)
	n := c.Count(len(s.Body), 1)
	if c.Reading() {
		s.Body = c.Raw(n)
	} else {
		copy(c.Raw(n), s.Body)
	}
	if s.Kind >= numSignals || s.Partition < Deliverer || s.Partition == Deliverer && s.Kind != SignalClaim || s.Term < 1 || s.Seq < 0 || s.Kind != SignalClaim && (s.Seq < 1 || s.Part < 0 || s.Part >= s.Parts) {
		c.Fail("no signal: kind %d of partition %d, term %d, number %d, part %d of %d", s.Kind, s.Partition, s.Term, s.Seq, s.Part, s.Parts)
	}
}

// signalBytes is how much of a body goes into one record: below what brokers take by default.
const signalBytes = 512 << 10

// parts cuts a signal with a body of more than so many bytes into several.
func (s Signal) parts(most int) []Signal {
	n := max(1, (len(s.Body)+most-1)/most)
	out := make([]Signal, n)
	for i := range out {
		p := s
		p.Part, p.Parts = int32(i), int32(n)
		p.Body = s.Body[i*most : min((i+1)*most, len(s.Body))]
		out[i] = p
	}
	return out
}

// Claim says whose a partition is.
type Claim struct {
	Owner string
	Term  int64
}

// Standing is where the log stands with a partition.
type Standing struct {
	Claim
	Said   int64 // number of the last whole signal that counts
	Offset int64 // source offset that it spoke of
	Part   int32 // how many parts of the next have come
}

// Hearing is what became of a signal.
type Hearing uint8

// What may become of a signal.
const (
	Void    Hearing = iota // it counts for nothing: a claim that came second, the word of a former owner, or a repeat
	Partial                // it counts, and more parts are to come
	Whole                  // it counts, and is complete
)

// Register is what the log up to some place says of who owns what. It is a pure fold over the log, so all who have read as far agree.
// The zero value is the register of an empty log.
type Register struct {
	at map[int32]*Standing

	// Torn says that the log's beginning is lost: of a partition that was not heard yet the next claim counts whatever its number, and
	// so does what is said first after it.
	Torn bool
}

// Of returns where the log stands with a partition.
func (r *Register) Of(partition int32) Standing {
	if s := r.at[partition]; s != nil {
		return *s
	}
	return Standing{}
}

// Hear folds the next signal of the log. An error says that whoever wrote it broke the protocol: a gap, which no fault of a broker or a
// process can bring about while writers keep one request under way.
func (r *Register) Hear(s *Signal) (Hearing, error) {
	at := r.at[s.Partition]
	if at == nil {
		if r.at == nil {
			r.at = map[int32]*Standing{}
		}
		at = &Standing{}
		r.at[s.Partition] = at
	}
	if s.Kind == SignalClaim {
		if s.Term != at.Term+1 && !(r.Torn && at.Term == 0) {
			return Void, nil // somebody else was first
		}
		at.Claim, at.Part = Claim{s.Owner, s.Term}, 0
		return Whole, nil
	}
	if r.Torn && at.Said == 0 && s.Part == 0 && s.Owner == at.Owner {
		at.Said = s.Seq - 1
	}
	switch {
	case s.Owner != at.Owner || s.Term != at.Term:
		return Void, nil
	case s.Seq <= at.Said, s.Seq == at.Said+1 && s.Part < at.Part:
		return Void, nil // written twice, after a lost answer
	case s.Seq > at.Said+1 || s.Part > at.Part:
		return Void, fmt.Errorf("partition %d: signal %d part %d follows signal %d part %d: records of the signals log are missing", s.Partition, s.Seq, s.Part, at.Said, at.Part)
	}
	if at.Part++; at.Part < s.Parts {
		return Partial, nil
	}
	at.Said, at.Offset, at.Part = s.Seq, s.Offset, 0
	return Whole, nil
}

// Clone returns a copy that shares nothing.
func (r *Register) Clone() Register {
	c := Register{at: make(map[int32]*Standing, len(r.at)), Torn: r.Torn}
	for p, s := range r.at {
		at := *s
		c.at[p] = &at
	}
	return c
}

// AppendBinary appends the register, which stands before the signal at offset next of the log.
func (r *Register) AppendBinary(dst []byte, next int64) []byte {
	return state.Append(dst, "register", signalLayout, func(c *state.Coder) {
		r.Code(c)
		state.Ints(c, &next)
	})
}

// Restore reads what AppendBinary wrote.
func (r *Register) Restore(src []byte) (next int64, err error) {
	err = state.Restore(src, "register", signalLayout, func(c *state.Coder) {
		r.Code(c)
		state.Ints(c, &next)
	})
	return next, err
}

// Code writes or reads the register.
func (r *Register) Code(c *state.Coder) {
	state.Map(c, &r.at, func(p *int32) { state.Ints(c, p) }, func(p **Standing) {
		if state.Opt(c, p, func(s *Standing) {
			c.String(&s.Owner)
			state.Ints(c, &s.Term, &s.Said, &s.Offset)
			state.Ints(c, &s.Part)
		}); *p == nil {
			c.Fail("a standing is missing")
		}
	})
	c.Bools(&r.Torn)
}
