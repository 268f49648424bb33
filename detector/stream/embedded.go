package stream

import (
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/kfake"
)

// EmbeddedOptions configure a broker inside the process.
type EmbeddedOptions struct {
	Dir  string // where it keeps its data and finds it again; "" keeps it in memory
	Port int    // on loopback; 0 chooses a free one
	// SASL, if it names a mechanism, is the one user that may come in.
	SASL SASL
}

// Embedded is a broker inside the process: for the demonstration and for tests, not for data anybody needs. It speaks
// Kafka's protocol, transactions and groups included, but does not compact topics and has a single node.
type Embedded struct {
	cluster *kfake.Cluster
	addrs   []string
}

// embeddedID is the cluster's id: the same after a restart, as that of a real cluster.
const embeddedID = "drainwatch-embedded"

// StartEmbedded starts a broker. Topics are not made on demand: use EnsureTopic.
func StartEmbedded(o EmbeddedOptions) (*Embedded, error) {
	opts := []kfake.Opt{
		kfake.NumBrokers(1), kfake.ClusterID(embeddedID),
		kfake.GroupMinSessionTimeout(0),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": "8388608"}),
	}
	if o.Dir != "" {
		if err := os.MkdirAll(o.Dir, 0o750); err != nil {
			return nil, fmt.Errorf("start embedded broker: %w", err)
		}
		opts = append(opts, kfake.DataDir(o.Dir))
	}
	if o.Port != 0 {
		opts = append(opts, kfake.Ports(o.Port))
	}
	if o.SASL.Mechanism != "" {
		password, err := o.SASL.password()
		if err != nil {
			return nil, fmt.Errorf("start embedded broker: %w", err)
		}
		opts = append(opts, kfake.EnableSASL(), kfake.Superuser(o.SASL.Mechanism, o.SASL.Username, password))
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, fmt.Errorf("start embedded broker: %w", err)
	}
	return &Embedded{cluster: cluster, addrs: cluster.ListenAddrs()}, nil
}

// Brokers returns the addresses to connect to.
func (e *Embedded) Brokers() []string { return e.addrs }

// Close stops the broker and writes what is left to its directory.
func (e *Embedded) Close() { e.cluster.Close() }
