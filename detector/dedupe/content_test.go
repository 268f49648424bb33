package dedupe

import (
	"reflect"
	"testing"

	"github.com/drainwatch/drainwatch/detector/event"
)

// Every field of an event either belongs to the charge, and changes the hash, or is named here as one that may
// differ between two deliveries of a row. A field that is added later must be put on one side.
func TestContentCoversTheCharge(t *testing.T) {
	ignored := map[string]bool{
		"ID": true, "User": true, // the identity itself
		"Enforcement": true, "Session": true, "Device": true, "IP": true, "ASN": true, "Country": true, "APIKey": true,
		"AccountCreated": true, "QuotaUsed": true, "HasQuota": true, "QuotaResets": true,
	}
	base := Content(&event.Event{})
	seen := map[uint64]string{base: "nothing"}
	for i := range reflect.TypeFor[event.Event]().NumField() {
		name := reflect.TypeFor[event.Event]().Field(i).Name
		n := 1
		if name == "Dims" {
			n = int(event.NumDims)
		}
		for d := range n {
			var e event.Event
			v := reflect.ValueOf(&e).Elem().Field(i)
			if name == "Dims" {
				v = v.Index(d)
			}
			switch v.Kind() {
			case reflect.String:
				v.SetString("x")
			case reflect.Bool:
				v.SetBool(true)
			case reflect.Float64:
				v.SetFloat(1)
			case reflect.Uint8:
				v.SetUint(1)
			default:
				v.SetInt(1)
			}
			h := Content(&e)
			if ignored[name] {
				if h != base {
					t.Errorf("%s changes the content", name)
				}
				continue
			}
			if other, ok := seen[h]; ok {
				t.Errorf("%s[%d] has the content of %s", name, d, other)
			}
			seen[h] = name
		}
	}
}

func TestContentIsStable(t *testing.T) {
	e := event.Event{ID: "r", User: "u", RequestID: "r", Time: 1782396007e9, Credits: event.Credit, HasTokens: true, Input: 5, Output: 7}
	e.Dims[event.Plan] = "pro"
	const want = 0xd77647208f6b6c17 // stored in checkpoints: a change here forgets what was counted
	if got := Content(&e); got != want {
		t.Errorf("Content = %#x, want %#x", got, uint64(want))
	}
	if n := testing.AllocsPerRun(100, func() { Content(&e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkContent(b *testing.B) {
	e := event.Event{RequestID: "req_77aa01", TurnID: "turn_5521", Time: 1782396007e9, Credits: event.Credit, HasTokens: true, Input: 18234, Output: 812}
	for d := range e.Dims {
		e.Dims[d] = event.Dim(d).String() + "-value"
	}
	b.ReportAllocs()
	for b.Loop() {
		Content(&e)
	}
}

// What a second row of a user is, by what it shares with the first.
func TestVerdictOfASecondRow(t *testing.T) {
	first := event.Event{ID: "c1", User: "u1", RequestID: "q1", Time: 1782396007e9, Credits: event.Credit, HasTokens: true, Output: 7}
	tests := []struct {
		name   string
		change func(*event.Event)
		want   Verdict
	}{
		{"redelivered as it was", func(*event.Event) {}, Duplicate},
		{"redelivered with the gauge and the flag of now", func(e *event.Event) { e.QuotaUsed, e.HasQuota, e.Enforcement = 0.9, true, "suspect" }, Duplicate},
		{"E13 same id, other amount", func(e *event.Event) { e.Credits *= 12 }, Conflict},
		{"same id, other time", func(e *event.Event) { e.Time += 3 * hour }, Conflict},
		{"same id, tokens lost on the way", func(e *event.Event) { e.HasTokens, e.Output = false, 0 }, Conflict},
		{"same id, other price list", func(e *event.Event) { e.Dims[event.PriceID] = "p2" }, Conflict},
		{"E13 same request, other charge: several charges for one request are the detector's matter", func(e *event.Event) { e.ID = "c2" }, First},
		{"same id of another user", func(e *event.Event) { e.User = "u2" }, First},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := New(Options{})
			second := first
			tt.change(&second)
			for _, e := range []event.Event{first, second, first} {
				s.Advance(e.Time)
				got := s.Add(e.User, e.ID, Content(&e))
				if e == second && e != first && got != tt.want {
					t.Errorf("second row: %s, want %s", got, tt.want)
				}
			}
			if got := s.Add(first.User, first.ID, Content(&first)); got != Duplicate {
				t.Errorf("the first arrival does not stand: %s", got)
			}
		})
	}
}
