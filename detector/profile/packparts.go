package profile

import (
	"encoding/binary"
	"math"

	"github.com/drainwatch/drainwatch/detector/cohort"
)

// Codes of a number in packed counts, two bits each.
const (
	codeZero = iota
	codeWhole
	codeSame // as the number before that is not zero
	codeRaw
)

// wholeBelow bounds the whole numbers that are shorter as such than as floats.
const wholeBelow = 1 << 14

const numCounts = 13

func (c *Counts) all() [numCounts]*float32 {
	return [...]*float32{
		&c.Buckets, &c.Rows, &c.Requests, &c.Turns, &c.Background, &c.Failures, &c.Penalties,
		&c.Credits, &c.List, &c.Input, &c.Cached, &c.CacheWrite, &c.Output,
	}
}

func appendCounts(dst []byte, c *Counts) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	codes, before := uint32(0), float32(0)
	for i, p := range c.all() {
		x := *p
		code := uint32(codeRaw)
		switch n := uint32(max(min(x, wholeBelow), 0)); {
		case x == 0:
			continue
		case x == before:
			code = codeSame
		case float32(n) == x && n < wholeBelow:
			code = codeWhole
			dst = binary.AppendUvarint(dst, uint64(n))
		default:
			dst = appendFloat(dst, x)
		}
		before = x
		codes |= code << (2 * i)
	}
	binary.LittleEndian.PutUint32(dst[at:], codes)
	return dst
}

func (r *unpacker) counts() (c Counts) {
	codes, before := r.uint32(), float32(0)
	for i, p := range c.all() {
		switch codes >> (2 * i) & 3 {
		case codeZero:
			continue
		case codeWhole:
			*p = float32(r.uvarint(wholeBelow))
		case codeSame:
			*p = before
		case codeRaw:
			*p = r.float()
		}
		before = *p
	}
	r.bad = r.bad || codes>>(2*numCounts) != 0
	return c
}

// appendFloat writes a number that is rounded.
func appendFloat(dst []byte, x float32) []byte { return appendUint24(dst, math.Float32bits(x)>>8) }

func (r *unpacker) float() float32 { return math.Float32frombits(r.uint24() << 8) }

// appendAlike writes a rounded number that is often the same as another: the mark is the top byte of none, since
// such are negative and beyond 1e38.
func appendAlike(dst []byte, x, other float32) []byte {
	b := math.Float32bits(x) >> 8
	if b == math.Float32bits(other)>>8 {
		return append(dst, 0xff)
	}
	return append(dst, byte(b>>16), byte(b>>8), byte(b))
}

func (r *unpacker) alike(other float32) float32 {
	top := r.byte()
	if top == 0xff {
		return other
	}
	mid := r.byte()
	return math.Float32frombits(uint32(top)<<24 | uint32(mid)<<16 | uint32(r.byte())<<8)
}

func appendFull(dst []byte, x float32) []byte {
	return binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
}

func (r *unpacker) full() float32 { return math.Float32frombits(r.uint32()) }

func appendUint24(dst []byte, x uint32) []byte {
	return append(dst, byte(x), byte(x>>8), byte(x>>16))
}

// appendSpread writes a count that is whole short: twice it, where a float has a 1 and the same as another a 3.
func appendSpread(dst []byte, s spread, other float32) []byte {
	switch n := uint32(max(min(s.n, wholeBelow), 0)); {
	case float32(n) == s.n:
		dst = binary.AppendUvarint(dst, uint64(n)<<1)
	case s.n == other:
		dst = append(dst, 3)
	default:
		dst = appendFloat(append(dst, 1), s.n)
	}
	return appendFloat(appendFloat(dst, s.sum), s.squares)
}

func (r *unpacker) spread(other float32) (s spread) {
	switch n := r.uvarint(wholeBelow << 1); n {
	case 1:
		s.n = r.float()
	case 3:
		s.n = other
	default:
		r.bad = r.bad || n&1 != 0
		s.n = float32(n >> 1)
	}
	s.sum, s.squares = r.float(), r.float()
	return s
}

// appendIDs writes how many identities of each kind there are, three bits a kind, and each of them with how long ago it was
// seen, last and first.
func appendIDs(dst []byte, ids *[numKinds]identities, now uint32) []byte {
	at := len(dst)
	dst = append(dst, 0, 0)
	lens := uint16(0)
	for k := range ids {
		n := perKind
		for n > 0 && ids[k][n-1] == (identity{}) {
			n--
		}
		lens |= uint16(n) << (3 * k)
		for _, id := range ids[k][:n] {
			dst = appendUint24(dst, id.hash)
			dst = appendAgo(appendAgo(dst, now-id.last), id.last-id.first)
		}
	}
	binary.LittleEndian.PutUint16(dst[at:], lens)
	return dst
}

// appendAgo writes twice the seconds, or the buckets and a 1 where they are whole.
func appendAgo(dst []byte, sec uint32) []byte {
	if sec%bucketSec == 0 {
		return binary.AppendUvarint(dst, uint64(sec/bucketSec)<<1|1)
	}
	return binary.AppendUvarint(dst, uint64(sec)<<1)
}

func (r *unpacker) ago() uint32 {
	n := r.uvarint(math.MaxUint32 << 1)
	if n&1 == 0 {
		return uint32(n >> 1)
	}
	return uint32(n>>1) * bucketSec
}

const bucketSec = uint32(Bucket / 1e9)

func (r *unpacker) ids(ids *[numKinds]identities, now uint32) {
	lens := uint16(r.byte()) | uint16(r.byte())<<8
	r.bad = r.bad || lens>>(3*numKinds) != 0
	for k := range ids {
		n := int(lens >> (3 * k) & 7)
		if n > perKind {
			r.bad = true
			return
		}
		for i := range n {
			id := &ids[k][i]
			id.hash = r.uint24()
			id.last = now - r.ago()
			id.first = id.last - r.ago()
		}
	}
}

// hasBrief stands beside the number of the latest rollouts where a brief span follows.
const hasBrief = 0x80

// pack appends the spans of a user last seen in an hour.
func (s *tokenSpans) pack(dst []byte, hour int32) []byte {
	dst = binary.AppendVarint(dst, int64(hour)-int64(s.hour))
	dst = binary.AppendUvarint(dst, uint64(s.inHour))
	n := len(s.latest)
	for n > 0 && s.latest[n-1] == (tokenMean{}) {
		n--
	}
	if s.brief == 0 && s.short == (tokenMean{}) {
		dst = append(dst, byte(n))
	} else {
		dst = binary.AppendVarint(append(dst, byte(n)|hasBrief), 60*int64(hour)-int64(s.brief))
		dst = s.short.pack(dst)
	}
	for i := range n {
		dst = s.latest[i].pack(dst)
	}
	return dst
}

func (x *tokenMean) pack(dst []byte) []byte {
	dst = append(dst, x.rollout, x.n)
	for _, sum := range x.sum {
		dst = binary.AppendVarint(dst, int64(sum))
	}
	return dst
}

func (x *tokenMean) unpack(r *unpacker) {
	x.rollout, x.n = r.byte(), r.byte()
	for k := range x.sum {
		x.sum[k] = int16(r.varint(math.MinInt16, math.MaxInt16))
	}
}

func (s *tokenSpans) unpack(r *unpacker, hour int32) {
	s.hour = r.before(hour)
	s.inHour = uint32(r.uvarint(math.MaxUint32))
	n := r.byte()
	if n&hasBrief != 0 {
		now := 60 * int64(hour)
		s.brief = int32(now - r.varint(now-math.MaxInt32, now-math.MinInt32))
		s.short.unpack(r)
	}
	if n &^= hasBrief; int(n) > len(s.latest) {
		r.bad = true
		return
	}
	for i := range n {
		s.latest[i].unpack(r)
	}
}

// pack appends the flags that are not zero of a user last seen in a minute.
func (s *flagState) pack(dst []byte, minute int64) []byte {
	at := len(dst)
	dst = append(dst, 0, 0)
	set := uint16(0)
	var none flagState
	for f := range s {
		x := &s[f]
		if *x == none[f] {
			continue
		}
		set |= 1 << f
		run := uint64(0)
		if x.run {
			run = 1
		}
		dst = binary.AppendUvarint(dst, uint64(x.bucket)<<1|run)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(x.since))
		dst = binary.AppendVarint(dst, minute-int64(x.fresh))
		dst = binary.AppendVarint(dst, minute-int64(x.freshDay))
		dst = appendFull(dst, x.past)
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(x.rows)), uint64(x.said))
	}
	binary.LittleEndian.PutUint16(dst[at:], set)
	return dst
}

func (s *flagState) unpack(r *unpacker, minute int64) {
	*s = flagState{}
	set := uint16(r.byte()) | uint16(r.byte())<<8
	r.bad = r.bad || set>>cohort.NumFlags != 0
	for f := range s {
		if set&(1<<f) == 0 {
			continue
		}
		x := &s[f]
		n := r.uvarint(2*math.MaxUint16 + 1)
		x.bucket, x.run = uint16(n>>1), n&1 != 0
		x.since = int64(uint64(r.uint32()) | uint64(r.uint32())<<32)
		x.fresh = int32(minute - r.varint(minute-math.MaxInt32, minute-math.MinInt32))
		x.freshDay = int32(minute - r.varint(minute-math.MaxInt32, minute-math.MinInt32))
		x.past = r.full()
		x.rows, x.said = uint16(r.uvarint(math.MaxUint16)), uint16(r.uvarint(math.MaxUint16))
	}
}
