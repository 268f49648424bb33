package profile

import (
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// asked is how many requests in a span of time a user's mean has to stand on before the user counts.
const (
	asked  = 3
	minute = int64(60e9)
)

// cacheLife is how long a prompt's prefix is sure to be kept after its last use. Providers promise five minutes and more: whoever
// asks after a longer pause may find nothing, and a probe that asks every ten minutes never does.
const cacheLife = 5 * minute

// tokenSpans remembers on which rollouts (cohort.Leaf.Rollout) a user's tokens were measured: in the hour, a bit a rollout, in
// the span of hours the two latest, and in a brief one the latest. A user counts once on each, since requests may alternate
// between two meters of which one is wrong.
type tokenSpans struct {
	inHour uint32
	hour   int32
	brief  int32 // the minute in which the brief span began
	latest [2]tokenMean
	short  tokenMean
}

// tokenMean sums what a user's requests on one rollout measured.
type tokenMean struct {
	rollout uint8
	n       uint8
	sum     [cohort.Uncached - cohort.InputPerRequest + 1]int16 // in thousandths: of every user there are three
}

// see notes what a request at a time measured: whether it is the user's first of the hour on its rollout, and whether the user
// counts for the spans with it.
func (s *tokenSpans) see(at int64, rollout uint8, m *Moments) {
	h := int32(at / cohort.Hour)
	if h/cohort.SpanHours != s.hour/cohort.SpanHours {
		s.latest = [2]tokenMean{}
	}
	if h != s.hour {
		s.hour, s.inHour = h, 0
	}
	if now := int32(at / minute); now-s.brief >= int32(cohort.BriefSpan/minute) || s.short.n == 0 {
		s.brief, s.short = now, tokenMean{}
	}
	bit := uint32(1) << (rollout % 32)
	m.Fresh = s.inHour&bit == 0
	s.inHour |= bit
	if s.latest[0].rollout != rollout || s.latest[0].n == 0 {
		s.latest[0], s.latest[1] = s.latest[1], s.latest[0]
	}
	m.Counts = s.latest[0].see(rollout, m, &m.Mean)
	m.Brief = s.short.n < asked && s.short.see(rollout, m, &m.BriefMean) // who alternates between a program and a client counts once
}

// see adds a request, and says whether the user counts with it, and with which mean.
func (x *tokenMean) see(rollout uint8, m *Moments, mean *[cohort.NumMoments]float64) bool {
	if x.rollout != rollout {
		*x = tokenMean{rollout: rollout}
	}
	if x.n >= asked {
		return false
	}
	x.n++
	for k := range x.sum {
		x.sum[k] += int16(1000 * min(max(m.X[int(cohort.InputPerRequest)+k], -cohort.Clip), cohort.Clip))
	}
	if x.n < asked {
		return false
	}
	for k := range x.sum {
		mean[int(cohort.InputPerRequest)+k] = float64(x.sum[k]) / (1000 * asked)
	}
	mean[cohort.Uncounted] = -mean[cohort.InputPerRequest]
	return true
}

// tokens measures one request against the mean request of the user's past, m, as ln((x+m)/2m): shrunk to 0 by one request of
// the past, so that an empty one says as little as one of a few times as many tokens. It is known at once and for the row's own
// leaf, unlike what only a closed bucket shows. What a cold cache does not hold is as usual. What nobody asked for is not measured: it
// begins with a prompt of its own, so more of it would look as if everything missed the cache. What it returns, nil without a past, holds
// until the next row.
func (t *Table) tokens(u *User, e *event.Event, cold bool) *Moments {
	b := u.base()
	if b.Buckets < minPast || b.Requests < minRequests || u.leaf == nil {
		return nil
	}
	m := &t.scratch
	*m = Moments{Leaf: u.leaf, At: e.Time}
	in, out := b.Input/b.Requests, b.Output/b.Requests
	if b.Input > 0 {
		m.set(cohort.InputPerRequest, (float32(e.Input)+in)/(2*in))
		m.X[cohort.Uncounted], m.Valid[cohort.Uncounted] = -m.X[cohort.InputPerRequest], m.Valid[cohort.InputPerRequest]
	}
	if b.Output > 0 {
		m.set(cohort.OutputPerRequest, (float32(e.Output)+out)/(2*out))
	}
	switch {
	case !(e.Input > 0 && b.Cached > 0):
	case cold:
		m.Valid[cohort.Uncached] = true
	default:
		// A cached token costs about a tenth; what the card says exactly matters little for a ratio.
		past := (b.Input - 0.9*b.Cached) / b.Input
		m.set(cohort.Uncached, (float32(e.Input)-0.9*float32(e.Cached)+in*past)/((float32(e.Input)+in)*past))
	}
	u.tokens.see(e.Time, u.leaf.Rollout, m)
	return m
}

// set takes the logarithm of a ratio in, unless there is none.
func (m *Moments) set(k cohort.Measure, ratio float32) {
	if ratio > 0 && !math.IsInf(float64(ratio), 0) {
		m.X[k], m.Valid[k] = math.Log(float64(ratio)), true
	}
}
