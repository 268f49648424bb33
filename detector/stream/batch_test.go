package stream

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"
	"pgregory.net/rapid"
)

// encode makes a record batch with kafka-go's encoder, at a base offset.
func encode(t testing.TB, base int64, codec compress.Compression, records []protocol.Record) []byte {
	t.Helper()
	var buf bytes.Buffer
	rs := protocol.RecordSet{Version: 2, Attributes: protocol.Attributes(codec), Records: protocol.NewRecordReader(records...)}
	if _, err := rs.WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	b := buf.Bytes()[4:] // behind the size of the record set
	binary.BigEndian.PutUint64(b, uint64(base))
	return b
}

// sign sets the checksum after a batch was tampered with.
func sign(b []byte) []byte {
	binary.BigEndian.PutUint32(b[atCRC:], crc32.Checksum(b[atAttributes:], castagnoli))
	return b
}

func decode(t testing.TB, data []byte) []record {
	t.Helper()
	b, rest, err := cutBatch(data)
	if err != nil || b == nil || b.err != nil || len(rest) != 0 {
		t.Fatalf("batch %+v, %d bytes left, %v", b, len(rest), err)
	}
	s, _, err := inflate(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []record
	for c := (cursor{s: s, b: b, left: b.count}); ; {
		var r record
		more, err := c.next(&r)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return out
		}
		out = append(out, r)
	}
}

// TestDecodeAgreesWithKafkaGo holds the decoder against kafka-go's encoder, on anything.
func TestDecodeAgreesWithKafkaGo(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(rt, "records")
		codec := compress.Compression(rapid.IntRange(0, 4).Draw(rt, "codec"))
		base := rapid.Int64Range(0, 1<<60).Draw(rt, "base")
		blob := rapid.SliceOfN(rapid.Byte(), 0, 300)
		records := make([]protocol.Record, n)
		want := make([]record, n)
		headers := make([][]Header, n)
		for i := range records {
			at := time.UnixMilli(rapid.Int64Range(1, 1<<43).Draw(rt, "time"))
			want[i] = record{offset: base + int64(i), time: at.UnixMilli()}
			records[i] = protocol.Record{Time: at}
			if rapid.Bool().Draw(rt, "has key") {
				k := blob.Draw(rt, "key")
				records[i].Key, want[i].key, want[i].hasKey = protocol.NewBytes(k), string(k), true
			}
			if rapid.Bool().Draw(rt, "has value") {
				v := blob.Draw(rt, "value")
				records[i].Value, want[i].value, want[i].hasValue = protocol.NewBytes(v), string(v), true
			}
			for range rapid.IntRange(0, 3).Draw(rt, "headers") {
				h := Header{Key: rapid.StringN(1, 20, 80).Draw(rt, "name"), Value: string(blob.Draw(rt, "text"))}
				headers[i] = append(headers[i], h)
				records[i].Headers = append(records[i].Headers, protocol.Header{Key: h.Key, Value: []byte(h.Value)})
			}
		}
		got := decode(t, encode(t, base, codec, records))
		if len(got) != n {
			rt.Fatalf("%d records, want %d", len(got), n)
		}
		for i, r := range got {
			hs, err := parseHeaders(r.headers)
			if err != nil || !slices.Equal(hs, headers[i]) {
				rt.Fatalf("headers %v, %v; want %v", hs, err, headers[i])
			}
			if r.headers = ""; r != want[i] {
				rt.Fatalf("record %d: %+v, want %+v", i, r, want[i])
			}
		}
	})
}

func someRecords(n int) []protocol.Record {
	records := make([]protocol.Record, n)
	for i := range records {
		records[i] = protocol.Record{Time: time.UnixMilli(int64(i + 1)), Key: protocol.NewBytes([]byte("key")), Value: protocol.NewBytes(fmt.Appendf(nil, "value %d", i))}
	}
	return records
}

// TestUnreadable hands a puller batches that cannot be read. Each is reported with the offsets it covers, and what
// follows is read if the handler says so.
func TestUnreadable(t *testing.T) {
	good := func() []byte { return encode(t, 100, compress.None, someRecords(5)) }
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := enc.EncodeAll(make([]byte, maxInflated+1), nil)
	payload := func(attributes uint16, count uint32, body []byte) []byte {
		b := append(good()[:batchHeader], body...)
		binary.BigEndian.PutUint32(b[atLength:], uint32(len(b)-12))
		binary.BigEndian.PutUint16(b[atAttributes:], attributes)
		binary.BigEndian.PutUint32(b[atCount:], count)
		return sign(b)
	}
	for name, tc := range map[string]struct {
		batch    []byte
		from, to int64
		records  int
		cause    string
	}{
		"flipped bit":         {flip(good(), batchHeader+20), 100, 105, 0, "checksum"},
		"more than announced": {payload(0, 4, good()[batchHeader:]), 104, 105, 4, "a record is damaged"},
		"less than announced": {payload(0, 6, good()[batchHeader:]), 105, 105, 5, "a record is damaged"},
		"unknown compression": {payload(6, 5, []byte("x")), 100, 105, 0, "compression 6 is unknown"},
		"broken zstd":         {payload(4, 5, []byte("not zstd")), 100, 105, 0, "zstd"},
		"broken gzip":         {payload(1, 5, []byte("not gzip")), 100, 105, 0, "gzip"},
		"bomb":                {payload(4, 5, bomb), 100, 105, 0, "decompresses to more than 128 MiB"},
		"format 1":            {[]byte("\x00\x00\x00\x00\x00\x00\x00\x64\x00\x00\x00\x0a\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00"), 100, 101, 0, "format 1"},
	} {
		t.Run(name, func(t *testing.T) {
			b, _, err := cutBatch(tc.batch)
			if err != nil || b == nil {
				t.Fatalf("batch %v, %v", b, err)
			}
			client, err := New(Options{Config: Config{Brokers: []string{"127.0.0.1:1"}}})
			if err != nil {
				t.Fatal(err)
			}
			p := client.puller("usage", 3, 100, -1)
			n := 0
			emit := func(*record) error { n++; return nil }
			err = p.take(context.Background(), b, &txnFilter{}, emit)
			var ue *UnreadableError
			if !errors.As(err, &ue) || !errors.Is(err, ErrUnreadable) {
				t.Fatalf("error %v", err)
			}
			if ue.Topic != "usage" || ue.Partition != 3 || ue.From != tc.from || ue.To != tc.to || !strings.Contains(ue.Error(), tc.cause) || n != tc.records {
				t.Errorf("%v after %d records; want offsets %d to %d, %q, %d records", ue, n, tc.from, tc.to-1, tc.cause, tc.records)
			}
			if p.next != 100 {
				t.Errorf("moved on to %d", p.next)
			}
			p.unreadable = func(context.Context, *UnreadableError) error { return nil }
			if err := p.take(context.Background(), b, &txnFilter{}, emit); err != nil || p.next != b.next {
				t.Errorf("not skipped: at %d, %v", p.next, err)
			}
		})
	}
	for name, data := range map[string][]byte{
		"negative length": flip(good(), atLength), "format 3": append(good()[:atMagic], append([]byte{3}, good()[atCRC:]...)...),
		"negative count of offsets": sign(flip(good(), atLastDelta)),
	} {
		if _, _, err := cutBatch(data); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func flip(b []byte, at int) []byte { b[at] ^= 0x80; return b }

// FuzzBatch feeds the decoder anything, with a right checksum so that it gets past that.
func FuzzBatch(f *testing.F) {
	for codec := range compress.Compression(5) {
		f.Add(encode(f, 7, codec, someRecords(3)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) >= batchHeader {
			sign(data)
		}
		for rest := data; ; {
			var b *batch
			var err error
			if b, rest, err = cutBatch(rest); b == nil || err != nil {
				return
			}
			if b.next <= b.base {
				t.Fatalf("batch from %d to %d", b.base, b.next)
			}
			if b.err != nil {
				continue
			}
			s, _, err := inflate(b, nil)
			if err != nil {
				continue
			}
			var r record
			for c := (cursor{s: s, b: b, left: b.count}); ; {
				more, err := c.next(&r)
				if err != nil || !more {
					break
				}
				if r.offset < b.base || r.offset >= b.next {
					t.Fatalf("offset %d outside %d to %d", r.offset, b.base, b.next)
				}
				_, _ = parseHeaders(r.headers)
			}
		}
	})
}

// FuzzFetch feeds the parser of answers anything: it must neither panic nor read past the end.
func FuzzFetch(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01t\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseFetch(body, 1)
		if err == nil && len(got.batches) > len(body) {
			t.Fatal("more batches than answer")
		}
	})
}

func TestMurmur2(t *testing.T) {
	// org.apache.kafka.common.utils.UtilsTest.testMurmur2, and toPositive(hash) % 1000.
	for key, hash := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string":                       -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got, want := PartitionOf([]byte(key), 1000), int32(uint32(hash)&0x7fffffff%1000); got != want {
			t.Errorf("%q: partition %d, want %d", key, got, want)
		}
	}
	if PartitionOf(nil, 1000) != PartitionOf([]byte{}, 1000) {
		t.Error("a missing key is not where an empty one is")
	}
}

func TestTxnFilter(t *testing.T) {
	const txn, control = transactionalFlag, transactionalFlag | controlFlag
	f := txnFilter{pending: []abortedTxn{{producer: 1, first: 10}, {producer: 1, first: 30}}}
	for i, step := range []struct {
		b       batch
		abort   bool
		dropped bool
	}{
		{batch{base: 0, next: 5, producer: 1, attributes: txn}, false, false},   // before its first aborted offset
		{batch{base: 8, next: 10, producer: 1, attributes: txn}, false, false},  // right before
		{batch{base: 10, next: 12, producer: 1, attributes: txn}, false, true},  // aborted
		{batch{base: 12, next: 14, producer: 2, attributes: txn}, false, false}, // another producer
		{batch{base: 14, next: 16, producer: 1}, false, false},                  // outside transactions
		{batch{base: 16, next: 17, producer: 1, attributes: control}, true, true},
		{batch{base: 17, next: 20, producer: 1, attributes: txn}, false, false}, // the next transaction, committed
		{batch{base: 20, next: 21, producer: 1, attributes: control}, false, true},
		{batch{base: 30, next: 31, producer: 1, attributes: txn}, false, true}, // the one after, aborted
	} {
		if got := f.dropped(&step.b, step.abort); got != step.dropped {
			t.Errorf("step %d: dropped %v, want %v", i, got, step.dropped)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, codec := range []compress.Compression{compress.None, compress.Lz4, compress.Zstd} {
		b.Run(codec.String(), func(b *testing.B) {
			const n = 1000
			r := rand.New(rand.NewPCG(1, 2))
			records := make([]protocol.Record, n)
			for i := range records {
				v := fmt.Appendf(nil, `{"id":"%016x","time":%d,"user":"user-%d","credits":0.%06d,"input_tokens":%d,"model":"gpt-5-codex","plan":"pro","region":"eu-west-1","client":"cli","client_version":"0.40.1","request_id":"%016x"}`,
					r.Uint64(), 1750000000000+i, r.IntN(100000), r.IntN(1000000), r.IntN(100000), r.Uint64())
				records[i] = protocol.Record{Time: time.UnixMilli(1750000000000), Key: protocol.NewBytes([]byte("user")), Value: protocol.NewBytes(v)}
			}
			data := encode(b, 0, codec, records)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var scratch []byte
			for b.Loop() {
				bt, _, err := cutBatch(data)
				if err != nil || bt.err != nil {
					b.Fatal(err, bt.err)
				}
				var s string
				if s, scratch, err = inflate(bt, scratch); err != nil {
					b.Fatal(err)
				}
				var r record
				for c := (cursor{s: s, b: bt, left: bt.count}); ; {
					more, err := c.next(&r)
					if err != nil {
						b.Fatal(err)
					}
					if !more {
						break
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
		})
	}
}
