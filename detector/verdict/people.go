package verdict

import (
	"fmt"
	"math"

	"github.com/drainwatch/drainwatch/detector/profile"
)

// OfDrain settles whose doing one user's drain is.
func OfDrain(f *profile.Finding, h *Hearing) Cause {
	switch f.Doer(h.sign) {
	case profile.Many:
		return SharedAccount
	case profile.Stranger:
		return StolenKey
	case profile.Machine:
		return ScriptedDrain
	case profile.Owner:
	}
	return PowerUser
}

// JudgeDrain writes the verdict on one user's drain.
func JudgeDrain(f *profile.Finding, cause Cause) Verdict {
	v := Verdict{Confidence: 0.6}
	switch cause.Name {
	case StolenKey.Name, SharedAccount.Name:
		v.Confidence = min(0.95, 0.6+f.Score/100+0.05*float64(f.NewNetworks))
	case ScriptedDrain.Name:
		v.Confidence = min(0.9, 0.6+f.Automation()/20)
	}
	now, base := OfCounts(&f.Now), OfCounts(&f.Base)
	v.Ratio, v.Factors, _, v.HasRatio = Split(now, base)
	before := fmt.Sprintf("in the %.0f before", f.Past)
	if f.ByPeers() {
		before = "of users of the same plan, client, model and organisation, who are much alike, as the account is new"
	}
	v.Evidence = append(v.Evidence, figure("against_own_past", fmt.Sprintf("%.3g credits at list price an active ten minutes, against %.3g %s: x%.2g", f.Observed, f.Expected, before, f.Ratio), f.Observed, f.Expected))
	if cause.Name == ScriptedDrain.Name && f.Ratio < 3 {
		v.Evidence = append(v.Evidence, figure("day_volume", fmt.Sprintf("the last day drew x%.2g of a usual day: not by more at a time but by hardly ever pausing", f.DayRatio), f.DayRatio, 1))
	}
	if f.NewDevices+f.NewNetworks+f.NewKeys+f.NewCountries > 0 {
		v.Evidence = append(v.Evidence, line("new_identity", fmt.Sprintf("first seen within a day: %d devices, %d networks, %d keys, %d countries; at work within a day: %d devices, %d networks", f.NewDevices, f.NewNetworks, f.NewKeys, f.NewCountries, f.Devices, f.Networks)))
	} else {
		v.Evidence = append(v.Evidence, Evidence{Code: "known_identity", Text: "every device, network and key is the account's own: theft would bring new ones", Against: true})
	}
	v.Evidence = append(v.Evidence, figure("hours_awake", fmt.Sprintf("rows in %d of the last 24 hours", f.AwakeHours), float64(f.AwakeHours), 12))
	if f.Sleepless() {
		v.Evidence = append(v.Evidence, figure("no_pause", fmt.Sprintf("no pause of an hour for %.1f h", f.Bout), f.Bout, 4))
	}
	if !math.IsNaN(f.Evenness) {
		text := fmt.Sprintf("gaps between rows vary by %.2g of their mean", f.Evenness)
		if !math.IsNaN(f.PastEvenness) {
			text += fmt.Sprintf(", %.2g before", f.PastEvenness)
		}
		v.Evidence = append(v.Evidence, Evidence{Code: "evenness", Text: text, Against: f.Evenness >= 0.5})
	}
	v.Evidence = append(v.Evidence, Evidence{Code: "innocent_explanation", Text: "a second computer, travel or an automation of the owner's own would look alike: ask before acting", Against: true})
	return v
}

// OfCounts returns what one user drew; users stand for active stretches of time.
func OfCounts(c *profile.Counts) Period {
	return Period{
		Users: float64(c.Buckets), Turns: float64(c.Turns), Requests: float64(c.Requests), Rows: float64(c.Rows),
		Input: float64(c.Input), Cached: float64(c.Cached), Output: float64(c.Output), Credits: float64(c.Credits),
		Usage: float64(c.Credits), Priced: float64(c.Credits), List: float64(c.List), Full: float64(c.List),
	}
}

// Spare says, of a finding that is told of nobody, what speaks for its user: the facts that keep it from being told.
func Spare(f *profile.Finding) []Evidence {
	var out []Evidence
	for _, fact := range f.Saving() {
		e := Evidence{Against: true}
		switch fact {
		case profile.OwnIdentity:
			e.Code, e.Text = "known_identity", fmt.Sprintf("no new device on a new network draws: first seen within a day are %d devices, %d networks, %d keys, %d countries", f.NewDevices, f.NewNetworks, f.NewKeys, f.NewCountries)
		case profile.UsualVolume:
			e.Code, e.Text = "usual_volume", fmt.Sprintf("an active ten minutes draws x%.2g of what it used to, the day x%.2g", f.Ratio, f.DayRatio)
			e.Observed, e.Expected = finite(f.Ratio), finite(1)
		case profile.UnevenGaps:
			e.Code, e.Text = "evenness", fmt.Sprintf("gaps between rows vary by %.2g of their mean: no machine's", f.Evenness)
		case profile.EvenAsEver:
			e.Code, e.Text = "even_as_ever", fmt.Sprintf("gaps between rows vary by %.2g of their mean, %.2g before: it was always so, or has not lasted", f.Evenness, f.PastEvenness)
		case profile.Pauses:
			e.Code, e.Text = "pauses", fmt.Sprintf("rows in %d of the last 24 hours: somebody sleeps", f.AwakeHours)
		}
		out = append(out, e)
	}
	return out
}
