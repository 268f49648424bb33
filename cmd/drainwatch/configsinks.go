package main

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/drainwatch/drainwatch/detector/event"
)

// sinkKinds says which keys each kind of sink takes; those in need must be there.
var sinkKinds = map[string]struct{ need, may []string }{
	"alertmanager": {need: []string{"urls"}},
	"webhook":      {need: []string{"url", "secret_file"}, may: []string{"allow_private"}},
	"pagerduty":    {need: []string{"routing_key_file"}, may: []string{"url", "allow_private"}},
	"slack":        {need: []string{"url_file"}, may: []string{"allow_private"}},
}

func (c *checker) checkSinks() {
	for i := range c.Sinks {
		s, key := &c.Sinks[i], fmt.Sprintf("sinks[%d]", i)
		if s.Name == "" {
			c.refuse(key+".name", "is missing; name the sink, since routes and errors use it")
		} else if first := slices.IndexFunc(c.Sinks, func(o sinkConfig) bool { return o.Name == s.Name }); first < i {
			c.refuse(key+".name", "%q is the name of sinks[%d] already; give each sink a name of its own", s.Name, first)
		}
		c.checkSinkKind(key, s)
		for j, u := range s.URLs {
			c.checkLink(fmt.Sprintf("%s.urls[%d]", key, j), u)
		}
		if s.URL != "" && s.Kind != "slack" {
			c.checkOutbound(key+".url", s.URL, s.AllowPrivate)
		}
		c.checkSecretFile(key+".secret_file", s.SecretFile)
		c.checkSecretFile(key+".routing_key_file", s.RoutingKeyFile)
		c.checkSecretFile(key+".url_file", s.URLFile)
	}
}

func (c *checker) checkSinkKind(key string, s *sinkConfig) {
	kind, ok := sinkKinds[s.Kind]
	if !ok {
		c.refuse(key+".kind", "%q is no kind of sink; %s", s.Kind, suggest(s.Kind, sortedKeys(sinkKinds)))
		return
	}
	for _, k := range []struct {
		name string
		set  bool
	}{
		{"urls", len(s.URLs) > 0},
		{"url", s.URL != ""},
		{"url_file", s.URLFile != ""},
		{"secret_file", s.SecretFile != ""},
		{"routing_key_file", s.RoutingKeyFile != ""},
		{"allow_private", s.AllowPrivate},
	} {
		switch {
		case !k.set && slices.Contains(kind.need, k.name):
			c.refuse(key+"."+k.name, "is missing; a sink of kind %s needs it", s.Kind)
		case k.set && s.Kind == "slack" && k.name == "url":
			c.refuse(key+".url", "is a secret, since whoever knows it can post; write it to a file and name that in url_file")
		case k.set && !slices.Contains(kind.need, k.name) && !slices.Contains(kind.may, k.name):
			c.refuse(key+"."+k.name, "means nothing to a sink of kind %s; remove it", s.Kind)
		}
	}
}

// checkLink refuses what is not an absolute http or https address, or carries a password.
func (c *checker) checkLink(key, link string) *url.URL {
	u, err := url.Parse(link)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		c.refuse(key, "is no web address; write https://host/path")
	case u.User != nil:
		c.refuse(key, "carries a user name or password; no secret may stand in the configuration, so remove it")
	default:
		return u
	}
	return nil
}

// checkOutbound refuses where a message could leave readable, or reach what only this machine's network reaches.
// A name that resolves to such an address is refused when it is dialled.
func (c *checker) checkOutbound(key, link string, allowPrivate bool) {
	u := c.checkLink(key, link)
	if u == nil || allowPrivate {
		return
	}
	if u.Scheme == "http" {
		c.refuse(key, "is not encrypted; use https://, or set allow_private: true for a receiver inside your own network")
	}
	if privateHost(u.Hostname()) {
		c.refuse(key, "%s is a private address; use a public one, or set allow_private: true for a receiver inside your own network", u.Hostname())
	}
}

// privateHost reports whether a host, as it stands in an address, lies inside: private, loopback, link-local
// (cloud metadata) and reserved networks, local names, and numeric spellings that only a resolver understands.
func privateHost(host string) bool {
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

// reservedNetworks are not reachable from outside though Go calls them global (RFC 6890), and the two that wrap an IPv4 address.
var reservedNetworks = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("2002::/16"),
}

func (c *checker) checkRoutes() {
	for i, r := range c.Routes {
		key := fmt.Sprintf("routes[%d]", i)
		if len(r.Sinks) == 0 {
			c.refuse(key+".sinks", "is missing; name at least one sink")
		}
		for j, name := range r.Sinks {
			if !slices.ContainsFunc(c.Sinks, func(s sinkConfig) bool { return s.Name == name }) {
				c.refuse(fmt.Sprintf("%s.sinks[%d]", key, j), "no sink is named %q; name one that stands under sinks", name)
			}
		}
		for _, field := range sortedKeys(r.Match) {
			c.checkMatch(key+".match."+field, field, r.Match[field])
		}
	}
}

// matchValues are the alert fields that a route can match, with the values that the contract gives them.
var matchValues = map[string][]string{
	"status":   {"firing", "resolved"},
	"class":    {"metering_bug", "client_bug", "abuse", "organic", "under_metering", "unknown"},
	"severity": {"page", "ticket", "info"},
	"cause": {
		"price", "duplicate_charge", "cache_discount_lost", "token_count", "penalty", "failures_charged", "window",
		"request_loop", "background_work", "context_bloat", "cache_miss", "stolen_key", "shared_account", "scripted_drain",
		"farming", "surge", "power_user", "lost_rows", "unknown",
	},
}

func (c *checker) checkMatch(key, field, value string) {
	if _, ok := event.ParseDim(field); ok {
		return
	}
	values, ok := matchValues[field]
	switch {
	case !ok:
		c.refuse(key, "is nothing that a route can match; %s", suggest(field, append(sortedKeys(matchValues), defaultConfig().Dimensions...)))
	case !slices.Contains(values, value):
		c.refuse(key, "%q is no %s; %s", value, field, suggest(value, values))
	}
}
