package notify

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// childEnv makes the test binary a process that delivers until it is killed; its value is a childTask.
const childEnv = "DRAINWATCH_TEST_NOTIFY_CHILD"

// childTask is what such a process is told.
type childTask struct {
	Dir   string   // of the outbox; none if it is in a topic
	Log   []string // brokers of that
	Term  int64    // under which it is taken over
	Sink  Settings // the only one
	Topic string   // alert records, a line each, as the alerts topic would have them
	Offer bool     // offer the records; else take them for former ones
	Hold  bool     // stop between the outbox and the first attempt
}

// holding is a sink whose attempts do not begin.
type holding struct{ Sink }

func (h holding) Send(context.Context, *Notification) (string, error) {
	fmt.Println("holding")
	select {}
}

func child() int {
	var task childTask
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := json.Unmarshal([]byte(os.Getenv(childEnv)), &task); err != nil {
		return fail(err)
	}
	store, err := task.store()
	if err != nil {
		return fail(err)
	}
	sink, err := task.Sink.Open(os.Stdout)
	if err != nil {
		return fail(err)
	}
	if task.Hold {
		sink = holding{sink}
	}
	d, err := newDispatcher(Options{Sinks: []Settings{task.Sink}, Store: store, Log: zerolog.Nop()}, map[string]Sink{task.Sink.Name: sink})
	if err != nil {
		return fail(err)
	}
	text, err := os.ReadFile(task.Topic)
	if err != nil {
		return fail(err)
	}
	for line := range strings.Lines(string(text)) {
		var r incident.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return fail(err)
		}
		if task.Offer {
			d.Offer(r)
		} else {
			d.Former(r)
		}
	}
	d.Start()
	fmt.Println("started")
	if err := d.Drained(context.Background()); err != nil {
		return fail(err)
	}
	fmt.Println("drained")
	select {}
}

func (task *childTask) store() (Store, error) {
	if task.Dir != "" {
		return OpenJournal(task.Dir, zerolog.New(os.Stderr))
	}
	c, err := stream.New(stream.Options{Config: stream.Config{Brokers: task.Log}})
	if err != nil {
		return nil, err
	}
	s, err := OpenTopic(context.Background(), c, "outbox")
	if err != nil {
		return nil, err
	}
	return s, s.Take(context.Background(), task.Term)
}

// process is a child that runs.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	out *bufio.Scanner
}

func startChild(t *testing.T, task childTask) *process {
	t.Helper()
	text, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t, cmd, bufio.NewScanner(out)}
	t.Cleanup(p.kill)
	return p
}

// await reads what the child prints until it is the word, and fails the test if the child ends first.
func (p *process) await(word string) {
	p.t.Helper()
	for p.out.Scan() {
		if p.out.Text() == word {
			return
		}
	}
	p.t.Fatalf("the process ended before it said %q", word)
}

// kill is kill -9.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

func writeTopic(t *testing.T, file string, rs ...incident.Record) {
	t.Helper()
	var b strings.Builder
	for _, r := range rs {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(text, '\n'))
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// kill -9 between outbox and send, and between send and acknowledgement: the next process delivers, under the same key, whether the outbox
// is on its disk or in a topic, where it may run anywhere.
func TestKill(t *testing.T) {
	t.Run("journal", func(t *testing.T) { testKill(t, func() childTask { return childTask{Dir: t.TempDir(), Term: 1} }) })
	t.Run("topic", func(t *testing.T) { testKill(t, func() childTask { return childTask{Log: startBroker(t), Term: 1} }) })
}

func testKill(t *testing.T, outbox func() childTask) {
	eachKind(t, func(t *testing.T, kind string) {
		st := stands[kind]
		if kind == "stdout" {
			t.Skip("writing to standard output is not acknowledged by anybody")
		}
		for _, point := range []string{"between outbox and send", "between send and acknowledgement"} {
			t.Run(point, func(t *testing.T) {
				hung := make(chan struct{})
				r := newReceiver(t, func(_ http.ResponseWriter, req *http.Request) { close(hung); <-req.Context().Done() })
				task := outbox()
				task.Sink, task.Topic, task.Offer = st.settings(t, r), filepath.Join(t.TempDir(), "topic"), true
				task.Sink.Name, task.Sink.Kind, task.Hold = "sink", kind, point == "between outbox and send"
				writeTopic(t, task.Topic, alert("inc_1", 1, firing))
				if r.mail != nil {
					r.mail.set(".", "never")
				}
				first := startChild(t, task)
				if task.Hold {
					first.await("holding")
				} else {
					first.await("started")
					awaitDeliveries(t, r, 1)
				}
				first.kill()
				before := r.deliveries()

				r.mu.Lock()
				r.answer = func(w http.ResponseWriter, _ *http.Request) { st.good(w) }
				r.mu.Unlock()
				if r.mail != nil {
					r.mail.set(".", "")
				}
				task.Hold = false
				task.Term++
				writeTopic(t, task.Topic) // nothing is offered again: what is delivered comes from the outbox
				second := startChild(t, task)
				second.await("drained")
				second.kill()
				all := r.deliveries()
				if len(all) != len(before)+1 {
					t.Fatalf("%d deliveries before the kill, %d after", len(before), len(all)-len(before))
				}
				st.schema(t, all[len(all)-1])
				if len(before) > 0 && kind != "slack" { // which has no key: the message is the same
					if a, b := st.key(t, before[0]), st.key(t, all[1]); a != b || a == "" {
						t.Errorf("the repeat has key %q, the first %q", b, a)
					}
				}
			})
		}
	})
}

func awaitDeliveries(t *testing.T, r *receiver, n int) {
	t.Helper()
	for range 500 {
		if len(r.deliveries()) >= n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d deliveries, want %d", len(r.deliveries()), n)
}
