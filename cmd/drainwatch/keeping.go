package main

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/checkpoint"
)

// checkpointDir is where run keeps its checkpoints. They belong to a group's reading of a topic, and to the topics that it writes.
func (c *Config) checkpointDir() string {
	return filepath.Join(c.State.Path, "checkpoints", url.PathEscape(c.Topics.Prefix+"@"+c.Ingest.Group+"@"+c.sourceTopic()))
}

// keeping is how the service keeps checkpoints: one of each partition that it holds, one of what it has decided while it decides, and one
// of who owns what.
type keeping struct {
	mu         sync.Mutex // held while one is made and written, or read: partitions come and go meanwhile
	store      checkpoint.Store
	acceptLoss bool
	heardTo    int64 // place in the signals log as of which it was kept last who owns what

	bytes   *prometheus.GaugeVec // by owner
	stalled *prometheus.GaugeVec // alike
	seconds prometheus.Gauge
	failed  prometheus.Counter
}

// keep has the service keep checkpoints in a store.
func (s *service) keep(store checkpoint.Store, acceptLoss bool) {
	started := time.Now()
	f := promauto.With(s.registry)
	s.keeping = &keeping{
		store: store, acceptLoss: acceptLoss,
		bytes:   f.NewGaugeVec(prometheus.GaugeOpts{Name: "drainwatch_checkpoint_bytes", Help: "What the last checkpoint of an owner wrote."}, []string{"owner"}),
		stalled: f.NewGaugeVec(prometheus.GaugeOpts{Name: "drainwatch_checkpoint_stall_seconds", Help: "For how long rows of a partition waited for its last checkpoint at most, at once."}, []string{"owner"}),
		seconds: f.NewGauge(prometheus.GaugeOpts{Name: "drainwatch_checkpoint_duration_seconds", Help: "How long it took to keep all that was known last, from the first state to the store."}),
		failed:  f.NewCounter(prometheus.CounterOpts{Name: "drainwatch_checkpoint_failures_total", Help: "Checkpoints that could not be kept."}),
	}
	s.checkpointAge = func(now time.Time) time.Duration {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.keptAt.IsZero() {
			return now.Sub(started)
		}
		return now.Sub(s.keptAt)
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "drainwatch_checkpoint_age_seconds", Help: "Time since all that was known was last kept.",
	}, func() float64 { return s.checkpointAge(time.Now()).Seconds() })
}

// openStore opens the store that is in Kafka, if that is where it is.
func (s *service) openStore(ctx context.Context) error {
	if s.keeping == nil || s.keeping.store != nil {
		return nil
	}
	s.enter("reading which checkpoints there are")
	store, err := checkpoint.OpenKafka(ctx, s.client, s.topic("internal.checkpoints"), s.conf.Ingest.Group+"/"+s.conf.sourceTopic())
	if err != nil {
		return err
	}
	s.keeping.store = store
	return nil
}

// write keeps a checkpoint. keeping.mu is held.
func (s *service) write(ctx context.Context, owner string, c *checkpoint.Checkpoint) error {
	k := s.keeping
	size, err := k.store.Write(ctx, owner, c)
	if err == nil {
		k.bytes.WithLabelValues(owner).Set(float64(size))
		s.log.Debug().Str("owner", owner).Str("checkpoint", c.ID).Int64("bytes", size).Msg("run: kept a checkpoint")
	}
	return err
}

// newest returns the newest checkpoint of an owner that verifies, nil if there is none, or refuses it.
func (s *service) newest(ctx context.Context, owner string) (*checkpoint.Checkpoint, error) {
	s.keeping.mu.Lock()
	c, skipped, err := s.keeping.store.Newest(ctx, owner)
	s.keeping.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for _, why := range skipped {
		s.log.Error().Err(why).Msg("run: a checkpoint cannot be used; an older one is tried")
	}
	switch {
	case c != nil:
		return c, s.compare(ctx, c)
	case len(skipped) > 0:
		s.log.Warn().Str("path", s.keeping.store.Path()).Str("owner", owner).Msg("run: there is no checkpoint that can be used, so what it knew is read again from the beginning; alerts that were written are not repeated")
	}
	return nil, nil
}

// about says what a checkpoint of this service is of.
func (s *service) about(at time.Time) *checkpoint.Checkpoint {
	in := s.record
	return &checkpoint.Checkpoint{About: checkpoint.About{
		Cluster: in.Cluster, Topic: in.Topic, Group: in.Group, Installed: in.At, Partitions: in.Partitions, Next: map[int32]int64{}, Landmarks: map[int32]checkpoint.Landmark{},
		SavedAt: at.UTC(), Program: buildInfo().Version, Config: s.conf.version(),
	}}
}

// foreign refuses a first start where there are checkpoints of an earlier one.
func (s *service) foreign(ctx context.Context) error {
	owners, err := s.keeping.store.Owners(ctx)
	if err == nil && len(owners) > 0 {
		path := s.keeping.store.Path()
		err = s.refuse("if what it knew is not wanted, remove "+path+"; else bring the internal topic back", "there is no record of an installation, and %s holds checkpoints of one", path)
	}
	return err
}

// afresh is what to do where a topic is another than the one that was read, and what that loses.
const afresh = "if that is meant, start afresh with another ingest.group or topics.prefix (--group, --prefix): what was learned of users and of usual hours is " +
	"learned anew, and incidents that fire stay as they are"

// refuse says what to do, and what was found.
func (s *service) refuse(remedy, format string, args ...any) error {
	return &lostStateError{s.conf.sourceTopic(), fmt.Sprintf(format, args...), remedy}
}

// sayLost says what is gone of what the first start read, where that is read again.
func (s *service) sayLost(lost map[int32]int64) {
	for _, p := range slices.Sorted(maps.Keys(lost)) {
		s.log.Warn().Int32("partition", p).Int64("records", lost[p]).
			Msg("run: retention removed records that the first start read; baselines are learned from what is left, so keep retention longer")
	}
}

// counted lists records by partition.
func counted(lost map[int32]int64) string {
	var parts []string
	for _, p := range slices.Sorted(maps.Keys(lost)) {
		parts = append(parts, fmt.Sprintf("%d records of partition %d", lost[p], p))
	}
	return strings.Join(parts, ", ")
}

// compare holds a checkpoint against the installation and the log.
func (s *service) compare(ctx context.Context, c *checkpoint.Checkpoint) error {
	a, in := &c.About, s.record
	here := fmt.Sprintf("checkpoint %s of %s in %s", c.ID, a.SavedAt.Format(time.RFC3339), s.keeping.store.Path())
	if a.Cluster != in.Cluster || a.Topic != in.Topic || a.Group != in.Group || a.Partitions != in.Partitions || !a.Installed.Equal(in.At) {
		return s.refuse("give each a state.path of its own, or remove the checkpoints if what they hold is not wanted",
			"%s is of another installation: cluster %q, topic %s, group %s, %d partitions, first started on %s, not cluster %q, topic %s, group %s, %d partitions, %s", here,
			a.Cluster, a.Topic, a.Group, a.Partitions, a.Installed.Format(time.RFC3339), in.Cluster, in.Topic, in.Group, in.Partitions, in.At.Format(time.RFC3339))
	}
	gone := map[int32]int64{}
	for _, p := range slices.Sorted(maps.Keys(a.Next)) {
		start, end, err := s.client.Bounds(ctx, in.Topic, p)
		if err != nil {
			return err
		}
		if end < a.Next[p] {
			return s.refuse(afresh, "%s goes on from offset %d of partition %d, which ends at %d: the topic was truncated or made anew", here, a.Next[p], p, end)
		}
		if m, ok := a.Landmarks[p]; ok {
			is, ok, err := lastRecord(ctx, s.client, in.Topic, p, m.Offset, m.Offset+1)
			if err != nil {
				return err
			}
			if ok && is != landmark(m) {
				return s.refuse(afresh, "%s read another record at offset %d of partition %d than there is: the topic was made anew", here, m.Offset, p)
			}
		}
		if start > a.Next[p] {
			gone[p] = start - a.Next[p]
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if !s.keeping.acceptLoss {
		return s.refuse("they would be neither counted nor owed; go on without them with --accept-loss, and keep retention longer than a pause of this service",
			"retention removed %s that came after %s", counted(gone), here)
	}
	for _, p := range slices.Sorted(maps.Keys(gone)) {
		if err := s.accept(ctx, loss{topic: in.Topic, partition: p, from: a.Next[p], to: a.Next[p] + gone[p], since: a.SavedAt, means: lostRows}); err != nil {
			return err
		}
	}
	return nil
}

// marksKept is how many records are remembered of a partition. The engine is at most some batches behind what it was fed.
const marksKept = 64

// mark remembers a record that was fed.
func (s *service) mark(partition int32, m checkpoint.Landmark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parts[partition]
	if len(p.marks) == marksKept {
		p.marks = slices.Delete(p.marks, 0, 1)
	}
	p.marks = append(p.marks, m)
}

func markOf(r *detector.Record) landmark {
	return landmark{r.Offset, strconv.FormatUint(xxhash.Sum64String(r.Key+"\x00"+r.Value), 16)}
}

// keepOn keeps what is known now and then until ctx is done.
func (s *service) keepOn(ctx context.Context) {
	every(ctx, time.Duration(s.conf.State.Every), func(time.Time) { s.keepAll(ctx) })
}

// keepAll keeps all that is known and is new.
func (s *service) keepAll(ctx context.Context) {
	began := time.Now()
	s.mu.Lock()
	held := slices.Sorted(maps.Keys(s.parts))
	s.mu.Unlock()
	for _, p := range held {
		s.keepShard(ctx, p)
	}
	if leads, _ := s.decides(); leads {
		s.deciding.keepFleet(ctx)
	}
	err := s.keepRegister(ctx)
	if err != nil && ctx.Err() == nil {
		s.keeping.failed.Inc()
		s.log.Error().Err(err).Msg("run: no checkpoint could be kept; the one before stands")
	}
	took := time.Since(began)
	s.keeping.seconds.Set(took.Seconds())
	if err != nil || !s.allKept(began) {
		return
	}
	if err := s.settleLosses(ctx, began); err != nil && ctx.Err() == nil {
		s.log.Error().Err(err).Msg("run: it could not be said that an accepted loss is over")
	}
}

// allKept says whether all that was known at a time has been kept since.
func (s *service) allKept(began time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		if p.claim.Term != 0 && p.keptAt.Before(began) && p.keptWhat != p.next {
			return false
		}
	}
	s.keptAt = began
	return true
}
