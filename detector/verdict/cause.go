package verdict

import "github.com/drainwatch/drainwatch/detector/cohort"

// Class says whose doing a change is.
type Class string

// The classes of the contract.
const (
	MeteringBug   Class = "metering_bug"
	ClientBug     Class = "client_bug"
	Abuse         Class = "abuse"
	Organic       Class = "organic"
	UnderMetering Class = "under_metering"
	Unknown       Class = "unknown"
)

// Cause is one way in which consumption goes wrong.
type Cause struct {
	Class  Class
	Name   string
	Factor string // the factor that moves
	What   string // in the first line: what is wrong
	Next   string // what to do next
}

// The causes that are told apart today.
var (
	Price           = Cause{MeteringBug, "price", "price", "price off the rate card", "roll back the meter or price list named in the scope, then credit the ledger's overcharges"}
	DuplicateCharge = Cause{MeteringBug, "duplicate_charge", "rows", "the same request charged more than once", "stop the retry or double write that charges twice, then credit the ledger's duplicate rows"}
	CacheDiscount   = Cause{MeteringBug, "cache_discount_lost", "price", "cached input charged at the full price", "restore the cached price on this path, then credit the difference in the ledger"}
	TokenCount      = Cause{MeteringBug, "token_count", "tokens", "tokens counted wrong", "compare the counted tokens with the provider's on some requests of the scope"}
	Penalty         = Cause{MeteringBug, "penalty", "surcharge", "an enforcement system charges honest users", "suspend the enforcement charge, then credit the penalty rows in the ledger"}
	FailuresCharged = Cause{MeteringBug, "failures_charged", "price", "failed requests are charged", "stop charging failed requests, then credit the rows in the ledger"}

	Window = Cause{MeteringBug, "window", "surcharge", "the gauge shown to users disagrees with their charges", "repair what counts and resets the windows, then start the listed users' windows afresh; no credits are owed"}

	RequestLoop    = Cause{ClientBug, "request_loop", "requests", "the client repeats requests within a turn", "halt the release's rollout and look at its retry and tool loops"}
	BackgroundWork = Cause{ClientBug, "background_work", "requests", "the client works without being asked", "halt the release's rollout and look at its background jobs"}
	ContextBloat   = Cause{ClientBug, "context_bloat", "tokens", "the client sends much larger contexts", "halt the release's rollout and look at what it puts into the context"}
	CacheMiss      = Cause{ClientBug, "cache_miss", "cache", "the client no longer hits the cache", "halt the release's rollout and look at what changes the prefix of its requests"}

	StolenKey     = Cause{Abuse, "stolen_key", "requests", "a new identity drains the account beside its owner", "ask the owner, rotate the key, look at the new devices and networks"}
	SharedAccount = Cause{Abuse, "shared_account", "requests", "many people use one account", "ask the owner; look at devices and networks at work at the same time"}
	ScriptedDrain = Cause{Abuse, "scripted_drain", "requests", "a script drains the account round the clock", "ask the owner whether this is their automation"}
	Farming       = Cause{Abuse, "farming", "users", "young accounts that one hand runs", "look at what else the accounts share before acting"}

	Surge     = Cause{Organic, "surge", "turns", "people simply do more, or choose what is new and dearer", "nothing: planned capacity may want to know"}
	PowerUser = Cause{Organic, "power_user", "turns", "one busy person", "nothing"}

	UnderPrice = Cause{UnderMetering, "price", "price", "charged below the rate card", "look at the price list named in the scope"}
	LostRows   = Cause{UnderMetering, "lost_rows", "requests", "requests that were answered are missing from the charges", "look for what drops rows between the meter of the scope and here: queues, filters, partitions"}
	FewTokens  = Cause{UnderMetering, "token_count", "tokens", "tokens are missing from the counts", "compare the counted tokens with the provider's on some requests of the scope"}

	Unexplained = Cause{Unknown, "unknown", "mix", "no known cause explains it", "look at the factor that moved and what the evidence says is missing"}
)

// Causes lists them all, by class. Whoever names causes elsewhere (labels, routes, headlines) takes them from here.
var Causes = []Cause{
	Price, DuplicateCharge, CacheDiscount, TokenCount, Penalty, FailuresCharged, Window,
	RequestLoop, BackgroundWork, ContextBloat, CacheMiss,
	StolenKey, SharedAccount, ScriptedDrain, Farming,
	Surge, PowerUser,
	UnderPrice, LostRows, FewTokens,
	Unexplained,
}

// Family is how rows that are off by themselves are watched: by which flag, and what it comes to.
type Family struct {
	Flag  cohort.Flag
	Cause Cause
}

// Families lists the flags that are watched. Over is settled by what most of the rows look like: see OfOver.
var Families = []Family{
	{cohort.Over, Price},
	{cohort.Under, UnderPrice},
	{cohort.Duplicate, DuplicateCharge},
	{cohort.Copy, DuplicateCharge},
	{cohort.Penalised, Penalty},
	{cohort.FailureCharged, FailuresCharged},
	{cohort.NoTokens, TokenCount},
	{cohort.GaugeOff, Window},
	{cohort.Gap, LostRows},
	{cohort.Short, FewTokens},
	{cohort.Blank, FewTokens},
}

// lostShare is the share of rows with cached input that must cost exactly what they cost without the discount. A flat
// multiplier imitates that on some rows by chance, so it is settled over a batch, never over a row.
const lostShare = 0.8

// OfOver settles rows charged too much: a lost discount shows only on rows with cached input, and there exactly; tokens
// counted wrong leave the output's price right, so the input's multiple is the same on every row and the row's is not.
func OfOver(c *cohort.Cell, h *Hearing) Cause {
	over, lost := c.Flagged(cohort.Over).Rows, c.Flagged(cohort.CacheLost).Rows
	if h.Says(SignalOf(cohort.CacheLost), over > 0 && float64(lost) >= lostShare*float64(over)) {
		return CacheDiscount
	}
	if flat, input := c.Shape.Spreads(); h.Says(InputAlone, flat > 0.03 && input < flat/2) {
		return TokenCount
	}
	return Price
}

// OfFault says what one fault that multiplies the charges of rows comes to.
func OfFault(f cohort.Fault, h *Hearing) Cause {
	k := f.Kind()
	switch {
	case h.Says(SignalOf(cohort.CacheLost), k == cohort.Undiscounted):
		return CacheDiscount
	case h.Says(InputAlone, k == cohort.Recounted):
		return TokenCount
	}
	return Price
}

// Behaviour is how clients are watched: by which measure, and what it comes to.
type Behaviour struct {
	Measure cohort.Measure
	Cause   Cause
}

// Behaviours lists the measures that are watched for client faults.
var Behaviours = []Behaviour{
	{cohort.RequestsPerTurn, RequestLoop},
	{cohort.Background, BackgroundWork},
	{cohort.InputPerRequest, ContextBloat},
	{cohort.OutputPerRequest, TokenCount},
	{cohort.Uncached, CacheMiss},
	{cohort.Uncounted, FewTokens},
}
