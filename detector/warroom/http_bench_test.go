//go:build unix

package warroom

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector"
)

// busyLeaves is how many combinations of dimension values have rows in each five minutes of the benchmark's day.
const busyLeaves = 2000

// busy is an engine that has read a day of them, a row each: 576,000.
var busy = sync.OnceValue(func() *detector.Engine {
	w := &small{board: &Board{}}
	e, err := detector.New(detector.Options{Answers: true, Log: zerolog.Nop(), Now: time.Now}, w, nil)
	if err == nil {
		err = e.Assign(0)
	}
	if err != nil {
		panic(err)
	}
	start := time.Date(2026, 6, 25, 0, 0, 0, 0, time.UTC)
	offset := int64(0)
	for step := range 24 * 12 {
		var records []detector.Record
		for leaf := range busyLeaves {
			at := start.Add(time.Duration(step)*5*time.Minute + time.Duration(leaf)*150*time.Millisecond)
			records = append(records, detector.Record{Offset: offset, Value: fmt.Sprintf(
				`{"id":"%d","user":"u%d","time":%d,"credits":0.%03d,"input_tokens":%d,"output_tokens":20,"plan":"p%d","region":"r%d","model":"m%d","client_version":"v%d"}`,
				offset, leaf, at.UnixMilli(), leaf%997+1, leaf+1, leaf%4, leaf/4%5, leaf%50, leaf/100)})
			offset++
		}
		if err := e.Feed(context.Background(), 0, records); err != nil {
			panic(err)
		}
	}
	if err := e.Idle(0); err != nil {
		panic(err)
	}
	for r := e.Rollup(); r == nil || r.Rows < offset; r = e.Rollup() {
		time.Sleep(10 * time.Millisecond)
	}
	return e
})

// What an answer takes over HTTP, from the question to the last byte, by one client that keeps its connection: p50-ms and p99-ms.
// cpu50-ms and cpu99-ms are what client, server and garbage collector work for one together: what it takes at most on a machine
// of one's own, whoever else uses this one.
func BenchmarkAnswersOverHTTP(b *testing.B) {
	e := busy()
	board := &Board{}
	for i := range 1000 {
		r := rich()
		r.Incident = fmt.Sprintf("inc_%010d", i)
		r.DetectedAt = r.DetectedAt.Add(time.Duration(i) * time.Second)
		board.Add(r)
	}
	s, err := New(Options{Engine: func() *detector.Engine { return e }, Board: board, Journal: NewJournal(nil)})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(s)
	defer server.Close()
	for _, c := range []struct{ name, path string }{
		{"everybody", "/api/v1/cohorts?step=5m"},
		{"plan", "/api/v1/cohorts?by=plan&step=5m"},
		{"plan-region-model", "/api/v1/cohorts?by=plan,region,model&step=5m&limit=100"},
		{"widest", "/api/v1/cohorts?by=plan,region,model,client_version&step=5m&limit=100&measure=cached_share"},
		{"usual-step", "/api/v1/cohorts?by=client_version"},
		{"where", "/api/v1/cohorts?by=model&where=plan=p1&where=region=r1&where=region=r2&step=5m"},
		{"incidents", "/api/v1/incidents?limit=500"},
		{"user", "/api/v1/users/u7"},
		{"page", "/"},
	} {
		b.Run(c.name, func(b *testing.B) {
			var took, worked []time.Duration
			bytes := int64(0)
			for b.Loop() {
				began, before := time.Now(), cpuTime(b)
				res, err := http.Get(server.URL + c.path)
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(io.Discard, bufio.NewReader(res.Body))
				_ = res.Body.Close()
				if bytes = n; err != nil || res.StatusCode != http.StatusOK {
					b.Fatalf("%d bytes with status %d: %v", n, res.StatusCode, err)
				}
				took, worked = append(took, time.Since(began)), append(worked, cpuTime(b)-before)
			}
			for name, all := range map[string][]time.Duration{"p": took, "cpu": worked} {
				slices.Sort(all)
				b.ReportMetric(float64(all[len(all)/2])/1e6, name+"50-ms")
				b.ReportMetric(float64(all[len(all)*99/100])/1e6, name+"99-ms")
			}
			b.ReportMetric(float64(bytes), "bytes")
		})
	}
}

// cpuTime returns how long this process has worked.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
