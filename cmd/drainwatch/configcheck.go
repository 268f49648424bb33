package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/drainwatch/drainwatch/detector/notify"
)

func newConfigCmd() *cobra.Command {
	group := &cobra.Command{
		Use:     "config",
		Short:   "Work with the configuration file",
		Example: "  drainwatch config check --config drainwatch.yaml",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	check := &cobra.Command{
		Use:   "check",
		Short: "Validate a configuration: every fault with its line",
		Long: `check reads the configuration as every other command does (flags over environment over file), names every
fault with file, line and key, and prints the configuration in effect, with secrets masked.
It exits with 0 if the configuration is right and 2 if it is not.

Every key has a variable: ingest.tls.ca_file is DRAINWATCH_INGEST_TLS_CA_FILE, lists are comma-separated. Of the
variables that Kafka tools share, KAFKA_BROKERS, KAFKA_TLS_{ENABLED,CAFILEPATH,CERTFILEPATH,KEYFILEPATH} and
KAFKA_SASL_{ENABLED,MECHANISM,USERNAME,PASSWORD} are understood; the program's own override them.`,
		Example: `  drainwatch config check --config drainwatch.yaml
  DRAINWATCH_INGEST_TOPIC=charges drainwatch config check`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			for _, w := range c.warnings {
				fmt.Fprintf(cmd.ErrOrStderr(), "drainwatch: warning: %s\n", neutral(w))
			}
			text, err := c.effective()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "# config_version: %s\n%s", c.version(), text)
			return err
		},
	}
	addConfigFlag(check)
	group.AddCommand(check)
	return group
}

const masked = "***"

// effective prints the configuration as a file that would be read the same, but for its secrets.
func (c *Config) effective() ([]byte, error) {
	shown := *c
	shown.Sinks = append([]notify.Settings(nil), c.Sinks...)
	for i := range shown.Sinks {
		s := &shown.Sinks[i]
		s.URL = maskURL(s.URL)
		s.URLs = append([]string(nil), s.URLs...)
		for j := range s.URLs {
			s.URLs[j] = maskURL(s.URLs[j])
		}
	}
	shown.Heartbeat.URL = maskPath(c.Heartbeat.URL)
	text, err := yaml.Marshal(&shown)
	if err == nil && c.kafkaPassword != "" {
		text = append(text, "# ingest.sasl: password from KAFKA_SASL_PASSWORD: "+masked+"\n"...)
	}
	return text, err
}

// maskPath hides all but the host: whoever knows the rest can pretend that all is well.
func maskPath(link string) string {
	u, err := url.Parse(link)
	if err != nil || link == "" {
		return link
	}
	return u.Scheme + "://" + u.Host + "/" + masked
}

// maskURL hides the values of the query, which receivers like to use as tokens.
func maskURL(link string) string {
	u, err := url.Parse(link)
	if err != nil || link == "" {
		return link
	}
	query := u.Query()
	for key := range query {
		query.Set(key, masked)
	}
	u.RawQuery, _ = url.QueryUnescape(query.Encode())
	return u.String()
}
