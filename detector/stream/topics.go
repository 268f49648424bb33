package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
)

// Cleanup policies.
const (
	Delete           = "delete"
	Compact          = "compact"
	CompactAndDelete = "compact,delete"
)

// Forever is the retention of a topic whose records are never deleted for their age.
const Forever time.Duration = -1

// TopicSpec says how a topic has to be.
type TopicSpec struct {
	Name        string
	Partitions  int // 0: the broker's default when it is created, any when it is there
	Replication int // 0: the broker's default; only used when it is created
	Cleanup     string
	Retention   time.Duration     // 0: the broker's default when it is created, any when it is there; a longer one is fine
	Settings    map[string]string // further ones, only used when it is created
}

// EnsureTopic creates the topic if it is not there, and checks it if it is. What is wrong is a *TopicError. It waits for
// brokers that are away, and for the leaders of a new topic.
func (c *Client) EnsureTopic(ctx context.Context, spec TopicSpec) error {
	if !validName(spec.Name) || spec.Name == "" {
		return fmt.Errorf("create topic %q: want 1 to 249 of letters, digits, '.', '_' and '-'", spec.Name)
	}
	if spec.Cleanup == "" {
		spec.Cleanup = Delete
	}
	return c.retry(ctx, func() error {
		l, err := c.layout(ctx, spec.Name)
		if errors.Is(err, kafka.UnknownTopicOrPartition) {
			if err := c.createTopic(ctx, spec); err != nil {
				return err
			}
			l, err = c.layout(ctx, spec.Name)
		}
		if err != nil {
			return err
		}
		for p, leader := range l.leaders {
			if leader == "" {
				return fmt.Errorf("topic %s: partition %d: %w", spec.Name, p, kafka.LeaderNotAvailable)
			}
		}
		return c.checkTopic(ctx, spec, len(l.leaders))
	})
}

func (c *Client) createTopic(ctx context.Context, spec TopicSpec) error {
	settings := maps.Clone(spec.Settings)
	if settings == nil {
		settings = make(map[string]string)
	}
	settings["cleanup.policy"] = spec.Cleanup
	if spec.Retention != 0 {
		settings["retention.ms"] = strconv.FormatInt(retentionMillis(spec.Retention), 10)
	}
	topic := createtopics.RequestTopic{Name: spec.Name, NumPartitions: -1, ReplicationFactor: -1}
	if spec.Partitions > 0 {
		topic.NumPartitions = int32(spec.Partitions)
	}
	if spec.Replication > 0 {
		topic.ReplicationFactor = int16(spec.Replication)
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		topic.Configs = append(topic.Configs, createtopics.RequestConfig{Name: name, Value: settings[name]})
	}
	md, err := c.metadata(ctx)
	if err != nil {
		return fmt.Errorf("create topic %s: %w", spec.Name, err)
	}
	addr := c.opts.Brokers[0]
	for _, b := range md.Brokers {
		if b.NodeID == md.ControllerID {
			addr = address(b.Host, b.Port)
		}
	}
	res, err := c.ask(ctx, linkKey{addr, forQuestions}, &createtopics.Request{
		Topics: []createtopics.RequestTopic{topic}, TimeoutMs: int32(createTimeout.Milliseconds()),
	}, createTimeout)
	if err != nil {
		return fmt.Errorf("create topic %s: %w", spec.Name, err)
	}
	for _, t := range res.(*createtopics.Response).Topics {
		if err := codeError(t.ErrorCode); err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %s: %w", spec.Name, strings.TrimSuffix(t.ErrorMessage, "."), err)
		}
	}
	c.log.Info().Str("topic", spec.Name).Str("cleanup", spec.Cleanup).Msg("kafka: created a topic")
	return nil
}

func retentionMillis(d time.Duration) int64 {
	if d < 0 {
		return -1
	}
	return d.Milliseconds()
}

func (c *Client) checkTopic(ctx context.Context, spec TopicSpec, partitions int) error {
	if spec.Partitions > 0 && partitions != spec.Partitions {
		return &TopicError{Topic: spec.Name, Setting: "partitions", Found: strconv.Itoa(partitions), Wanted: strconv.Itoa(spec.Partitions)}
	}
	found, err := c.topicSettings(ctx, spec.Name, "cleanup.policy", "retention.ms")
	if err != nil {
		return err
	}
	if policySet(found["cleanup.policy"]) != policySet(spec.Cleanup) {
		return &TopicError{Topic: spec.Name, Setting: "cleanup.policy", Found: found["cleanup.policy"], Wanted: spec.Cleanup}
	}
	has, err := strconv.ParseInt(found["retention.ms"], 10, 64)
	if want := retentionMillis(spec.Retention); spec.Retention != 0 && spec.Cleanup != Compact && err == nil && has >= 0 && (want < 0 || has < want) {
		return &TopicError{Topic: spec.Name, Setting: "retention.ms", Found: found["retention.ms"], Wanted: strconv.FormatInt(want, 10)}
	}
	return nil
}

// policySet makes the order of policies irrelevant.
func policySet(s string) string {
	p := strings.Split(strings.ReplaceAll(s, " ", ""), ",")
	slices.Sort(p)
	return strings.Join(p, ",")
}

// TopicSettings returns settings of a topic by name; without names, all. It waits for brokers that are away.
func (c *Client) TopicSettings(ctx context.Context, topic string, names ...string) (settings map[string]string, err error) {
	err = c.retry(ctx, func() error {
		settings, err = c.topicSettings(ctx, topic, names...)
		return err
	})
	return settings, err
}

func (c *Client) topicSettings(ctx context.Context, topic string, names ...string) (map[string]string, error) {
	const ofTopic = 2
	md, err := c.metadata(ctx)
	if err != nil {
		return nil, fmt.Errorf("describe topic %s: %w", topic, err)
	}
	if len(md.Brokers) == 0 {
		return nil, fmt.Errorf("describe topic %s: %w", topic, kafka.BrokerNotAvailable)
	}
	addr := address(md.Brokers[0].Host, md.Brokers[0].Port)
	res, err := c.ask(ctx, linkKey{addr, forQuestions}, &describeconfigs.Request{
		Resources: []describeconfigs.RequestResource{{ResourceType: ofTopic, ResourceName: topic, ConfigNames: names}},
	}, 0)
	if err != nil {
		return nil, fmt.Errorf("describe topic %s: %w", topic, err)
	}
	settings := make(map[string]string)
	for _, r := range res.(*describeconfigs.Response).Resources {
		if err := codeError(r.ErrorCode); err != nil {
			return nil, fmt.Errorf("describe topic %s: %w", topic, err)
		}
		for _, e := range r.ConfigEntries {
			settings[e.ConfigName] = e.ConfigValue
		}
	}
	return settings, nil
}
