package dedupe

import (
	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector/event"
)

// Content hashes what a row says about its charge: request and turn, time, kind, status, credits, tokens, dimensions and reason.
// Rows that agree in all of it are redeliveries of each other. Left out is what describes the account rather than the charge, since
// a sender that sends a row again may look it up afresh: enforcement, age, gauge and identity pseudonyms. The hash is the same on every
// machine and costs about 100 ns.
func Content(e *event.Event) uint64 {
	h := hash(0x27d4eb2f165667c5)
	h = h.text(e.RequestID).text(e.TurnID).text(e.Reason)
	h = h.word(uint64(e.Time)).word(uint64(e.Credits))
	flags := uint64(e.Kind)<<16 | uint64(e.Status)<<8
	if e.HasTokens {
		flags |= 1
	}
	h = h.word(flags)
	h = h.word(uint64(e.Input)).word(uint64(e.Cached)).word(uint64(e.CacheWrite)).word(uint64(e.Output)).word(uint64(e.Reasoning))
	for _, d := range &e.Dims {
		h = h.text(d)
	}
	return uint64(h)
}

// hash is a chain of multiplications over words; strings enter by their own hash, so that none can run into the next.
type hash uint64

func (h hash) word(x uint64) hash {
	return hash(fold(uint64(h)^0x9e3779b97f4a7c15, x^0xa0761d6478bd642f))
}

func (h hash) text(s string) hash {
	if s == "" {
		return h.word(0)
	}
	return h.word(xxhash.Sum64String(s))
}
