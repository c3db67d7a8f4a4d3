//go:build unix

package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Sentinels watch one primary and its replicas, and promote a replica when the primary is gone.
type Sentinels struct {
	Nodes []*Server
}

const primaryName = "tidewire"

// StartSentinels starts n Sentinels, of which a majority must find the primary down for downAfter. It waits until each
// knows the others and all replicas that primary has now.
func StartSentinels(dir string, n int, primary *Server, downAfter time.Duration) (*Sentinels, error) {
	config := fmt.Sprintf("sentinel monitor %[1]s 127.0.0.1 %[2]d %[3]d\nsentinel down-after-milliseconds %[1]s %[4]d\n"+
		"sentinel failover-timeout %[1]s 10000\n", primaryName, primary.port, n/2+1, downAfter.Milliseconds())
	replicas := primary.info("replication", "connected_slaves")
	s := &Sentinels{}
	for range n {
		node, err := startOnFreePort(dir, Server{sentinel: config})
		if err == nil {
			s.Nodes = append(s.Nodes, node)
			err = quicken(node)
		}
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	for _, node := range s.Nodes {
		err := until("Sentinels that know each other", func() bool {
			seen, err := primaryOf(node)
			return err == nil && seen["num-other-sentinels"] == strconv.Itoa(n-1) && seen["num-slaves"] == replicas
		})
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// quicken makes a Sentinel look around more often than every ten seconds. When it takes a server for dead stays the same.
func quicken(node *Server) error {
	return node.do("SENTINEL", "DEBUG", "INFO-PERIOD", "500", "PUBLISH-PERIOD", "200")
}

// primaryOf is what one Sentinel says of the primary.
func primaryOf(node *Server) (map[string]string, error) {
	client := redis.NewSentinelClient(node.Options())
	defer client.Close()
	return client.Master(context.Background(), primaryName).Result()
}

// Primary gives the address of the primary that most Sentinels agree on, or "" while there is none.
func (s *Sentinels) Primary() string {
	votes := map[string]int{}
	for _, node := range s.Nodes {
		seen, err := primaryOf(node)
		if err != nil {
			continue // it may be stopped
		}
		address := net.JoinHostPort(seen["ip"], seen["port"])
		votes[address]++
		if votes[address] > len(s.Nodes)/2 {
			return address
		}
	}
	return ""
}

// Options are those of a client that follows the primary. The caller owns the client.
func (s *Sentinels) Options() *redis.FailoverOptions {
	o := &redis.FailoverOptions{MasterName: primaryName}
	for _, node := range s.Nodes {
		o.SentinelAddrs = append(o.SentinelAddrs, node.Addr())
	}
	return o
}

// Close kills the Sentinels that still run. The servers they watch stay.
func (s *Sentinels) Close() error { return closeAll(s.Nodes) }

func closeAll(servers []*Server) error {
	var errs []error
	for _, server := range servers {
		errs = append(errs, server.Close())
	}
	return errors.Join(errs...)
}
