package notify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/drainwatch/drainwatch/detector/incident"
)

const maxDead = 1_000 // dead letters that a sink keeps; the oldest go

// Dead is a notification that was given up.
type Dead struct {
	Sink     string          `json:"sink"`
	Record   incident.Record `json:"record"`
	Attempts int             `json:"attempts"`
	Error    string          `json:"error"`
	At       time.Time       `json:"at"`
}

// bury makes a dead letter of an entry.
func (l *lane) bury(t *thread, e *entry, now time.Time) {
	t.Queue = slices.DeleteFunc(t.Queue, func(o *entry) bool { return o == e })
	if e.Error == "" {
		e.Error = l.gone
	}
	x := Dead{Sink: l.settings.Name, Record: e.Record, Attempts: e.Attempts, Error: e.Error, At: now}
	l.dead = append(l.dead, x)
	l.d.touch(deadKey(&x), func() any { return x })
	if len(l.dead) > maxDead {
		old := l.dead[0]
		l.dead = slices.Delete(l.dead, 0, 1)
		l.d.touch(deadKey(&old), func() any { return nil })
	}
	l.touch(t)
	l.d.metrics.dead.WithLabelValues(l.settings.Name).Inc()
	l.log().Error().Str("incident", e.Record.Incident).Int("revision", e.Record.Revision).Int("attempts", e.Attempts).Str("error", e.Error).
		Msg("notify: an alert was given up; notify dead shows it, notify retry sends it again")
}

const deadPrefix = "dead/"

func deadKey(x *Dead) string {
	return fmt.Sprintf(deadPrefix+"%s/%s/%d", x.Sink, x.Record.Incident, x.Record.Revision)
}

// revive queues the dead letters again, but for what is obsolete by now.
func (l *lane) revive() int {
	dead, now := l.dead, l.d.opts.Now()
	l.dead, l.gone, l.fails, l.restUntil = nil, "", 0, time.Time{}
	for i := range dead {
		x := &dead[i]
		l.d.touch(deadKey(x), func() any { return nil })
		t := l.threads[x.Record.Incident]
		if t == nil {
			t = &thread{Sink: l.settings.Name, Incident: x.Record.Incident}
			l.threads[x.Record.Incident] = t
		}
		if t.Told != nil && t.Told.Revision >= x.Record.Revision || len(t.Queue) > 0 && t.Queue[len(t.Queue)-1].Record.Revision >= x.Record.Revision {
			l.touch(t)
			continue
		}
		l.enqueue(t, &x.Record, now)
	}
	return len(dead)
}

// ReadDead returns the dead letters in the outbox of a directory, the oldest first, whether or not a process has it.
func ReadDead(dir string) ([]Dead, error) {
	f, err := os.Open(filepath.Join(dir, journalName))
	if err != nil {
		return nil, fmt.Errorf("read outbox %s: %w; is this the configuration that run has?", dir, err)
	}
	defer f.Close()
	found := map[string]Dead{}
	_, _, err = readJournal(f, func(l journalLine, _ int64) {
		if !strings.HasPrefix(l.Key, deadPrefix) {
			return
		}
		var x Dead
		if l.Value == nil || json.Unmarshal(l.Value, &x) != nil {
			delete(found, l.Key)
			return
		}
		found[l.Key] = x
	})
	if err != nil {
		return nil, fmt.Errorf("read outbox %s: %w", dir, err)
	}
	var out []Dead
	for _, x := range found {
		out = append(out, x)
	}
	slices.SortFunc(out, byAge)
	return out, nil
}

func byAge(a, b Dead) int {
	return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Sink+a.Record.Incident, b.Sink+b.Record.Incident))
}
