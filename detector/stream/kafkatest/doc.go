// Package kafkatest starts real Apache Kafka for tests, through fixtures/kafka/kafka.sh. It owns the brokers it
// starts and stops them with the test; it never touches brokers that others started.
//
// Where Java or the jars cannot be had the test is skipped and says so; with DRAINWATCH_REQUIRE_KAFKA=1 that is
// a failure. DRAINWATCH_KAFKA="4.1.0=127.0.0.1:9092,3.9.1=127.0.0.1:9192" names running clusters (of `make kafka`)
// to use instead; tests that stop brokers skip on those.
//
// A Cluster may be used by several goroutines as long as none of them stops or starts nodes.
package kafkatest
