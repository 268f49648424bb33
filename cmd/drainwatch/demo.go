package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/drainwatch/drainwatch/detector/backtest"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/notify"
	"github.com/drainwatch/drainwatch/detector/stream"
	"github.com/drainwatch/drainwatch/fixtures"
)

const (
	demoPartitions = 4
	demoSpeed      = 600       // an hour of the incident in six seconds
	onceSpeed      = 1800      // where the end counts, not the watching
	demoLead       = time.Hour // of quiet traffic shown before the first incident
	demoBookEvery  = 10 * time.Second
)

// demo is what the flags of the command say, and what one demonstration consists of.
type demo struct {
	scenario, listen string
	speed            float64
	seed             uint64
	once             bool

	story   *fixtures.Scenario
	service *service
	view    *view
	client  *stream.Client
}

func newDemoCmd() *cobra.Command {
	var o demo
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: an embedded broker, simulated traffic with incidents, the detector",
		Long: `demo needs nothing installed: it starts a Kafka broker inside the process, simulates a population of paying
users to whom things go wrong, and runs the same detector on the same path as run does. Quiet history is played as
fast as the machine allows, the incidents --speed times faster than life.

When the scenario has ended it prints what was injected beside what was found. With --once it ends there, with exit
code 0 only if class, cause, scope and money agree, and incidents are played three times faster unless --speed is given.

With --config, alerts also go to the sinks of that file, marked DEMO; nothing else in it counts here.`,
		Example: `  drainwatch demo
  drainwatch demo --once --speed 2000
  drainwatch demo --scenario june --listen 127.0.0.1:0`,
		Args: cobra.NoArgs,
		RunE: o.run,
	}
	f := cmd.Flags()
	f.StringVar(&o.scenario, "scenario", "demo", "built-in scenario (see simulate --list) or path of a scenario file")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "address of the war room: the incidents, /api/v1, /healthz, /readyz and /metrics")
	f.Float64Var(&o.speed, "speed", demoSpeed, "how many times faster than life incidents are played; 0 is as fast as possible")
	f.Uint64Var(&o.seed, "seed", 1, "which of the scenario's worlds to make")
	f.String("config", "", "configuration file whose sinks and routes are used")
	f.BoolVar(&o.once, "once", false, "end when the scenario has ended; exit code 0 only if what was found agrees with what was injected")
	return cmd
}

func (o *demo) run(cmd *cobra.Command, _ []string) error {
	log, err := newLogger(cmd)
	if err != nil {
		return err
	}
	if o.once && !cmd.Flags().Changed("speed") {
		o.speed = onceSpeed
	}
	if o.speed < 0 {
		return usagef("read command line: --speed %v: must not be negative; 0 is as fast as possible", o.speed)
	}
	if o.story, err = fixtures.Load(o.scenario); err != nil {
		return usageError{firstLine(err)}
	}
	out := cmd.OutOrStdout()
	if isTerminal(out) && !cmd.Flags().Changed("log-level") {
		log = log.Level(zerolog.ErrorLevel) // the view is the log
	}
	broker, err := stream.StartEmbedded(stream.EmbeddedOptions{})
	if err != nil {
		return err
	}
	defer broker.Close()
	conf, err := demoConfig(o.story, broker.Brokers(), o.listen)
	if err != nil {
		return err
	}
	if cmd.Flags().Changed("config") { // not by a variable of the environment: it might ring a real pager
		own, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		own.logWarnings(log)
		conf.Sinks, conf.Routes = own.Sinks, own.Routes
	}
	registry := newRegistry()
	o.service = newService(conf, log, registry)
	o.service.live, o.service.bookEvery = true, demoBookEvery
	answers, err := o.service.api("drainwatch demo: " + o.story.Story)
	if err != nil {
		return err
	}
	probes, err := startProbes(o.listen, "--listen", registry, o.service.state, answers)
	if err != nil {
		return err
	}
	defer probes.close()
	o.service.conf.Listen.URL = "http://" + probes.addr // where alerts link to
	if o.client, err = stream.New(stream.Options{Config: stream.Config{Brokers: broker.Brokers()}, Log: log}); err != nil {
		return err
	}
	defer o.client.Close()
	o.view = &view{
		w: out, terminal: isTerminal(out), color: wantsColor(out),
		title: fmt.Sprintf("drainwatch demo at http://%s/: %s", probes.addr, o.story.Story),
	}
	if !o.view.terminal {
		fmt.Fprintln(out, o.view.title)
	}
	o.service.onAlert = o.view.alert
	if len(conf.Sinks) > 0 {
		if o.service.notifier, err = conf.notifier(log, registry, out, ofIncidents, notify.Options{Mark: "DEMO"}); err != nil {
			return err
		}
	}
	return o.play(cmd.Context())
}

// demoConfig is what the operator of the simulated provider would have configured.
func demoConfig(s *fixtures.Scenario, brokers []string, listen string) (loaded, error) {
	conf, err := parseConfig("scenario "+s.Name, s.Config(), nil, nil, nil)
	if err != nil {
		return conf, fmt.Errorf("configure scenario %s: %w; this is a fault of the simulator", s.Name, err)
	}
	conf.Ingest.Brokers = brokers
	conf.Listen.API, conf.Listen.Open = listen, true // what it shows is made up
	return conf, nil
}

// play runs service, producer and view until the scenario has ended and, unless it is to end there, until ctx is done.
func (o *demo) play(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	topic := o.service.conf.Ingest.Topic
	if err := o.client.EnsureTopic(ctx, stream.TopicSpec{Name: topic, Partitions: demoPartitions}); err != nil {
		if parent.Err() != nil {
			return nil
		}
		return err
	}
	served := make(chan error, 1)
	go func() {
		err := o.service.run(ctx)
		if err != nil {
			cancel(err)
		}
		served <- err
	}()
	shown, end := make(chan struct{}), make(chan struct{})
	go func() { defer close(shown); o.view.show(end, o.service.snapshot) }()

	truth, err := o.produce(ctx, topic)
	if err == nil {
		o.view.say("the scenario has ended; closing the books")
		o.service.end()
	} else {
		cancel(err)
	}
	serr := <-served
	close(end)
	<-shown
	switch {
	case parent.Err() != nil:
		return nil // Ctrl-C
	case serr != nil && !errors.Is(serr, context.Canceled):
		return serr
	case err != nil:
		return err
	}
	return o.conclude(parent, truth)
}

// produce plays the scenario into the topic and waits until all of it has been read.
func (o *demo) produce(ctx context.Context, topic string) (*fixtures.Truth, error) {
	rows := newKafkaRows(context.WithoutCancel(ctx), o.client, topic) // what is under way at Ctrl-C is written: the broker is here
	quietUntil := o.story.Until.Time()
	for _, i := range o.story.Incidents {
		if from := i.From.Time().Add(-demoLead); from.Before(quietUntil) {
			quietUntil = from
		}
	}
	pace := &pacer{from: quietUntil.UnixNano(), speed: o.speed}
	pace.before = func() error { // what is shown must not lag behind what is played
		if err := rows.Sync(); err != nil {
			return err
		}
		if err := o.awaitRead(ctx, topic); err != nil {
			return err
		}
		speed := "as fast as possible"
		if o.speed > 0 {
			speed = "at " + times(o.speed) + " speed"
		}
		o.view.say(fmt.Sprintf("the past is learned; playing %s to %s %s", clock(quietUntil), clock(o.story.Until.Time()), speed))
		return nil
	}
	o.view.say("playing the quiet past as fast as possible")
	var buf []byte
	truth, err := o.story.Generate(o.seed, func(e *event.Event) error {
		if err := pace.wait(ctx, e.Time, rows.Flush); err != nil {
			return err
		}
		buf = e.AppendJSON(buf[:0])
		return rows.Write(ctx, e.User, buf)
	})
	if cerr := rows.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	return truth, o.awaitRead(ctx, topic)
}

// awaitRead waits until everything that the topic holds now has been read.
func (o *demo) awaitRead(ctx context.Context, topic string) (err error) {
	ends := map[int32]int64{}
	for p := range int32(demoPartitions) {
		if _, ends[p], err = o.client.Bounds(ctx, topic, p); err != nil {
			return err
		}
	}
	return o.service.readUpTo(ctx, ends)
}

// pacer makes event time pass at a multiple of real time, from some moment on.
type pacer struct {
	from   int64 // event time; what is earlier passes at once
	speed  float64
	before func() error // called once, when from is reached
	began  time.Time
	rows   int
}

// wait returns when a row of that event time is due. While it waits, readers see what was written.
func (p *pacer) wait(ctx context.Context, at int64, flush func() error) error {
	if p.rows++; p.rows&255 == 0 {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
	}
	if at < p.from {
		return nil
	}
	if p.began.IsZero() { // however fast: what is written before the service has started wakes nobody
		if err := p.before(); err != nil {
			return err
		}
		p.began = time.Now()
	}
	if p.speed == 0 {
		return nil
	}
	due := p.began.Add(time.Duration(float64(at-p.from) / p.speed))
	wait := time.Until(due)
	if wait < 5*time.Millisecond { // finer steps would only make smaller writes
		return nil
	}
	if err := flush(); err != nil {
		return err
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// conclude compares what was found with what was injected.
func (o *demo) conclude(ctx context.Context, truth *fixtures.Truth) error {
	score := backtest.Compare(labels(truth), o.view.records())
	fmt.Fprintln(o.view.w)
	width, _ := terminalSize(o.view.w)
	if err := writeComparison(o.view.w, score, width); err != nil {
		return err
	}
	wrong := disagreements(score)
	found := slices.DeleteFunc(o.view.records(), func(r incident.Record) bool { return r.MergedInto != nil })
	fmt.Fprintf(o.view.w, "\n%s; %s\n", closingLine(o.service.result, len(found)), agreement(wrong))
	if o.once {
		if len(wrong) > 0 {
			return fmt.Errorf("demo scenario %s: found differs from injected: %s; the table above shows both", o.scenario, strings.Join(wrong, "; "))
		}
		return nil
	}
	fmt.Fprintln(o.view.w, "Ctrl-C ends the demonstration.")
	<-ctx.Done()
	return nil
}

func agreement(wrong []string) string {
	if len(wrong) == 0 {
		return "found agrees with injected"
	}
	return fmt.Sprintf("found differs from injected in %s", count(int64(len(wrong)), "point", "points"))
}
