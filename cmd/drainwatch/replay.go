package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/ledger"
	"github.com/drainwatch/drainwatch/detector/notify"
)

// replay is what the flags of the command say.
type replay struct {
	inputs                               []string
	alerts, ledger, summary, deadLetters string
	notify                               bool
}

func newReplayCmd() *cobra.Command {
	var o replay
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Run the detector over files and say what happened",
		Long: `replay reads usage rows, one JSON object a line, and writes what the detector finds: the alerts as they
were raised, who is owed what, a summary, and the lines that could not be used. The same input and
configuration give the same bytes, on any machine. Without an output it prints the incidents in plain words.

Files may be compressed with gzip or zstd. Several are read in the order given, as one sequence of lines.
Output files appear whole when everything was read, or not at all.

With --notify the alerts also go to the sinks of the configuration, as they would have gone: a pager will ring.`,
		Example: `  drainwatch replay --input usage.jsonl
  drainwatch replay --input june.jsonl.gz --config drainwatch.yaml --alerts alerts.jsonl --ledger owed.csv
  zcat usage-*.gz | drainwatch replay --input - --summary -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.inputs, "input", nil, "file with usage rows, also .gz or .zst; - is standard input; repeatable")
	f.StringVar(&o.alerts, "alerts", "", "file for every revision of every alert, as JSON lines; - is standard output")
	f.StringVar(&o.ledger, "ledger", "", "file for what each user was overcharged under each incident, as CSV; - is standard output")
	f.StringVar(&o.summary, "summary", "", "file for counts and totals, as JSON; - is standard output")
	f.StringVar(&o.deadLetters, "dead-letters", "", "file for the lines that could not be used, with the reason, as JSON lines; - is standard output")
	f.BoolVar(&o.notify, "notify", false, "also deliver to the configured sinks, and exit with 1 if one did not take all of it")
	f.String("format", "auto", "format of the rows: native, or auto to decide for each")
	addConfigFlag(cmd)
	return cmd
}

func (o *replay) run(cmd *cobra.Command) error {
	log, err := newLogger(cmd)
	if err != nil {
		return err
	}
	if len(o.inputs) == 0 {
		return usagef("read command line: no input; name a file with --input, or - for standard input")
	}
	conf, err := loadConfig(cmd, binding{"format", "ingest.format"})
	if err != nil {
		return err
	}
	conf.logWarnings(log)

	alerts, owed := &output{flag: "alerts", path: o.alerts}, &output{flag: "ledger", path: o.ledger}
	summary, dead := &output{flag: "summary", path: o.summary}, &output{flag: "dead-letters", path: o.deadLetters}
	in, err := openInputs(o.inputs, cmd.InOrStdin())
	if err != nil {
		return err
	}
	defer in.Close()
	outputs, err := openOutputs(cmd.OutOrStdout(), o.inputs, alerts, owed, summary, dead)
	if err != nil {
		return err
	}
	defer outputs.discard()

	sink := &replaySink{alerts: json.NewEncoder(alerts), dead: json.NewEncoder(dead), source: in.line}
	sink.alerts.SetEscapeHTML(false)
	sink.dead.SetEscapeHTML(false)
	if o.notify {
		if len(conf.Sinks) == 0 {
			return usagef("read command line: --notify: no sinks are configured; name some under sinks: in the file of --config, or leave it out")
		}
		if sink.notifier, err = conf.notifier(log, nil, cmd.OutOrStdout(), ofIncidents, notify.Options{}); err != nil {
			return err
		}
		defer func() { _ = sink.notifier.Close() }() // nothing is kept
		sink.notifier.Start()
	}
	rows, result, err := detect(cmd.Context(), conf.engineOptions(log), in, sink, showProgress(cmd.ErrOrStderr(), log, in))
	if err != nil {
		return err
	}
	if err := ledger.WriteCSV(owed, rows); err != nil {
		return err
	}
	text, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	if _, err := summary.Write(append(text, '\n')); err != nil {
		return err
	}
	if err := outputs.commit(); err != nil {
		return err
	}
	if o.alerts == "" && o.ledger == "" && o.summary == "" && o.deadLetters == "" {
		if err := printFindings(cmd.OutOrStdout(), sink.latest.list(), result); err != nil {
			return err
		}
	}
	if sink.notifier == nil {
		return nil
	}
	patience, cancel := context.WithTimeout(cmd.Context(), drainFor)
	defer cancel()
	return stopCause(cmd.Context(), sink.notifier.Drained(patience))
}

// detect feeds an engine with all of the inputs and closes the books. read is called when everything was read.
func detect(ctx context.Context, opts detector.Options, in *inputs, sink detector.Output, read func()) ([]ledger.Row, detector.Summary, error) {
	engine, err := detector.New(opts, sink, in)
	if err != nil {
		read()
		return nil, detector.Summary{}, usageError{err}
	}
	defer func() { _ = engine.Close() }()
	if err = engine.Assign(0); err == nil {
		err = in.Batches(ctx, func(records []detector.Record) error { return engine.Feed(ctx, 0, records) })
	}
	read()
	if err != nil {
		return nil, detector.Summary{}, stopCause(ctx, err)
	}
	summary, err := engine.Finish(ctx)
	if err != nil {
		return nil, detector.Summary{}, stopCause(ctx, err)
	}
	return engine.Ledger(), summary, nil
}

// stopCause says that somebody stopped the program where that is why err happened.
func stopCause(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return interrupted("rows")
	}
	return err
}

// replaySink writes what the engine says.
type replaySink struct {
	alerts, dead *json.Encoder
	source       func(offset int64) (name string, line int64)
	latest       latest
	notifier     *notify.Dispatcher // nil without --notify
}

// Alert implements detector.Output. Rows of days pass in seconds here, so reading waits until the sinks have been asked once to
// take each revision: a receiver sees an incident open and resolve as it would have, and not its last state alone.
func (s *replaySink) Alert(ctx context.Context, r incident.Record) error {
	s.latest.add(r)
	if err := s.alerts.Encode(r); err != nil || s.notifier == nil {
		return err
	}
	s.notifier.Offer(r)
	return s.notifier.Tried(ctx)
}

// deadLetter is a line of the dead letters file. The raw bytes are text where they are text.
type deadLetter struct {
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	Source string `json:"source"`
	Line   int64  `json:"line"`
	Raw    string `json:"raw,omitempty"`
	Base64 []byte `json:"raw_base64,omitempty"`
}

// DeadLetter implements detector.Output.
func (s *replaySink) DeadLetter(_ context.Context, d detector.DeadLetter) error {
	out := deadLetter{Reason: d.Reason, Detail: d.Detail, Raw: d.Value}
	out.Source, out.Line = s.source(d.Offset)
	if !utf8.ValidString(d.Value) {
		out.Raw, out.Base64 = "", []byte(d.Value)
	}
	return s.dead.Encode(out)
}

// latest keeps the last revision of each incident, in the order in which they were first said.
type latest struct {
	order []string
	by    map[string]incident.Record
}

func (l *latest) add(r incident.Record) {
	if l.by == nil {
		l.by = map[string]incident.Record{}
	}
	if _, known := l.by[r.Incident]; !known {
		l.order = append(l.order, r.Incident)
	}
	l.by[r.Incident] = r
}

func (l *latest) list() []incident.Record {
	out := make([]incident.Record, len(l.order))
	for i, id := range l.order {
		out[i] = l.by[id]
	}
	return out
}

// printFindings writes the incidents in plain words, the loud ones last, where a terminal shows them.
func printFindings(w io.Writer, records []incident.Record, s detector.Summary) error {
	width, _ := terminalSize(w)
	shown := 0
	for _, severity := range []incident.Severity{incident.Info, incident.Ticket, incident.Page} {
		for _, r := range records {
			if r.Severity == severity && r.MergedInto == nil {
				alertBlock(w, r, width, wantsColor(w))
				fmt.Fprintln(w)
				shown++
			}
		}
	}
	_, err := fmt.Fprintln(w, closingLine(s, shown))
	return err
}

// closingLine says what was read, so that silence can be told from blindness.
func closingLine(s detector.Summary, incidents int) string {
	line := fmt.Sprintf("%s of %s read; %s", count(s.Rows, "row", "rows"), count(int64(s.Users), "user", "users"), count(int64(incidents), "incident", "incidents"))
	var unusable int64
	for _, n := range s.DeadLetters {
		unusable += n
	}
	if unusable > 0 {
		line += fmt.Sprintf("; %s could not be used: --dead-letters FILE says why", count(unusable, "row", "rows"))
	}
	return line
}

// showProgress shows how much of the inputs was read.
func showProgress(w io.Writer, log zerolog.Logger, in *inputs) (done func()) {
	return watchProgress(w, log, "replay", in.size(), in.read.Load, progressbar.OptionShowBytes(true))
}

// watchProgress shows how far something has come, as a bar on a terminal and as a log line every ten seconds elsewhere.
func watchProgress(w io.Writer, log zerolog.Logger, what string, total int64, at func() int64, looks ...progressbar.Option) (done func()) {
	period, show, end := 10*time.Second, func(n int64) {
		log.Info().Int64("at", n).Int64("of", total).Msg(what + ": reading")
	}, func() {}
	if isTerminal(w) {
		bar := progressbar.NewOptions64(total, append(looks, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))...)
		period, show, end = 100*time.Millisecond, func(n int64) { _ = bar.Set64(n) }, func() { _ = bar.Finish() }
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		t := time.NewTicker(period)
		defer t.Stop()
		for {
			select {
			case <-stop:
				end()
				return
			case <-t.C:
				show(at())
			}
		}
	}()
	return func() { close(stop); <-stopped }
}
