package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/checkpoint"
)

// ownerOfAll is whose checkpoints hold everything: one process reads all partitions.
const ownerOfAll = "all"

// checkpointDir is where run keeps its checkpoints. They belong to a group's reading of a topic, and to the topics that it writes.
func (c *Config) checkpointDir() string {
	return filepath.Join(c.State.Path, "checkpoints", url.PathEscape(c.Topics.Prefix+"@"+c.Ingest.Group+"@"+c.Ingest.Topic))
}

// keeping is how the service keeps checkpoints. It belongs to the goroutine that does.
type keeping struct {
	store      checkpoint.Store
	acceptLoss bool
	savedWhat  string // what there was to keep when it was kept last

	bytes, seconds prometheus.Gauge
	stalled        prometheus.Gauge
	failed         prometheus.Counter
}

// keep has the service keep checkpoints in a store.
func (s *service) keep(store checkpoint.Store, acceptLoss bool) {
	started := time.Now()
	f := promauto.With(s.registry)
	s.keeping = &keeping{
		store: store, acceptLoss: acceptLoss,
		bytes:   f.NewGauge(prometheus.GaugeOpts{Name: "drainwatch_checkpoint_bytes", Help: "What the last checkpoint wrote."}),
		seconds: f.NewGauge(prometheus.GaugeOpts{Name: "drainwatch_checkpoint_duration_seconds", Help: "How long the last checkpoint took, from the first shard's state to the disk."}),
		stalled: f.NewGauge(prometheus.GaugeOpts{Name: "drainwatch_checkpoint_stall_seconds", Help: "For how long rows of a partition waited for the last checkpoint at most, at once."}),
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

const partOfShard = "shard-"

// found returns the checkpoint to go on from, nil to read from the first start's offsets, or refuses. lost is how many of the records
// that the first start read are gone, by partition.
func (s *service) found(ctx context.Context, first bool, lost map[int32]int64) (*checkpoint.Checkpoint, error) {
	k := s.keeping
	if k == nil {
		s.sayLost(lost)
		return nil, nil
	}
	c, skipped, err := k.store.Newest(ctx, ownerOfAll)
	if err != nil {
		return nil, err
	}
	for _, why := range skipped {
		s.log.Error().Err(why).Msg("run: a checkpoint cannot be used; an older one is tried")
	}
	path := k.store.Path()
	switch {
	case first && c == nil && len(skipped) == 0:
		return nil, nil
	case first:
		return nil, s.refuse("if what it knew is not wanted, remove "+path+"; else bring the internal topic back", "there is no record of an installation, and %s holds checkpoints of one", path)
	case c == nil && (len(lost) == 0 || k.acceptLoss):
		s.sayLost(lost)
		s.log.Warn().Str("path", path).Msg("run: there is no checkpoint that can be used, so the topic is read again from the first start's offsets; alerts that were written are not repeated")
		return nil, nil
	case c == nil:
		return nil, s.refuse("bring the checkpoints back, or go on without what those records taught with --accept-loss",
			"no checkpoint in %s can be used, and retention removed %s that the first start read", path, counted(lost))
	}
	return c, s.compare(ctx, c)
}

// refuse says what to do, and what was found.
func (s *service) refuse(remedy, format string, args ...any) error {
	return &lostStateError{s.conf.Ingest.Topic, fmt.Sprintf(format, args...), remedy}
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
	const afresh = "if that is meant, start afresh with another ingest.group or topics.prefix"
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
	s.log.Error().Str("lost", counted(gone)).Msg("run: records are lost, as accepted: they are neither counted nor owed")
	return nil
}

// restore takes up a checkpoint.
func (s *service) restore(c *checkpoint.Checkpoint) error {
	began := time.Now()
	saved := detector.Saved{Shards: map[int32][]detector.Part{}, Next: map[int32]int64{}, Fleet: c.Part("fleet"), Booked: c.Part("booked")}
	size := int64(0)
	for i := range c.Parts {
		size += c.Parts[i].Size
		if p, ok := strings.CutPrefix(c.Parts[i].Name, partOfShard); ok {
			number, name, _ := strings.Cut(p, "/")
			n, err := strconv.ParseInt(number, 10, 32)
			if err != nil {
				return s.refuse("another program has written it", "checkpoint %s has a part %q", c.ID, c.Parts[i].Name)
			}
			part := c.Parts[i]
			part.Name = name
			saved.Shards[int32(n)], saved.Next[int32(n)] = append(saved.Shards[int32(n)], part), c.About.Next[int32(n)]
		}
	}
	if err := s.engine.Restore(&saved); err != nil {
		remedy := "go on with the program and the settings that it was written with, or remove " + s.keeping.store.Path() +
			": as long as the topic retains what the first start read, all of it is read again"
		return s.refuse(remedy, "checkpoint %s, written by version %s, cannot be taken up: %v", c.ID, c.About.Program, err)
	}
	s.mu.Lock()
	for p, next := range saved.Next {
		if next > 0 {
			s.parts[p].next = next
		}
		if m, ok := c.About.Landmarks[p]; ok {
			s.parts[p].marks = []checkpoint.Landmark{m}
		}
	}
	s.keptAt = c.About.SavedAt
	s.keeping.savedWhat = s.known()
	s.mu.Unlock()
	s.log.Info().Str("checkpoint", c.ID).Time("saved", c.About.SavedAt).Time("event_time", c.About.EventTime).Int64("bytes", size).
		Dur("took", time.Since(began)).Interface("next", c.About.Next).Msg("run: goes on from a checkpoint")
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

// keepOn keeps a checkpoint now and then until ctx is done.
func (s *service) keepOn(ctx context.Context) {
	every(ctx, time.Duration(s.conf.State.Every), func(time.Time) { s.keepNow(ctx) })
}

// known tells apart what there is to keep. s.mu is held.
func (s *service) known() string { return fmt.Sprint(s.read(), s.bookedAt) }

// keepNow keeps a checkpoint if there is anything new.
func (s *service) keepNow(ctx context.Context) {
	k := s.keeping
	s.mu.Lock()
	what := s.known()
	if what == k.savedWhat {
		s.keptAt = time.Now() // it is as good as new
	}
	s.mu.Unlock()
	if what == k.savedWhat {
		return
	}
	began := time.Now()
	c, size, stalled, err := s.checkpoint(ctx, began)
	if err != nil {
		if ctx.Err() == nil {
			k.failed.Inc()
			s.log.Error().Err(err).Msg("run: no checkpoint could be kept; the one before stands")
		}
		return
	}
	took := time.Since(began)
	k.stalled.Set(stalled.Seconds())
	k.bytes.Set(float64(size))
	k.seconds.Set(took.Seconds())
	k.savedWhat = what
	s.mu.Lock()
	s.keptAt = began
	s.mu.Unlock()
	s.log.Debug().Str("checkpoint", c.ID).Int64("bytes", size).Dur("took", took).Dur("stalled", stalled).Msg("run: kept a checkpoint")
}

// checkpoint keeps what is known. What was said of it is on its way before that: alerts are written when they are said, and dead
// letters are waited for.
func (s *service) checkpoint(ctx context.Context, at time.Time) (c *checkpoint.Checkpoint, size int64, stalled time.Duration, err error) {
	held, err := s.keeping.store.Held(ctx, ownerOfAll)
	if err != nil {
		return nil, 0, 0, err
	}
	saved, err := s.engine.Save(ctx, held)
	if err != nil {
		return nil, 0, 0, err
	}
	if err := s.sink.flush(ctx); err != nil {
		return nil, 0, 0, err
	}
	in := s.record
	c = &checkpoint.Checkpoint{
		About: checkpoint.About{
			Cluster: in.Cluster, Topic: in.Topic, Group: in.Group, Installed: in.At, Partitions: in.Partitions, Next: map[int32]int64{}, Landmarks: map[int32]checkpoint.Landmark{},
			EventTime: time.Unix(0, saved.At).UTC(), SavedAt: at.UTC(), Program: buildInfo().Version, Config: s.conf.version(),
		},
		Parts: []detector.Part{detector.NewPart("fleet", saved.Fleet), detector.NewPart("booked", saved.Booked)},
	}
	s.mu.Lock()
	for _, p := range slices.Sorted(maps.Keys(saved.Next)) {
		next := saved.Next[p]
		c.Position += next
		for _, part := range saved.Shards[p] {
			part.Name = partOfShard + strconv.Itoa(int(p)) + "/" + part.Name
			c.Parts = append(c.Parts, part)
		}
		if next == 0 {
			continue
		}
		c.About.Next[p] = next
		marks := s.parts[p].marks
		n, _ := slices.BinarySearchFunc(marks, next, func(m checkpoint.Landmark, next int64) int { return cmp.Compare(m.Offset, next) })
		if n > 0 {
			c.About.Landmarks[p] = marks[n-1]
		}
	}
	s.mu.Unlock()
	size, err = s.keeping.store.Write(ctx, ownerOfAll, c)
	return c, size, saved.Stalled, err
}
