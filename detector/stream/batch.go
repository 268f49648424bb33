package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// The header of a record batch (format 2, Kafka 0.11 and later), big endian. Length counts from after itself, the
// checksum covers from the attributes to the end.
const (
	atLength     = 8
	atMagic      = 16
	atCRC        = 17
	atAttributes = 21
	atLastDelta  = 23
	atBaseTime   = 27
	atMaxTime    = 35
	atProducer   = 43
	atCount      = 57
	batchHeader  = 61

	compressionMask   = 0x07
	appendTimeFlag    = 0x08
	transactionalFlag = 0x10
	controlFlag       = 0x20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is one record batch as it lies in the answer to a fetch.
type batch struct {
	base, next        int64 // offsets of the first record and behind the last, removed ones included
	attributes        int16
	baseTime, maxTime int64
	producer          int64
	count             int32
	records           []byte // as stored: maybe compressed
	err               error  // why it cannot be read; base and next hold nevertheless
}

func (b *batch) control() bool       { return b.attributes&controlFlag != 0 }
func (b *batch) transactional() bool { return b.attributes&transactionalFlag != 0 }

var errDamagedHeader = errors.New("its header is damaged")

// cutBatch takes the first batch off data. It returns nil when data ends within it, as the last one of an answer
// may. An error means that what follows cannot be found either.
func cutBatch(data []byte) (b *batch, rest []byte, err error) {
	if len(data) < atCRC {
		return nil, nil, nil
	}
	base := int64(binary.BigEndian.Uint64(data))
	length := int64(int32(binary.BigEndian.Uint32(data[atLength:])))
	magic := data[atMagic]
	if base < 0 || length < atCRC-12 {
		return nil, nil, &UnreadableError{From: base, To: base + 1, Cause: errDamagedHeader}
	}
	if int64(len(data)) < 12+length {
		return nil, nil, nil
	}
	data, rest = data[:12+length], data[12+length:]
	if magic < 2 {
		// A wrapper's own offset is that of its last record; the first one is not in the header.
		return &batch{base: base, next: base + 1, err: fmt.Errorf("format %d, from before Kafka 0.11, is not supported: write it anew with a current client", magic)}, rest, nil
	}
	if len(data) < batchHeader || magic > 2 {
		return nil, nil, &UnreadableError{From: base, To: base + 1, Cause: errDamagedHeader}
	}
	be := binary.BigEndian
	delta := int32(be.Uint32(data[atLastDelta:]))
	b = &batch{
		base:       base,
		next:       base + int64(delta) + 1,
		attributes: int16(be.Uint16(data[atAttributes:])),
		baseTime:   int64(be.Uint64(data[atBaseTime:])),
		maxTime:    int64(be.Uint64(data[atMaxTime:])),
		producer:   int64(be.Uint64(data[atProducer:])),
		count:      int32(be.Uint32(data[atCount:])),
		records:    data[batchHeader:],
	}
	if delta < 0 || b.next < b.base {
		return nil, nil, &UnreadableError{From: base, To: base + 1, Cause: errDamagedHeader}
	}
	if want, got := be.Uint32(data[atCRC:]), crc32.Checksum(data[atAttributes:], castagnoli); want != got {
		b.err = fmt.Errorf("checksum %08x, want %08x: it was damaged on the way or on the broker's disk", got, want)
	}
	return b, rest, nil
}

// record is one record of a batch. Key and value share the memory of the batch.
type record struct {
	offset, time     int64 // time in Unix milliseconds
	key, value       string
	hasKey, hasValue bool   // false: null, which is not the same as empty
	headers          string // as stored, with their count in front
}

var errDamagedRecord = errors.New("a record is damaged")

// cursor walks over the decompressed records of a batch.
type cursor struct {
	s    string
	b    *batch
	left int32
}

// next reads one record into r. It returns false at the end.
func (c *cursor) next(r *record) (bool, error) {
	if c.left <= 0 {
		if len(c.s) != 0 {
			return false, errDamagedRecord
		}
		return false, nil
	}
	c.left--
	length, s, ok := cutVarint(c.s)
	if !ok || length < 0 || length > int64(len(s)) {
		return false, errDamagedRecord
	}
	s, c.s = s[:length], s[length:]
	if len(s) == 0 {
		return false, errDamagedRecord
	}
	s = s[1:] // attributes, unused
	timeDelta, s, ok1 := cutVarint(s)
	offsetDelta, s, ok2 := cutVarint(s)
	if !ok1 || !ok2 || offsetDelta < 0 || c.b.base+offsetDelta >= c.b.next {
		return false, errDamagedRecord
	}
	r.offset = c.b.base + offsetDelta
	r.time = c.b.baseTime + timeDelta
	if c.b.attributes&appendTimeFlag != 0 {
		r.time = c.b.maxTime
	}
	if r.key, r.hasKey, s, ok = cutBytes(s); !ok {
		return false, errDamagedRecord
	}
	if r.value, r.hasValue, s, ok = cutBytes(s); !ok {
		return false, errDamagedRecord
	}
	r.headers = s
	return true, nil
}

// cutBytes reads a nullable byte string.
func cutBytes(s string) (v string, present bool, rest string, ok bool) {
	n, s, ok := cutVarint(s)
	if !ok || n > int64(len(s)) {
		return "", false, "", false
	}
	if n < 0 {
		return "", false, s, true
	}
	return s[:n], true, s[n:], true
}

// cutVarint reads a zigzag integer of at most ten bytes.
func cutVarint(s string) (v int64, rest string, ok bool) {
	var u uint64
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		c := s[i]
		u |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return int64(u>>1) ^ -int64(u&1), s[i+1:], true
		}
	}
	return 0, "", false
}

// parseHeaders reads the headers of a record.
func parseHeaders(s string) ([]Header, error) {
	n, s, ok := cutVarint(s)
	if !ok || n < 0 || n > int64(len(s)) { // a header takes two bytes at least
		return nil, errDamagedRecord
	}
	headers := make([]Header, 0, n)
	for range n {
		var key, value string
		var present bool
		if key, present, s, ok = cutBytes(s); !ok || !present {
			return nil, errDamagedRecord
		}
		if value, _, s, ok = cutBytes(s); !ok {
			return nil, errDamagedRecord
		}
		headers = append(headers, Header{Key: key, Value: value})
	}
	return headers, nil
}
