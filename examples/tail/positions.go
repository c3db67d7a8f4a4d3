package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// saveAfter is how long a cursor may be newer than the file's.
const saveAfter = 250 * time.Millisecond

// positions are the cursors of topics, after the last line of each, and the file that keeps
// them. Without a file they are of this run alone.
type positions struct {
	path string

	mu      sync.Mutex // guards the rest
	cursors map[string]string
	save    *time.Timer // runs while the file is older
	err     error       // of the last attempt to write it
}

// openPositions reads the file, which needn't exist.
func openPositions(path string) (*positions, error) {
	p := &positions{path: path, cursors: map[string]string{}}
	if path == "" {
		return p, nil
	}
	text, err := os.ReadFile(path) //nolint:gosec // it is the one that the user names
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &p.cursors); err != nil {
		return nil, fmt.Errorf("tail: %s has no cursors: %w", path, err)
	}
	return p, nil
}

func (p *positions) of(topic string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cursors[topic]
}

// move notes the cursor of a topic, and has it saved soon.
func (p *positions) move(topic, cursor string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cursor == "" || p.cursors[topic] == cursor {
		return
	}
	p.cursors[topic] = cursor
	if p.path != "" && p.save == nil {
		p.save = time.AfterFunc(saveAfter, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.write()
		})
	}
}

// write replaces the file at once, so that it is whole whenever the program ends. Called with
// the lock held.
func (p *positions) write() {
	if p.save == nil {
		return
	}
	p.save.Stop()
	p.save = nil
	text, _ := json.Marshal(p.cursors) // a map of strings always can
	p.err = replace(p.path, text)
}

func replace(path string, text []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".tail-*")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name()) // what failed is told
	}
	return err
}

// close saves what isn't yet, and returns the error of the last attempt.
func (p *positions) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write()
	return p.err
}
