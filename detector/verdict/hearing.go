package verdict

import (
	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/profile"
)

// Signal is one piece of evidence that decides: whether there is an incident, whose doing it is, or where it lies.
type Signal uint8

// The evidence. Those that are seen come first, by flag and by measure, then what tells whose doing it is, what denies it, and what
// tells users apart.
const (
	flagSignals    Signal = 0
	measureSignals        = Signal(cohort.NumFlags)
	signSignals           = measureSignals + Signal(cohort.NumMoments)
)

// What is neither a flag, a measure nor a sign of who draws.
const (
	InputAlone   = signSignals + Signal(profile.NumSigns) + iota // only the input is off, by one multiple
	MeterCounts                                                  // longer prompts along no client, or with longer answers
	Adoption                                                     // the value of a scope appeared with the onset
	Dispersion                                                   // counts vary by less than users' do: rows tell scopes apart
	Breadth                                                      // too few users bear it
	UsualHere                                                    // a value always showed it
	OwnPrice                                                     // a value never had a row at the learned price
	NotMetered                                                   // the scope is not along what counts and charges
	Denied                                                       // the scope's own sums stand where they stood
	Planned                                                      // the calendar explains it
	Released                                                     // an open incident of behaviour explains one user's volume
	Blamed                                                       // a client's incident explains the surge
	Crowded                                                      // a few who do much are no surge
	DeviceShared                                                 // young accounts on one device, or with one key
	Drained                                                      // tied accounts draw all they may as soon as they begin, or alike
	TakeTurns                                                    // tied accounts are at work one after the other, or side by side
	OnePays                                                      // tied accounts are one organisation's
	LongAnswers                                                  // what seems too short repeats answers that are longer than ever
	CountedAnew                                                  // what seems to be missing is the answer before, counted otherwise
	FewAtOnce                                                    // nothing in it is new, and few of its users do more at one time, or no more than chance has somewhere
	Disordered                                                   // so many rows come late that their order tells nothing
	NumSignals
)

// signalNames are the codes of all signals but those of flags and measures, which have their own names.
var signalNames = map[Signal]string{
	signSignals + Signal(profile.SignCrowd): "doer_crowd", signSignals + Signal(profile.SignIntruder): "doer_intruder",
	signSignals + Signal(profile.SignNew): "doer_new_identity", signSignals + Signal(profile.SignScript): "doer_script",
	signSignals + Signal(profile.SignSleepless): "doer_sleepless",
	InputAlone: "input_alone", MeterCounts: "meter_counts", Adoption: "adoption", Dispersion: "dispersion", Breadth: "breadth",
	UsualHere: "usual_here", OwnPrice: "own_price", NotMetered: "not_metered", Denied: "denied",
	Planned: "planned", Released: "released", Blamed: "blamed", Crowded: "crowded", DeviceShared: "device_shared",
	Drained: "drained_at_once", TakeTurns: "take_turns", OnePays: "one_pays",
	LongAnswers: "long_answers", CountedAnew: "counted_anew", FewAtOnce: "few_at_once", Disordered: "disordered",
}

// SignalOf returns the signal of a flag.
func SignalOf(f cohort.Flag) Signal { return flagSignals + Signal(f) }

// SignalOfMeasure returns the signal of a measure of behaviour.
func SignalOfMeasure(m cohort.Measure) Signal { return measureSignals + Signal(m) }

// String returns the signal's code.
func (s Signal) String() string {
	switch {
	case s < measureSignals:
		return cohort.Flag(s).String()
	case s < signSignals:
		return cohort.Measure(s - measureSignals).String()
	}
	return signalNames[s]
}

// AllSignals lists the signals that are heard.
func AllSignals() []Signal {
	var out []Signal
	for s := range NumSignals {
		if s != SignalOfMeasure(cohort.Turns) { // people who do more: Crowded
			out = append(out, s)
		}
	}
	return out
}

// ParseSignal returns the signal of a code.
func ParseSignal(code string) (Signal, bool) {
	for _, s := range AllSignals() {
		if s.String() == code {
			return s, true
		}
	}
	return 0, false
}

// Signals is a set of signals.
type Signals uint64

// Has says whether s is in the set.
func (x Signals) Has(s Signal) bool { return x&(1<<s) != 0 }

// With returns the set with s.
func (x Signals) With(s Signal) Signals { return x | 1<<s }

// Hearing is which evidence is heard: all but Without. Told gathers what made a difference; what did not can be left out of the same
// rows without another word being said. Its zero value hears all. It is used by one goroutine.
type Hearing struct {
	Without, Told Signals
}

// Says returns whether evidence that says something is heard, and notes that it was. Evidence that says nothing changes nothing.
func (h *Hearing) Says(s Signal, says bool) bool {
	if !says || h.Without.Has(s) {
		return false
	}
	h.Told = h.Told.With(s)
	return true
}

// Hears says whether a signal is to be looked at at all.
func (h *Hearing) Hears(s Signal) bool { return !h.Without.Has(s) }

// sign hears of who draws.
func (h *Hearing) sign(s profile.Sign, says bool) bool { return h.Says(signSignals+Signal(s), says) }
