package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/drainwatch/drainwatch/detector/notify"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// outboxFor is how long brokers have to show the outbox to a command.
const outboxFor = 30 * time.Second

// outbox opens the outbox that instances share, to look after it. Call done in the end.
func (c *Config) outbox(cmd *cobra.Command) (box *notify.Topic, done func(), err error) {
	log, err := newLogger(cmd)
	if err != nil {
		return nil, nil, err
	}
	config, err := c.streamConfig()
	if err != nil {
		return nil, nil, err
	}
	client, err := stream.New(stream.Options{Config: config, Log: log})
	if err != nil {
		return nil, nil, usageError{fmt.Errorf("connect to Kafka: %w", err)}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), outboxFor)
	defer cancel()
	if box, err = notify.OpenTopic(ctx, client, c.outboxTopic()); err != nil {
		client.Close()
		return nil, nil, fmt.Errorf("%w; is this the configuration that run has?", err)
	}
	return box, client.Close, nil
}

func newNotifyDeadCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead [SINK]",
		Short: "List the alerts that were given up",
		Long: `dead lists what run has given up to deliver: refused by the receiver, or tried until the end of what its protocol asks for.
It reads the outbox in Kafka, and under state.path what the instances here had to say of themselves, beside a running service.`,
		Example: "  drainwatch notify dead --config drainwatch.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			conf, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			dead, err := conf.dead(cmd)
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

// dead returns all dead letters, the oldest first of each outbox.
func (c *Config) dead(cmd *cobra.Command) ([]notify.Dead, error) {
	box, done, err := c.outbox(cmd)
	if err != nil {
		return nil, err
	}
	defer done()
	dead, err := box.Dead()
	if err != nil {
		return nil, err
	}
	for _, dir := range c.troublesDirs() {
		own, err := notify.ReadDead(dir)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		dead = append(dead, own...)
	}
	return dead, nil
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
			if err := conf.retry(cmd, strings.Join(args, "")); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "asked; a running service does it within %v, else the next start\n", retryEvery)
			return nil
		},
	}
	addConfigFlag(cmd)
	return cmd
}

// retry asks all who have dead letters of a sink.
func (c *Config) retry(cmd *cobra.Command, sink string) error {
	box, done, err := c.outbox(cmd)
	if err != nil {
		return err
	}
	defer done()
	if err := box.Ask(cmd.Context(), sink); err != nil {
		return err
	}
	for _, dir := range c.troublesDirs() {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err := askRetry(dir, sink); err != nil {
			return err
		}
	}
	return nil
}
