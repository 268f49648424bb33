package profile

// Rule is one of the rules on what a single user does.
type Rule uint8

// The rules on one user.
const (
	RuleVolume   Rule = iota // Finding.Evidence, in nats
	RuleIdentity             // Finding.Score, in nats
	RuleCrowd                // days' volume
	RuleScript               // days' volume
	RuleIntruder             // days' volume of new identities
	NumRules
)

// Limits are the thresholds of the rules: a finding cries whose score reaches one of them.
type Limits [NumRules]float64

// DefaultLimits returns the thresholds that hold where none are configured.
func DefaultLimits() Limits {
	return Limits{VolumeThreshold, IdentityThreshold, CrowdRatio, ScriptRatio, IntruderRatio}
}

// Reached returns what a finding scores on a rule, 0 where the rule's other conditions do not hold. What is asked for at the
// default thresholds in doubt grows with the threshold.
func (f *Finding) Reached(r Rule) float64 {
	switch r {
	case RuleVolume:
		return f.Evidence
	case RuleIdentity:
		return f.identified()
	case RuleCrowd:
		return f.crowd()
	case RuleScript:
		return f.script()
	case RuleIntruder:
		return f.intruder()
	case NumRules:
	}
	return 0
}

// Passes says whether a finding cries by a rule.
func (f *Finding) Passes(r Rule) bool { return f.Reached(r) >= f.limit(r) }

// New says whether the score with identity is that of somebody new at work, however much they draw.
func (f *Finding) New() bool { return f.Score >= f.limit(RuleIdentity) }

func (f *Finding) limit(r Rule) float64 {
	if f.limits == (Limits{}) {
		return DefaultLimits()[r]
	}
	return f.limits[r]
}

// Strong returns by how many rules a finding cries.
func (f *Finding) Strong() (rules int) {
	for r := range NumRules {
		if f.Passes(r) {
			rules++
		}
	}
	return rules
}

// Under returns the finding as judged by other thresholds.
func (f Finding) Under(limits Limits) Finding {
	f.limits = limits
	return f
}

// Loosest returns the thresholds with one that everything passes.
func (l Limits) Loosest(r Rule) Limits {
	l[r] = -1
	return l
}

// Near says whether a finding scores this share of some rule's threshold.
func (f *Finding) Near(share float64) bool {
	for r := range NumRules {
		if f.Reached(r) >= share*f.limit(r) {
			return true
		}
	}
	return false
}
