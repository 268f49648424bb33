package profile

import "math"

// Fact is something about a finding that may speak for its user.
type Fact uint8

// Facts that speak for a user.
const (
	OwnIdentity Fact = iota // it is no new device on a new network that draws
	UsualVolume             // what is drawn is not many times what used to be
	UnevenGaps              // rows come as from a person's hand
	EvenAsEver              // or as evenly as they always did
	Pauses                  // somebody sleeps
)

// suspectTimes is the multiple of the past's volume that is put in the place of the usual.
const suspectTimes = 20

// Saving returns the facts that keep a finding from being told of somebody: each that would have it told were it alone
// otherwise, and, where none would, the two of who draws and how much, which together always would. It is empty of a finding
// that is told, and of one that is too new for either.
func (f *Finding) Saving() []Fact {
	if f.accused() {
		return nil
	}
	var out []Fact
	for _, c := range [...]struct {
		fact Fact
		as   func(*Finding)
		may  bool
	}{
		{OwnIdentity, (*Finding).asStranger, true},
		{UsualVolume, (*Finding).asHeavy, f.Ratio < suspectTimes/2},
		{UnevenGaps, (*Finding).asEven, f.Evenness >= evenAt},
		{EvenAsEver, (*Finding).asEven, f.Even()},
		{Pauses, (*Finding).asSleepless, f.AwakeHours < sleeplessHours},
	} {
		if x := *f; c.may {
			if c.as(&x); x.accused() {
				out = append(out, c.fact)
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	x := *f
	x.asStranger()
	x.asHeavy()
	if x.asStranger(); x.accused() {
		return []Fact{OwnIdentity, UsualVolume}
	}
	return nil
}

// accused says whether the finding is told, and of somebody who is not its owner.
func (f *Finding) accused() bool {
	return f.Strong() > 0 && f.Doer(func(_ Sign, is bool) bool { return is }) != Owner
}

// asStranger has what was drawn be drawn by a new device on a new network.
func (f *Finding) asStranger() {
	if f.NewDevices == 0 {
		f.NewDevices, f.Devices = 1, f.Devices+1
	}
	if f.NewNetworks == 0 {
		f.NewNetworks, f.Networks = 1, f.Networks+1
	}
	f.Novel, f.Strange = max(f.Novel, f.pressure), max(f.Strange, f.pressure)
	f.NovelRatio, f.NovelHours = max(f.NovelRatio, f.DayRatio), max(f.NovelHours, f.AwakeHours)
	f.Score = f.score()
}

// asHeavy has as much more be drawn as leaves no doubt that it is more.
func (f *Finding) asHeavy() {
	much := 1.1 * f.limit(RuleVolume)
	f.Ratio, f.DayRatio = max(f.Ratio, suspectTimes), max(f.DayRatio, suspectTimes)
	f.Evidence, f.pressure = max(f.Evidence, much), max(f.pressure, much)
	for _, w := range [...]*float64{&f.Novel, &f.Strange} {
		if *w > 0 {
			*w = max(*w, much)
		}
	}
	if f.NovelRatio > 0 {
		f.NovelRatio = max(f.NovelRatio, suspectTimes)
	}
	f.Score = f.score()
}

// asEven has its gaps be a machine's, as they were not before.
func (f *Finding) asEven() {
	f.Evenness, f.PastEvenness, f.EvenSince, f.OwnKey = evenAt/4, max(1, f.PastEvenness), f.At-evenFor, false
	if math.IsNaN(f.PastEvenness) {
		f.PastEvenness = 1
	}
	f.Score = f.score()
}

// asSleepless has it go on for a day without a pause.
func (f *Finding) asSleepless() {
	f.AwakeHours, f.Bout, f.NovelHours = 24, 24, max(f.NovelHours, 24)
	f.Score = f.score()
}

// Nearest returns the greatest share of its threshold that a finding reaches on any rule.
func (f *Finding) Nearest() (r Rule, share float64) {
	for x := range NumRules {
		if s := f.Reached(x) / f.limit(x); s > share {
			r, share = x, s
		}
	}
	return r, share
}
