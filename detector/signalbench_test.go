package detector

import (
	"fmt"
	"testing"

	"github.com/drainwatch/drainwatch/detector/cohort"
	"github.com/drainwatch/drainwatch/detector/event"
)

// BenchmarkClosing is what a row costs on its way through the signals log: written by its shard, and read by whoever decides.
func BenchmarkClosing(b *testing.B) {
	var closings []closing
	o := Options{}
	o.withDefaults()
	s, err := newShard(0, &o, 1, nil, func(c closing) { closings = append(closings, c) })
	if err != nil {
		b.Fatal(err)
	}
	d, err := event.NewDecoder("native")
	if err != nil {
		b.Fatal(err)
	}
	const rows = 50_000
	for i := range rows {
		var e event.Event
		r := Record{Offset: int64(i), Value: fmt.Sprintf(`{"id":"%d","time":%d,"user":"u%d","credits":0.0125,"input_tokens":%d,"cached_tokens":300,"output_tokens":50,"model":"m%d","plan":"p%d","region":"r%d","client":"c","client_version":"1.%d","surface":"cli","session":"s%d","device":"d%d"}`,
			i, 1782396007000+i*40, i%900, 900+i%77, i%3, i%4, i%5, i%7, i%900, i%900)}
		if err := d.Decode(r.Value, &e); err != nil {
			b.Fatal(err)
		}
		s.fold(r, &e, nil)
	}
	bodies := make([][]byte, len(closings))
	size, cells, words := 0, 0, lexicon{}
	for i := range closings {
		bodies[i], _ = words.encode(&closings[i])
		size += len(bodies[i])
		cells += len(closings[i].cells)
	}
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			words := lexicon{}
			for i := range closings {
				words.encode(&closings[i])
			}
		}
		b.ReportMetric(float64(size)/rows, "B/row")
		b.ReportMetric(float64(cells)/rows, "cells/row")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			var leaves []*cohort.Leaf
			for _, body := range bodies {
				var c closing
				var err error
				if leaves, err = c.decode(body, leaves, func(l *cohort.Leaf) *cohort.Leaf { return l }); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
	})
}
