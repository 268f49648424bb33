package main

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drainwatch/drainwatch/detector/stream/kafkatest"
)

const (
	soakStores   = 8               // partitions of the topic of checkpoints
	soakFrozen   = 9 * time.Second // longer than a broker's session
	soakAnswers  = 6               // to writes that are lost
	soakSlow     = 500 * time.Millisecond
	soakCut      = 8 * time.Second // longer than our session
	soakPatience = 5 * time.Minute // for what must come; only who is stuck takes that long
)

// soakStep is something that happens to the program. Its name stands in the table of faults in doc.go.
type soakStep struct {
	name string
	do   func(*soak, *testing.T)
}

// soakKill is done after every other step, so that there are many.
var soakKill = soakStep{"kill", (*soak).kill}

// soakUpgrade is done halfway through the others, so that these are done to both versions.
var soakUpgrade = soakStep{"upgrade", (*soak).upgrade}

var soakSteps = []soakStep{
	{"freeze", (*soak).freeze},
	{"restart", (*soak).restart},
	{"grow", (*soak).grow},
	{"flap", (*soak).flap},
	{"leader", func(s *soak, t *testing.T) { s.killBroker(t, kafkatest.Fetch) }},
	{"coordinator", func(s *soak, t *testing.T) { s.killBroker(t, kafkatest.Heartbeat) }},
	{"two brokers", (*soak).killTwo},
	{"broker frozen", (*soak).freezeBroker},
	{"answers lost", (*soak).loseAnswers},
	{"slow link", (*soak).slow},
	{"dead link", (*soak).swallow},
	{"one port", (*soak).onePort},
	{"starved", (*soak).starve},
}

var onlyRubbish = regexp.MustCompile(`^blind: \S+% of rows cannot be read since \S+\n$`)

// deck returns every step in some order, with kills after each.
func (s *soak) deck() (out []soakStep) {
	for n, i := range s.rng.Perm(len(soakSteps)) {
		out = append(out, soakSteps[i])
		out = append(out, slices.Repeat([]soakStep{soakKill}, *soakKills)...)
		if n == len(soakSteps)/2 {
			out = append(out, soakUpgrade)
		}
	}
	if *soakOnly == "" {
		return out
	}
	names, chosen := strings.Split(*soakOnly, ","), map[string]bool{}
	return slices.DeleteFunc(out, func(x soakStep) bool {
		twice := chosen[x.name]
		chosen[x.name] = true
		return twice || !slices.Contains(names, x.name)
	})
}

// busiest returns the node that was lately asked most often for something: for heartbeats, the coordinator of the group.
func (s *soak) busiest(key int) int {
	s.proxy.Forget()
	time.Sleep(heartbeat + heartbeat/2)
	return s.proxy.Busiest(key)
}

// kill kills an instance and starts another. Of some it waits until others have taken over, so that nothing else disturbs that.
func (s *soak) kill(t *testing.T) {
	i := s.rng.IntN(len(s.all))
	p := s.all[i]
	p.kill(t)
	s.kills++
	taken := s.watch.ended("kill", p.cmd.Process.Pid)
	s.all[i] = s.start()
	if s.rng.IntN(2) == 0 {
		select {
		case <-taken:
		case <-time.After(soakPatience):
			t.Fatalf("after %v nobody has taken over: %s", soakPatience, s.watch.report())
		}
	}
}

func (s *soak) signal(t *testing.T, p *process, signal syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// freeze lets an instance's partitions go to others, and then it goes on as if nothing had been.
func (s *soak) freeze(t *testing.T) {
	p := s.all[s.rng.IntN(len(s.all))]
	s.signal(t, p, syscall.SIGSTOP)
	time.Sleep(2 * sessionTimeout)
	s.signal(t, p, syscall.SIGCONT)
	s.zombies++
}

// restart ends one instance after the other in order and starts it again, as an upgrade does.
func (s *soak) restart(t *testing.T) {
	s.program = ""
	for i, p := range s.all {
		s.watch.ended("stop", p.cmd.Process.Pid)
		p.terminate(t)
		s.all[i] = s.start()
		s.ready(t, s.all[i])
	}
}

// ready waits until instances are, but for the rubbish that is sent, of which they have to complain.
func (s *soak) ready(t *testing.T, of ...*process) {
	t.Helper()
	for until := time.Now().Add(soakPatience); ; time.Sleep(100 * time.Millisecond) {
		i := slices.IndexFunc(of, func(p *process) bool {
			status, why := p.get("/readyz")
			return status != http.StatusOK && !onlyRubbish.MatchString(why)
		})
		if i < 0 {
			return
		}
		if time.Now().After(until) {
			_, why := of[i].get("/readyz")
			t.Fatalf("an instance does not get ready: %s", why)
		}
	}
}

// settle waits until all are ready and, for a while, nobody claims anything.
func (s *soak) settle(t *testing.T) (claims, closings int) {
	t.Helper()
	s.ready(t, s.all...)
	for until := time.Now().Add(soakPatience); ; {
		before, _ := s.watch.counts()
		time.Sleep(sessionTimeout)
		if claims, closings = s.watch.counts(); claims == before {
			return claims, closings
		}
		if time.Now().After(until) {
			t.Fatal("partitions are claimed without end")
		}
	}
}

// grow adds instances until there are more than partitions, and takes them away again.
func (s *soak) grow(t *testing.T) {
	n := len(s.all)
	for len(s.all) <= soakPartitions {
		s.all = append(s.all, s.start())
	}
	s.ready(t, s.all...)
	for _, p := range s.all[n:] {
		p.terminate(t)
	}
	s.all = s.all[:n]
}

// flap has an instance come and die again and again. Rows are counted all the same.
func (s *soak) flap(t *testing.T) {
	_, before := s.watch.counts()
	for range 3 {
		p := s.start()
		time.Sleep(3 * time.Second)
		p.kill(t)
		s.kills++
	}
	s.progress(t, before)
}

// progress waits until more was counted.
func (s *soak) progress(t *testing.T, before int) {
	t.Helper()
	for until := time.Now().Add(soakPatience); ; time.Sleep(100 * time.Millisecond) {
		if _, closings := s.watch.counts(); closings > before {
			return
		}
		if time.Now().After(until) {
			t.Fatal("nothing more is counted")
		}
	}
}

// killBroker kills the node that most is asked of, and starts it again.
func (s *soak) killBroker(t *testing.T, key int) {
	node := s.busiest(key)
	s.cluster.Kill(t, node, syscall.SIGKILL)
	s.brokers++
	time.Sleep(2 * time.Second)
	s.cluster.Restart(t)
}

// killTwo kills two brokers of three. What only one has counts for nobody, and everything goes on when they are back.
func (s *soak) killTwo(t *testing.T) {
	for range 2 {
		s.brokers++
		s.cluster.Kill(t, s.brokers%len(s.proxy.Brokers), syscall.SIGKILL)
	}
	time.Sleep(heartbeat) // what both had may still be on its way to us
	_, before := s.watch.counts()
	time.Sleep(soakCut)
	if _, closings := s.watch.counts(); closings != before {
		t.Errorf("with one broker of three %d closings count", closings-before)
	}
	s.cluster.Restart(t)
	s.progress(t, before)
}

// freezeBroker stops a leader until others lead, and lets it go on.
func (s *soak) freezeBroker(t *testing.T) {
	node := s.busiest(kafkatest.Fetch)
	s.cluster.Kill(t, node, syscall.SIGSTOP)
	time.Sleep(soakFrozen)
	s.cluster.Kill(t, node, syscall.SIGCONT)
}

// loseAnswers has writes done, and their answers lost.
func (s *soak) loseAnswers(t *testing.T) {
	s.proxy.Lose(soakAnswers)
	for until := time.Now().Add(soakPatience); s.proxy.ToLose() > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("nothing is written")
		}
	}
}

// slow has every message take half a second. Nobody loses a partition for that, once all have settled.
func (s *soak) slow(t *testing.T) {
	before, closings := s.settle(t)
	s.proxy.Delay(soakSlow)
	time.Sleep(soakCut)
	s.progress(t, closings)
	claims, _ := s.watch.counts()
	s.proxy.Delay(0)
	if claims -= before; claims > 2*(soakPartitions+1) {
		t.Errorf("on a slow link partitions are claimed %d times", claims)
	}
}

// swallow has all connections to a node die without a word, while new ones can be made.
func (s *soak) swallow(t *testing.T) {
	_, before := s.watch.counts()
	s.proxy.Swallow(s.busiest(kafkatest.Heartbeat))
	s.progress(t, before)
}

// onePort cuts one node off that is not the coordinator: heartbeats go on, and a part of the partitions cannot be read.
func (s *soak) onePort(t *testing.T) {
	node := (s.busiest(kafkatest.Heartbeat) + 1) % len(s.proxy.Brokers)
	s.proxy.Hole(node, true)
	time.Sleep(soakCut)
	s.proxy.Hole(node, false)
}

// starve gives an instance a tenth of the time.
func (s *soak) starve(t *testing.T) {
	p := s.all[s.rng.IntN(len(s.all))]
	for began := time.Now(); time.Since(began) < soakCut; {
		s.signal(t, p, syscall.SIGSTOP)
		time.Sleep(90 * time.Millisecond)
		s.signal(t, p, syscall.SIGCONT)
		time.Sleep(10 * time.Millisecond)
	}
}

// upgrade stops one broker after the other and starts it with the next version on its data; after the first time it only restarts them.
func (s *soak) upgrade(t *testing.T) {
	for node := range s.proxy.Brokers {
		s.cluster.Upgrade(t, node, kafkatest.Versions[len(kafkatest.Versions)-1])
	}
}
