package detector

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/ledger"
	"github.com/drainwatch/drainwatch/detector/price"
)

var (
	simSeeds = flag.Int("sim-seeds", 60, "how many seeds the simulation plays")
	simAll   = flag.Bool("sim-all", false, "break the code in every place, not in some")
	simFirst = flag.Int64("sim-first", 1, "its first seed; a failing one is shown alone with -sim-seeds=1 -v")
)

// The world of a simulation: a source of three partitions, one of them nearly empty, a price fault in it, and instances of which each
// does one small thing at a time in an order that a seed decides. They crash between any two, hold partitions that Kafka has given to
// others, and write what nobody may believe. It is the code of the service below its sockets: Shard, Register, Past, ear and fleet.
type sim struct {
	t    testing.TB
	rng  *rand.Rand
	o    Options
	rows [simPartitions][]simRow
	avail,
	owner [simPartitions]int // rows that are there to be read, and the instance that Kafka has given the partition to
	leader int
	log    [][]byte // signals
	shards [simPartitions][]simSaved
	fleets []FleetState
	nodes  []*simNode
	terms  int
	said   map[string]string // revision to what it says
	order  []incident.Record // in the order of being said first
	trace  []string
	broken simMutation
	failed string
}

// simMutation breaks the code in one place, to see that the simulation notices.
type simMutation string

const (
	simSound         simMutation = ""
	saveUnheard      simMutation = "a checkpoint is kept before its owner has heard that what it speaks of counts"
	saveLateRegister simMutation = "a checkpoint has the register as of when it was kept, not as of before it was taken"
	pausesForgotten  simMutation = "a new owner does not pause where a former one did"
	pausesUnsaved    simMutation = "a checkpoint forgets where its shard still had to pause"
	claimUnread      simMutation = "a claim is taken for valid before it is heard"
	termIgnored      simMutation = "claims need not follow on each other"
	ownerIgnored     simMutation = "what a former owner says counts"
	repeatsCount     simMutation = "what is written twice counts twice"
	partsKept        simMutation = "parts of a former owner's signal stay"
	rowsSkipped      simMutation = "reading goes on one row behind the checkpoint"
	rowsRepeated     simMutation = "reading goes on one row before the checkpoint"
	earUnsaved       simMutation = "whoever decides goes on from the end of the log"
	earRepeats       simMutation = "whoever decides hears again what its state has heard"
	saidUnsaved      simMutation = "a shard forgets how much it has said"
	dedupeUnsaved    simMutation = "a shard forgets which rows it has counted"
)

var simMutations = []simMutation{
	saveUnheard, saveLateRegister, pausesForgotten, pausesUnsaved, claimUnread, termIgnored, ownerIgnored, repeatsCount, partsKept, rowsSkipped,
	rowsRepeated, earUnsaved, earRepeats, saidUnsaved, dedupeUnsaved,
}

const (
	simPartitions = 3
	simPart       = 400 // bytes of a signal in one record: some take two or three
)

type simRow struct {
	Record
	event event.Event
}

// simSaved is a shard's checkpoint.
type simSaved struct {
	ShardState
	claim    Claim  // under which it was taken
	register []byte // of the log up to seen, before the state was taken
}

// simNode is an instance.
type simNode struct {
	id       int
	register Register // of the log up to tail
	tail     int
	held     map[int32]*simHeld
	claiming map[int32]Claim
	lead     *simLead
	outbox   []Signal // said and not written
	wrote    []Signal // lately, to be written again
	unkept   []simSaved
	unkeptOf []int32
}

type simHeld struct {
	*shard
	claim Claim
	next  int // row
}

type simLead struct {
	*fleet
	ear  ear
	next int
}

// simWorld makes the rows once: they are the same for every seed.
func simWorld(tb testing.TB) (rows [simPartitions][]simRow) {
	tb.Helper()
	d, err := event.NewDecoder("native")
	if err != nil {
		tb.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	at := noon
	for i := range 900 {
		at += int64(rng.IntN(12)) * second
		u := rng.IntN(14)
		p := u % (simPartitions - 1)
		if u == 13 && i%8 == 0 {
			p = simPartitions - 1
		}
		plan, credits := "free", 0.00125
		if u < 8 {
			if plan = "pro"; i > 450 {
				credits *= 12
			}
		}
		id := i
		if i%37 == 36 && len(rows[p]) > 3 {
			rows[p] = append(rows[p], rows[p][len(rows[p])-2]) // a redelivery
			rows[p][len(rows[p])-1].Offset = int64(len(rows[p]) - 1)
			continue
		}
		r := Record{Partition: int32(p), Offset: int64(len(rows[p])), Value: fmt.Sprintf(
			`{"id":"r%d","time":%d,"user":"u%d","credits":%.9f,"input_tokens":1000,"output_tokens":0,"model":"m","plan":%q,"session":"s%d","device":"d%d"}`,
			id, at/1e6-int64(rng.IntN(20_000)), u, credits, plan, u, u)}
		row := simRow{Record: r}
		if err := d.Decode(r.Value, &row.event); err != nil {
			tb.Fatal(err)
		}
		rows[p] = append(rows[p], row)
	}
	return rows
}

func simOptions() Options {
	o := Options{Relay: nowhere{}, Partitions: simPartitions, RateCard: []price.Entry{{Model: "m", Input: 1_250_000_000}}}
	o.withDefaults()
	return o
}

type nowhere struct{}

// Say implements Relay: the simulation takes signals where they are made.
func (nowhere) Say(context.Context, []Signal) error { return nil }

var noRows []ledger.Row

// TestSimulation plays seeds and expects after each that every row was told exactly once, that all who decided said the same, and that
// it is what one instance alone would have said of the same log.
func TestSimulation(t *testing.T) {
	t.Parallel()
	rows := simWorld(t)
	n := *simSeeds
	if testing.Short() {
		n = min(n, 5)
	}
	found := 0
	for seed := range n {
		s := newSim(t, rows, uint64(*simFirst)+uint64(seed))
		if s.run(); s.failed != "" {
			t.Fatalf("seed %d: %s\nagain with: go test ./detector -run '^TestSimulation$' -sim-first=%d -sim-seeds=1\n%s", s.seed(seed), s.failed, s.seed(seed), s.tailOfTrace())
		}
		found += min(len(s.order), 1)
	}
	// Where half of the users come after the hour that is taken to be usual, the others are too few: there nothing has to be found.
	if found < n*9/10 {
		t.Errorf("something was found in %d seeds of %d: they show little", found, n)
	}
	t.Logf("%d seeds, in %d of them something was found", n, found)
}

func (s *sim) seed(i int) int64 { return *simFirst + int64(i) }

func (s *sim) tailOfTrace() string {
	return strings.Join(s.trace[max(0, len(s.trace)-40):], "\n")
}

func newSim(t testing.TB, rows [simPartitions][]simRow, seed uint64) *sim {
	s := &sim{t: t, rng: rand.New(rand.NewPCG(seed, 1)), o: simOptions(), rows: rows, said: map[string]string{}}
	for i := range 3 {
		s.nodes = append(s.nodes, s.boot(i))
	}
	return s
}

func (s *sim) boot(id int) *simNode {
	return &simNode{id: id, held: map[int32]*simHeld{}, claiming: map[int32]Claim{}}
}

func (s *sim) note(format string, args ...any) {
	s.trace = append(s.trace, fmt.Sprintf(format, args...))
}

func (s *sim) fail(format string, args ...any) {
	if s.failed == "" {
		s.failed = fmt.Sprintf(format, args...)
	}
}

// run plays until all rows are read, decided on and checked.
func (s *sim) run() {
	for steps := 0; steps < 4000 && s.failed == ""; steps++ {
		s.step()
	}
	// Then all is well again: one instance takes everything, and reads what is left.
	for p := range s.owner {
		s.owner[p], s.avail[p] = 0, len(s.rows[p])
	}
	s.leader = 0
	s.nodes = s.nodes[:1]
	n := s.nodes[0]
	for rounds := 0; s.failed == ""; rounds++ {
		if rounds > 2000 {
			s.fail("no end is reached: rows %v of %v", n.held, s.avail)
			return
		}
		s.settle(n)
		done := n.lead != nil && n.lead.next == len(s.log) && len(n.outbox) == 0
		for p := range int32(simPartitions) {
			h := n.held[p]
			done = done && h != nil && h.next == len(s.rows[p]) && h.said > 0
		}
		if done {
			break
		}
	}
	if s.failed == "" {
		for p := range int32(simPartitions) {
			n.held[p].finish()
		}
		s.settle(n)
		s.check(n)
	}
}

// settle has one instance do all that it can.
func (s *sim) settle(n *simNode) {
	for p := range int32(simPartitions) {
		s.own(n, p)
		s.feed(n, p, 50)
		s.pause(n, p)
	}
	s.takeLead(n)
	s.write(n, len(n.outbox), false)
	s.read(n, len(s.log))
	s.decide(n, len(s.log))
}

// step does one small thing.
func (s *sim) step() {
	n := s.nodes[s.rng.IntN(len(s.nodes))]
	p := int32(s.rng.IntN(simPartitions))
	switch k := s.rng.IntN(1000); {
	case k < 30:
		s.avail[p] = min(s.avail[p]+s.rng.IntN(20), len(s.rows[p]))
	case k < 260:
		s.feed(n, p, 1+s.rng.IntN(12))
	case k < 360:
		s.pause(n, p)
	case k < 480:
		s.write(n, 1+s.rng.IntN(6), s.rng.IntN(6) == 0)
	case k < 640:
		s.read(n, 1+s.rng.IntN(20))
	case k < 760:
		s.decide(n, 1+s.rng.IntN(20))
	case k < 800:
		s.save(n, p)
	case k < 860:
		s.keep(n)
	case k < 880:
		s.saveFleet(n)
	case k < 950:
		s.own(n, p)
	case k < 970:
		s.takeLead(n)
	case k < 976: // Kafka moves a partition; who had it may not know for long
		s.owner[p] = s.rng.IntN(len(s.nodes))
		s.note("partition %d is given to %d", p, s.owner[p])
	case k < 979:
		s.leader = s.rng.IntN(len(s.nodes))
		s.note("leader is to be %d", s.leader)
	case k < 989: // who has lost a partition hears of it
		if h := n.held[p]; h != nil && s.owner[p] != n.id {
			delete(n.held, p)
		}
		if n.lead != nil && s.leader != n.id {
			n.lead = nil
		}
	case k < 992:
		s.note("%d crashes", n.id)
		s.nodes[n.id] = s.boot(n.id)
	default:
		if len(n.wrote) > 0 { // an answer that was lost: it writes again what it wrote
			for _, x := range n.wrote {
				s.log = append(s.log, x.AppendBinary(nil))
			}
		}
	}
}

// check holds what came of it against what the rows are.
func (s *sim) check(n *simNode) {
	l := n.lead
	var told, counted, late, twice int64
	alone := newSim(s.t, s.rows, 0)
	alone.log, alone.leader = s.log, 0
	alone.takeLead(alone.nodes[0])
	alone.decide(alone.nodes[0], len(s.log))
	if got, want := fmt.Sprint(alone.said), fmt.Sprint(s.said); got != want {
		s.fail("one that decides alone on the same log says otherwise:\n%s\nnot\n%s", got, want)
	}
	for p := range int32(simPartitions) {
		c := l.counts[p]
		if c.Rows != int64(len(s.rows[p])) {
			s.fail("partition %d: %d rows of %d were read", p, c.Rows, len(s.rows[p]))
		}
		counted, late, twice = counted+c.Counted, late+c.Late, twice+c.Duplicates
	}
	for p := range int32(simPartitions) {
		ids := map[string]bool{}
		for _, r := range s.rows[p] {
			ids[r.event.ID] = true
		}
		if c := l.counts[p]; c.Counted+c.Late != int64(len(ids)) {
			s.fail("partition %d: %d rows were counted and %d late, of %d", p, c.Counted, c.Late, len(ids))
		}
	}
	if told = l.rows; told != counted {
		s.fail("the fleet has %d rows, and shards counted %d", told, counted)
	}
}

// TestSimulationFindsBugs breaks the code in one place after the other: each is noticed within 500 seeds.
func TestSimulationFindsBugs(t *testing.T) {
	rows := simWorld(t)
	for i, m := range simMutations {
		t.Run(string(m), func(t *testing.T) {
			if !*simAll && (i%5 != 0 || testing.Short()) {
				t.Skip("long: make simulation breaks all of them")
			}
			t.Parallel()
			for seed := uint64(1); seed <= 500; seed++ {
				s := newSim(t, rows, seed)
				s.broken = m
				if s.run(); s.failed != "" {
					t.Logf("seed %d: %.200s", seed, s.failed)
					return
				}
			}
			t.Error("it is not noticed")
		})
	}
}
