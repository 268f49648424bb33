package main

import (
	"context"
	"sync"

	"github.com/spf13/cobra"

	"github.com/drainwatch/drainwatch/detector/checkpoint"
	"github.com/drainwatch/drainwatch/detector/warroom"
)

func newRunCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Watch a Kafka topic until stopped",
		Long: `run is the service: it consumes the usage topic, writes alerts to the alerts topic and what cannot be used to the
dead-letter topic, and answers /healthz, /readyz and /metrics on listen.probes. Alerts are also delivered to the
configured sinks, from an outbox in an internal topic, so that none is lost when the program is killed.
What it cannot see (lag, silence, unreadable rows, clocks that are off, sinks that fail) is told to the sinks as well,
and makes /readyz answer 503 with what it is blind to.

The war room is on listen.api: a page of the incidents, and the API under /api/v1 that incidents, cohorts, users and
explain ask. Nobody is authenticated there, so an address that other machines reach is refused unless listen.open is set.

A first start learns from what the topic retains without waking anybody: what ended before it is recorded as info.
It leaves a record in an internal topic, so that a later start on another cluster, on a topic that was made anew, or
with another number of partitions is refused rather than taken for a first one.

A topic that is not keyed by user is repartitioned with ingest.rekey: true, through the internal topic rekeyed, from which
everything is read then; nothing of it is lost or counted twice.

Start as many instances as you like, with one configuration: Kafka shares the partitions out among them, one of them
decides on incidents and one tells the sinks. What one that dies had not said is said by whoever takes over, once. Those beyond the number
of partitions wait.

What is known is kept in checkpoints, under state.path or with state.store: kafka in an internal topic, every
state.every and when a partition goes elsewhere; what has not changed is not written again: whoever takes it up goes on
from the newest that verifies, and says what would have been said. Without one the partition is read again from where
the first start began. It refuses to start when retention removed records that it has not read yet, or, without a checkpoint,
that it has; --accept-loss goes on without them.`,
		Example: `  drainwatch run --brokers kafka-1:9092,kafka-2:9092 --topic usage
  drainwatch run --config /etc/drainwatch/drainwatch.yaml
  KAFKA_BROKERS=kafka-1:9092 drainwatch run --start latest`,
		Args: cobra.NoArgs,
		RunE: runService,
	}
	f := cmd.Flags()
	f.StringSliceP("brokers", "b", nil, "Kafka brokers, host:port, comma-separated (ingest.brokers)")
	f.StringP("topic", "t", "", "topic that carries the charges (ingest.topic)")
	f.StringP("group", "g", "", "consumer group (ingest.group)")
	f.String("start", "", "where a first start begins: earliest, latest or an RFC 3339 time (ingest.start)")
	f.String("format", "", "format of the rows: native, or auto to decide for each (ingest.format)")
	f.String("prefix", "", "beginning of the names of the topics that are written (topics.prefix)")
	f.String("api", "", "address of the war room and its API (listen.api)")
	f.Bool("accept-loss", false, "go on although records that were not read yet, or what was learned, are lost; what is lost stands in the alerts topic")
	f.String("probes", "", "address for /healthz, /readyz and /metrics (listen.probes)")
	addConfigFlag(cmd)
	return cmd
}

var runBindings = []binding{
	{"brokers", "ingest.brokers"},
	{"topic", "ingest.topic"},
	{"group", "ingest.group"},
	{"start", "ingest.start"},
	{"format", "ingest.format"},
	{"prefix", "topics.prefix"},
	{"api", "listen.api"},
	{"probes", "listen.probes"},
}

func runService(cmd *cobra.Command, _ []string) error {
	log, err := newLogger(cmd)
	if err != nil {
		return err
	}
	conf, err := loadConfig(cmd, runBindings...)
	if err != nil {
		return err
	}
	conf.logWarnings(log)
	registry := newRegistry()
	s := newService(conf, log, registry)
	acceptLoss, err := cmd.Flags().GetBool("accept-loss")
	if err != nil {
		return err
	}
	var kept checkpoint.Store // of a topic: once there is a connection
	if conf.State.Store == "dir" {
		if kept, err = checkpoint.OpenDir(conf.checkpointDir()); err != nil {
			return err
		}
	}
	s.keep(kept, acceptLoss)
	s.blindness = newBlindness(log, registry)
	s.journal = warroom.NewJournal(s.keepRemark)
	probes, err := startProbes(conf.Listen.Probes, "listen.probes", registry, s.state, nil)
	if err != nil {
		return err
	}
	defer probes.close()
	answers, err := s.api("drainwatch")
	if err != nil {
		return err
	}
	api, err := startProbes(conf.Listen.API, "listen.api", registry, s.state, answers)
	if err != nil {
		return err
	}
	defer api.close()
	beat, err := conf.heartbeat(s.state, log, registry)
	if err != nil {
		return err
	}
	if len(conf.Sinks) > 0 {
		out := &together{w: cmd.OutOrStdout()}
		if s.troubles, err = conf.troubles(log, registry, out); err != nil {
			return err
		}
		defer func() { _ = s.troubles.Close() }() // what is left undelivered is told by the next start
		s.delivering = &delivering{service: s, out: out}
	}
	ctx, stop := context.WithCancel(cmd.Context())
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stop()
	if s.troubles != nil {
		s.blindness.adopt(s.troubles.Dispatcher)
		beside.Go(func() { s.troubles.watchRetries(ctx, log) })
	}
	beside.Go(func() { s.blindness.run(ctx, s.look) })
	if beat != nil {
		beside.Go(func() { beat(ctx) })
	}
	log.Info().Str("version", buildInfo().Version).Str("config_version", conf.version()).Str("api", "http://"+api.addr).Str("probes", "http://"+probes.addr).Msg("run: started")
	if err := s.run(cmd.Context()); err != nil {
		return err
	}
	log.Info().Msg("run: stopped")
	return nil
}
