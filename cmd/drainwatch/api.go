package main

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/incident"
	"github.com/drainwatch/drainwatch/detector/warroom"
)

// api returns what answers on the war room's listener.
func (s *service) api(title string) (*warroom.Server, error) {
	o := warroom.Options{
		Engine: s.asked, Board: s.board, Journal: s.journal, Elsewhere: s.askElsewhere, Ready: s.state, Title: title, ConfigVersion: s.conf.version(),
		Thresholds: warroom.Thresholds{Severity: s.conf.engineOptions(s.log).Severity, Rules: s.conf.Thresholds.thresholds()},
		Log:        s.log, Registerer: s.registry,
	}
	for _, name := range []string{s.conf.Listen.URL, "http://" + s.conf.Listen.API} {
		if u, err := url.Parse(name); err == nil && u.Hostname() != "" {
			o.Hosts = append(o.Hosts, u.Hostname())
		}
	}
	var err error
	s.answers, err = warroom.New(o)
	return s.answers, err
}

// asked returns the engine; nil before there is one.
func (s *service) asked() *detector.Engine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.engine
}

// state says why not everything is seen, nil if it is: what /readyz, the page and the heartbeat go by.
func (s *service) state() error {
	waits, blind := s.waiting(), s.blindness.err()
	if waits != nil && blind != nil {
		return fmt.Errorf("%w; %w", waits, blind)
	}
	return cmp.Or(waits, blind)
}

// former takes an alert that a former run wrote.
func (s *service) former(r incident.Record) {
	s.board.Add(r)
	if s.notifier != nil {
		s.notifier.Former(r)
	}
}

// written takes an alert once it is in the topic.
func (s *service) written(r incident.Record) {
	s.board.Add(r)
	if s.notifier != nil {
		s.notifier.Offer(r)
	}
}

// loopback says whether an address is reached from this machine only.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
