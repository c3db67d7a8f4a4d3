//go:build unix

package redistest

import (
	"context"
	"strconv"
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

// AwaitSync waits until the server is a replica of primary and has what primary has.
func (s *Server) AwaitSync(primary *Server) error {
	return until("replica "+s.Addr()+" in sync with "+primary.Addr(), func() bool {
		client := s.client()
		defer client.Close()
		info, err := client.Info(context.Background(), "replication").Result()
		return err == nil && field(info, "master_port") == strconv.Itoa(primary.port) &&
			field(info, "master_link_status") == "up" && field(info, "master_sync_in_progress") == "0" &&
			field(info, "slave_repl_offset") == primary.info("replication", "master_repl_offset")
	})
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
