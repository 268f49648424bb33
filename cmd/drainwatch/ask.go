package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	usualServer = "http://127.0.0.1:8080"
	askTimeout  = 30 * time.Second
	maxAnswer   = 64 << 20
)

// asker asks a running service.
type asker struct {
	server string
	json   bool
}

// addServerFlags adds --server and --json to cmd.
func (a *asker) addServerFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.server, "server", "", "address of the running service (default "+usualServer+"); also "+envPrefix+"SERVER")
	cmd.Flags().BoolVar(&a.json, "json", false, "the answer as JSON, as the API gives it")
}

// base returns the address of the service.
func (a *asker) base() (string, error) {
	server := a.server
	if server == "" {
		server = os.Getenv(envPrefix + "SERVER")
	}
	if server == "" {
		server = usualServer
	}
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
		return "", usagef("read command line: --server %q: no address of a service; write one such as %s", server, usualServer)
	}
	return strings.TrimSuffix(server, "/"), nil
}

// get asks for a path and decodes the answer; the answer as it came is returned, too.
func (a *asker) get(ctx context.Context, path string, query url.Values, v any) (json.RawMessage, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return a.do(ctx, http.MethodGet, path, nil, v)
}

func (a *asker) do(ctx context.Context, method, path string, body []byte, v any) (json.RawMessage, error) {
	base, err := a.base()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
	if err != nil {
		return nil, usagef("ask %s: %v", base, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return nil, fmt.Errorf("ask %s: %w; is the service running? name its listen.api with --server", base, err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("ask %s: the answer broke off: %w; ask again", base, err)
	}
	if resp.StatusCode != http.StatusOK {
		var p struct{ Detail string }
		if json.Unmarshal(raw, &p) != nil || p.Detail == "" {
			p.Detail = "answered " + resp.Status + ", and not as this program does; name the listen.api of a service with --server"
		}
		err := fmt.Errorf("ask %s: %s", base, p.Detail)
		if resp.StatusCode >= 400 && resp.StatusCode < 500 {
			return nil, usageError{err}
		}
		return nil, err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return nil, fmt.Errorf("ask %s: no answer of this program's (%w); name the listen.api of a service with --server", base, err)
	}
	return raw, nil
}
