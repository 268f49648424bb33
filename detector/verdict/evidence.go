package verdict

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// cardinal is the figure that carries the verdict.
func cardinal(f *Figures) []Evidence {
	switch {
	case f.ByMeasure:
		x := math.Exp(f.Shift)
		what := map[cohort.Measure]string{
			cohort.RequestsPerTurn:  "requests a turn",
			cohort.Background:       "requests that nobody asked for",
			cohort.InputPerRequest:  "input tokens a request",
			cohort.OutputPerRequest: "output tokens a request",
			cohort.Uncached:         "cost of the input at the cached share",
			cohort.Uncounted:        "input tokens a request",
		}[f.Measure]
		if f.Measure == cohort.Uncounted {
			x = 1 / x
		}
		return []Evidence{figure("against_own_past", fmt.Sprintf("%s: %.2gx each user's own past, averaged over users first", what, x), x, 1)}
	case f.Cause.Class == Organic || f.Cause.Class == Unknown:
		return nil // no flag and no measure shows it
	}
	off := f.Inside.Flagged(f.Flag)
	if off.Rows == 0 {
		return nil
	}
	n := max(f.Inside.Opportunities(f.Flag), off.Rows)
	share := float64(off.Rows) / float64(n)
	source := "learned price"
	if f.HasCard {
		source = "rate card"
	}
	switch f.Flag {
	case cohort.Over, cohort.Under, cohort.CacheLost:
		if off.Expected.IsZero() {
			return []Evidence{figure("price_off_rate_card", fmt.Sprintf("charged %.3g credits on %s of rows, which by the %s cost nothing", off.Charged.Float64(), percent(share), source), off.Charged.Float64(), 0)}
		}
		m := off.Charged.Float64() / off.Expected.Float64()
		if f.Cause == CacheDiscount {
			return []Evidence{figure("cache_discount_lost", fmt.Sprintf("cached input charged at the full input price on %s of rows that hold any", percent(share)), m, 1)}
		}
		return []Evidence{figure("price_off_rate_card", fmt.Sprintf("charged %.3gx the %s on %s of rows", m, source, percent(share)), m, 1)}
	case cohort.Duplicate:
		return []Evidence{figure("charged_again", fmt.Sprintf("%d rows charge a request that had been charged before: %.2g rows a request", off.Rows, perRequest(f)), perRequest(f), 1)}
	case cohort.Copy:
		return []Evidence{figure("same_tokens_again", fmt.Sprintf("%s of rows repeat the exact token counts of the row before under a new request", percent(share)), share, 0)}
	case cohort.Penalised:
		return []Evidence{figure("penalty_rows", fmt.Sprintf("%d penalty rows for %d users, %s of what the scope was charged", off.Rows, off.DayUsers, percent(off.Charged.Float64()/math.Max(f.Inside.Credits.Float64(), 1e-9))), float64(off.Rows), 0)}
	case cohort.FailureCharged:
		return []Evidence{figure("failures_charged", fmt.Sprintf("%s of failed requests are charged, %d rows", percent(share), off.Rows), share, 0)}
	case cohort.NoTokens:
		return []Evidence{figure("charge_without_tokens", fmt.Sprintf("%s of rows are charged without any token count", percent(share)), share, 0)}
	case cohort.GaugeOff:
		return gauge(f, share)
	case cohort.Gap:
		return []Evidence{figure("request_missing", fmt.Sprintf("%s of requests that could tell go on from one that nobody was charged for: they read from the cache what no charged request of the session sent, or a tool makes them in a turn that nobody began", percent(share)), share, 0)}
	case cohort.Short:
		return []Evidence{figure("input_too_short", fmt.Sprintf("on %s of requests the input grew by less than the answer that it repeats", percent(share)), share, 0)}
	case cohort.Blank:
		return []Evidence{figure("row_without_tokens", fmt.Sprintf("%s of rows went well without a token or a charge", percent(share)), share, 0)}
	}
	return nil
}

func perRequest(f *Figures) float64 {
	return float64(f.Inside.Rows) / math.Max(float64(f.Inside.Requests), 1)
}

// siblings says how the rest fared: unaffected cohorts are the proof of a scope.
func siblings(f *Figures) []Evidence {
	var out []Evidence
	if f.ByMeasure && len(f.Where) > 0 {
		out = append(out, figure("siblings_unaffected", fmt.Sprintf("everybody outside %s: %.2gx their own past", f.Where, math.Exp(f.Elsewhere)), math.Exp(f.Elsewhere), 1))
	} else if n := f.Outside.Opportunities(f.Flag); !f.ByMeasure && len(f.Where) > 0 && n > 0 && f.Inside.Flagged(f.Flag).Rows > 0 {
		off := f.Outside.Flagged(f.Flag).Rows
		out = append(out, figure("siblings_unaffected", fmt.Sprintf("outside %s %d of %d rows show it (%s)", f.Where, off, n, percent(float64(off)/float64(n))), float64(off)/float64(n), 0))
	}
	if f.Adopted != "" {
		out = append(out, line("onset_is_adoption", fmt.Sprintf("it began when %s appeared", f.Adopted)))
	}
	if f.Loser != "" {
		out = append(out, line("other_description", fmt.Sprintf("%s describes the same rows and lost: longer, or it did not appear with the onset", f.Loser)))
	}
	return out
}

// waterfall says which factors moved and what each is worth.
func waterfall(f *Figures, v Verdict) []Evidence {
	moved := slices.MinFunc(v.Factors, func(a, b Factor) int { return a.Compare(&b) })
	rest := 1.0
	for _, x := range v.Factors {
		if x.Name != moved.Name {
			rest *= x.Value
		}
	}
	return []Evidence{figure("factors", fmt.Sprintf("%s x%.3g of x%.3g (%.0f credits); everything else x%.3g", moved.Name, moved.Value, v.Ratio, moved.Credits, rest), moved.Value, v.Ratio)}
}

// behaviour are the factors that users and clients move.
var behaviour = []string{"users", "turns", "requests", "tokens", "cache", "mix"}

// against is the counter-evidence: which other verdicts were looked at, and the figure that speaks against them or for them.
func against(f *Figures, v Verdict) []Evidence {
	var out []Evidence
	add := func(code, text string) {
		out = append(out, Evidence{Code: code, Text: text, Against: true})
	}
	switch f.Cause.Class {
	case MeteringBug, UnderMetering:
		if v.HasRatio {
			behave := 1.0
			for _, x := range v.Factors {
				if slices.Contains(behaviour, x.Name) && x.rank() == unusual && !(x.Name == f.Cause.Factor && f.Cause.Class == UnderMetering) {
					behave *= x.Value
				}
			}
			beyond := ""
			if len(f.Like)+len(f.Usual) > 0 {
				beyond = ", beyond what is usual"
			}
			add("not_behaviour", fmt.Sprintf("what users and clients do is x%.2g%s: abuse or a client release would show there", behave, beyond))
		}
	case ClientBug:
		off := int64(0)
		for _, g := range []cohort.Flag{cohort.Over, cohort.Duplicate, cohort.Penalised} {
			off += f.Inside.Flagged(g).Rows
		}
		add("not_metering", fmt.Sprintf("%s of its rows are off their price, charged twice or penalties: the meter is right about what it sees", percent(float64(off)/math.Max(float64(f.Inside.Rows), 1))))
		add("not_abuse", "many users at once, each on devices of their own")
	case Organic:
		if v.HasRatio {
			add("not_a_bug", fmt.Sprintf("price x%.3g, rows a request x%.3g, surcharge x%.3g: every charge is right", v.Factor("price"), v.Factor("rows"), v.Factor("surcharge")))
		}
	case Unknown:
		out = append(out, unexplained(f, v)...)
	case Abuse:
	}
	if f.Cause == Penalty {
		add("enforcement_is_no_proof", "the accounts bear an enforcement flag, but nothing in their own usage moved before the charge: the flag is a suspect, not proof")
	}
	if f.Planned != "" {
		add("planned", fmt.Sprintf("the calendar has %q here, which does not explain as much of this factor", f.Planned))
	}
	return out
}

// unexplained says which causes the factors rule out, and what is missing for a verdict.
func unexplained(f *Figures, v Verdict) (out []Evidence) {
	missing := "who or what chose these models: none is new, and the calendar knows of no change"
	behave := fmt.Sprintf("turns x%.3g, requests x%.3g, tokens x%.3g, cache x%.3g: neither people nor clients do more", v.Factor("turns"), v.Factor("requests"), v.Factor("tokens"), v.Factor("cache"))
	if f.ByMeasure {
		missing = "what clients sent, to hold it against what the meter counted: answers are as long as ever, and no row says which client it is of"
		behave = fmt.Sprintf("turns x%.3g: people ask for no more", v.Factor("turns"))
	} else if v.HasRatio { // a meter that counts too much is not ruled out by charges that are right for what it counts
		right := fmt.Sprintf("price x%.3g, rows a request x%.3g, surcharge x%.3g: every charge is right for what was asked of which model", v.Factor("price"), v.Factor("rows"), v.Factor("surcharge"))
		out = append(out, Evidence{Code: "not_a_bug", Text: right, Against: true})
	}
	if v.HasRatio {
		out = append(out, Evidence{Code: "not_behaviour", Text: behave, Against: true})
	}
	if f.Adopted == "" {
		missing += "; it came with no release, meter or experiment arm"
	}
	out = append(out, line("missing", "missing: "+missing))
	if len(f.Lacks) > 0 {
		out = append(out, line("missing_fields", "missing: rows carry no "+strings.Join(f.Lacks, ", ")+", which might tell"))
	}
	return out
}

func percent(x float64) string {
	switch p := 100 * x; {
	case p >= 99.95 || p == 0:
		return fmt.Sprintf("%.0f%%", p)
	case p < 1:
		return fmt.Sprintf("%.2g%%", p)
	default:
		return fmt.Sprintf("%.1f%%", p)
	}
}
