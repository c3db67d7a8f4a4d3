//go:build unix

package redistest

import (
	"context"
	"strconv"
	"strings"
)

// StartReplica starts a replica of primary, and waits until it has what primary has.
func StartReplica(dir string, primary *Server, args ...string) (*Server, error) {
	s, err := Start(dir, append([]string{"--replicaof", "127.0.0.1 " + strconv.Itoa(primary.port)}, args...)...)
	if err != nil {
		return nil, err
	}
	if err := s.AwaitSync(primary); err != nil {
		_ = s.Close() // the first error tells more
		return nil, err
	}
	return s, nil
}

// AwaitSync waits until the server is a replica of primary and has what primary has, and primary knows it.
func (s *Server) AwaitSync(primary *Server) error {
	return until("replica "+s.Addr()+" in sync with "+primary.Addr(), func() bool {
		of, at := primary.replication(), s.replication()
		return field(at, "master_port") == strconv.Itoa(primary.port) &&
			field(at, "master_link_status") == "up" && field(at, "master_sync_in_progress") == "0" &&
			field(at, "slave_repl_offset") == field(of, "master_repl_offset") && s.acknowledged(of)
	})
}

// acknowledged tells whether the primary has heard how far the replica is. Until then, which is up to a second, WAIT
// doesn't count the replica.
func (s *Server) acknowledged(replication string) bool {
	for line := range strings.Lines(replication) {
		if strings.Contains(line, ",port="+strconv.Itoa(s.port)+",") {
			return strings.Contains(line, ",state=online,") && !strings.Contains(line, ",offset=0,")
		}
	}
	return false
}

func (s *Server) replication() string {
	client := s.client()
	defer client.Close()
	info, err := client.Info(context.Background(), "replication").Result()
	if err != nil {
		return ""
	}
	return info
}

// Promote makes a replica a primary.
func (s *Server) Promote() error { return s.do("REPLICAOF", "NO", "ONE") }

// CutReplicas ends replication from this primary: its replicas lose their connection and can't come back before
// MendReplicas. They keep what they have, which falls behind, and may still be promoted. Ordinary clients notice nothing.
func (s *Server) CutReplicas() error {
	if err := s.do("ACL", "SETUSER", "default", "-psync", "-sync"); err != nil {
		return err
	}
	return s.do("CLIENT", "KILL", "TYPE", "replica")
}

// MendReplicas undoes CutReplicas. AwaitSync tells when a replica has caught up.
func (s *Server) MendReplicas() error {
	// SYNC, which a replica falls back to, stays forbidden: a replica that comes by it doesn't know its offset.
	return s.do("ACL", "SETUSER", "default", "+psync")
}
