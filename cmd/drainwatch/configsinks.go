package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/notify"
	"github.com/drainwatch/drainwatch/detector/verdict"
)

func (c *checker) checkSinks() {
	for i := range c.Sinks {
		s, key := &c.Sinks[i], fmt.Sprintf("sinks[%d]", i)
		if s.Name == "" {
			c.refuse(key+".name", "is missing; name the sink, since routes and errors use it")
		} else if first := slices.IndexFunc(c.Sinks, func(o notify.Settings) bool { return o.Name == s.Name }); first < i {
			c.refuse(key+".name", "%q is the name of sinks[%d] already; give each sink a name of its own", s.Name, first)
		}
		c.checkSinkKind(key, s)
		for j, u := range s.URLs {
			c.checkLink(fmt.Sprintf("%s.urls[%d]", key, j), u)
		}
		if s.URL != "" && s.Kind != "slack" && s.Kind != "smtp" {
			c.checkOutbound(key+".url", s.URL, s.AllowPrivate)
		}
		c.checkSecretFile(key+".secret_file", s.SecretFile)
		c.checkSecretFile(key+".routing_key_file", s.RoutingKeyFile)
		c.checkSecretFile(key+".url_file", s.URLFile)
		c.checkSecretFile(key+".password_file", s.PasswordFile)
		if s.RateCap < 0 {
			c.refuse(key+".rate_cap", "%d is out of range; give how many new incidents of a severity may be told in %v, or leave it out for %d", s.RateCap, notify.RateWindow, notify.DefaultRateCap)
		}
		for _, wrong := range s.CheckTemplate() {
			c.refuseText(key+"."+wrong.Key, wrong.What)
		}
		if s.Quiet != nil {
			if err := s.Quiet.Check(); err != nil {
				c.refuse(key+".quiet", "%v", err)
			}
		}
	}
}

func (c *checker) checkSinkKind(key string, s *notify.Settings) {
	kind, ok := notify.Kinds[s.Kind]
	if !ok {
		c.refuse(key+".kind", "%q is no kind of sink; %s", s.Kind, suggest(s.Kind, notify.KindNames()))
		return
	}
	set := s.Keys()
	for _, k := range set {
		switch {
		case s.Kind == "slack" && k == "url":
			c.refuse(key+".url", "is a secret, since whoever knows it can post; write it to a file and name that in url_file")
		case !kind.Takes(k):
			c.refuse(key+"."+k, "means nothing to a sink of kind %s; remove it", s.Kind)
		}
	}
	missing := false
	for _, k := range kind.Need {
		if !slices.Contains(set, k) {
			c.refuse(key+"."+k, "is missing; a sink of kind %s needs it", s.Kind)
			missing = true
		}
	}
	if kind.Check != nil && !missing {
		var wrong *notify.SettingError
		if err := kind.Check(*s); errors.As(err, &wrong) {
			c.refuse(key+"."+wrong.Key, "%s", wrong.What)
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
	if notify.PrivateHost(u.Hostname()) {
		c.refuse(key, "%s is a private address; use a public one, or set allow_private: true for a receiver inside your own network", u.Hostname())
	}
}

func (c *checker) checkRoutes() {
	for i, r := range c.Routes {
		key := fmt.Sprintf("routes[%d]", i)
		if len(r.Sinks) == 0 {
			c.refuse(key+".sinks", "is missing; name at least one sink")
		}
		for j, name := range r.Sinks {
			if !slices.ContainsFunc(c.Sinks, func(s notify.Settings) bool { return s.Name == name }) {
				c.refuse(fmt.Sprintf("%s.sinks[%d]", key, j), "no sink is named %q; name one that stands under sinks", name)
			}
		}
		for _, field := range sortedKeys(r.Match) {
			c.checkMatch(key+".match."+field, field, r.Match[field])
		}
	}
}

func (c *checker) checkHeartbeat() {
	h := &c.Heartbeat
	if h.URL != "" && h.URLFile != "" {
		c.refuse("heartbeat.url_file", "stands beside url; keep one, and the file where the address is a secret")
	}
	if h.URL != "" {
		c.checkOutbound("heartbeat.url", h.URL, h.AllowPrivate)
	}
	c.checkSecretFile("heartbeat.url_file", h.URLFile)
	for i, name := range h.Sinks {
		key := fmt.Sprintf("heartbeat.sinks[%d]", i)
		switch at := slices.IndexFunc(c.Sinks, func(s notify.Settings) bool { return s.Name == name }); {
		case at < 0:
			c.refuse(key, "no sink is named %q; name one that stands under sinks", name)
		case c.Sinks[at].Kind != "alertmanager":
			c.refuse(key, "%s is of kind %s, which shows no alert that always fires; name one of kind alertmanager, or give a url", name, c.Sinks[at].Kind)
		}
	}
	c.between("heartbeat.every", h.Every, 5*time.Second, time.Hour)
}

// matchValues are the alert fields that a route can match, with the values that the contract gives them.
var matchValues = map[string][]string{
	"status":   {"firing", "resolved"},
	"class":    named(func(c verdict.Cause) string { return string(c.Class) }),
	"severity": {"page", "ticket", "info"},
	"cause":    named(func(c verdict.Cause) string { return c.Name }),
}

// named lists what the causes that are told apart have for a name, once each.
func named(name func(verdict.Cause) string) (names []string) {
	for _, c := range verdict.Causes {
		if n := name(c); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
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
