package main

import (
	"context"
	"errors"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/stream"
)

// remarksTopic is where what people say of incidents is kept, so that every instance shows it.
const remarksTopic = "internal.remarks"

// keepRemark writes a line of the journal.
func (s *service) keepRemark(ctx context.Context, line []byte) error {
	s.mu.Lock()
	sharing := s.sharing
	s.mu.Unlock()
	if sharing == nil {
		return errors.New("keep a remark: this instance is not connected to Kafka yet")
	}
	err := s.client.Write(ctx, s.topic(remarksTopic), []stream.Message{{Value: line}})
	if err != nil {
		s.log.Warn().Err(err).Msg("api: what somebody says of an incident cannot be kept")
	}
	return err
}

// watchRemarks has the journal hear what people have said, at any instance.
func (s *service) watchRemarks(ctx context.Context) error {
	topic := s.topic(remarksTopic)
	start, _, err := s.client.Bounds(ctx, topic, 0)
	if err != nil {
		return err
	}
	return s.client.Follow(ctx, topic, 0, start, func(records []detector.Record, _ int64) error {
		for i := range records {
			if err := s.journal.Hear([]byte(records[i].Value)); err != nil {
				s.log.Error().Err(err).Int64("offset", records[i].Offset).Msg("api: the topic of remarks holds a record that is left out; only this program may write there")
			}
		}
		return nil
	})
}
