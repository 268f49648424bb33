package main

import (
	"context"
	"fmt"
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
