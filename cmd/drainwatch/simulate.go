package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/fixtures"
)

// rowSink takes simulated rows in the order in which they arrive.
type rowSink interface {
	// Write takes one encoded row, without a line break, keyed by its user. It must not keep value.
	Write(ctx context.Context, user string, value []byte) error
	// Flush lets readers see what was written.
	Flush() error
	// Close flushes and ends the output.
	Close() error
}

// simulation is what the flags of simulate say.
type simulation struct {
	scenario, out, truth, config string
	servegen                     string
	seed                         uint64
	rate                         float64
	list                         bool
}

func newSimulateCmd() *cobra.Command {
	var o simulation
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Writes labelled traffic: a population's usage with incidents whose truth is known",
		Long: `simulate writes the usage rows of a scenario, one JSON object a line, and on request what is true of them
(--truth) and what the detector may be told (--config-out). The same scenario and seed give the same bytes.`,
		Example: `  drainwatch simulate --list
  drainwatch simulate --scenario june --out june.jsonl.gz --truth truth.json --config-out june.yaml
  drainwatch simulate --scenario ./mine.yaml --rate 2000
  drainwatch simulate --scenario quiet --out kafka://127.0.0.1:9092/usage`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.list {
				return listScenarios(cmd.OutOrStdout())
			}
			return o.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.scenario, "scenario", "demo", "built-in scenario (see --list) or path of a scenario file")
	f.StringVar(&o.out, "out", "-", "file for the rows, compressed if it ends in .gz or .zst; kafka://host:port/topic is a topic; - is standard output")
	f.StringVar(&o.truth, "truth", "", "file for what is true of the rows, as JSON; - is standard output")
	f.StringVar(&o.config, "config-out", "", "file for a configuration that tells the detector the rate card, plans and calendar of the scenario")
	f.StringVar(&o.servegen, "servegen", "", "replay the clients of the ServeGen traces in this folder as users, instead of a scenario")
	f.Uint64Var(&o.seed, "seed", 1, "which of the scenario's worlds to make")
	f.Float64Var(&o.rate, "rate", 0, "rows a second to write; 0 is as fast as possible")
	f.BoolVar(&o.list, "list", false, "list the built-in scenarios and stop")
	return cmd
}

func listScenarios(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, name := range fixtures.Names() {
		s, err := fixtures.Load(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(t, "%s\t%s\n", name, s.Story)
	}
	return t.Flush()
}

func (o *simulation) run(cmd *cobra.Command) (err error) {
	if o.rate < 0 {
		return usagef("read command line: --rate %v: must not be negative; 0 is as fast as possible", o.rate)
	}
	if o.truth == "-" && o.out == "-" {
		return usagef("read command line: --out and --truth both go to standard output; give one of them a file")
	}
	var s *fixtures.Scenario
	if o.servegen == "" {
		if s, err = fixtures.Load(o.scenario); err != nil {
			return usageError{firstLine(err)}
		}
	} else if cmd.Flags().Changed("scenario") || o.config != "" {
		return usagef("read command line: --servegen replays traces; leave --scenario and --config-out out")
	}
	sink, err := o.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()

	bar := newSimulationBar(cmd.ErrOrStderr(), s)
	truth, err := o.generate(s, o.emit(cmd.Context(), sink, bar))
	switch {
	case errors.Is(err, fs.ErrNotExist): // the folder of traces holds none
		return usageError{err}
	case err != nil:
		return fmt.Errorf("simulate: %w", err)
	}
	_ = bar.Finish()
	if o.config != "" {
		if err := os.WriteFile(o.config, s.Config(), 0o644); err != nil {
			return fmt.Errorf("write configuration: %w; name a writable file with --config-out", err)
		}
	}
	return o.writeTruth(truth, cmd.OutOrStdout())
}

// open returns where the rows go.
func (o *simulation) open(cmd *cobra.Command) (rowSink, error) {
	if !strings.HasPrefix(o.out, kafkaScheme) {
		return openRows(o.out, cmd.OutOrStdout())
	}
	log, err := newLogger(cmd)
	if err != nil {
		return nil, err
	}
	return openKafkaRows(cmd.Context(), o.out, log)
}

func (o *simulation) generate(s *fixtures.Scenario, emit func(*event.Event) error) (*fixtures.Truth, error) {
	if s == nil {
		return fixtures.ServeGen(o.servegen, o.seed, emit)
	}
	return s.Generate(o.seed, emit)
}

// emit returns the function that encodes a row, waits for its time where a rate is asked for, and writes it.
func (o *simulation) emit(ctx context.Context, sink rowSink, bar *progressbar.ProgressBar) func(*event.Event) error {
	var buf []byte
	var rows, first int64
	began := time.Now()
	return func(e *event.Event) error {
		rows++
		if rows == 1 {
			first = e.Time
		}
		if rows&1023 == 1 {
			_ = bar.Set64((e.Time - first) / int64(time.Minute))
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("interrupted after %d rows; what was written is whole rows", rows-1)
			}
		}
		if o.rate > 0 {
			due := began.Add(time.Duration(float64(rows) / o.rate * float64(time.Second)))
			if wait := time.Until(due); wait > time.Millisecond {
				if err := sink.Flush(); err != nil {
					return err
				}
				select {
				case <-time.After(wait):
				case <-ctx.Done():
					return fmt.Errorf("interrupted after %d rows; what was written is whole rows", rows-1)
				}
			}
		}
		buf = e.AppendJSON(buf[:0])
		return sink.Write(ctx, e.User, buf)
	}
}

func (o *simulation) writeTruth(truth *fixtures.Truth, stdout io.Writer) error {
	if o.truth == "" {
		return nil
	}
	text, err := json.MarshalIndent(truth, "", " ")
	if err != nil {
		return fmt.Errorf("write truth: %w", err)
	}
	text = append(text, '\n')
	if o.truth == "-" {
		_, err = stdout.Write(text)
	} else {
		err = os.WriteFile(o.truth, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write truth: %w; name a writable file with --truth", err)
	}
	return nil
}

// newSimulationBar shows how far the simulated clock has come, on a terminal only.
func newSimulationBar(w io.Writer, s *fixtures.Scenario) *progressbar.ProgressBar {
	if s == nil || !isTerminal(w) {
		return progressbar.DefaultSilent(1) // of unknown length it would start a goroutine
	}
	first, last := s.Start.Time().Unix()/60, s.Until.Time().Unix()/60
	return progressbar.NewOptions64(last-first, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("simulate "+s.Name),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
}

// firstLine keeps an error with several faults to one line each, joined.
func firstLine(err error) error {
	return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
}

// lineSink writes rows as lines to a file, a compressed file or standard output.
type lineSink struct {
	buf    *bufio.Writer
	closes []io.Closer // from the innermost outwards
	name   string
}

func openRows(name string, stdout io.Writer) (rowSink, error) {
	s := &lineSink{name: name}
	w := stdout
	if name != "-" {
		f, err := os.Create(name)
		if err != nil {
			return nil, usagef("write rows: %w; name a writable file with --out", err)
		}
		w, s.closes = f, append(s.closes, f)
	} else {
		s.name = "standard output"
	}
	switch {
	case strings.HasSuffix(name, ".gz"):
		z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			return nil, fmt.Errorf("write rows to %s: %w", name, err)
		}
		w, s.closes = z, append(s.closes, z)
	case strings.HasSuffix(name, ".zst"):
		z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("write rows to %s: %w", name, err)
		}
		w, s.closes = z, append(s.closes, z)
	}
	s.buf = bufio.NewWriterSize(w, 256<<10)
	return s, nil
}

// Write implements rowSink.
func (s *lineSink) Write(_ context.Context, _ string, value []byte) error {
	_, _ = s.buf.Write(value) // a bufio.Writer keeps its first error
	if err := s.buf.WriteByte('\n'); err != nil {
		return fmt.Errorf("write rows to %s: %w", s.name, err)
	}
	return nil
}

// Flush implements rowSink. Compressed files are seen when they are closed.
func (s *lineSink) Flush() error {
	if err := s.buf.Flush(); err != nil {
		return fmt.Errorf("write rows to %s: %w", s.name, err)
	}
	return nil
}

// Close implements rowSink.
func (s *lineSink) Close() error {
	err := s.buf.Flush()
	for _, c := range slices.Backward(s.closes) {
		err = errors.Join(err, c.Close())
	}
	if err != nil {
		return fmt.Errorf("write rows to %s: %w", s.name, err)
	}
	return nil
}
