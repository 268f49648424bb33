package state

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type thing struct {
	N    int32
	U    uint64
	F    float64
	G    float32
	S    string
	B    bool
	L    []string
	M    map[string]int64
	P, Q *thing
	O    *int
	E, D *string
}

func (x *thing) Code(c *Coder) {
	Ints(c, &x.N)
	Uints(c, &x.U)
	Floats(c, &x.F)
	c.Floats32(&x.G)
	c.Strings(&x.S)
	c.Bools(&x.B)
	Slice(c, &x.L, c.String)
	Map(c, &x.M, c.String, func(v *int64) { Ints(c, v) })
	Ref(c, &x.P, func(y *thing) { y.Code(c) })
	Ref(c, &x.Q, func(y *thing) { y.Code(c) })
	Opt(c, &x.O, func(v *int) { Ints(c, v) })
	Equal(c, &x.E, c.String)
	Equal(c, &x.D, c.String)
}

func drawn(t *rapid.T, depth int) *thing {
	x := &thing{
		N: rapid.Int32().Draw(t, "n"), U: rapid.Uint64().Draw(t, "u"), F: rapid.Float64().Draw(t, "f"), G: rapid.Float32().Draw(t, "g"),
		S: rapid.String().Draw(t, "s"), B: rapid.Bool().Draw(t, "b"),
	}
	if rapid.Bool().Draw(t, "list") {
		x.L = append([]string{}, rapid.SliceOfN(rapid.String(), 0, 4).Draw(t, "l")...)
		x.M = rapid.MapOfN(rapid.String(), rapid.Int64(), 0, 4).Draw(t, "m")
		x.O, x.E = new(int), new(rapid.SampledFrom([]string{"", "a"}).Draw(t, "e"))
		x.D = new(*x.E)
	}
	if depth > 0 && rapid.Bool().Draw(t, "deep") {
		x.P = drawn(t, depth-1)
		x.Q = x.P
		if rapid.Bool().Draw(t, "other") {
			x.Q = drawn(t, depth-1)
		}
	}
	return x
}

func appended(x *thing) []byte { return Append(nil, "thing", 1, x.Code) }

// What was written is read, shared pointers stay shared, and whatever is cut off or turned over is found out.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := drawn(t, 3)
		b := appended(x)
		var y thing
		if err := Restore(b, "thing", 1, y.Code); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(x, &y) || x.P != nil && (x.P == x.Q) != (y.P == y.Q) || y.E != y.D || string(appended(&y)) != string(b) {
			t.Fatalf("%+v became %+v", x, y)
		}
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		if err := Restore(b[:cut], "thing", 1, new(thing).Code); err == nil {
			t.Fatalf("%d of %d bytes were read", cut, len(b))
		}
		b[cut] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if err := Restore(b, "thing", 1, new(thing).Code); err == nil {
			t.Fatalf("byte %d of %d was changed and read", cut, len(b))
		}
	})
}

func TestFloatsToTheBit(t *testing.T) {
	for _, f := range []float64{0, math.Copysign(0, -1), math.Inf(-1), math.NaN(), math.MaxFloat64, math.SmallestNonzeroFloat64, 1.0 / 3} {
		x, y := thing{F: f, G: float32(f)}, thing{}
		if err := Restore(appended(&x), "thing", 1, y.Code); err != nil || math.Float64bits(y.F) != math.Float64bits(f) || math.Float32bits(y.G) != math.Float32bits(float32(f)) {
			t.Errorf("%v became %v and %v: %v", f, y.F, y.G, err)
		}
	}
}

func TestRestoreSaysWhatIsWrong(t *testing.T) {
	good := appended(&thing{S: "abc"})
	write := func(code func(*Coder)) []byte { return Append(nil, "thing", 1, code) }
	tests := []struct {
		name string
		b    []byte
		want string
	}{
		{"nothing", nil, "0 bytes that are no state"},
		{"foreign", []byte("<html>not found</html>"), "that are no state"},
		{"torn", good[:len(good)-3], "torn or damaged"},
		{"another kind", Append(nil, "other", 1, (&thing{}).Code), `the state is of "other"`},
		{"another layout", Append(nil, "thing", 7, (&thing{}).Code), "layout 7, and this program reads layout 1"},
		{"too short", write(func(c *Coder) { n := 1; Ints(c, &n) }), "at byte 12: the state ends within a number"},
		{"too long", write(func(c *Coder) { (&thing{}).Code(c); (&thing{}).Code(c) }), "bytes are left over"},
		{"out of range", write(func(c *Coder) { n := int64(1) << 40; Ints(c, &n) }), "1099511627776 is out of the field's range"},
		{"a long list", write(func(c *Coder) { c.Raw(4); c.Count(1<<40, 0) }), "cannot be in the"},
		{"a bool", write(func(c *Coder) { c.Raw(5); Uints(c, new(uint8(9))) }), "neither true nor false"},
		{"no reference", write(func(c *Coder) { c.Raw(8); c.uvarint(5) }), "reference 5 is to nothing"},
		{"unordered", write(func(c *Coder) { c.Raw(7); fmt.Fprint(c, "\x01\x02\x01b\x00\x01a\x00") }), "not in order"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := Restore(tt.b, "thing", 1, new(thing).Code)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// Write lets a test put bytes of its own into a state.
func (c *Coder) Write(b []byte) (int, error) { return copy(c.Raw(len(b)), b), nil }

func FuzzRestore(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{2, 3, 4, 5, 1, 'x', 1, 2, 1, 'y', 2, 1, 'a', 7, 1, 1, 0, 0, 0})
	f.Fuzz(func(_ *testing.T, body []byte) {
		b := Append(nil, "thing", 1, func(c *Coder) { copy(c.Raw(len(body)), body) })
		_ = Restore(b, "thing", 1, new(thing).Code)
	})
}
