package notify

// Store keeps what the outbox must not forget, as keys with values: a [Topic] for instances that share the work, a [Journal] on disk
// for what is one instance's own.
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
