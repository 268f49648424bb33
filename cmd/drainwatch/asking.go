package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/drainwatch/drainwatch/detector"
	"github.com/drainwatch/drainwatch/detector/stream"
	"github.com/drainwatch/drainwatch/detector/warroom"
)

const (
	asksTopic  = "internal.asks"
	asksFor    = time.Hour       // that the topic keeps them
	answerIn   = 4 * time.Second // that another instance has to answer
	answerPart = 512 << 10       // bytes of an answer in one record
	answerMost = 32 << 20        // bytes of one answer
	answerAt   = 8               // questions of others answered at once; the rest is asked again
)

// asking has questions answered by whichever instance knows. Instances know no address of each other, and may not reach each other: what
// all of them reach is Kafka, so question and answer are records of a topic that all follow.
type asking struct {
	slots chan struct{}

	mu    sync.Mutex
	waits map[string]*waiting // by id of the question
}

// waiting is who waits for an answer, of which parts may have come.
type waiting struct {
	from  string // who answers
	parts int
	body  bytes.Buffer
	done  chan warroom.Answer
}

// ask is a record of the topic: a question, or a part of its answer.
type ask struct {
	ID     string          `json:"id"`
	Target string          `json:"target,omitempty"` // path and query; of a question
	User   string          `json:"user,omitempty"`   // that it is about
	From   string          `json:"from,omitempty"`   // of an answer: who knows
	Part   int             `json:"part,omitempty"`
	Parts  int             `json:"parts,omitempty"` // 0 for a question
	Answer *warroom.Answer `json:"answer,omitempty"`
}

func newAsking() *asking {
	return &asking{slots: make(chan struct{}, answerAt), waits: map[string]*waiting{}}
}

// knows says whether this instance is the one to ask of a user, or, with none, of what was decided.
func (s *service) knows(user string) bool {
	if user == "" {
		leads, _ := s.decides()
		return leads
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parts[stream.PartitionOf([]byte(user), len(s.parts))]
	return p != nil && p.owned
}

// askElsewhere has another instance answer; nil if this one is to.
func (s *service) askElsewhere(r *http.Request, user string) (*warroom.Answer, error) {
	s.mu.Lock()
	here := s.sharing == nil || len(s.parts) == 0 // alone, or not begun
	s.mu.Unlock()
	if here || s.knows(user) {
		return nil, nil
	}
	q := ask{ID: strconv.FormatUint(rand.Uint64(), 36), Target: r.URL.RequestURI(), User: user}
	w := &waiting{done: make(chan warroom.Answer, 1)}
	s.asking.mu.Lock()
	s.asking.waits[q.ID] = w
	s.asking.mu.Unlock()
	defer func() {
		s.asking.mu.Lock()
		delete(s.asking.waits, q.ID)
		s.asking.mu.Unlock()
	}()
	ctx, cancel := context.WithTimeout(r.Context(), answerIn)
	defer cancel()
	if err := s.sayAsks(ctx, q); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	select {
	case a := <-w.done:
		return &a, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *service) sayAsks(ctx context.Context, asks ...ask) error {
	var messages []stream.Message
	for i := range asks {
		text, err := json.Marshal(&asks[i])
		if err != nil {
			return fmt.Errorf("ask another instance: %w", err)
		}
		messages = append(messages, stream.Message{Value: text})
	}
	return s.client.Write(ctx, s.topic(asksTopic), messages)
}

// answerOthers follows what instances ask each other until ctx is done.
func (s *service) answerOthers(ctx context.Context) error {
	topic := s.topic(asksTopic)
	_, end, err := s.client.Bounds(ctx, topic, 0) // what was asked before has been given up by now
	if err != nil {
		return err
	}
	var answering sync.WaitGroup
	defer answering.Wait()
	return s.client.Follow(ctx, topic, 0, end, func(records []detector.Record, _ int64) error {
		for i := range records {
			var a ask
			switch err := json.Unmarshal([]byte(records[i].Value), &a); {
			case err != nil || a.ID == "":
				s.log.Error().Int64("offset", records[i].Offset).Msg("api: the topic of questions holds a record that is none; only this program may write there")
			case a.Parts > 0:
				s.asking.hear(&a)
			case s.knows(a.User):
				select {
				case s.asking.slots <- struct{}{}:
					answering.Go(func() {
						defer func() { <-s.asking.slots }()
						s.answer(ctx, &a)
					})
				default: // whoever asked asks again
				}
			}
		}
		return nil
	})
}

// answer answers a question of another instance.
func (s *service) answer(ctx context.Context, q *ask) {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	whole := s.answers.Here(ctx, q.Target)
	if len(whole.Body) > answerMost {
		whole = warroom.Answer{Status: http.StatusServiceUnavailable}
	}
	n := max(1, (len(whole.Body)+answerPart-1)/answerPart)
	parts := make([]ask, n)
	for i := range parts {
		parts[i] = ask{ID: q.ID, From: s.sharing.name, Part: i, Parts: n, Answer: &warroom.Answer{Status: whole.Status, Header: whole.Header, Body: whole.Body[i*answerPart : min((i+1)*answerPart, len(whole.Body))]}}
	}
	if err := s.sayAsks(ctx, parts...); err != nil && !errors.Is(err, context.Canceled) {
		s.log.Warn().Err(err).Msg("api: a question of another instance could not be answered")
	}
}

// hear takes the next part of an answer. Of two instances that both think that they know, the first counts.
func (x *asking) hear(a *ask) {
	x.mu.Lock()
	defer x.mu.Unlock()
	w := x.waits[a.ID]
	if w == nil || a.Answer == nil || a.Part != w.parts || w.parts > 0 && a.From != w.from {
		return
	}
	w.from = a.From
	w.parts++
	w.body.Write(a.Answer.Body)
	if w.parts == a.Parts {
		delete(x.waits, a.ID)
		w.done <- warroom.Answer{Status: a.Answer.Status, Header: a.Answer.Header, Body: w.body.Bytes()}
	}
}
