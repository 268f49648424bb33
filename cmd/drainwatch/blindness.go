package main

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector/notify"
)

// Blindness is what keeps the service from seeing or telling. It is judged here, at the edge and by the clock of this machine:
// the core knows event time only, in which nothing is ever late. So it is told to the sinks and shown by /readyz, the page and
// the metrics, and never written to the alerts topic, where the same rows must always give the same records.

const (
	blindEvery  = 5 * time.Second  // between looks
	blindWindow = 10 * time.Minute // over which shares of rows are taken
	blindAsk    = 2 * time.Second  // that shards have to answer; what they do not answer is not known
	blindRows   = 100              // in the window, below which a share says nothing
	blindFew    = 20               // bad rows below which a share says nothing
)

// What a measure of 1 stands for, where several things make one measure.
const (
	clockAhead  = 2 * time.Minute  // rows' time ahead of the clock here
	clockBehind = 15 * time.Minute // or behind it, while all has been read
	lateShare   = 0.05             // of rows beyond the lateness
	futureShare = 0.01             // of rows that are ahead of all others
	foldedShare = 0.01             // of rows with a dimension value beyond its cap
)

// blindKind is one way to be blind.
type blindKind struct {
	limit notify.Limit
	do    string
}

// blindKinds has a limit for each. Ones that hide everything are pages.
var blindKinds = map[string]blindKind{
	// Seconds without word from Kafka. A rebalance takes half a minute.
	"kafka": {
		notify.Limit{Raise: 120, Page: 120, Clear: 30, Hold: time.Minute},
		"look at the brokers, the network between and the credentials; drainwatch's log says what fails",
	},
	// Seconds that reading is behind the log's end.
	"lag": {
		notify.Limit{Raise: 5 * 60, Page: 15 * 60, Clear: 60, Hold: 2 * time.Minute},
		"look at the CPU of drainwatch and at the brokers; alerts come late by as much, and retention must outlast it",
	},
	// Silence of some partitions while others go on, and of all of them, in terms of what is usual there.
	"silence": {
		notify.Limit{Raise: 1, Clear: 0.5, Hold: 5 * time.Minute},
		"look at who produces to these partitions; users who hash there are not watched",
	},
	"quiet": {
		notify.Limit{Raise: 1, Page: 1, Clear: 0.5, Hold: 5 * time.Minute},
		"look at the producers and the metering service before them; silence is not recovery",
	},
	// Users in several partitions.
	"keys": {
		notify.Limit{Raise: keyedUsers, Clear: keyedUsers - 1},
		"set ingest.rekey: true, or have the producers key the topic by user",
	},
	// Share of rows that cannot be used, over ten minutes. A batch that cannot be taken apart counts as all of them.
	"unreadable": {
		notify.Limit{Raise: 0.02, Page: 0.2, Clear: 0.005, Hold: blindWindow},
		"look at the reasons in the dead-letter topic and at what was released to producers",
	},
	// The constants above are 1.
	"skew": {
		notify.Limit{Raise: 1, Clear: 0.5, After: 5 * time.Minute, Hold: blindWindow},
		"look at the clocks of the producers and of this machine, and at producers that hold rows back",
	},
	"dropped": {
		notify.Limit{Raise: 1, Clear: 0, Hold: time.Hour},
		"give more memory (ingest.dedupe_memory), or fewer values to the dimensions",
	},
	// Seconds that a sink, or the outbox, has taken nothing. Five failures in a row come first.
	notify.SinkTrouble: {
		notify.Limit{Raise: 5 * 60, Page: 5 * 60, Clear: 0, Hold: 2 * time.Minute},
		"run drainwatch notify test, mend the receiver or the sink's settings; what was given up is sent again by notify retry",
	},
	"outbox": {
		notify.Limit{Raise: 60, Page: 60, Clear: 0, Hold: 2 * time.Minute},
		"free the disk under state.path and look at the brokers; alerts are sent, but may be repeated when another instance takes over",
	},
	// Age of the last checkpoint, in terms of how often one is due.
	"checkpoint": {
		notify.Limit{Raise: 10, Page: 120, Clear: 3, Hold: time.Minute},
		"look at where checkpoints are kept; a restart now takes that much longer, and retention must outlast it",
	},
}

// measure is what one kind of blindness measures now; not a number where that is not known.
type measure struct {
	kind, about string
	value       float64
	since       time.Time // what is measured began then, where that is known
	quiet       bool      // no page: it is to be expected, or not known well
	title       string
	detail      string
}

// blindness watches a service. A nil one sees everything.
type blindness struct {
	log      zerolog.Logger
	notifier *notify.Dispatcher // may be nil
	sight    sight
	gauge    *prometheus.GaugeVec
	watches  map[string]notify.Watch // by kind and about
	titles   map[string]string       // the same: as it was when it was bad last

	mu  sync.Mutex
	now []string // what it is blind to
}

func newBlindness(log zerolog.Logger, registry prometheus.Registerer) *blindness {
	b := &blindness{log: log, watches: map[string]notify.Watch{}, titles: map[string]string{}}
	b.gauge = promauto.With(registry).NewGaugeVec(prometheus.GaugeOpts{
		Name: "drainwatch_blind", Help: "1 while drainwatch does not see, or cannot tell, by kind: the sinks are told.",
	}, []string{"kind"})
	for kind := range blindKinds {
		b.gauge.WithLabelValues(kind).Set(0)
	}
	return b
}

// adopt takes whom to tell. What an earlier process was blind to, this one is until it is known to be over.
func (b *blindness) adopt(d *notify.Dispatcher) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notifier = d
	for _, t := range d.Troubles() {
		b.watches[t.Kind+"/"+t.About] = notify.Watch{Severity: t.Severity, Since: t.Since}
		b.titles[t.Kind+"/"+t.About] = t.Title
		b.now = append(b.now, t.Title)
	}
}

// run looks until ctx is done.
func (b *blindness) run(ctx context.Context, look func(context.Context, time.Time) seen) {
	every(ctx, blindEvery, func(now time.Time) {
		if x := look(ctx, now); ctx.Err() == nil {
			b.step(&x)
		}
	})
}

// step holds what was seen against the limits, and tells what has changed.
func (b *blindness) step(x *seen) {
	var now []string
	blind, watches := map[string]float64{}, map[string]notify.Watch{}
	for _, m := range b.sight.measures(x) {
		kind, key := blindKinds[m.kind], m.kind+"/"+m.about
		limit := kind.limit
		if m.quiet {
			limit.Page = 0
		}
		before := b.watches[key]
		w := before.Step(limit, m.value, x.at)
		if before.Severity == "" && w.Severity != "" {
			w.Since = cmp.Or(m.since, w.Since)
		}
		watches[key] = w
		if m.value >= limit.Raise {
			b.titles[key] = m.title + " since " + cmp.Or(w.Since, x.at).UTC().Format("15:04Z")
		}
		t := notify.Trouble{Kind: m.kind, About: m.about, Severity: w.Severity, Since: w.Since, Title: b.titles[key], Detail: m.detail, Do: kind.do}
		switch {
		case w.Severity != "":
			now, blind[m.kind] = append(now, t.Title), 1
			if w.Severity != before.Severity {
				b.log.Warn().Str("kind", m.kind).Str("severity", string(w.Severity)).Str("detail", m.detail).Msg("run: " + t.Title)
			}
		case before.Severity != "":
			b.log.Info().Str("kind", m.kind).Msg("run: over: " + t.Title)
		}
		b.tell(t)
	}
	for key := range b.watches {
		if _, measured := watches[key]; !measured { // such as a sink that was taken out of the configuration
			kind, about, _ := strings.Cut(key, "/")
			b.tell(notify.Trouble{Kind: kind, About: about})
		}
	}
	b.watches = watches
	for kind := range blindKinds {
		b.gauge.WithLabelValues(kind).Set(blind[kind])
	}
	slices.Sort(now)
	b.mu.Lock()
	b.now = now
	b.mu.Unlock()
}

func (b *blindness) tell(t notify.Trouble) {
	if b.notifier != nil {
		b.notifier.Tell(t)
	}
}

// err says what it is blind to, nil if to nothing.
func (b *blindness) err() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.now) == 0 {
		return nil
	}
	names := slices.Clone(b.now)
	for i := range names {
		names[i] = strings.TrimPrefix(names[i], "Blind: ")
	}
	return errors.New("blind: " + strings.Join(names, "; "))
}

// unknown is a measure that cannot be taken.
var unknown = math.NaN()
