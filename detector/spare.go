package detector

import (
	"fmt"
	"time"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// Spared is somebody, or a cohort, whom a rule looked at and who is not named, with what spoke for them.
type Spared struct {
	Rule  Rule
	User  string       // "" is a cohort's; of a farm, the device, key or address
	Where cohort.Where // of a cohort
	At    int64        // event time
	Near  float64      // score over threshold: from 1 on, what speaks for them is all that kept the rule from crying
	For   []verdict.Evidence
}

// Comparison is a scope and a time.
type Comparison struct {
	Where map[event.Dim]string
	From  time.Time
}

// spare tells Options.Spare of a user whom the rules on one user weighed and do not name.
func (o *Options) spare(u *profile.Finding) {
	said := verdict.Spare(u)
	if len(said) == 0 {
		return
	}
	r, near := u.Nearest()
	o.Spare(Spared{Rule: ofUser[r], User: u.User, At: u.At, Near: near, For: said})
}

// spared tells Options.Spare of what a rule on one user would have said, were it not for what is known of others.
func (f *fleet) spared(u *profile.Finding, code, format string, args ...any) {
	if f.o.Spare != nil {
		r, near := u.Nearest()
		f.o.Spare(Spared{Rule: ofUser[r], User: u.User, At: f.now, Near: near, For: counter(code, format, args...)})
	}
}

// sparedCohort does so of what a rule on cohorts would have said.
func (f *fleet) sparedCohort(r Rule, l *live, code, format string, args ...any) {
	if f.o.Spare != nil {
		f.o.Spare(Spared{Rule: r, Where: l.where, At: f.now, Near: l.gain / f.nats(r), For: counter(code, format, args...)})
	}
}

func counter(code, format string, args ...any) []verdict.Evidence {
	return []verdict.Evidence{{Code: code, Text: verdict.Inert(fmt.Sprintf(format, args...)), Against: true}}
}

// compare splits what a scope has drawn since a time against like hours before.
func (f *fleet) compare(c *Comparison) *verdict.Verdict {
	l := &live{where: whereOf(c.Where), onset: c.From.UnixNano(), lastHit: f.head}
	f.resum(l)
	base := f.baseline(l)
	v := &verdict.Verdict{}
	v.Ratio, v.Factors, _, v.HasRatio = verdict.Split(l.hit, base)
	return v
}
