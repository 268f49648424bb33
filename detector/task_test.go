package detector

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
)

// A task is done, or given up, whoever comes first: after an error it is not done.
func TestTask(t *testing.T) {
	enough := errors.New("enough")
	gaveUp := 0
	for i := range 2000 {
		task, times := newTask(), 0
		go task.run(func() { times++ })
		if i%4 > 1 {
			runtime.Gosched()
		}
		var why error
		if i%2 == 0 {
			why = enough
		}
		switch err := task.settle(why); {
		case err == nil && times == 1:
		case errors.Is(err, enough) && why != nil && times == 0: // where it is done nevertheless, the race detector says so
			gaveUp++
			task.run(func() { t.Error("done after it was given up") })
		default:
			t.Fatalf("done %d times: %v", times, err)
		}
	}
	t.Logf("given up %d times of 1000", gaveUp)
}

// What a shard or the fleet is asked for while it is busy, and nobody waits for any more, is not done when it comes to it.
func TestGivenUpIsNotDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(Options{}, nil, nil)
		if err == nil {
			err = e.Assign(0)
		}
		if err != nil {
			t.Fatal(err)
		}
		w, err := e.worker(0)
		if err != nil {
			t.Fatal(err)
		}
		for name, ask := range map[string]func(ctx context.Context, do func()) error{
			"shard": func(ctx context.Context, do func()) error { return e.inShard(ctx, w, func(*shard) { do() }) },
			"fleet": func(ctx context.Context, do func()) error { return e.inFleet(ctx, func(*fleet) { do() }) },
		} {
			busy := make(chan struct{})
			go func() { _ = ask(t.Context(), func() { <-busy }) }()
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			answer := make(chan error)
			go func() { answer <- ask(ctx, func() { t.Errorf("the %s does what nobody waits for", name) }) }()
			synctest.Wait()
			cancel()
			if err := <-answer; !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
			close(busy)
			if err := ask(t.Context(), func() {}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
