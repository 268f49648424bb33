package event_test

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/drainwatch/drainwatch/detector/event"
)

func ExampleDecoder_Decode() {
	d, err := event.NewDecoder(event.FormatAuto)
	if err != nil {
		panic(err)
	}
	var e event.Event
	for _, line := range []string{
		`{"id":"c1","time":"2026-06-25T14:00:07Z","user":"u1","credits":0.75,"plan":"pro","output_tokens":812}`,
		`{"id":"c2","time":1782396007,"user":"u1","credits":0.75}`,
		`{"specversion":"1.0","id":"c3","source":"meter","type":"tokens"}`,
	} {
		var fault *event.Error
		if err := d.Decode(line, &e); errors.As(err, &fault) {
			fmt.Printf("%s: %s\n", fault.Reason, fault)
			continue
		}
		fmt.Println(e.User, e.Credits, e.Dims[event.Plan], e.Output)
	}
	// Output:
	// u1 0.750000000 pro 812
	// time_unit: time: 1782396007 looks like seconds; send Unix milliseconds or RFC 3339
	// format: no adapter for cloudevents yet; convert the record to the native form
}

func ExampleEvent_AppendJSON() {
	e := event.Event{ID: "c1", User: "u1", Time: 1782396007_000_000_000, Credits: event.Credit / 4, Kind: event.Penalty}
	fmt.Printf("%s\n", e.AppendJSON(nil))
	// Output: {"id":"c1","time":"2026-06-25T14:00:07Z","user":"u1","kind":"penalty","credits":0.25}
}

func ExampleParseCredits() {
	for _, s := range []string{"1e-3", "0.1234567891234", "1e10"} {
		fmt.Println(event.ParseCredits(s))
	}
	// Output:
	// 0.001000000 <nil>
	// 0.123456789 <nil>
	// 0.000000000 "1e10" is beyond the 9,223,372,036 credits that one row can hold; check the unit
}

func ExampleSum() {
	var s event.Sum
	for range 1000 {
		s.Add(event.Credit / 10) // a float would end at 99.9999999999986
	}
	b, _ := json.Marshal(map[string]event.Sum{"overcharge_credits": s, "refund": s.Neg()})
	fmt.Printf("%s\n", b)
	// Output: {"overcharge_credits":"100.000000000","refund":"-100.000000000"}
}
