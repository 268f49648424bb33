package verdict

import (
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/profile"
)

func TestSignalsHaveCodesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range AllSignals() {
		code := s.String()
		if got, ok := ParseSignal(code); code == "" || seen[code] || !ok || got != s {
			t.Errorf("signal %d: code %q reads as %d", s, code, got)
		}
		seen[code] = true
	}
	if NumSignals > 64 {
		t.Errorf("%d signals do not fit a set", NumSignals)
	}
	if _, ok := ParseSignal("hearsay"); ok {
		t.Error("a code that nobody has is read")
	}
}

// What says nothing is not noted, what is left out is neither heard nor noted.
func TestHearing(t *testing.T) {
	h := Hearing{Without: Signals(0).With(Denied)}
	if h.Says(Planned, false) || h.Says(Denied, true) || h.Told != 0 || h.Hears(Denied) || !h.Hears(Planned) {
		t.Errorf("%+v", h)
	}
	if !h.Says(Planned, true) || !h.Told.Has(Planned) || h.Told.Has(Denied) {
		t.Errorf("%+v", h)
	}
}

// Each sign of who draws can be left out, and then the next one decides.
func TestDrainWithoutASign(t *testing.T) {
	f := profile.Finding{Days: 5, DayRatio: 100, NewDevices: 5, Devices: 6, NewNetworks: 5, Networks: 6, Novel: 10, AwakeHours: 24, Evenness: 1, PastEvenness: 1, Evidence: 100}
	h := Hearing{}
	for _, want := range []struct {
		cause Cause
		by    profile.Sign
	}{{SharedAccount, profile.SignCrowd}, {StolenKey, profile.SignNew}, {ScriptedDrain, profile.SignSleepless}, {PowerUser, profile.NumSigns}} {
		h.Told = 0
		if got := OfDrain(&f, &h); got != want.cause {
			t.Fatalf("without %b: %s, want %s", h.Without, got.Name, want.cause.Name)
		}
		if want.by == profile.NumSigns {
			continue
		}
		if s := signSignals + Signal(want.by); h.Told != Signals(0).With(s) {
			t.Fatalf("%s was told by %b, want %v", want.cause.Name, h.Told, s)
		} else {
			h.Without = h.Without.With(s)
		}
	}
}

// Rows at the full price of cached input are a wrong price where nobody looks for that.
func TestOverWithoutItsShape(t *testing.T) {
	c := &cohort.Cell{}
	c.OffOf(cohort.Over).Rows, c.OffOf(cohort.CacheLost).Rows = 10, 9
	if got := OfOver(c, &Hearing{}); got != CacheDiscount {
		t.Errorf("got %s", got.Name)
	}
	if got := OfOver(c, &Hearing{Without: Signals(0).With(SignalOf(cohort.CacheLost))}); got != Price {
		t.Errorf("without it: %s", got.Name)
	}
}
