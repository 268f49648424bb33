package incident

import "fmt"

// doubts say what would change a verdict, by class and cause; a class alone speaks for the causes that are not named.
var doubts = map[string]string{
	"metering_bug":                     "the meter's owner shows that these charges are meant: then it is a change that nobody declared",
	"metering_bug/price":               "somebody decided this price, and neither the rate card nor the calendar has it: then it is planned, and the rate card is wrong",
	"metering_bug/duplicate_charge":    "the repeated rows prove to be requests of their own that the client sent: then it is the client that repeats them",
	"metering_bug/cache_discount_lost": "the provider bills the same input as not cached: then the client or the provider misses the cache, and the charge is right",
	"metering_bug/token_count":         "the provider counts the same tokens for some of these requests: then contexts or answers did grow",
	"metering_bug/penalty":             "the usage of these accounts moved before they were charged the penalty: then the enforcement had a reason",
	"metering_bug/failures_charged":    "the failed requests did return what was asked for: then the status is wrong, not the charge",
	"metering_bug/window":              "the users' real budgets differ from those in plans: then the gauge is right and the configuration is not",
	"client_bug":                       "users without the release, or back on the one before, show the same: then the client is not at fault",
	"abuse":                            "the owner recognises what is at work: then it is theirs",
	"abuse/stolen_key":                 "the owner recognises the new devices and networks (travel, a new computer): then it is theirs",
	"abuse/shared_account":             "the account belongs to a team that pays for it, or one network explains the many devices: then it is shared by right",
	"abuse/scripted_drain":             "the owner says that it is their automation: then it is a power user",
	"abuse/farming":                    "the device is lent or a classroom's, the key a gateway's, the address a crowd's: then the accounts have nothing to do with each other",
	"organic":                          "a price, a row or a token in it proves wrong: then a meter is behind it",
	"organic/power_user":               "a device, network or key appears that is not the account's own: then it may be theft",
	"under_metering":                   "somebody decided the discount, and neither the rate card nor the calendar has it: then it is planned",
	"under_metering/lost_rows":         "the missing requests were answered free of charge, or are charged elsewhere: then they are not lost",
	"under_metering/token_count":       "the provider counts the same tokens for some of these requests: then clients leave out what was said before",
	"unknown":                          "the evidence above names what is missing: with it there may be a verdict",
}

// doubts returns what would change the verdict, the general case first.
func (x *Explanation) doubts() []string {
	r := &x.Alert
	out := []string{}
	text := doubts[r.Class+"/"+r.Cause]
	if text == "" {
		text = doubts[r.Class]
	}
	if text != "" {
		out = append(out, text)
	}
	for _, e := range r.Evidence {
		if e.Code == "siblings_unaffected" && e.Observed != nil {
			out = append(out, "rows outside the scope begin to show it: then the scope is too narrow")
		}
	}
	if x.Alert.Class == "abuse" || x.Alert.Class == "organic" {
		return out // what else moved there is what the one person does
	}
	for _, m := range x.AlsoMoved {
		out = append(out, fmt.Sprintf("it stays high once this is mended (%s): then there is a second cause, such as %s", m.By, m.What))
	}
	return out
}
