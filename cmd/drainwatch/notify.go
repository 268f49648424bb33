package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/notify"
)

func newNotifyCmd() *cobra.Command {
	group := &cobra.Command{
		Use:     "notify",
		Short:   "Try the sinks, and look after what they did not take",
		Example: "  drainwatch notify test --config drainwatch.yaml",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	group.AddCommand(newNotifyTestCmd(), newNotifyDeadCmd(), newNotifyRetryCmd())
	return group
}

func newNotifyTestCmd() *cobra.Command {
	resolve := false
	cmd := &cobra.Command{
		Use:   "test [SINK]",
		Short: "Send a marked specimen and print the reply",
		Long: `test sends an alert that is marked TEST to every configured sink, or to one, and prints what the receiver replied.
Its severity is that of a ticket. With --resolve it is followed by its resolve, so that nothing stays open; without, close it
where it arrived. Routes are not asked. It exits with 0 if every sink took it and 1 if one did not.`,
		Example: `  drainwatch notify test --config drainwatch.yaml
  drainwatch notify test night --resolve --config drainwatch.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			sinks, err := sinksOf(cmd, args)
			if err != nil {
				return err
			}
			return testSinks(cmd, sinks, resolve)
		},
	}
	cmd.Flags().BoolVar(&resolve, "resolve", false, "also send the resolve")
	addConfigFlag(cmd)
	return cmd
}

// sinksOf returns the configured sinks, or the one that the argument names.
func sinksOf(cmd *cobra.Command, args []string) ([]notify.Settings, error) {
	conf, err := loadConfig(cmd)
	if err != nil {
		return nil, err
	}
	for _, w := range conf.warnings {
		fmt.Fprintf(cmd.ErrOrStderr(), "drainwatch: warning: %s\n", neutral(w))
	}
	if len(conf.Sinks) == 0 {
		return nil, usagef("read configuration: no sinks are configured; name some under sinks: in the file of --config")
	}
	if len(args) == 0 {
		return conf.Sinks, nil
	}
	var names []string
	for _, s := range conf.Sinks {
		if s.Name == args[0] {
			return []notify.Settings{s}, nil
		}
		names = append(names, s.Name)
	}
	return nil, usagef("read command line: no sink is named %q; %s", args[0], suggest(args[0], names))
}

// testSinks sends specimens, to one sink after the other.
func testSinks(cmd *cobra.Command, sinks []notify.Settings, resolve bool) error {
	var failed []string
	now := time.Now()
	states := []incident.Status{incident.Firing, incident.Resolved}
	if !resolve {
		states = states[:1]
	}
	for _, s := range sinks {
		for _, status := range states {
			reply, err := notify.Try(cmd.Context(), s, cmd.OutOrStdout(), notify.Specimen(now, status))
			if err != nil {
				if cmd.Context().Err() != nil {
					return fmt.Errorf("notify test: %w; run it again", context.Cause(cmd.Context()))
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s (%s) %s: FAILED\n", neutral(s.Name), s.Kind, status)
				failed = append(failed, fmt.Sprintf("%s (%s): %v", s.Name, s.Kind, err))
				break
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s (%s) %s: %s\n", neutral(s.Name), s.Kind, status, neutral(reply))
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("notify test: %s; mend the receiver, or what the sink's keys and files say of it", strings.Join(failed, "; "))
	}
	return nil
}

func newNotifyDeadCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead [SINK]",
		Short: "List the alerts that were given up",
		Long: `dead lists what run has given up to deliver: refused by the receiver, or tried until the end of what its protocol asks for.
It reads the outbox under state.path and works beside a running service.`,
		Example: "  drainwatch notify dead --config drainwatch.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			conf, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			dead, err := notify.ReadDead(conf.outboxDir())
			if err != nil {
				return err
			}
			if len(args) > 0 {
				dead = slices.DeleteFunc(dead, func(x notify.Dead) bool { return x.Sink != args[0] })
			}
			for _, x := range dead {
				block := blockWriter{w: cmd.OutOrStdout()}
				block.line("", "", fmt.Sprintf("%s  %s  %s revision %d %s, %s: %s", clock(x.At), x.Sink, x.Record.Incident, x.Record.Revision, x.Record.Status,
					count(int64(x.Attempts), "attempt", "attempts"), x.Error))
				block.line("", "says", headline(x.Record))
			}
			fmt.Fprintln(cmd.ErrOrStderr(), count(int64(len(dead)), "alert was", "alerts were")+" given up")
			return nil
		},
	}
	addConfigFlag(cmd)
	return cmd
}

func newNotifyRetryCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retry [SINK]",
		Short: "Have the alerts that were given up sent again",
		Long: `retry asks the running service, or the next that starts, to send again what it has given up, to every sink or to one, and to
switch on a sink that a receiver has switched off. What is obsolete by then is left out.`,
		Example: "  drainwatch notify retry night --config drainwatch.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := sinksOf(cmd, args); err != nil {
				return err
			}
			conf, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			if err := askRetry(conf.outboxDir(), strings.Join(args, "")); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "asked; a running service does it within %v, else the next start\n", retryEvery)
			return nil
		},
	}
	addConfigFlag(cmd)
	return cmd
}
