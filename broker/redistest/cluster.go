//go:build unix

package redistest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Cluster is a Redis Cluster.
type Cluster struct {
	Nodes []*Server // the owners of slots first, then the replicas, as they were at the start
}

const slots = 16384

// StartCluster starts a cluster whose nodes take each other for dead after nodeTimeout, and waits until all nodes find
// it whole and each replica is in sync. Further arguments go to every node.
func StartCluster(dir string, owners, replicasEach int, nodeTimeout time.Duration, args ...string) (*Cluster, error) {
	c := &Cluster{}
	args = append([]string{
		"--cluster-enabled", "yes", "--cluster-node-timeout", strconv.FormatInt(nodeTimeout.Milliseconds(), 10),
	}, args...)
	for range owners * (1 + replicasEach) {
		node, err := Start(dir, args...)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.Nodes = append(c.Nodes, node)
	}
	if err := c.form(owners); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// form makes separate nodes a cluster.
func (c *Cluster) form(owners int) error {
	if err := c.meet(); err != nil {
		return err
	}
	for i, node := range c.Nodes[:owners] {
		if err := node.do("CLUSTER", "ADDSLOTSRANGE", i*slots/owners, (i+1)*slots/owners-1); err != nil {
			return err
		}
	}
	for i, node := range c.Nodes[owners:] {
		id, err := c.Nodes[i%owners].id()
		if err != nil {
			return err
		}
		if err := node.do("CLUSTER", "REPLICATE", id); err != nil {
			return err
		}
	}
	for i, node := range c.Nodes[owners:] {
		if err := node.AwaitSync(c.Nodes[i%owners]); err != nil {
			return err
		}
	}
	return until("a whole cluster", func() bool {
		return !slices.ContainsFunc(c.Nodes, func(node *Server) bool { return !node.whole(owners, len(c.Nodes)/owners-1) })
	})
}

// meet makes all nodes know each other, with an epoch of their own each so that they have nothing to sort out.
func (c *Cluster) meet() error {
	for i, node := range c.Nodes {
		if err := node.do("CLUSTER", "SET-CONFIG-EPOCH", i+1); err != nil {
			return err
		}
	}
	for _, node := range c.Nodes[1:] {
		if err := c.Nodes[0].do("CLUSTER", "MEET", "127.0.0.1", node.port); err != nil {
			return err
		}
	}
	known := strconv.Itoa(len(c.Nodes))
	return until("nodes that know each other", func() bool {
		return !slices.ContainsFunc(c.Nodes, func(node *Server) bool {
			return node.clusterInfo("cluster_known_nodes") != known || node.handshaking()
		})
	})
}

// Options are those of a client of the cluster. The caller owns the client.
func (c *Cluster) Options() *redis.ClusterOptions {
	o := &redis.ClusterOptions{}
	for _, node := range c.Nodes {
		o.Addrs = append(o.Addrs, node.Addr())
	}
	return o
}

// Owner is the node that the key belongs to, by the word of a node that runs; nil if none knows.
func (c *Cluster) Owner(key string) *Server {
	if group := c.group(key); len(group) > 0 {
		return group[0]
	}
	return nil
}

// Replicas are the replicas of the key's owner.
func (c *Cluster) Replicas(key string) []*Server {
	if group := c.group(key); len(group) > 0 {
		return group[1:]
	}
	return nil
}

// group is the key's owner and its replicas.
func (c *Cluster) group(key string) []*Server {
	for _, node := range c.Nodes {
		if !node.Running() {
			continue
		}
		if group := c.groupBy(node, key); len(group) > 0 {
			return group
		}
	}
	return nil
}

func (c *Cluster) groupBy(node *Server, key string) []*Server {
	client := node.client()
	defer client.Close()
	slot, err := client.ClusterKeySlot(context.Background(), key).Result()
	if err != nil {
		return nil
	}
	holds := func(r redis.SlotRange) bool { return r.Start <= slot && slot <= r.End }
	for _, shard := range node.shards() {
		if !slices.ContainsFunc(shard.Slots, holds) {
			continue
		}
		var group []*Server
		for _, member := range shard.Nodes {
			i := slices.IndexFunc(c.Nodes, func(s *Server) bool { return int64(s.port) == member.Port })
			if member.Role == "master" {
				group = slices.Insert(group, 0, c.Nodes[i])
			} else {
				group = append(group, c.Nodes[i])
			}
		}
		return group
	}
	return nil
}

// Close kills the nodes that still run.
func (c *Cluster) Close() error { return closeAll(c.Nodes) }

func (s *Server) id() (string, error) {
	client := s.client()
	defer client.Close()
	return client.ClusterMyID(context.Background()).Result()
}

func (s *Server) clusterInfo(name string) string {
	client := s.client()
	defer client.Close()
	info, err := client.ClusterInfo(context.Background()).Result()
	if err != nil {
		return ""
	}
	return field(info, name)
}

// whole tells whether the node knows every owner with all its replicas, and finds them well.
func (s *Server) whole(owners, replicasEach int) bool {
	shards := s.shards()
	return s.clusterInfo("cluster_state") == "ok" && len(shards) == owners &&
		!slices.ContainsFunc(shards, func(shard redis.ClusterShard) bool {
			return len(shard.Nodes) != 1+replicasEach ||
				slices.ContainsFunc(shard.Nodes, func(n redis.Node) bool { return n.Health != "online" })
		})
}

func (s *Server) shards() []redis.ClusterShard {
	client := s.client()
	defer client.Close()
	shards, err := client.ClusterShards(context.Background()).Result()
	if err != nil {
		return nil
	}
	return shards
}

// handshaking tells whether a node that it knows hasn't answered yet.
func (s *Server) handshaking() bool {
	client := s.client()
	defer client.Close()
	nodes, err := client.ClusterNodes(context.Background()).Result()
	return err != nil || strings.Contains(nodes, "handshake")
}
