package event

import (
	"encoding/json"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var decimalForm = regexp.MustCompile(`^([+-]?)(\d+\.?\d*|\.\d+)(?:[eE]([+-]?\d+))?$`)

// exactUnits is the oracle: the number in multiples of 10^-scale, rounded half to even by math/big.
// It returns nil for what is no decimal and huge for what is far out of any bounds.
func exactUnits(s string, scale int) (units *big.Int, exact bool) {
	m := decimalForm.FindStringSubmatch(s)
	if m == nil {
		return nil, false
	}
	rat, ok := new(big.Rat).SetString(m[1] + m[2])
	if !ok {
		panic("no rational: " + s)
	}
	if rat.Sign() == 0 {
		return new(big.Int), true
	}
	exp, err := strconv.Atoi("0" + strings.TrimLeft(m[3], "+-"))
	exp = min(exp, 3_000) // mantissas of the tests are shorter
	if err != nil {
		exp = 3_000
	}
	shift := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exp)), nil))
	if strings.HasPrefix(m[3], "-") {
		shift.Inv(shift)
	}
	rat.Mul(rat, shift)
	rat.Mul(rat, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)))

	quo, rem := new(big.Int).QuoRem(rat.Num(), rat.Denom(), new(big.Int))
	twice := new(big.Int).Abs(rem)
	twice.Lsh(twice, 1)
	if c := twice.Cmp(rat.Denom()); c > 0 || c == 0 && quo.Bit(0) == 1 {
		quo.Add(quo, big.NewInt(int64(rat.Sign())))
	}
	return quo, rem.Sign() == 0
}

func TestParseCredits(t *testing.T) {
	for in, want := range map[string]Credits{
		"0": 0, "-0": 0, "1": Credit, "+1": Credit, "007": 7 * Credit, ".5": Credit / 2, "5.": 5 * Credit,
		"1e-3": Credit / 1000, "1E3": 1000 * Credit, "12.5e+1": 125 * Credit,
		"0.000000001": 1, "1e-9": 1, "-1e-9": -1,
		// Half to even at 1e-9.
		"0.0000000005": 0, "0.0000000015": 2, "0.0000000025": 2, "0.00000000050000000000000000000001": 1, "-0.0000000015": -2,
		"1e-10": 0, "9e-10": 1, "1e-30": 0, "0.1234567891234": 123456789,
		"0.30000000000000004":  300000000,
		"9223372036.854775807": math.MaxInt64, "-9223372036.854775808": math.MinInt64,
		"9223372036.8547758074": math.MaxInt64, "922337203685477.5807e-5": math.MaxInt64,
		"9007199.254740993": 1<<53 + 1, "0e99999999999999999999": 0, "0.00000e400": 0,
		strings.Repeat("0", 5000) + "1": Credit, "1" + strings.Repeat("0", 5000) + "e-5000": Credit,
	} {
		if got, err := ParseCredits(in); err != nil || got != want {
			t.Errorf("ParseCredits(%s) = %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", ".", "-", "+", "e5", "1e", "1e+", "1.2.3", "1_000", "0x10", "1/2", " 1", "1 ", "NaN", "Inf", "--1", "1e1.5", "١",
		"9223372036.854775808", "-9223372036.854775809", "9223372036.8547758075", "1e10", "1e400", "1e99999999999999999999", "-1e38", "999999999999999999",
	} {
		if got, err := ParseCredits(in); err == nil || got != 0 {
			t.Errorf("ParseCredits(%q) = %d, %v, want an error and nothing", in, got, err)
		}
	}
}

func TestCreditsString(t *testing.T) {
	for c, want := range map[Credits]string{
		0: "0.000000000", 1: "0.000000001", -1: "-0.000000001", 41000_250_000_000: "41000.250000000",
		math.MaxInt64: "9223372036.854775807", math.MinInt64: "-9223372036.854775808",
	} {
		if got := c.String(); got != want {
			t.Errorf("%d = %s, want %s", int64(c), got, want)
		}
	}
	for c, want := range map[Credits]string{0: "0", 1: "0.000000001", -1500000000: "-1.5", 10 * Credit: "10", 100_100_000_000: "100.1"} {
		if got := string(c.appendShort([]byte("x"))); got != "x"+want {
			t.Errorf("short %d = %s, want x%s", int64(c), got, want)
		}
	}
}

func FuzzCredits(f *testing.F) {
	for _, s := range []string{
		"0", "1", "-1.5", "+.5", "5.", "1e-9", "5e-10", "15e-10", "0.0000000025", "9223372036.854775807", "9223372036.8547758075",
		"-9223372036.854775808", "1e400", "1e-400", "0e99", "1e", "1.2.3", "00012.50", "123456789012345678", "0.12345678901234567890",
		"170141183460469231731687303715.884105727", "-170141183460469231731687303715.884105728",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 1000 {
			return // the oracle caps exponents at 3,000
		}
		want, exact := exactUnits(s, 9)
		got, err := ParseCredits(s)
		if ok := want != nil && want.IsInt64(); ok != (err == nil) || ok && int64(got) != want.Int64() {
			t.Errorf("ParseCredits(%q) = %d, %v, want %v", s, int64(got), err, want)
		}
		if err == nil {
			if back, err := ParseCredits(got.String()); err != nil || back != got {
				t.Errorf("%d prints as %s, which reads as %d, %v", int64(got), got, int64(back), err)
			}
		}
		sum, err := ParseSum(s)
		if ok := want != nil && exact && want.CmpAbs(new(big.Int).Lsh(big.NewInt(1), 127)) < 0; ok != (err == nil) || ok && bigSum(sum).Cmp(want) != 0 {
			t.Errorf("ParseSum(%q) = %s, %v, want %v", s, sum, err, want)
		}
	})
}

func bigSum(s Sum) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(s.hi), 64)
	return n.Add(n, new(big.Int).SetUint64(s.lo))
}

// decimalOf prints units of 1e-9 the slow way.
func decimalOf(n *big.Int) string {
	digits := new(big.Int).Abs(n).String()
	if len(digits) < 10 {
		digits = strings.Repeat("0", 10-len(digits)) + digits
	}
	s := digits[:len(digits)-9] + "." + digits[len(digits)-9:]
	if n.Sign() < 0 {
		s = "-" + s
	}
	return s
}

func TestSumAgainstBig(t *testing.T) {
	gen := rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{0, 1, -1, math.MaxInt64, math.MinInt64, 1e9}))
	sum := rapid.Custom(func(t *rapid.T) Sum { return Sum{hi: gen.Draw(t, "hi"), lo: rapid.Uint64().Draw(t, "lo")} })
	rapid.Check(t, func(t *rapid.T) {
		var s Sum
		want := new(big.Int)
		for _, c := range rapid.SliceOf(gen).Draw(t, "rows") {
			s.Add(Credits(c))
			want.Add(want, big.NewInt(c))
		}
		if bigSum(s).Cmp(want) != 0 || s.String() != decimalOf(want) {
			t.Fatalf("sum of rows = %s, want %s", s, decimalOf(want))
		}

		u, v := sum.Draw(t, "u"), sum.Draw(t, "v")
		u.hi >>= 2 // so that no result leaves 128 bits
		v.hi >>= 2
		a, b := u, u
		a.AddSum(v)
		b.SubSum(v)
		for _, r := range []struct {
			op   string
			got  Sum
			want *big.Int
		}{
			{"+", a, new(big.Int).Add(bigSum(u), bigSum(v))},
			{"-", b, new(big.Int).Sub(bigSum(u), bigSum(v))},
			{"neg", u.Neg(), new(big.Int).Neg(bigSum(u))},
		} {
			if bigSum(r.got).Cmp(r.want) != 0 || r.got.String() != decimalOf(r.want) {
				t.Fatalf("%s %s %s = %s, want %s", u, r.op, v, r.got, decimalOf(r.want))
			}
			back, err := ParseSum(r.got.String())
			if err != nil || back != r.got || r.got.IsZero() != (r.want.Sign() == 0) {
				t.Fatalf("%s reads as %s, %v", r.got, back, err)
			}
			exact, _ := new(big.Float).SetRat(new(big.Rat).SetFrac(r.want, big.NewInt(1e9))).Float64()
			if f := r.got.Float64(); math.Abs(f-exact) > 1e-15*math.Abs(exact) {
				t.Fatalf("%s as a float is %g, want %g", r.got, f, exact)
			}
		}
		if got, want := u.Cmp(v), bigSum(u).Cmp(bigSum(v)); got != want {
			t.Fatalf("Cmp(%s, %s) = %d, want %d", u, v, got, want)
		}
	})
}

func TestSumExtremes(t *testing.T) {
	for s, want := range map[Sum]string{
		{}:                                 "0.000000000",
		{hi: -1, lo: math.MaxUint64}:       "-0.000000001",
		{hi: math.MaxInt64, lo: 1<<64 - 1}: "170141183460469231731687303715.884105727",
		{hi: math.MinInt64}:                "-170141183460469231731687303715.884105728",
		{hi: 54210108624, lo: 5076944270305263616}: "1000000000000000000000.000000000",
	} {
		if got := s.String(); got != want {
			t.Errorf("%+v = %s, want %s", s, got, want)
		}
	}
	for in, want := range map[string]string{
		"1.0000000001":    "parse sum: \"1.0000000001\" has more than nine decimals",
		"1e30":            "parse sum: \"1e30\" is beyond 1.7e29 credits",
		"forty\nthousand": `parse sum: "forty\nthousand" is not a decimal number; want one like 41000.250000000`,
	} {
		if _, err := ParseSum(in); err == nil || err.Error() != want {
			t.Errorf("ParseSum(%q) = %v, want %s", in, err, want)
		}
	}
}

func TestMoneyJSON(t *testing.T) {
	type record struct {
		Sum    Sum     `json:"sum"`
		Amount Credits `json:"amount"`
	}
	in := record{Amount: -5}
	in.Sum.Add(41000_250_000_000)
	b, err := json.Marshal(in)
	if want := `{"sum":"41000.250000000","amount":"-0.000000005"}`; err != nil || string(b) != want {
		t.Fatalf("Marshal = %s, %v, want %s", b, err, want)
	}
	var out record
	if err := json.Unmarshal(b, &out); err != nil || out != in {
		t.Errorf("Unmarshal = %+v, %v, want %+v", out, err, in)
	}
	if err := json.Unmarshal([]byte(`{"sum":1.5,"amount":2e-9}`), &out); err != nil || out.Sum.String() != "1.500000000" || out.Amount != 2 {
		t.Errorf("Unmarshal of numbers = %+v, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"sum":null,"amount":null}`), &out); err != nil || out.Amount != 2 {
		t.Errorf("null changed the values: %+v, %v", out, err)
	}
	for _, bad := range []string{`{"sum":"x"}`, `{"sum":true}`, `{"sum":"1.0000000001"}`, `{"amount":""}`, `{"amount":"1e10"}`, `{"amount":{}}`} {
		if err := json.Unmarshal([]byte(bad), &out); err == nil {
			t.Errorf("Unmarshal(%s) was accepted", bad)
		}
	}
}
