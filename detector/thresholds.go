package detector

import (
	"errors"
	"fmt"
	"math"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/profile"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

// Rule is one of the rules that can cry. They are all here: the budget of false alarms is spent in this file and nowhere else.
type Rule uint8

// The rules, those over cohorts first.
const (
	RuleFlags Rule = iota
	RuleMeasures
	RuleWindows
	RuleRows
	RuleVolume
	RuleIdentity
	RuleCrowd
	RuleScript
	RuleIntruder
	RuleFarm
	NumRules
)

// Budget is how many false alarms in a million users a week are meant to be raised in all, pages and tickets together. The two
// rules that can page share a tenth of it: one page.
const Budget = 10.0

// RuleInfo is what is known of a rule.
type RuleInfo struct {
	Name    string            // its key under thresholds
	What    string            // what cries
	Unit    string            // of its score
	Loudest incident.Severity // that it raises by default
	Default float64           // threshold: a score that reaches it cries
	Least   float64           // that can be configured
	Share   float64           // of Budget; they add up to 1
	Nominal string            // what theory promises, and why that is not what happens

	// Ratio says that scores multiply rather than add, so that it is their logarithms that have a tail.
	Ratio bool
	// Fleet says that the rule is scored once for all users, rather than for each.
	Fleet bool
}

// rules is the table of who gets how much. Shares follow what a rule is worth: what tells a thief by a new identity, the one
// fast path to a drain, gets a quarter. What nominal bounds are worth stands in the documentation of profile: the frontier.
var rules = [NumRules]RuleInfo{
	RuleFlags: {
		Name: "flags", What: "a cohort's rows are off by themselves", Unit: "nats", Loudest: incident.Page, Default: flagNats, Least: 3, Share: .05, Fleet: true,
		Nominal: "odds of e^-12 a look, over all values: a maximised likelihood, and looks that overlap, so no bound",
	},
	RuleMeasures: {
		Name: "measures", What: "a cohort's users do more, each against their own past", Unit: "nats", Loudest: incident.Page, Default: measureNats, Least: 3, Share: .05, Fleet: true,
		Nominal: "odds of e^-16 a look, if users' hours were independent and normal",
	},
	RuleWindows: {
		Name: "windows", What: "a cohort's gauges disagree with the charges", Unit: "nats", Loudest: incident.Ticket, Default: flagNats, Least: 3, Share: .1, Fleet: true,
		Nominal: "as flags",
	},
	RuleRows: {
		Name: "rows", What: "one user's rows are off by themselves", Unit: "rows", Loudest: incident.Ticket, Default: profile.SuspectRows, Least: 2, Share: .1, Ratio: true,
		Nominal: "0 where charges follow the prices to the unit",
	},
	RuleVolume: {
		Name: "volume", What: "one user's volume, by a script or by somebody new", Unit: "nats", Loudest: incident.Ticket, Default: profile.VolumeThreshold, Least: 3, Share: .1,
		Nominal: "e^-42 a stretch of ten minutes, if the past's mean were known and stretches independent given it",
	},
	RuleIdentity: {
		Name: "identity", What: "volume of an identity first seen within a day", Unit: "nats", Loudest: incident.Ticket, Default: profile.IdentityThreshold, Least: 3, Share: .25,
		Nominal: "none: nats of identity are weights, not odds",
	},
	RuleCrowd: {
		Name: "crowd", What: "many devices and networks at once", Unit: "days' volume", Loudest: incident.Ticket, Default: profile.CrowdRatio, Least: 1, Share: .1, Ratio: true,
		Nominal: "none",
	},
	RuleScript: {
		Name: "script", What: "even gaps that were not there before", Unit: "days' volume", Loudest: incident.Ticket, Default: profile.ScriptRatio, Least: 1, Share: .1, Ratio: true,
		Nominal: "none: owners' own scripts differ by their size alone",
	},
	RuleIntruder: {
		Name: "intruder", What: "a new device beside the owner's that hardly rests", Unit: "days' volume", Loudest: incident.Ticket, Default: profile.IntruderRatio, Least: 1, Share: .1, Ratio: true,
		Nominal: "none",
	},
	RuleFarm: {
		Name: "farm", What: "young accounts on one device or key", Unit: "accounts", Loudest: incident.Ticket, Default: farmSize, Least: 2, Share: .05, Ratio: true,
		Nominal: "none",
	},
}

// Info returns what is known of a rule.
func (r Rule) Info() RuleInfo { return rules[r] }

// String returns the rule's name.
func (r Rule) String() string { return rules[r].Name }

// Allowance returns how many false alarms in a million users a week a rule may raise, of so many in all.
func (r Rule) Allowance(budget float64) float64 { return budget * rules[r].Share }

// Thresholds are the scores from which each rule cries; 0 is the default.
type Thresholds [NumRules]float64

// mostThreshold is what no score reaches: a rule is switched off with it.
const mostThreshold = 1_000_000

// DefaultThresholds returns the thresholds that hold where none are configured.
func DefaultThresholds() (t Thresholds) {
	for r := range NumRules {
		t[r] = rules[r].Default
	}
	return t
}

func (t *Thresholds) withDefaults() {
	for r := range NumRules {
		if t[r] == 0 {
			t[r] = rules[r].Default
		}
	}
}

// Check says what is wrong with the threshold of a rule, if anything is.
func (r Rule) Check(threshold float64) error {
	if least := rules[r].Least; !(threshold >= least && threshold <= mostThreshold) {
		return fmt.Errorf("%v is out of range; give %s between %v and %d (%v by default)", threshold, rules[r].Unit, least, mostThreshold, rules[r].Default)
	}
	return nil
}

func (t *Thresholds) validate() error {
	var errs []error
	for r := range NumRules {
		if t[r] != 0 {
			if err := r.Check(t[r]); err != nil {
				errs = append(errs, fmt.Errorf("thresholds.%s: %w", r, err))
			}
		}
	}
	return errors.Join(errs...)
}

// limits are the thresholds of the rules on one user.
func (t *Thresholds) limits() profile.Limits {
	return profile.Limits{
		profile.RuleVolume: t[RuleVolume], profile.RuleIdentity: t[RuleIdentity], profile.RuleCrowd: t[RuleCrowd],
		profile.RuleScript: t[RuleScript], profile.RuleIntruder: t[RuleIntruder],
	}
}

// ofUser maps the rules on one user to where they stand in the table.
var ofUser = [profile.NumRules]Rule{
	profile.RuleVolume: RuleVolume, profile.RuleIdentity: RuleIdentity, profile.RuleCrowd: RuleCrowd,
	profile.RuleScript: RuleScript, profile.RuleIntruder: RuleIntruder,
}

// Score is what a rule made of something at a time, whether it cries or not; or, with an Incident and no Value, says that the
// rule has opened that.
type Score struct {
	Rule     Rule
	User     string // "" where the rule is scored for all at once; of a farm, the device, key or address
	At       int64  // event time
	Value    float64
	Incident string
}

// observe tells Options.Observe what each rule makes of a user, as far as somebody would be told if it cried: what a busy person
// draws is recorded nowhere.
func (o *Options) observe(f profile.Finding) {
	for r, rule := range ofUser {
		r := profile.Rule(r)
		x := f.Reached(r)
		if x <= 0 {
			continue
		}
		if crying := f.Under(o.Thresholds.limits().Loosest(r)); verdict.OfDrain(&crying, &verdict.Hearing{}).Class != verdict.Organic {
			o.Observe(Score{Rule: rule, User: f.User, At: f.At, Value: x})
		}
	}
}

// rule returns the rule that opens an incident; NumRules where several may have.
func (l *live) rule() Rule {
	switch {
	case l.by == byFlag && l.user != "":
		return RuleRows
	case l.by == byFlag:
		return ruleOf(l.flag)
	case l.by == byMeasure:
		return RuleMeasures
	case l.by == byLinks:
		return RuleFarm
	}
	return NumRules
}

// score tells Options.Observe of a rule over cohorts, rows or farms; without one it is never called.
func (f *fleet) score(r Rule, user string, value float64) {
	if !math.IsInf(value, 0) && value > 0 {
		f.o.Observe(Score{Rule: r, User: user, At: f.now, Value: value})
	}
}

// nats is the threshold of a flag.
func (f *fleet) nats(r Rule) float64 { return f.o.Thresholds[r] }
