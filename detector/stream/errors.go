package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// Kinds of errors, for errors.Is.
var (
	// ErrOffsetOutOfRange is matched by every *OffsetError.
	ErrOffsetOutOfRange = errors.New("offset out of range")
	// ErrUnreadable is matched by every *UnreadableError.
	ErrUnreadable = errors.New("unreadable record batch")
	// ErrTopic is matched by every *TopicError.
	ErrTopic = errors.New("topic is not as wanted")
	// ErrNotAssigned says that a partition belongs to another member now.
	ErrNotAssigned = errors.New("partition is not assigned to this member")
)

// OffsetError says that an offset asked for is not in the log: below its start, since retention or a deletion took
// the records in between, or above its end, since the topic was truncated or made anew.
type OffsetError struct {
	Topic      string
	Partition  int32
	Asked      int64
	Start, End int64 // of the log; End is the offset of the next record
}

// Lost is the number of offsets that are gone: between what was asked for and the log's start, or between the
// log's end and what was asked for.
func (e *OffsetError) Lost() int64 {
	if e.Asked < e.Start {
		return e.Start - e.Asked
	}
	return e.Asked - e.End
}

// Error names what was asked for, what is there and how much is lost.
func (e *OffsetError) Error() string {
	if e.Asked < e.Start {
		return fmt.Sprintf("read %s/%d: offset %d is below the log's start %d: retention removed %d records: choose a new start knowingly, and keep retention longer than the age of the oldest checkpoint",
			e.Topic, e.Partition, e.Asked, e.Start, e.Lost())
	}
	return fmt.Sprintf("read %s/%d: offset %d is above the log's end %d: the topic was truncated or made anew, %d records are gone: check that the topic is the right one",
		e.Topic, e.Partition, e.Asked, e.End, e.Lost())
}

// Is matches ErrOffsetOutOfRange.
func (e *OffsetError) Is(target error) bool { return target == ErrOffsetOutOfRange }

// UnreadableError says that the record batch at offsets From to To-1 cannot be taken apart: damaged, of a format
// before Kafka 0.11, or larger than allowed when decompressed.
type UnreadableError struct {
	Topic     string
	Partition int32
	From, To  int64
	Cause     error
}

// Error names the batch and the cause.
func (e *UnreadableError) Error() string {
	return fmt.Sprintf("read %s/%d: batch of offsets %d to %d: %v", e.Topic, e.Partition, e.From, e.To-1, e.Cause)
}

// Is matches ErrUnreadable.
func (e *UnreadableError) Is(target error) bool { return target == ErrUnreadable }

// Unwrap returns the cause.
func (e *UnreadableError) Unwrap() error { return e.Cause }

// TopicError says that a topic is not as it has to be.
type TopicError struct {
	Topic, Setting, Found, Wanted string
}

// Error names topic, setting, what was found and what is wanted.
func (e *TopicError) Error() string {
	return fmt.Sprintf("topic %s: %s is %q, want %q: change it (kafka-configs, kafka-topics) or choose other topic names", e.Topic, e.Setting, e.Found, e.Wanted)
}

// Is matches ErrTopic.
func (e *TopicError) Is(target error) bool { return target == ErrTopic }

// codeError turns a Kafka error code into an error, nil for none.
func codeError(code int16) error {
	if code == 0 {
		return nil
	}
	return kafka.Error(code)
}

// callerError is an error of the caller's own code: never tried again, whatever it wraps.
type callerError struct{ error }

func (e callerError) Unwrap() error { return e.error }

// retriable says whether trying again can help. Everything that is not Kafka's own verdict, a certificate that
// does not verify or the caller's cancellation is a matter of the network.
func retriable(err error) bool {
	var code kafka.Error
	var own callerError
	var cert *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, ErrOffsetOutOfRange),
		errors.Is(err, ErrUnreadable), errors.Is(err, ErrTopic), errors.Is(err, errTooOld), errors.As(err, &own), errors.As(err, &cert), errors.As(err, &authority):
		return false
	case errors.As(err, &code):
		return code.Temporary() || code == kafka.BrokerNotAvailable || code == kafka.ReplicaNotAvailable || code == kafka.Unknown
	}
	return true
}

// unauthenticated says whether brokers refuse this client.
func unauthenticated(err error) bool {
	for _, code := range []kafka.Error{
		kafka.SASLAuthenticationFailed, kafka.UnsupportedSASLMechanism, kafka.IllegalSASLState,
		kafka.TopicAuthorizationFailed, kafka.GroupAuthorizationFailed, kafka.ClusterAuthorizationFailed,
	} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}
