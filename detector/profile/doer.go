package profile

import (
	"math"
)

// Script says whether a machine seems to draw: evenly for hours, lately, where the user's rows are not even, many times what the
// user's days do and much in each stretch too. What an owner's script draws more than they do is mostly how long it runs, which
// accuses nobody short of a hundred days' volume in one. It takes more where it is not known how even they used to be, and where
// a key made for it on the owner's machines says that it is the owner's.
func (f *Finding) Script() bool { return f.Passes(RuleScript) }

func (f *Finding) script() float64 {
	if f.EvenSince == 0 || f.At-f.EvenSince < evenFor || f.At-f.EvenSince > evenAccepted || !f.Even() || f.PastEvenness < 2*f.Evenness || f.Days < 1 {
		return 0
	}
	if known := !math.IsNaN(f.PastEvenness); known && f.Days >= 3 && f.Past >= scriptPast {
		switch {
		case f.pressure >= scriptNats && (!f.OwnKey || f.Elsewhere()):
			return f.DayRatio
		case f.pressure >= scriptNats:
			return f.DayRatio / (doubtRatio / ScriptRatio)
		case f.unbroken() && (!f.OwnKey || f.Elsewhere()):
			return f.DayRatio / (pausesRatio / ScriptRatio)
		case f.Ratio >= scriptTimes && f.AwakeHours >= sleeplessHours:
			return f.DayRatio / (endlessRatio / ScriptRatio)
		}
	}
	if f.Evidence >= scriptNats {
		return f.DayRatio / (doubtRatio / ScriptRatio)
	}
	return 0
}

// unbroken says whether even gaps have gone on for longer than a person's day with hardly a stretch without rows. A job of an owner's
// runs when there is something to do.
func (f *Finding) unbroken() bool { return f.At-f.EvenSince >= pausesNotFor && f.Duty >= pausesNot }

// Sleepless says whether somebody draws far beyond the user's days for a day on end, or without an hour's pause for so long that it
// is no person's day.
func (f *Finding) Sleepless() bool {
	return f.Passes(RuleVolume) && (f.AwakeHours >= sleeplessHours || f.Bout >= BoutHours) && f.DayRatio >= sleeplessRatio && f.Days >= 3
}

// Elsewhere says whether what is new comes from elsewhere: a new network or country, or a new key on a new device. A new key
// on the owner's own machines is the owner's script, also where those roam.
func (f *Finding) Elsewhere() bool {
	if f.Devices > 0 && f.NewDevices == 0 && (f.Even() || f.Sleepless()) {
		return false
	}
	return f.NewNetworks+f.NewCountries > 0 || f.NewKeys > 0 && f.NewDevices > 0
}

// Intruder says whether somebody else seems to draw beside the owner: a new device in a new place that hardly rests, draws many of
// the owner's days and much in each stretch, unevenly, while one of the owner's is at work too. A new computer replaces the old. Who draws
// no more in a stretch than an owner of few stretches does, shows by never resting, abroad: in most hours of a day, or for twelve without
// a pause.
func (f *Finding) Intruder() bool { return f.Passes(RuleIntruder) }

func (f *Finding) intruder() float64 {
	if f.NewDevices == 0 || f.Days < threeDays || f.Even() { // evenly, it is a job that has moved
		return 0
	}
	beside := f.Devices > f.NewDevices && f.NewNetworks+f.NewKeys+f.NewCountries > 0
	if beside && f.Strange >= intruderNats && f.Ratio >= intruderTimes && f.NovelHours >= intruderHours ||
		f.NewNetworks > 0 && f.NewCountries > 0 && (f.NovelHours >= restlessHours || f.NovelHours >= intruderHours && f.Bout >= intruderHours) {
		return f.NovelRatio
	}
	return 0
}

// Crowd says whether several people seem to share the account: many devices and networks that were not there before, and a
// day that draws several times what the user's days do.
func (f *Finding) Crowd() bool { return f.Passes(RuleCrowd) }

func (f *Finding) crowd() float64 {
	if f.NewDevices >= crowd && f.NewNetworks >= crowd && f.Days >= 1 {
		return f.DayRatio
	}
	return 0
}

// Doer is who seems to draw.
type Doer uint8

// Who may draw.
const (
	Owner Doer = iota
	Stranger
	Many
	Machine
)

// Sign is what tells who draws.
type Sign uint8

// The signs, in the order in which they are heard.
const (
	SignCrowd Sign = iota
	SignIntruder
	SignNew
	SignScript
	SignSleepless
	NumSigns
)

// Doer says who seems to draw where a finding is strong. Volume alone accuses nobody: without a new identity and without signs of
// a machine, of which hardly ever pausing is one, it is a busy owner. says returns whether a sign that says something is heard.
func (f *Finding) Doer(says func(s Sign, is bool) bool) Doer {
	switch {
	case says(SignCrowd, f.Crowd()):
		return Many
	case says(SignIntruder, f.Intruder()) || says(SignNew, (f.New() || f.Novel >= novelNats) && f.Elsewhere()):
		return Stranger
	case says(SignScript, f.Script()) || says(SignSleepless, f.Sleepless()):
		return Machine
	}
	return Owner
}

// Even says whether the gaps between rows are a machine's.
func (f *Finding) Even() bool { return f.Evenness < evenAt }

// Automation returns how much more even and sleepless than before the user's rows are, in nats, 0 to 6.
func (f *Finding) Automation() float64 {
	a := 0.0
	if f.Even() {
		a += 2
		if f.PastEvenness > 2*f.Evenness {
			a++
		}
	}
	if f.AwakeHours >= 20 {
		a += 3
	}
	return a
}
