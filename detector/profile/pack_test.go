package profile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/dense"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/price"
	"github.com/drainwatch/drainwatch/fixtures"
)

// kept lists the fields of a User that are not packed, since they follow from others or from where the user stands.
var kept = []string{"LastAt", "key", "leaf", "seat", "bucket", "dayNo", "hourNo", "FirstAt"}

// drawUser returns a user whose every field is zero, or anything that it can be.
func drawUser(t *rapid.T) *User {
	u := &User{leaf: plain, LastAt: monday + rapid.Int64Range(0, 1000*day).Draw(t, "last")}
	open := rapid.Bool().Draw(t, "open")
	if open {
		u.key = []byte(rapid.StringN(1, 20, 256).Draw(t, "key"))
	} else {
		u.LastAt -= u.LastAt % grain
	}
	u.bucket, u.dayNo, u.hourNo = u.LastAt-u.LastAt%Bucket, int32(u.LastAt/day), int32(u.LastAt/cohort.Hour)
	u.FirstAt = u.LastAt - u.LastAt%grain - grain*rapid.Int64Range(0, 1e6).Draw(t, "age")
	if rapid.Bool().Draw(t, "flagged") {
		u.flags = &flagState{}
	}
	var fill func(v reflect.Value, path string)
	fill = func(v reflect.Value, path string) {
		switch {
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				f := v.Type().Field(i)
				ofOpen := slices.Contains([]string{".now", ".gaps", ".novelNow", ".strangeNow"}, path+"."+f.Name)
				if (open || !ofOpen) && (path != "" || !slices.Contains(kept, f.Name)) {
					fill(reflect.NewAt(f.Type, unsafe.Pointer(v.Field(i).UnsafeAddr())).Elem(), path+"."+f.Name)
				}
			}
		case v.Kind() == reflect.Array:
			for i := range v.Len() {
				fill(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
			}
		case v.Kind() == reflect.Pointer:
			if !v.IsNil() {
				fill(v.Elem(), path)
			}
		case rapid.IntRange(0, 2).Draw(t, path) == 0: // zero, or what stands
		case slices.Contains([]string{".weighedIn", ".saidIn", ".strongIn", ".slow.from"}, path):
			v.SetInt(int64(u.number()) - rapid.Int64Range(0, 10_000).Draw(t, path))
		case slices.Contains([]string{".since", ".evenSince"}, path):
			v.SetInt(u.bucket - Bucket*rapid.Int64Range(0, 10_000).Draw(t, path))
		case path == ".turnAt":
			v.SetUint(rapid.Uint64Range(0, 7).Draw(t, path))
		case strings.HasPrefix(path, ".turns") || strings.HasSuffix(path, ".hash"):
			v.SetUint(rapid.Uint64Range(1, 1<<24-1).Draw(t, path))
		case path == ".awake" || path == ".novelAwake":
			v.SetUint(uint64(rapid.Uint32Range(0, 1<<24-1).Draw(t, path)))
		case v.Kind() == reflect.Float32:
			v.SetFloat(float64(rapid.OneOf(rapid.Float32Range(-1e6, 1e20), rapid.Map(rapid.IntRange(0, 1<<22), func(n int) float32 { return float32(n) })).Draw(t, path)))
		case v.Kind() == reflect.Bool:
			v.SetBool(true)
		case v.CanUint():
			v.SetUint(rapid.Uint64().Draw(t, path) & (1<<v.Type().Bits() - 1))
		case v.CanInt():
			shift := 64 - v.Type().Bits()
			v.SetInt(rapid.Int64().Draw(t, path) >> shift)
		default:
			t.Fatalf("%s is a %v: how is it packed?", path, v.Type())
		}
	}
	fill(reflect.ValueOf(u).Elem(), "")
	if open {
		u.now.Rows, u.now.Penalties = max(u.now.Rows, 1), max(u.now.Penalties, 0)
	}
	for i := min(u.turnAt, 4); i < 4; i++ {
		u.turns[i] = 0
	}
	if u.bout.large == 0 {
		u.bout = bout{length: u.bout.length}
	}
	last := u.LastAt
	u.settle() // as it was left when the bucket before was closed
	u.LastAt = last
	return u
}

// What a user is comes back from the packing, field by field: a field that is forgotten fails here.
func TestPackingLosesNothing(t *testing.T) {
	longest := 0
	rapid.Check(t, func(t *rapid.T) {
		u := drawUser(t)
		b := u.pack(nil, 7)
		longest = max(longest, len(b))
		var got User
		leaf, rest, err := got.unpack(append(b, 1, 2), u.LastAt-u.LastAt%grain)
		if err != nil || leaf != 7 || !bytes.Equal(rest, []byte{1, 2}) {
			t.Fatalf("leaf %d, rest %v, error %v", leaf, rest, err)
		}
		got.leaf, got.mark = u.leaf, u.mark
		if !reflect.DeepEqual(got, *u) {
			t.Errorf("packed %+v\nread   %+v", *u, got)
		}
		for n := range len(b) { // cut off anywhere
			if _, _, err := new(User).unpack(b[:n], u.LastAt-u.LastAt%grain); err == nil {
				t.Fatalf("the first %d of %d bytes were taken for a user", n, len(b))
			}
		}
	})
	if longest > dense.MaxRecord || longest < 600 {
		t.Errorf("up to %d bytes: no more than %d fit, and less proves little", longest, dense.MaxRecord)
	}
}

// Whatever the bytes, reading them ends in a user that packs and reads the same, or in an error.
func FuzzUnpack(f *testing.F) {
	table, last := settled(f, 20, 14, &fixtures.Restless)
	for n := range uint32(table.Len()) {
		f.Add(bytes.Clone(table.packed.At(table.seats.At(n).at)), last)
	}
	f.Fuzz(func(t *testing.T, b []byte, last int64) {
		var u, again User
		leaf, _, err := u.unpack(b, last)
		if err != nil {
			return
		}
		if leaf != 0 {
			u.leaf = plain
		}
		one := u.pack(nil, leaf)
		if _, _, err := again.unpack(one, last); err != nil {
			t.Fatalf("what was read packs to what cannot be read: %v", err)
		}
		again.leaf, again.mark = u.leaf, u.mark
		if two := again.pack(nil, leaf); !bytes.Equal(one, two) {
			t.Errorf("packed % x\nthen   % x", one, two)
		}
	})
}

// It does not show whether, and when, users were packed: also in the middle of a bucket, or because too many are active.
func TestPackingDoesNotShow(t *testing.T) {
	say := func(often bool, room int) (*heard, []Row) {
		table, h := newHeard()
		table.room = room
		var rows []Row
		rng, pick := rand.New(rand.NewPCG(3, 3)), rand.New(rand.NewPCG(4, 4))
		at := monday
		for i := range 30_000 {
			at += rng.Int64N(int64(40e9))
			user := rng.IntN(12)
			credits := math.Exp(rng.NormFloat64())
			if user == 0 && i > 15_000 {
				credits *= 40
			}
			e, q := charge(fmt.Sprint("u", user), at, credits)
			e.TurnID = fmt.Sprint(i / 30)
			e.Cached = rng.Int64N(1000)
			if user == 1 && i > 20_000 {
				e.Device, e.ASN = "new", "new"
			}
			flags := cohort.Flags(0)
			if user == 2 && i > 10_000 && rng.IntN(2) == 0 {
				flags = flags.With(cohort.Over)
			}
			r := table.Fold(e, plain, flags, q)
			if r.Tokens != nil {
				m := *r.Tokens
				r.Tokens = &m
			}
			rows = append(rows, r)
			for often && len(table.active) > 0 && pick.IntN(3) > 0 {
				table.rest(table.active[pick.IntN(len(table.active))])
			}
			if len(table.active) > room {
				t.Fatalf("%d active users, at most %d", len(table.active), room)
			}
		}
		return h, rows
	}
	never, want := say(false, MaxActive)
	if len(never.of(Drain)) == 0 || len(never.of(Suspect)) == 0 || len(never.moments) == 0 {
		t.Fatal("too little was said: the test does not reach what it should")
	}
	for _, c := range []struct {
		often bool
		room  int
	}{{true, MaxActive}, {false, 2}} {
		h, rows := say(c.often, c.room)
		if fmt.Sprintf("%+v", h.findings) != fmt.Sprintf("%+v", never.findings) { // as text, since NaN differs from itself
			t.Errorf("%+v: findings differ: %d and %d of them", c, len(h.findings), len(never.findings))
		}
		if !reflect.DeepEqual(h.moments, never.moments) || !reflect.DeepEqual(rows, want) {
			t.Errorf("%+v: moments or rows differ", c)
		}
	}
}

// Close ends the open buckets of users who were packed for want of room, too.
func TestCloseFindsWhoWasPackedWithAnOpenBucket(t *testing.T) {
	table, _ := newHeard()
	table.room = 2
	for i := range 20 {
		table.charge(fmt.Sprint("u", i%10), monday+int64(i)*1e9, 1)
		table.charge("u0", monday+int64(i)*1e9, 1) // comes back in between
	}
	table.Close(monday + Bucket - 1)
	if n := len(table.away); n < 8 || n > table.Len() {
		t.Fatalf("%d of %d users are packed with an open bucket: the test does not reach what it should, or counts some twice", n, table.Len())
	}
	table.charge("u5", monday+Bucket, 1) // by the user's own next row
	table.Close(monday + Bucket)
	if len(table.away) > 1 { // u5 may have had to go again
		t.Errorf("%d users still have a bucket open", len(table.away))
	}
	for i := range 10 {
		if u := table.user(fmt.Sprint("u", i)); u.today.Buckets != 1 || i != 0 && u.today.Rows != 2 {
			t.Errorf("user %d has closed %v buckets of %v rows", i, u.today.Buckets, u.today.Rows)
		}
	}
}

// sameHash returns another id of 16 bytes with the hash of one: xxHash can be inverted block by block.
func sameHash(id string) string {
	const p1, p2, p4, p5 uint64 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
	inverse := func(x uint64) uint64 {
		y := x
		for range 6 {
			y *= 2 - x*y
		}
		return y
	}
	round := func(k uint64) uint64 { return bits.RotateLeft64(k*p2, 31) * p1 }
	first := func(k uint64) uint64 { return bits.RotateLeft64((p5+16)^round(k), 27)*p1 + p4 }
	a, b := binary.LittleEndian.Uint64([]byte(id)), binary.LittleEndian.Uint64([]byte(id[8:]))
	r := first(a) ^ first(a+1) ^ round(b)
	b = bits.RotateLeft64(r*inverse(p1), -31) * inverse(p2)
	return string(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, a+1), b))
}

// Two ids of one hash are one user, whose findings bear the id that the bucket began with, packed in between or not.
func TestTwoIDsOfOneHashAreOneUser(t *testing.T) {
	a := "0123456789abcdef"
	b := sameHash(a)
	if a == b || xxhash.Sum64String(a) != xxhash.Sum64String(b) {
		t.Fatalf("%q and %q do not share a hash", a, b)
	}
	var want []Finding
	for _, often := range []bool{false, true} {
		table, h := newHeard()
		for i := range int64(40 * 24 * 6) {
			credits := 1.0
			if i >= 30*24*6 {
				credits = 50
			}
			for k, id := range []string{a, b} {
				if i%2 == 1 {
					id = []string{b, a}[k]
				}
				table.charge(id, monday+i*Bucket+int64(k)*1e9, credits)
				if often {
					table.rest(table.active[0])
				}
			}
		}
		if table.Len() != 1 || table.user(a) != table.user(b) {
			t.Errorf("%d users, want one", table.Len())
		}
		drains := h.of(Drain)
		if len(drains) == 0 {
			t.Fatal("the drain is not found")
		}
		for _, f := range drains {
			if id := []string{a, b}[(f.At-Bucket-monday)/Bucket%2]; f.User != id {
				t.Errorf("packed %v: the drain at %d is said of %q, want %q", often, f.At, f.User, id)
			}
		}
		if want == nil {
			want = drains
		} else if fmt.Sprintf("%+v", drains) != fmt.Sprintf("%+v", want) {
			t.Error("what is said depends on who was packed when")
		}
	}
}

// settled returns a table of accounts who have lived for some days and are at rest, and when they last were looked at.
func settled(tb testing.TB, users, days int, h *fixtures.Habits) (table *Table, last int64) {
	tb.Helper()
	table = NewTable(func(*Moments) {}, func(Finding) {})
	lives := make([]*fixtures.Life, users)
	for i := range lives {
		lives[i] = fixtures.NewLife(h, 101, uint64(i), monday)
	}
	leaf := *plain
	rng := rand.New(rand.NewPCG(1, 1))
	for d := range int64(days) {
		for _, l := range lives {
			e := event.Event{User: l.ID, HasTokens: true, AccountCreated: monday - 100*day}
			turn := 0
			l.Day(monday+d*day, func(a fixtures.Active) {
				e.Device, e.ASN, e.APIKey, e.Country = a.Device, a.Network, a.Key, a.Country
				n := max(a.Rows, 4)
				e.Credits = event.Credits(a.Credits / float64(n) * 1e9)
				for i := range n {
					e.Time = a.At + int64(i)*Bucket/int64(n) + rng.Int64N(int64(9e9))
					if i%3 == 0 {
						turn++
					}
					e.TurnID = fmt.Sprint(d, turn)
					e.Input, e.Output = 2000+rng.Int64N(80_000), 50+rng.Int64N(2000)
					e.Cached, e.CacheWrite = rng.Int64N(e.Input), rng.Int64N(2)*rng.Int64N(e.Input)
					e.Status = event.OK
					if rng.IntN(40) == 0 {
						e.Status = event.Failed
					}
					table.Fold(&e, &leaf, 0, price.Quote{Known: true, Expected: e.Credits})
				}
			})
		}
		table.Close(monday + (d+1)*day)
	}
	last = monday + int64(days+1)*day
	table.Close(last)
	return table, last
}

// copies fills a table with copies of another's users under other ids and returns the bytes of heap that each of them costs.
func copies(from *Table, users int) (table *Table, each float64) {
	table = NewTable(func(*Moments) {}, func(Finding) {})
	before := heap()
	for i := range users {
		s := *from.seats.At(uint32(i % from.Len()))
		n := table.index.Add(uint64(i+1) * 0x9e3779b97f4a7c15)
		table.seats.Grow(n + 1)
		*table.seats.At(n) = seat{table.packed.Put(n, from.packed.At(s.at)), s.last}
	}
	return table, float64(heap()-before) / float64(users)
}

// A user costs what the package says: at rest, as accounts are after two weeks, and while active with an id of 64 bytes.
func TestAUserCostsNoMoreThanBytes(t *testing.T) {
	for _, h := range []*fixtures.Habits{&fixtures.Calm, &fixtures.Restless} {
		from, _ := settled(t, 100, 14, h)
		table, each := copies(from, 100_000)
		if each > Bytes || each < Bytes/2 {
			t.Errorf("%.0f bytes a user at rest, said to be %d", each, Bytes)
		}
		runtime.KeepAlive(table)
	}
	table, _ := newHeard()
	table.room = 20_000
	before := heap()
	for i := range table.room {
		e, q := charge(fmt.Sprintf("u_%062d", i), monday, 1)
		table.Fold(e, plain, 0, q)
	}
	if n := (heap() - before) / uint64(table.room); n > ActiveBytes || n < ActiveBytes/2 {
		t.Errorf("%d bytes a user while active, said to be %d", n, ActiveBytes)
	}
	runtime.KeepAlive(table)
}

// BenchmarkAtRest measures what a million users cost at rest, who have lived for eight weeks.
func BenchmarkAtRest(b *testing.B) {
	for name, h := range map[string]*fixtures.Habits{"calm": &fixtures.Calm, "restless": &fixtures.Restless} {
		b.Run(name, func(b *testing.B) {
			from, _ := settled(b, 2000, 56, h)
			longest := 0
			for n := range uint32(from.Len()) {
				s := from.seats.At(n)
				longest = max(longest, len(from.packed.At(s.at)))
			}
			table, each := copies(from, 1_000_000)
			for b.Loop() { // reading one
				var u User
				s := table.seats.At(uint32(b.N) * 0x9e3779b1 % 1_000_000)
				if _, _, err := u.unpack(table.packed.At(s.at), int64(s.last)*grain); err != nil {
					b.Fatal(err)
				}
			}
			runtime.KeepAlive(table)
			b.ReportMetric(each, "B/user")
			b.ReportMetric(float64(longest), "B/longest")
		})
	}
}
