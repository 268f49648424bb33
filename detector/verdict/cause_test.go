package verdict

import (
	"math"
	"slices"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/profile"
)

func amount(credits float64) (s event.Sum) {
	s.Add(event.Credits(math.Round(credits * float64(event.Credit))))
	return s
}

func TestOfOver(t *testing.T) {
	// shape makes the sums of rows with these shares of input, charged as one fault charges each.
	shape := func(faults ...cohort.Fault) *cohort.Shape {
		s := &cohort.Shape{}
		for i, f := range faults {
			x := []float64{0.2, 0.4, 0.6, 0.8}[i]
			s.Observe(x, 0, f.Charge(x, 0))
		}
		return s
	}
	price := func(x float64) cohort.Fault { return cohort.Fault{Flat: x, Input: 1} }
	count := func(x float64) cohort.Fault { return cohort.Fault{Flat: 1, Input: x} }
	same, apart := shape(price(12), price(12), price(12), price(12)), shape(price(1.2), price(5), price(2.5), price(10))
	like := &cohort.Shape{}
	for _, x := range []float64{0.9, 0.91, 0.92} {
		like.Observe(x, 0, count(1.5).Charge(x, 0))
	}
	tokens := shape(count(12), count(12), count(12), count(12))
	for _, c := range []struct {
		why        string
		over, lost int64
		shape      *cohort.Shape
		want       Cause
	}{
		{"one multiple on all rows: the price", 100, 0, same, Price},
		{"nothing is known of the shape", 100, 0, nil, Price},
		{"eight rows in ten at exactly the full input price: the discount", 100, 80, nil, CacheDiscount},
		{"a flat multiple imitates that on some rows by chance", 100, 79, nil, Price},
		{"the discount is settled before the shape is looked at", 100, 100, tokens, CacheDiscount},
		{"one multiple on the input alone, the output priced right: tokens counted wrong", 100, 0, tokens, TokenCount},
		{"neither is the same on all rows: the price, as each row's own", 100, 0, apart, Price},
		{"a row tells no shape", 1, 0, shape(count(3)), Price},
		{"spread within the noise of prices", 100, 0, like, Price},
		{"no row is over", 0, 0, nil, Price},
	} {
		cell := &cohort.Cell{Shape: c.shape}
		cell.OffOf(cohort.Over).Rows = c.over
		cell.OffOf(cohort.CacheLost).Rows = c.lost
		if got := OfOver(cell, &Hearing{}); got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got.Name, c.want.Name)
		}
	}
}

// The contract's causes, each of its class, and no other.
func TestCausesAreTheContracts(t *testing.T) {
	contract := map[Class]map[string]bool{
		MeteringBug:   set("price", "duplicate_charge", "cache_discount_lost", "token_count", "penalty", "failures_charged", "window"),
		ClientBug:     set("request_loop", "background_work", "context_bloat", "cache_miss"),
		Abuse:         set("stolen_key", "shared_account", "scripted_drain", "farming"),
		Organic:       set("surge", "power_user"),
		UnderMetering: set("price", "lost_rows", "token_count"),
		Unknown:       set("unknown"),
	}
	factors := map[string]bool{}
	for _, n := range Names {
		factors[n] = true
	}
	for _, c := range everyCause() {
		if !contract[c.Class][c.Name] {
			t.Errorf("%s/%s is not in the contract", c.Class, c.Name)
		}
		if !factors[c.Factor] || c.What == "" || c.Next == "" {
			t.Errorf("%s/%s: factor %q, what %q, next %q", c.Class, c.Name, c.Factor, c.What, c.Next)
		}
	}
	for _, f := range Families {
		if f.Cause.Class != MeteringBug && f.Cause.Class != UnderMetering {
			t.Errorf("the flag %v is a meter's doing, not %s", f.Flag, f.Cause.Class)
		}
	}
	for _, b := range Behaviours {
		// No client has a say in how much it is answered, nor in what a meter leaves out.
		want := ClientBug
		switch b.Measure {
		case cohort.OutputPerRequest:
			want = MeteringBug
		case cohort.Uncounted:
			want = UnderMetering
		default:
		}
		if b.Cause.Class != want {
			t.Errorf("the measure %v is a %s, not %s", b.Measure, want, b.Cause.Class)
		}
	}
}

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

func everyCause() []Cause {
	return []Cause{
		Price, DuplicateCharge, CacheDiscount, TokenCount, Penalty, FailuresCharged, RequestLoop, BackgroundWork, ContextBloat, CacheMiss,
		StolenKey, SharedAccount, ScriptedDrain, Farming, Surge, PowerUser, UnderPrice, LostRows, FewTokens, Unexplained,
	}
}

func TestOfDrain(t *testing.T) {
	nan := math.NaN()
	busy := profile.Finding{User: "u", Ratio: 20, Evenness: nan, PastEvenness: nan, AwakeHours: 9, DayRatio: 20, Days: 7}
	for _, c := range []struct {
		why    string
		change func(*profile.Finding)
		want   Cause
	}{
		{"volume alone accuses nobody", func(*profile.Finding) {}, PowerUser},
		{"a new device proves nothing: people own two", func(f *profile.Finding) { f.NewDevices, f.Devices = 1, 2 }, PowerUser},
		{
			"much drawn by a new device on a new network", func(f *profile.Finding) {
				f.NewDevices, f.NewNetworks, f.Score = 1, 1, profile.IdentityThreshold
			}, StolenKey,
		},
		{
			"a machine with a new key on the owner's own device, whose networks roam: the owner's script", func(f *profile.Finding) {
				f.Devices, f.NewNetworks, f.NewKeys, f.Score = 1, 2, 1, profile.IdentityThreshold
				f.AwakeHours, f.Evenness, f.PastEvenness = 5, 0.03, 1.5
			}, PowerUser,
		},
		{
			"a machine with a new key on a new network, where no device is told", func(f *profile.Finding) {
				f.NewNetworks, f.NewKeys, f.Score = 1, 1, profile.IdentityThreshold
				f.AwakeHours, f.Evenness, f.PastEvenness = 5, 0.03, 1.5
			}, StolenKey,
		},
		{"the same evidence without anything new is no theft", func(f *profile.Finding) { f.Score = profile.IdentityThreshold }, PowerUser},
		{
			"at even gaps for hours, as never before, and much: a machine", func(f *profile.Finding) {
				f.At, f.EvenSince, f.Evenness, f.PastEvenness, f.Evidence, f.DayRatio = 6*cohort.Hour, cohort.Hour, 0.05, 1.2, 15, profile.ScriptRatio*3
			}, ScriptedDrain,
		},
		{
			"far beyond the user's days for a day on end, by nobody new: no person is awake for so long", func(f *profile.Finding) {
				f.AwakeHours, f.Evidence, f.DayRatio = 20, profile.VolumeThreshold, 40
			}, ScriptedDrain,
		},
		{
			"the same in a long day's work", func(f *profile.Finding) {
				f.AwakeHours, f.Evidence, f.DayRatio = 16, profile.VolumeThreshold, 40
			}, PowerUser,
		},
		{
			"the same without a pause of an hour: no person's day", func(f *profile.Finding) {
				f.AwakeHours, f.Bout, f.Evidence, f.DayRatio = 13, 11, profile.VolumeThreshold, 40
			}, ScriptedDrain,
		},
		{
			"a new machine in a new place that hardly rests beside the owner's", func(f *profile.Finding) {
				f.NewDevices, f.Devices, f.NewNetworks, f.NovelHours, f.NovelRatio, f.Strange = 1, 2, 1, 14, profile.IntruderRatio, 5
			}, StolenKey,
		},
		{
			"one abroad that draws no more in a stretch, and never rests", func(f *profile.Finding) {
				f.NewDevices, f.Devices, f.NewNetworks, f.NewCountries, f.NovelHours, f.NovelRatio = 1, 1, 1, 1, 16, profile.IntruderRatio
			}, StolenKey,
		},
		{
			"the same who rests: a traveller's long day on a new computer", func(f *profile.Finding) {
				f.NewDevices, f.Devices, f.NewNetworks, f.NewCountries, f.NovelHours, f.NovelRatio = 1, 1, 1, 1, 15, profile.IntruderRatio
			}, PowerUser,
		},
		{
			"the same at home: a new computer at a new job", func(f *profile.Finding) {
				f.NewDevices, f.Devices, f.NewNetworks, f.NovelHours, f.NovelRatio = 1, 1, 1, 16, profile.IntruderRatio
			}, PowerUser,
		},
		{
			"the same at even gaps: a job that has moved", func(f *profile.Finding) {
				f.NewDevices, f.Devices, f.NewNetworks, f.NovelHours, f.NovelRatio, f.Strange = 1, 2, 1, 14, profile.IntruderRatio, 5
				f.Evenness, f.PastEvenness = 0.05, 0.05
			}, PowerUser,
		},
		{
			"the same in an account that never sleeps, a few times its days", func(f *profile.Finding) {
				f.AwakeHours, f.Evidence, f.DayRatio = 24, profile.VolumeThreshold, 5
			}, PowerUser,
		},
		{"even gaps that were always even are the owner's way", func(f *profile.Finding) { f.Evenness, f.PastEvenness = 0.05, 0.05 }, PowerUser},
		{
			"many devices on many networks and a day of several days' worth", func(f *profile.Finding) {
				f.NewDevices, f.NewNetworks, f.Devices, f.Networks = 6, 6, 7, 7
			}, SharedAccount,
		},
		{
			"as many on one network: an office", func(f *profile.Finding) { f.NewDevices, f.NewNetworks, f.Devices, f.Networks = 6, 0, 7, 1 }, PowerUser,
		},
	} {
		f := busy
		c.change(&f)
		if got := OfDrain(&f, &Hearing{}); got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got.Name, c.want.Name)
		}
	}
}

// What is watched for is told apart, and every cause is known by its class and name.
func TestCausesAreAllOfThem(t *testing.T) {
	seen := map[Class]map[string]bool{}
	for _, c := range Causes {
		if seen[c.Class] == nil {
			seen[c.Class] = map[string]bool{}
		}
		if seen[c.Class][c.Name] {
			t.Errorf("%s/%s is listed twice", c.Class, c.Name)
		}
		seen[c.Class][c.Name] = true
	}
	for _, f := range Families {
		if !slices.Contains(Causes, f.Cause) {
			t.Errorf("%s is watched for and not listed", f.Cause.Name)
		}
	}
	for _, b := range Behaviours {
		if !slices.Contains(Causes, b.Cause) {
			t.Errorf("%s is watched for and not listed", b.Cause.Name)
		}
	}
}
