package detector

import (
	"context"
	"time"
)

// Health counts rows that could not be used as they should be, for whoever watches the program itself: those that this engine has read,
// also of partitions that it has given up since, and not what others had read of those that it took over. All but Held only grow.
type Health struct {
	Rows         int64     // records read
	DeadLetters  int64     // records that could not be used, those in TimeAhead included
	Late         int64     // rows beyond the lateness: booked, not in the statistics
	TimeAhead    int64     // rows whose time nothing else confirmed
	Held         int64     // rows that wait for others to confirm their time
	DedupeLost   int64     // ids forgotten before their window ended, for want of memory
	UsersEvicted int64     // users forgotten for room
	ValuesFolded int64     // rows with a dimension value beyond its cap
	Head         time.Time // greatest plausible event time of any partition; zero before there is one
}

// Health asks every shard, between two batches. The fold does not wait for whoever asks: give ctx a deadline.
func (e *Engine) Health(ctx context.Context) (Health, error) {
	e.mu.Lock()
	workers := make([]*worker, 0, len(e.shards))
	for _, p := range sortedKeys(e.shards) {
		workers = append(workers, e.shards[p])
	}
	h := e.gone
	e.mu.Unlock()
	head := int64(0)
	for _, w := range workers {
		err := e.question(ctx, w, func(s *shard) {
			h.add(s.health(), w.taken)
			if s.clock.started {
				h.Held += int64(len(s.clock.held))
				head = max(head, s.clock.head)
			}
		})
		if err != nil {
			return Health{}, err
		}
	}
	e.deadMu.Lock()
	for _, n := range e.dead {
		h.DeadLetters += n
	}
	e.deadMu.Unlock()
	if head != 0 {
		h.Head = time.Unix(0, head).UTC()
	}
	return h, nil
}

// health is what a shard has counted, whoever had it. Only the shard's goroutine may ask, or who has stopped it.
func (s *shard) health() Health {
	return Health{
		Rows: s.counts.Rows, Late: s.counts.Late, TimeAhead: s.counts.TimeAhead, DedupeLost: int64(s.class.rows.Overflowed()), UsersEvicted: s.users.Evicted, ValuesFolded: s.leaves.Folded(),
	}
}

// add counts what came to a shard after it was taken.
func (h *Health) add(now, taken Health) {
	h.Rows += now.Rows - taken.Rows
	h.Late += now.Late - taken.Late
	h.TimeAhead += now.TimeAhead - taken.TimeAhead
	h.DedupeLost += now.DedupeLost - taken.DedupeLost
	h.UsersEvicted += now.UsersEvicted - taken.UsersEvicted
	h.ValuesFolded += now.ValuesFolded - taken.ValuesFolded
}
