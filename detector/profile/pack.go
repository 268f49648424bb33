package profile

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// grain is what the times of a user at rest are rounded down to: a divisor of Bucket.
const grain = int64(8e9)

// Parts of a packed user. What is zero is left out.
const (
	hasOpen uint32 = 1 << iota // rows in the open bucket: then the user's id is there too
	hasToday
	hasPast
	hasStanding
	hasRecent
	hasPastDays
	hasLogsToday
	hasLogsPast
	hasNovelAwake
	hasTurns
	hasFlags
	hasMeasured
	hasTokens
	hasVolume
	hasNovel
	hasStrange
	hasDayVolume
	hasDayNovel
	hasWeighed // at another bucket than the present one
	weighedNow
	hasSince
	hasSaying
	isSaid
	hasEvenSince
	hasLately
	hasEvenness
	hasIDs
	hasLeaf
	hasCreated
	hasShort
	hasBout
	hasSlow // the last that there is room for
)

var errPacked = errors.New("packed user is cut off or corrupt")

// settle rounds the state of a user whose bucket has closed to what pack keeps: sums to 16 significant bits, times to the grain
// or, of identities, to the bucket once their order within it no longer matters. It is part of closing a bucket and not of
// packing, so that it does not show who was packed when. A sum that fades by 1% a step is off by a part in 1,300 at most.
func (u *User) settle() {
	u.LastAt -= u.LastAt % grain
	for _, c := range [...]*Counts{&u.today, &u.past, &u.standing, &u.recent} {
		for _, p := range c.all() {
			round(p)
		}
	}
	for _, p := range [...]*float32{
		&u.pastDays, &u.pastActive, &u.logsToday.n, &u.logsToday.sum, &u.logsToday.squares, &u.logsPast.n, &u.logsPast.sum, &u.logsPast.squares,
		&u.volume, &u.novel, &u.strange, &u.dayVolume, &u.dayNovel, &u.slow.sum, &u.slow.squares, &u.lately.n, &u.lately.sum, &u.evenness.n, &u.evenness.sum,
		&u.short.credits, &u.short.rows, &u.short.requests, &u.bout.pace, &u.bout.mean, &u.bout.variance,
	} {
		round(p)
	}
	now := uint32(u.bucket / 1e9)
	for k := range u.ids {
		for i := range u.ids[k] {
			id := &u.ids[k][i]
			if id.last -= id.last % bucketSec; id.first+datedSec < now {
				id.first -= id.first % bucketSec
			}
		}
	}
	for i := range u.tokens.latest {
		if x := &u.tokens.latest[i]; x.n >= asked { // it has counted
			x.sum = tokenMean{}.sum
		}
	}
	if x := &u.tokens.short; x.n >= asked {
		x.sum = tokenMean{}.sum
	}
}

// datedSec is for how long it is known to the second when an identity came.
const datedSec = 4 * daySec

func round(p *float32) {
	b := math.Float32bits(*p)
	*p = math.Float32frombits((b + 0x7f + b>>8&1) &^ 0xff)
}

// pack appends a settled user's state without loss; LastAt is kept apart, to grain, and leaf is the number of the user's. Cost: one
// pass, no allocation where dst has room.
//
// Times are distances from LastAt, most of them in buckets; numbers that are whole, or equal to the one before, are short.
func (u *User) pack(dst []byte, leaf uint32) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	parts := uint32(0)
	part := func(bit uint32, there bool) bool {
		if there {
			parts |= bit
		}
		return there
	}
	dst = binary.AppendUvarint(dst, uint64((u.LastAt-u.FirstAt)/grain))
	if part(hasLeaf, u.leaf != nil) {
		dst = binary.AppendUvarint(dst, uint64(leaf))
	}
	if part(hasOpen, u.open()) {
		dst = binary.AppendUvarint(dst, uint64(u.LastAt%grain))
		dst = binary.AppendUvarint(dst, uint64(len(u.key)))
		dst = append(dst, u.key...)
		for _, p := range u.now.all() {
			dst = appendFull(dst, *p)
		}
		for _, x := range [...]float32{u.gaps.n, u.gaps.sum, u.gaps.squares, u.novelNow, u.strangeNow} {
			dst = appendFull(dst, x)
		}
	}
	for i, c := range [...]*Counts{&u.today, &u.past, &u.standing, &u.recent} {
		if part(hasToday<<i, *c != Counts{}) {
			dst = appendCounts(dst, c)
		}
	}
	if part(hasPastDays, u.pastDays != 0 || u.pastActive != 0) {
		dst = appendAlike(appendFloat(dst, u.pastDays), u.pastActive, u.past.Buckets)
	}
	for i, s := range [...]spread{u.logsToday, u.logsPast} {
		if part(hasLogsToday<<i, s != spread{}) {
			dst = appendSpread(dst, s, u.pastActive)
		}
	}
	dst = appendUint24(dst, u.awake)
	if part(hasNovelAwake, u.novelAwake != 0) {
		dst = appendUint24(dst, u.novelAwake)
	}
	if part(hasTurns, u.turnAt != 0) {
		dst = append(dst, u.turnAt)
		for _, t := range u.turns[:min(u.turnAt, 4)] {
			dst = appendUint24(dst, t)
		}
	}
	if part(hasFlags, u.flags != nil) {
		dst = u.flags.pack(dst, u.LastAt/60e9)
	}
	if part(hasMeasured, u.freshMeasure != 0 || u.dayMeasure != 0 || u.dayOf != 0) {
		dst = binary.AppendVarint(dst, int64(u.hourNo)-int64(u.freshMeasure))
		dst = binary.AppendVarint(dst, int64(u.hourNo)-int64(u.dayMeasure))
		dst = append(dst, u.dayOf)
	}
	if part(hasTokens, u.tokens != tokenSpans{}) {
		dst = u.tokens.pack(dst, u.hourNo)
	}
	for i, x := range [...]float32{u.volume, u.novel, u.strange, u.dayVolume, u.dayNovel} {
		if part(hasVolume<<i, x != 0) {
			dst = appendFloat(dst, x)
		}
	}
	if part(weighedNow, u.weighedIn == u.number()); part(hasWeighed, u.weighedIn != u.number() && u.weighedIn != 0) {
		dst = u.appendNumber(dst, u.weighedIn)
	}
	if part(hasSince, u.since != 0) {
		dst = u.appendBucket(dst, u.since)
	}
	part(isSaid, u.said)
	if part(hasSaying, u.saidIn != 0 || u.strongIn != 0 || u.heldDays != 0) {
		dst = append(u.appendNumber(u.appendNumber(dst, u.saidIn), u.strongIn), u.heldDays)
	}
	if part(hasEvenSince, u.evenSince != 0) {
		dst = u.appendBucket(dst, u.evenSince)
	}
	if part(hasSlow, u.slow != pool{}) {
		dst = appendFloat(appendFloat(append(dst, u.slow.gaps, u.slow.idle), u.slow.sum), u.slow.squares)
		dst = u.appendNumber(dst, u.slow.from)
	}
	for i, a := range [...]average{u.lately, u.evenness} {
		if part(hasLately<<i, a != average{}) {
			dst = appendFloat(appendFloat(dst, a.n), a.sum)
		}
	}
	if part(hasIDs, u.ids != [numKinds]identities{}) {
		dst = appendIDs(dst, &u.ids, uint32(u.bucket/1e9))
	}
	if part(hasCreated, u.created != 0) {
		dst = binary.AppendVarint(dst, int64(u.dayNo)-int64(u.created))
	}
	if part(hasShort, u.short != usage{}) {
		dst = appendFloat(appendFloat(dst, u.short.credits), u.short.rows)
		dst = appendAlike(dst, u.short.requests, u.short.rows)
	}
	if part(hasBout, u.bout != bout{}) {
		dst = append(dst, u.bout.large, u.bout.length)
		if u.bout.large > 0 { // else there is no pace
			dst = appendFloat(appendFloat(appendFloat(dst, u.bout.pace), u.bout.mean), u.bout.variance)
		}
	}
	binary.LittleEndian.PutUint32(dst[start:], parts)
	return dst
}

// unpack reads what pack wrote of a user that was last seen at last, and returns the number of the user's leaf, what is left of
// src, and an error if that is no packed user. u must be empty, but for flags to be filled where there are some.
func (u *User) unpack(src []byte, last int64) (leaf uint32, rest []byte, err error) {
	r := unpacker{src: src}
	parts := r.uint32()
	flags := u.flags
	u.flags = nil
	if last < 0 || last%grain != 0 {
		return 0, src, errPacked
	}
	age := r.uvarint(uint64(last / grain))
	u.FirstAt = last - int64(age)*grain
	if parts&hasLeaf != 0 {
		leaf = uint32(r.uvarint(math.MaxUint32))
	}
	if parts&hasOpen != 0 {
		last += int64(r.uvarint(uint64(grain - 1)))
		u.key = append(u.key[:0], r.take(int(r.uvarint(event.MaxUser)))...)
		for _, p := range u.now.all() {
			*p = r.full()
		}
		for _, p := range [...]*float32{&u.gaps.n, &u.gaps.sum, &u.gaps.squares, &u.novelNow, &u.strangeNow} {
			*p = r.full()
		}
	}
	u.LastAt = last
	u.bucket, u.dayNo, u.hourNo = last-last%Bucket, int32(last/day), int32(last/cohort.Hour)
	for i, c := range [...]*Counts{&u.today, &u.past, &u.standing, &u.recent} {
		if parts&(hasToday<<i) != 0 {
			*c = r.counts()
		}
	}
	if parts&hasPastDays != 0 {
		u.pastDays, u.pastActive = r.float(), r.alike(u.past.Buckets)
	}
	for i, s := range [...]*spread{&u.logsToday, &u.logsPast} {
		if parts&(hasLogsToday<<i) != 0 {
			*s = r.spread(u.pastActive)
		}
	}
	u.awake = r.uint24()
	if parts&hasNovelAwake != 0 {
		u.novelAwake = r.uint24()
	}
	if parts&hasTurns != 0 {
		u.turnAt = byte(r.uvarint(7))
		for i := range min(u.turnAt, 4) {
			u.turns[i] = r.uint24()
		}
	}
	if parts&hasFlags != 0 {
		if u.flags = flags; flags == nil {
			u.flags = new(flagState)
		}
		u.flags.unpack(&r, last/60e9)
	}
	if parts&hasMeasured != 0 {
		u.freshMeasure, u.dayMeasure = r.before(u.hourNo), r.before(u.hourNo)
		u.dayOf = r.byte()
	}
	if parts&hasTokens != 0 {
		u.tokens.unpack(&r, u.hourNo)
	}
	for i, x := range [...]*float32{&u.volume, &u.novel, &u.strange, &u.dayVolume, &u.dayNovel} {
		if parts&(hasVolume<<i) != 0 {
			*x = r.float()
		}
	}
	if parts&hasWeighed != 0 {
		u.weighedIn = u.readNumber(&r)
	} else if parts&weighedNow != 0 {
		u.weighedIn = u.number()
	}
	if parts&hasSince != 0 {
		u.since = u.readBucket(&r)
	}
	u.said = parts&isSaid != 0
	if parts&hasSaying != 0 {
		u.saidIn, u.strongIn, u.heldDays = u.readNumber(&r), u.readNumber(&r), r.byte()
	}
	if parts&hasEvenSince != 0 {
		u.evenSince = u.readBucket(&r)
	}
	if parts&hasSlow != 0 {
		u.slow.gaps, u.slow.idle = r.byte(), r.byte()
		u.slow.sum, u.slow.squares = r.float(), r.float()
		u.slow.from = u.readNumber(&r)
	}
	for i, a := range [...]*average{&u.lately, &u.evenness} {
		if parts&(hasLately<<i) != 0 {
			*a = average{r.float(), r.float()}
		}
	}
	if parts&hasIDs != 0 {
		r.ids(&u.ids, uint32(u.bucket/1e9))
	}
	if parts&hasCreated != 0 {
		u.created = r.before(u.dayNo)
	}
	if parts&hasShort != 0 {
		s := &u.short
		s.credits, s.rows = r.float(), r.float()
		s.requests = r.alike(s.rows)
	}
	if parts&hasBout != 0 {
		u.bout.large, u.bout.length = r.byte(), r.byte()
		if u.bout.large > 0 {
			u.bout.pace, u.bout.mean, u.bout.variance = r.float(), r.float(), r.float()
		}
	}
	if r.bad {
		return 0, src, errPacked
	}
	return leaf, r.src, nil
}

// appendBucket writes the start of a bucket at or before the present one, or 0.
func (u *User) appendBucket(dst []byte, at int64) []byte {
	if at == 0 {
		return append(dst, 0)
	}
	return binary.AppendUvarint(dst, uint64((u.bucket-at)/Bucket)+1)
}

func (u *User) readBucket(r *unpacker) int64 {
	n := r.uvarint(uint64(u.bucket / Bucket))
	if n == 0 {
		return 0
	}
	return u.bucket - int64(n-1)*Bucket
}

// appendNumber writes the number of a bucket alike.
func (u *User) appendNumber(dst []byte, n int32) []byte { return u.appendBucket(dst, int64(n)*Bucket) }

func (u *User) readNumber(r *unpacker) int32 { return int32(u.readBucket(r) / Bucket) }
