package notify

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
)

const (
	// DefaultRateCap is how many new incidents of a severity a sink is told of in RateWindow. The rest is counted in a digest.
	DefaultRateCap = 30
	// RateWindow is what rate_cap counts over.
	RateWindow = 10 * time.Minute

	digestDelay  = 30 * time.Second // from what is held back first to the digest: a burst is counted whole
	digestNamed  = 20               // incidents that a digest names
	digestPrefix = "digest_"
	maxHeld      = 100_000 // incidents that a sink remembers having held back
)

// bucket lets a number of events pass in RateWindow, and refills evenly.
type bucket struct {
	size  float64
	level float64
	at    time.Time
}

func (l *lane) bucket(s incident.Severity) *bucket {
	b := l.buckets[s]
	if b == nil {
		size := float64(cmp.Or(l.settings.RateCap, DefaultRateCap))
		b = &bucket{size: size, level: size}
		l.buckets[s] = b
	}
	return b
}

func (b *bucket) take(now time.Time) bool {
	if !b.at.IsZero() && now.After(b.at) {
		b.level = min(b.size, b.level+b.size*now.Sub(b.at).Seconds()/RateWindow.Seconds())
	}
	b.at = now
	if b.level < 1 {
		return false
	}
	b.level--
	return true
}

// digest counts what the rate cap held back from one sink, for one severity. It is told as an incident of its own, whose
// revisions count on, and which resolves when nothing more is held back.
type digest struct {
	Sink     string            `json:"sink"`
	Severity incident.Severity `json:"severity"`
	ID       string            `json:"id"`
	Revision int               `json:"revision"`
	Since    time.Time         `json:"since"`
	At       time.Time         `json:"at"` // of what was held back last
	SaidAt   time.Time         `json:"said_at,omitzero"`
	Said     int               `json:"said"` // count at the last revision
	Count    int               `json:"count"`
	Over     int               `json:"over"`   // of these, resolved since
	Causes   map[string]int    `json:"causes"` // by class and cause
	Named    []string          `json:"named"`  // the first of them
	Users    int               `json:"users"`
	Credits  event.Sum         `json:"credits"`
}

// hold counts a revision instead of queueing it.
func (l *lane) hold(r *incident.Record, now time.Time) {
	l.d.metrics.held.WithLabelValues(l.settings.Name).Inc()
	if l.held[r.Incident] == r.Severity {
		return
	}
	if len(l.held) < maxHeld || l.held[r.Incident] != "" {
		l.held[r.Incident] = r.Severity
		l.touchHeld(r.Incident)
	}
	g := l.digests[r.Severity]
	if g == nil {
		g = &digest{
			Sink: l.settings.Name, Severity: r.Severity, Since: now, Causes: map[string]int{},
			ID: digestID(l.settings.Name, r.Severity, now),
		}
		l.digests[r.Severity] = g
		l.log().Warn().Str("severity", string(r.Severity)).Msg("notify: more incidents than rate_cap allows; the rest is counted in a digest")
	}
	g.At = now
	g.Count++
	g.Causes[r.Class+" "+r.Cause]++
	g.Users += r.UsersAffected
	g.Credits.AddSum(r.Overcharge)
	if len(g.Named) < digestNamed {
		g.Named = append(g.Named, r.Incident+" "+cut(r.Title, 200))
	}
	l.touchDigest(r.Severity)
}

// release forgets that an incident was held back: it is told of by itself now, or is over.
func (l *lane) release(r *incident.Record) {
	if l.held[r.Incident] == "" {
		return
	}
	delete(l.held, r.Incident)
	l.touchHeld(r.Incident)
	if g := l.digests[r.Severity]; g != nil && r.Status == incident.Resolved {
		g.Over++
		l.touchDigest(r.Severity)
	}
}

func (l *lane) touchHeld(id string) {
	l.d.touch("held/"+l.settings.Name+"/"+id, func() any {
		if severity := l.held[id]; severity != "" {
			return heldBack{l.settings.Name, id, severity}
		}
		return nil
	})
}

func (l *lane) touchDigest(s incident.Severity) {
	l.d.touch("digest/"+l.settings.Name+"/"+string(s), func() any {
		if g := l.digests[s]; g != nil {
			return g
		}
		return nil
	})
}

func digestID(sink string, s incident.Severity, now time.Time) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s\x00%d", sink, s, now.UnixNano())
	return fmt.Sprintf("%s%010x", digestPrefix, h.Sum64()>>24)
}

// due returns when the digest is told next: soon after it began, later once a window.
func (g *digest) due() time.Time {
	if g.SaidAt.IsZero() {
		return g.Since.Add(digestDelay)
	}
	return g.SaidAt.Add(RateWindow)
}

// say queues the digest's next revision, if it has grown, or its last, if a window has passed without.
func (l *lane) say(s incident.Severity, now time.Time) {
	g := l.digests[s]
	resolved := g.Count == g.Said
	g.Revision++
	g.SaidAt, g.Said = now, g.Count
	r := g.record(now, resolved, l.settings)
	t := l.threads[g.ID]
	if t == nil {
		t = &thread{Sink: l.settings.Name, Incident: g.ID}
		l.threads[g.ID] = t
	}
	if resolved {
		delete(l.digests, s)
	}
	l.touchDigest(s)
	l.enqueue(t, &r, now)
}

// closeDigests tells what was held back, and that no more will be.
func (l *lane) closeDigests() {
	now := l.d.opts.Now()
	for _, s := range []incident.Severity{incident.Page, incident.Ticket, incident.Info} {
		for l.digests[s] != nil {
			l.say(s, now)
		}
	}
}

// record writes the digest down as an alert.
func (g *digest) record(now time.Time, resolved bool, s Settings) incident.Record {
	r := incident.Record{
		V: 1, Incident: g.ID, Revision: g.Revision, Status: incident.Firing, Class: "unknown", Cause: "unknown", Severity: g.Severity, Confidence: 1,
		Scope: incident.Scope{Kind: "cohort", Where: map[string]string{}}, StartedAt: g.Since.UTC(), DetectedAt: g.Since.UTC(), UpdatedAt: now.UTC(),
		UsersAffected: g.Users, Overcharge: g.Credits, Links: map[string]string{},
	}
	if resolved {
		at := g.At.UTC()
		r.Status, r.EndedAt = incident.Resolved, &at
	}
	r.Title = fmt.Sprintf("Held back: %d more %ss since %s, beyond %d in %s", g.Count, g.Severity, g.Since.UTC().Format("15:04Z"), cmp.Or(s.RateCap, DefaultRateCap), "10 minutes")
	causes := slices.SortedFunc(maps.Keys(g.Causes), func(a, b string) int {
		return cmp.Or(g.Causes[b]-g.Causes[a], strings.Compare(a, b))
	})
	for _, c := range causes {
		n := float64(g.Causes[c])
		r.Evidence = append(r.Evidence, incident.Evidence{Code: "held_back", Text: fmt.Sprintf("%d of %s", g.Causes[c], c), Observed: &n})
	}
	for _, name := range g.Named {
		r.Evidence = append(r.Evidence, incident.Evidence{Code: "held_back_named", Text: name})
	}
	if left := g.Count - len(g.Named); left > 0 {
		r.Evidence = append(r.Evidence, incident.Evidence{Code: "held_back_rest", Text: fmt.Sprintf("and %d more, all of them in the alerts topic", left)})
	}
	r.Summary = fmt.Sprintf("%s; %d of them are over. %s. Next: look at the alerts topic or the war room.", r.Title, g.Over, strings.Join(causesText(causes, g.Causes), ", "))
	return r
}

func causesText(causes []string, n map[string]int) []string {
	out := make([]string, len(causes))
	for i, c := range causes {
		out[i] = fmt.Sprintf("%d %s", n[c], c)
	}
	return out
}

func (l *lane) log() *zerolog.Logger {
	log := l.d.log.With().Str("sink", l.settings.Name).Str("kind", l.settings.Kind).Logger()
	return &log
}
