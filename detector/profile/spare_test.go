package profile

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// What saves somebody from being named is what would have them named, were it otherwise.
func TestSaving(t *testing.T) {
	const at = int64(20_000) * day
	for _, c := range []struct {
		why  string
		f    Finding
		want []Fact
	}{
		{
			"a night's work on the owner's machine: a stranger, or a machine, would be named",
			Finding{At: at, Ratio: 8, DayRatio: 12, Days: 10, Past: 200, Evidence: 60, pressure: 60, Devices: 1, Networks: 1, AwakeHours: 14, Evenness: 1.2, PastEvenness: 1.3},
			[]Fact{OwnIdentity, UnevenGaps},
		},
		{
			"a day of twenty times the usual, with a night's sleep: no sleep would be a machine's as well",
			Finding{At: at, Ratio: 30, DayRatio: 40, Days: 10, Past: 200, Evidence: 80, pressure: 80, Devices: 1, Networks: 1, AwakeHours: 14, Evenness: 1.2, PastEvenness: 1.3},
			[]Fact{OwnIdentity, UnevenGaps, Pauses},
		},
		{
			"a new machine in a new place that draws what was drawn before: twenty times as much would be a thief's",
			Finding{At: at, Ratio: 1.1, DayRatio: 1, Days: 10, Past: 200, Evidence: 1, pressure: 1, Novel: 1, Strange: 1, NewDevices: 1, Devices: 2, NewNetworks: 1, Networks: 2, AwakeHours: 9, Evenness: 1.2, PastEvenness: 1.3},
			[]Fact{UsualVolume},
		},
		{
			"an old program, as even and sleepless as ever, that draws more: twenty times as much would be a machine's",
			Finding{At: at, Ratio: 4, DayRatio: 12, Days: 10, Past: 200, Evidence: 20, pressure: 20, Devices: 1, Networks: 1, AwakeHours: 24, Evenness: 0.1, PastEvenness: 0.1},
			[]Fact{OwnIdentity, UsualVolume, EvenAsEver},
		},
		{
			"an ordinary day: it takes a stranger and much",
			Finding{At: at, Ratio: 1, DayRatio: 1, Days: 10, Past: 200, Devices: 1, Networks: 1, AwakeHours: 9, Evenness: 1.2, PastEvenness: 1.3},
			[]Fact{OwnIdentity, UsualVolume},
		},
		{
			"a thief is named, and nothing speaks for one",
			Finding{At: at, Ratio: 20, DayRatio: 20, Days: 10, Past: 200, Evidence: 30, pressure: 30, Novel: 20, Strange: 20, Score: 60, NewDevices: 1, Devices: 2, NewNetworks: 1, Networks: 2, AwakeHours: 20, Evenness: 1, PastEvenness: 1.3},
			nil,
		},
	} {
		if got := c.f.Saving(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}

// Whoever is named has nothing that saves them, whoever is not has something, and asking changes nothing.
func TestSavingIsOfTheInnocent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		real := func(name string, most float64) float64 { return rapid.Float64Range(0, most).Draw(t, name) }
		whole := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
		f := Finding{
			At: 20_000 * day, Ratio: real("ratio", 30), DayRatio: real("day", 200), Days: real("days", 20), Past: real("past", 300), Evidence: real("evidence", 90),
			Novel: real("novel", 30), Strange: real("strange", 30), NovelRatio: real("novel day", 50), NovelHours: whole("novel hours", 24),
			NewDevices: whole("new devices", 6), NewNetworks: whole("new networks", 6), NewKeys: whole("new keys", 2), NewCountries: whole("new countries", 2),
			AwakeHours: whole("awake", 24), Bout: real("bout", 30), Evenness: real("evenness", 2), PastEvenness: real("before", 2),
		}
		f.pressure = f.Evidence + real("young", 5)
		f.Devices, f.Networks = f.NewDevices+whole("devices", 2), f.NewNetworks+whole("networks", 2)
		if rapid.Bool().Draw(t, "even for long") {
			f.EvenSince = f.At - evenFor - cohort.Hour
		}
		if rapid.Bool().Draw(t, "unknown before") {
			f.PastEvenness = math.NaN()
		}
		f.Score = f.score()
		was := f.accused()
		if saved := f.Saving(); was == (len(saved) > 0) {
			t.Fatalf("accused %v, saved by %v", was, saved)
		}
		if f.accused() != was {
			t.Fatal("asking has changed it")
		}
	})
}
