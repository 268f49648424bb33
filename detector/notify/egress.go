package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	replyLimit    = 64 << 10        // of a reply's body; what comes after is not read
	replyPatience = 2 * time.Second // for a body, once the status is known
	dialTimeout   = 5 * time.Second
	maxRetryAfter = 15 * time.Minute // what receivers ask for beyond that is not honoured
)

// client sends to one receiver over HTTP.
//
// Addresses are checked when they are dialled, after their name was resolved, so that a name that resolves to something
// else the second time gains nothing. Redirects are not followed. There is no proxy: behind one, addresses could not be checked.
type client struct {
	http http.Client
}

// newClient returns a client that reaches private addresses only if it may.
func newClient(allowPrivate bool) *client {
	return &client{http.Client{
		Transport: &http.Transport{
			DialContext:         dialer(allowPrivate).DialContext,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: dialTimeout, DisableCompression: true, ForceAttemptHTTP2: true,
			MaxIdleConns: 2, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: replyLimit,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close lets go of idle connections.
func (c *client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// dialer refuses addresses inside the network unless they are allowed. The check is made on what is about to be connected to.
func dialer(allowPrivate bool) *net.Dialer {
	d := &net.Dialer{Timeout: dialTimeout}
	if !allowPrivate {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			if host, _, err := net.SplitHostPort(address); err != nil || PrivateHost(host) {
				return fmt.Errorf("%s is a private address; set allow_private: true if the receiver is inside your own network", host)
			}
			return nil
		}
	}
	return d
}

// reply is what a receiver answered.
type reply struct {
	status int
	after  time.Duration // it asked for, capped
	body   string
	broken error // why the body was not read to its end or its limit
}

// String shows the reply to people.
func (r *reply) String() string {
	text := strconv.Itoa(r.status) + " " + http.StatusText(r.status)
	if body := strings.Join(strings.Fields(r.body), " "); body != "" {
		text += ": " + cut(body, 300)
	}
	return inert(text)
}

// post sends a JSON body. Errors name the host alone, since an address may be a secret; secrets that the reply echoes are masked.
func (c *client) post(ctx context.Context, link string, header http.Header, body []byte, now time.Time, secrets ...string) (*reply, error) {
	all := http.Header{"Content-Type": {"application/json"}}
	maps.Copy(all, header)
	return c.do(ctx, http.MethodPost, link, all, body, now, secrets...)
}

func (c *client) do(ctx context.Context, method, link string, header http.Header, body []byte, now time.Time, secrets ...string) (*reply, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, link, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the address cannot be used; write https://host/path")
	}
	maps.Copy(req.Header, header)
	req.Header.Set("User-Agent", "drainwatch")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s to %s: %w", strings.ToLower(method), req.URL.Host, plainError(ctx, err))
	}
	defer func() { _ = res.Body.Close() }()
	out := &reply{status: res.StatusCode, after: retryAfter(res.Header.Get("Retry-After"), now)}
	patience := time.AfterFunc(replyPatience, cancel) // a receiver that never ends has said what counts
	defer patience.Stop()
	text, err := io.ReadAll(io.LimitReader(res.Body, replyLimit))
	out.body, out.broken = maskAll(string(text), secrets...), err
	return out, nil
}

// plainError takes the address out of an error of net/http and says a deadline in words.
func plainError(ctx context.Context, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return op.Err
	}
	return err
}

// judge returns what follows from a reply by its status alone: 2xx is done, and the listed ones are refused for good.
func (r *reply) judge(refused func(status int) bool) error {
	if r.status/100 == 2 {
		return nil
	}
	f := &Failure{After: r.after, Err: fmt.Errorf("answered %s", r)}
	switch {
	case r.status/100 == 3:
		f.Err = fmt.Errorf("answered %d, a redirect, which is not followed; write the final address into the configuration", r.status)
	case refused != nil && refused(r.status):
		f.Outcome = Refused
	}
	return f
}

var errNoSuccess = errors.New("answered 2xx with a body that reports no success")

// success returns what a receiver replied that says in the body, too, whether it took the message. Otherwise its 2xx may come
// from something in between, and the message is sent again; most statuses of 4xx say that it will never be taken.
func (r *reply) success(says func(body string) bool) (string, error) {
	if err := r.judge(refusedByPayload); err != nil {
		return "", err
	}
	if r.broken != nil || !says(r.body) {
		return "", fmt.Errorf("%w: %s", errNoSuccess, r)
	}
	return r.String(), nil
}

// refusedByPayload are the statuses by which most receivers say that they will never take this message.
func refusedByPayload(status int) bool {
	return status/100 == 4 && status != http.StatusRequestTimeout && status != http.StatusTooEarly && status != http.StatusTooManyRequests
}

// retryAfter reads seconds or a date, at most maxRetryAfter.
func retryAfter(text string, now time.Time) time.Duration {
	if text == "" {
		return 0
	}
	if t, err := http.ParseTime(text); err == nil {
		return min(max(t.Sub(now), 0), maxRetryAfter)
	}
	if strings.Trim(text, "0123456789") != "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > int64(maxRetryAfter/time.Second) {
		return maxRetryAfter
	}
	return time.Duration(n) * time.Second
}

// PrivateHost reports whether a host, as it stands in an address, lies inside: private, loopback, link-local
// (cloud metadata) and reserved networks, local names, and numeric spellings that only a resolver understands.
func PrivateHost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || !strings.Contains(host, ".") && !strings.Contains(host, ":") {
		return true // a bare name is resolved inside the network; 0x7f000001 and 2130706433 are bare, too
	}
	for _, suffix := range []string{".localhost", ".local", ".internal", ".lan", ".home.arpa", ".svc", ".cluster.local"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		last := host[strings.LastIndexByte(host, '.')+1:]
		_, err := strconv.ParseUint(last, 0, 64)
		return err == nil // 0177.0.0.1, 127.1: numbers that are no address to Go and one to the system
	}
	addr = addr.Unmap().WithZone("")
	for _, net := range reservedNetworks {
		if net.Contains(addr) {
			return true
		}
	}
	return addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified()
}

// reservedNetworks are not reachable from outside though Go calls them global (RFC 6890), and those that wrap an IPv4 address.
var reservedNetworks = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"),
}
