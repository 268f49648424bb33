package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by release builds (-ldflags "-X main.version=1.2.3"); otherwise the module's own version counts.
var version string

// build is what is known about this binary.
type build struct {
	Version, Commit, Date string
	Modified              bool
}

// buildInfo reads what the Go tool stamped into the binary.
func buildInfo() build {
	b := build{Version: version, Commit: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Date = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "0.0.0-dev"
	}
	return b
}

func newVersionCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the commit it was built from, and the platform",
		Example: "  drainwatch version",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := buildInfo()
			commit := b.Commit
			if b.Date != "" {
				commit += " of " + b.Date
			}
			if b.Modified {
				commit += ", modified"
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "drainwatch %s\ncommit     %s\ngo         %s\nplatform   %s/%s\n",
				b.Version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
