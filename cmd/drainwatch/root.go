package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
)

// The exit codes of the program (contract: "Exit codes and errors").
const (
	exitDone   = 0
	exitFailed = 1 // failed while running
	exitUsage  = 2 // the command line or the configuration is wrong
	exitMissed = 3 // a bar that was given on the command line was missed
)

// usageError marks an error that the caller can only mend on the command line or in the configuration.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// usagef returns a usageError.
func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// missedError says which bars an evaluation missed.
type missedError struct{ bars []string }

func (e missedError) Error() string {
	return "evaluate scenarios: missed " + strings.Join(e.bars, ", ") + "; the score card above says where"
}

// Execute runs the program with these arguments and streams and returns its exit code. It returns early when
// ctx is done.
func Execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	started := false
	root := newRootCmd()
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		started = true
		_, err := newLogger(cmd)
		return err
	}
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var usage usageError
	if !started && !errors.As(err, &usage) { // cobra itself refused: an unknown command, flag or argument
		err = usagef("read command line: %s; see drainwatch --help", strings.Join(strings.Fields(err.Error()), " "))
	}
	writeError(stderr, err)
	return exitCode(err)
}

// exitCode maps an error to the exit code that the contract gives it.
func exitCode(err error) int {
	var usage usageError
	var missed missedError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &missed):
		return exitMissed
	}
	return exitFailed
}

// writeError prints err on one line, or each of several faults on a line of its own. Text from outside cannot
// forge further lines.
func writeError(w io.Writer, err error) {
	if found, ok := errors.AsType[faults](err); ok {
		for _, f := range found {
			fmt.Fprintf(w, "drainwatch: check configuration: %s\n", neutral(f.Error()))
		}
		return
	}
	fmt.Fprintf(w, "drainwatch: %s\n", neutral(strings.Join(strings.Fields(err.Error()), " ")))
}

func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:   "drainwatch",
		Short: "Tells metering bugs, client bugs, abuse and growth apart in a stream of usage charges",
		Long: `drainwatch reads what users are charged, sees a drain that is not their doing as soon as rows show it, and
says whether the meter, a client release or a thief is at fault, whom it hits and who is owed what.`,
		Example: `  drainwatch demo
  drainwatch replay --input usage.jsonl.gz --ledger owed.csv
  drainwatch run --config drainwatch.yaml`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().String("log-level", "info", "least severe log line that is written: debug, info, warn, error or off")
	root.PersistentFlags().String("log-format", "auto", "log lines as json, text, or auto: text on a terminal, else json")
	root.AddCommand(newDemoCmd(), newRunCmd(), newReplayCmd(), newExplainCmd(), newIncidentsCmd(), newCohortsCmd(), newUsersCmd(), newEvaluateCmd(), newCalibrateCmd(), newSimulateCmd(), newLocaliseCmd(), newConfigCmd(), newNotifyCmd(), newVersionCmd())
	return root
}

// newLogger returns the logger that the persistent flags of cmd ask for. It writes to standard error.
func newLogger(cmd *cobra.Command) (zerolog.Logger, error) {
	name, _ := cmd.Flags().GetString("log-level")
	format, _ := cmd.Flags().GetString("log-format")
	if name == "off" {
		name = "disabled"
	}
	level, err := zerolog.ParseLevel(name)
	if err != nil || name == "" {
		return zerolog.Nop(), usagef("read command line: --log-level %q: unknown level; use debug, info, warn, error or off", name)
	}
	w := cmd.ErrOrStderr()
	switch {
	case format == "text" || format == "auto" && isTerminal(w):
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !isTerminal(w)}
	case format != "json" && format != "auto":
		return zerolog.Nop(), usagef("read command line: --log-format %q: unknown format; use json, text or auto", format)
	}
	return zerolog.New(zerolog.SyncWriter(w)).Level(level).With().Timestamp().Logger(), nil
}
