//go:build unix

package redistest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Save writes what the server has to its disk, and keeps a copy of that.
func (s *Server) Save() error {
	if err := s.do("SAVE"); err != nil {
		return err
	}
	data, err := os.ReadFile(s.dump())
	if err != nil {
		return err
	}
	return os.WriteFile(s.dump()+".old", data, 0o600) //nolint:gosec // in the test's own folder
}

// Recall puts the copy that Save kept in place of the data of a stopped server.
func (s *Server) Recall() error {
	if s.process != nil {
		return errors.New("redistest: the data of a server that runs")
	}
	data, err := os.ReadFile(s.dump() + ".old")
	if err != nil {
		return err
	}
	return os.WriteFile(s.dump(), data, 0o600) //nolint:gosec // in the test's own folder
}

// Forget removes the data of a stopped server, which then comes back with nothing. The copy that Save kept stays.
func (s *Server) Forget() error {
	if s.process != nil {
		return errors.New("redistest: the data of a server that runs")
	}
	if err := os.Remove(s.dump()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(filepath.Join(s.dir, "appendonlydir"))
}

func (s *Server) dump() string { return filepath.Join(s.dir, "dump.rdb") }
