package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/event"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// A topic that is not keyed by user splits each user over the shards: repeats are not known as such, and nobody's past is their own. No
// shard can see that, since it sees one partition only. So whoever decides looks at the last rows of all of them now and then.

const (
	keyedRows  = 500              // of each partition that are looked at
	keyedEvery = 10 * time.Minute // by whoever decides
	keyedFirst = 2 * time.Second  // how often it is asked who that is, until they have looked once
	keyedUsers = 3                // that are in several partitions: one may be somebody's trial
)

// keyed is what the last rows of a topic say of how it is keyed.
type keyed struct {
	users     int // seen
	scattered int // of them, in several partitions
}

// watchKeys looks now and then whether users are scattered over partitions, while this instance decides, until ctx is done.
func (s *service) watchKeys(ctx context.Context) {
	var at time.Time
	every(ctx, keyedFirst, func(now time.Time) {
		leads := true
		if s.sharing != nil {
			leads, _ = s.decides()
		}
		var k keyed
		switch {
		case leads && now.Sub(at) < keyedEvery:
			return
		case leads:
			var err error
			if k, err = lookAtKeys(ctx, s.client, s.conf.sourceTopic(), s.record.Partitions, s.conf.Ingest.Format); err != nil {
				if ctx.Err() == nil {
					s.log.Warn().Err(err).Msg("run: it could not be seen how the topic is keyed")
				}
				return
			}
			at = now
		default:
			at = time.Time{} // somebody else looks
		}
		s.keyed.Store(&k)
	})
}

// lookAtKeys counts the users of the last rows of each partition, and those who are in several.
func lookAtKeys(ctx context.Context, client *stream.Client, topic string, partitions int, format string) (k keyed, err error) {
	d, err := event.NewDecoder(format)
	if err != nil {
		return k, err
	}
	const several = -1
	in := map[uint64]int32{}
	for p := range int32(partitions) {
		start, _, err := client.Bounds(ctx, topic, p)
		if err != nil {
			return k, err
		}
		end, err := client.StableEnd(ctx, topic, p)
		if err != nil {
			return k, err
		}
		var e event.Event
		err = client.History(topic).Read(ctx, p, max(start, end-keyedRows), end, func(r detector.Record) error {
			if d.Decode(r.Value, &e) == nil {
				user := xxhash.Sum64String(e.User)
				if was, known := in[user]; !known {
					in[user] = p
				} else if was != p {
					in[user] = several
				}
			}
			return nil
		})
		if err != nil {
			return k, err
		}
	}
	for _, p := range in {
		if k.users++; p == several {
			k.scattered++
		}
	}
	return k, nil
}

func measureKeys(x *seen) measure {
	if x.keyed == nil {
		return measure{kind: "keys", value: unknown}
	}
	return measure{
		kind: "keys", value: float64(x.keyed.scattered), title: "Blind: the topic is not keyed by user",
		detail: fmt.Sprintf("%d of %d users have rows in several partitions, of the last %d rows in each: repeats across them are counted twice, and nobody's past is whole",
			x.keyed.scattered, x.keyed.users, keyedRows),
	}
}
