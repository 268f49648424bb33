package detector

import (
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/profile"
)

// Who comes near and is not named is spared by what is said of them, and a hook that nobody has asked for is not called.
func TestSpare(t *testing.T) {
	var heard []Spared
	f := fleetOf(1000)
	f.o.Spare = func(s Spared) { heard = append(heard, s) }
	at := f.now
	f.o.Calendar = []Planned{{From: time.Unix(0, at-cohort.Hour), To: time.Unix(0, at+cohort.Hour), What: "a batch\x1b[31m", Where: map[event.Dim]string{}}}
	u := profile.Finding{
		Kind: profile.Drain, User: "u", At: at, Since: at - cohort.Hour, Ratio: 20, DayRatio: 20, Days: 5, Past: 200, NewDevices: 6, Devices: 6, NewNetworks: 6, Networks: 6,
		Leaf: &cohort.Leaf{},
	}
	f.person(u)
	if len(f.lives) != 0 || len(heard) != 1 || heard[0].For[0].Code != "planned" || heard[0].For[0].Text != `the calendar expects it: "a batch\x1b[31m"` || heard[0].Near < 1 {
		t.Errorf("%+v", heard)
	}
	heard = nil
	calm := profile.Finding{User: "v", At: at, Ratio: 1, DayRatio: 1, Days: 5, Past: 200, Evenness: 1, PastEvenness: 1, AwakeHours: 8}
	f.o.spare(&calm)
	f.o.spare(&u)
	if len(heard) != 1 || heard[0].User != "v" || len(heard[0].For) != 2 || !heard[0].For[0].Against {
		t.Errorf("%+v", heard)
	}
	f.o.Spare = nil
	f.person(u)
}
