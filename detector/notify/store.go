package notify

// Store keeps what the outbox must not forget, as keys with values. Instances that share the work would share one over an
// internal Kafka topic, for which keys and values are what it is made of; [OpenJournal] keeps one instance's on disk.
type Store interface {
	// Load passes every key with its last value, in no order. It is called once, before Write.
	Load(each func(key string, value []byte) error) error
	// Write makes changes durable, all of them when it returns nil. It is called by one goroutine.
	Write(changes []Change) error
	Close() error
}

// Change is the new value of a key; nil removes it.
type Change struct {
	Key   string
	Value []byte
}
