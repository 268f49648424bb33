package detector_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/drainwatch/drainwatch/detector"
)

// tape is a log in memory. What is said is heard at once by whoever decides.
type tape struct {
	mu      sync.Mutex
	records [][]byte
	leader  *detector.Engine
	claims  detector.Register
}

// Say implements detector.Relay.
func (l *tape) Say(ctx context.Context, signals []detector.Signal) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range signals {
		text := signals[i].AppendBinary(nil)
		l.records = append(l.records, text)
		if l.leader != nil {
			if err := l.leader.Hear(ctx, int64(len(l.records)-1), text); err != nil {
				return err
			}
		}
		var s detector.Signal
		if err := s.Parse(text); err != nil {
			return err
		}
		if _, err := l.claims.Hear(&s); err != nil {
			return err
		}
	}
	return nil
}

// claim has an owner claim a partition.
func (l *tape) claim(t *testing.T, partition int32, owner string) detector.Claim {
	t.Helper()
	c := detector.Claim{Owner: owner, Term: l.claims.Of(partition).Term + 1}
	if err := l.Say(t.Context(), []detector.Signal{{Kind: detector.SignalClaim, Partition: partition, Owner: c.Owner, Term: c.Term}}); err != nil {
		t.Fatal(err)
	}
	return c
}

// lead has an engine decide, and lets it hear what was said before.
func (l *tape) lead(t *testing.T, e *detector.Engine, saved []byte) {
	t.Helper()
	claim := l.claim(t, detector.Everybody, fmt.Sprint("leader ", len(l.records)))
	next, err := e.Lead(claim, l.claims.Of(detector.Everybody).Said, saved, false)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := next; i < int64(len(l.records)); i++ {
		if err := e.Hear(t.Context(), i, l.records[i]); err != nil {
			t.Fatal(err)
		}
	}
	l.leader = e
}

// Two engines on one log, one partition each, say what one engine says of both; partitions and decisions move between them.
func TestEnginesShareOneLog(t *testing.T) {
	t.Parallel()
	w := world(t, "duplicates")
	in, want := split(t, w.records, 2), w.outcome(t).verdicts()
	log := &tape{}
	o := w.options
	o.Relay, o.Partitions, o.LiveView = log, 2, true
	out := &outcome{}
	engines := [2]*detector.Engine{}
	for i := range engines {
		e, err := detector.New(o, out, in)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		engines[i] = e
	}
	a, b := engines[0], engines[1]
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Book(t.Context(), false); !errors.Is(err, detector.ErrNotLeading) {
		t.Errorf("who does not decide books: %v", err)
	}
	log.lead(t, a, nil)
	for p, e := range engines {
		_, err := e.Own(detector.Holding{Partition: int32(p), Claim: log.claim(t, int32(p), "first")})
		check(err)
		if _, err := e.Own(detector.Holding{Partition: int32(p)}); err == nil {
			t.Error("a partition is held twice")
		}
	}
	half := len(in[1]) / 2
	check(a.Feed(t.Context(), 0, in[0]))
	check(b.Feed(t.Context(), 1, in[1][:half]))

	// The second partition goes to the first engine, decisions to the second.
	saved, err := b.SaveShard(t.Context(), 1, nil)
	check(err)
	check(b.Feed(t.Context(), 1, in[1][half:half+1000])) // said after the checkpoint, and so made again
	_, err = b.SaveShard(t.Context(), 1, nil)            // waits for that
	check(err)
	b.Disown(1)
	claim := log.claim(t, 1, "second")
	next, err := a.Own(detector.Holding{Partition: 1, Claim: claim, State: saved.Parts, Said: log.claims.Of(1).Said})
	check(err)
	decided, err := a.SaveFleet(t.Context())
	check(err)
	log.mu.Lock()
	log.leader = nil
	log.mu.Unlock()
	seen := a.Snapshot().Rows
	a.Unlead()
	if now := a.Snapshot().Rows; seen == 0 || now != 0 || a.Rollup() != nil || len(a.Ledger()) > 0 {
		t.Errorf("who decided and saw %d rows shows %d when others decide", seen, now)
	}
	log.lead(t, b, decided.State)
	check(a.Feed(t.Context(), 1, in[1][next:]))
	for p := range int32(2) {
		check(a.Idle(p))
		_, err := a.SaveShard(t.Context(), p, nil) // waits for that
		check(err)
	}
	for e, rows := range map[*detector.Engine]int{a: len(in[0]) + len(in[1]) - int(next), b: half + 1000} {
		if h, err := e.Health(t.Context()); err != nil || h.Rows != int64(rows) {
			t.Errorf("one who read %d rows, of which it has given partitions up, counts %d, %v", rows, h.Rows, err)
		}
	}
	check(b.Book(t.Context(), false))
	out.ledger = b.Ledger()
	out.alerts = sorted(out.alerts)
	if got := out.verdicts(); !slices.Equal(got, want) {
		t.Errorf("two engines differ:\n%s", difference(want, got))
	}

	// Hostile records stop whoever hears them, with the place.
	if err := b.Hear(t.Context(), 1<<40, []byte("rubbish")); err == nil {
		t.Error("rubbish is heard")
	}
}

// alone returns an engine that decides and has the first of so many partitions, and the world that is for it.
func alone(t *testing.T, partitions int) (*detector.Engine, *traffic) {
	t.Helper()
	w := world(t, "duplicates")
	log := &tape{}
	o := w.options
	o.Relay, o.Partitions = log, partitions
	e, err := detector.New(o, &outcome{}, source{0: w.records})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	log.lead(t, e, nil)
	if _, err := e.Own(detector.Holding{Partition: 0, Claim: log.claim(t, 0, "a")}); err != nil {
		t.Fatal(err)
	}
	return e, w
}

// Ticks go on without a partition that nobody speaks for once that is said, and take it in when it is heard again.
func TestPass(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	e, w := alone(t, 2)
	if err := e.Feed(t.Context(), 0, w.records); err != nil {
		t.Fatal(err)
	}
	found := func() int {
		if _, err := e.SaveShard(t.Context(), 0, nil); err != nil {
			t.Fatal(err)
		}
		if err := e.Book(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		s := e.Snapshot()
		return len(s.Open) + len(s.Resolved)
	}
	if n := found(); n != 0 {
		t.Errorf("%d incidents, while a partition was not heard at all", n)
	}
	if err := e.Pass(t.Context(), []int32{1}); err != nil {
		t.Fatal(err)
	}
	if n := found(); n == 0 {
		t.Error("nothing was decided without the silent partition")
	}
}

// Whoever gives up waiting for a state gets none, and nothing that is made later for nobody disturbs whoever goes on.
func TestStatesGivenUp(t *testing.T) {
	e, w := alone(t, 1)
	given, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 50 {
		if err := e.Feed(t.Context(), 0, w.records[100*i:100*i+100]); err != nil {
			t.Fatal(err)
		}
		if s, err := e.SaveFleet(given); err != nil && s.State != nil {
			t.Error("a state of decisions comes with an error")
		}
		if s, err := e.SaveShard(given, 0, nil); err != nil && s.Next != 0 {
			t.Error("a state of a partition comes with an error")
		}
		_ = e.Book(given, false)
		_ = e.Restate(given)
	}
	if s, err := e.SaveShard(t.Context(), 0, nil); err != nil || s.Next != 5000 {
		t.Errorf("goes on at %d: %v", s.Next, err)
	}
}
