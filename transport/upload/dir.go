package upload

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/optional"
)

// DirOptions configures a Dir. The zero value of each field is its production default.
type DirOptions struct {
	// Expiry is how long an upload is kept to which nothing is added. Default 24 h.
	Expiry time.Duration
	// MaxBytes is how many bytes all uploads may have that aren't finished, those that are yet
	// to arrive included. Default 16 GiB; negative is no limit.
	MaxBytes int64
	// MaxUploads is how many uploads may be unfinished, and MaxUserUploads how many of one user
	// who has a name. Default 1,000 and 20; negative is no limit.
	MaxUploads, MaxUserUploads int
}

const (
	defaultExpiry         = 24 * time.Hour
	defaultMaxBytes       = 16 << 30
	defaultMaxUploads     = 1000
	defaultMaxUserUploads = 20

	resultExpiry = time.Hour // how long the result of a finished upload is kept
)

// Dir is a Store in a directory, which nothing else may use. What has expired is removed
// whenever an upload begins. Instances may share one over a file system that is consistent.
type Dir struct {
	path    string
	root    *os.Root // nothing outside of it can be reached, whatever an ID is
	options DirOptions

	mu sync.Mutex // one Create at a time counts
}

var _ Store = (*Dir)(nil)

// An upload is two files: ID.json says what it is, and ID.part is what has arrived. A finished
// one is ID.done only.
const (
	metaSuffix = ".json"
	partSuffix = ".part"
	doneSuffix = ".done"
	tempPrefix = "new-"
)

// NewDir makes the store in a directory, and the directory if it isn't there. Close it at the
// end. More than one DirOptions panics.
func NewDir(path string, options ...DirOptions) (*Dir, error) {
	o := optional.One(options)
	if o.Expiry <= 0 {
		o.Expiry = defaultExpiry
	}
	o.MaxBytes = optional.Bound(o.MaxBytes, defaultMaxBytes)
	o.MaxUploads = optional.Bound(o.MaxUploads, defaultMaxUploads)
	o.MaxUserUploads = optional.Bound(o.MaxUserUploads, defaultMaxUserUploads)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Dir{path: path, root: root, options: o}, nil
}

// Close ends the use of the directory. What is in it stays.
func (d *Dir) Close() error { return d.root.Close() }

// File is the path of an upload's content. Finish may move it away.
func (d *Dir) File(id string) string { return filepath.Join(d.path, id+partSuffix) }

// Create is part of [Store].
func (d *Dir) Create(_ context.Context, u Upload) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.makeRoom(u, time.Now()); err != nil {
		return err
	}
	part, err := d.root.OpenFile(u.ID+partSuffix, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(part.Close(), d.write(u, metaSuffix))
}

// write stores what is known of an upload, all at once.
func (d *Dir) write(u Upload, suffix string) error {
	text, err := json.Marshal(u)
	if err != nil {
		return err
	}
	temp := tempPrefix + rand.Text()
	if err = d.root.WriteFile(temp, text, 0o600); err == nil {
		err = d.root.Rename(temp, u.ID+suffix)
	}
	if err != nil {
		_ = d.root.Remove(temp) // else it expires
	}
	return err
}

func (d *Dir) read(id, suffix string) (u Upload, err error) {
	text, err := d.root.ReadFile(id + suffix)
	if err == nil {
		err = json.Unmarshal(text, &u)
	}
	return u, err
}

// makeRoom removes what has expired, and refuses an upload for which there is no room.
func (d *Dir) makeRoom(u Upload, now time.Time) error {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return err
	}
	room, uploads, ofUser := d.options.MaxBytes, 0, 0
	for _, entry := range entries {
		id, suffix := entry.Name(), filepath.Ext(entry.Name())
		id = strings.TrimSuffix(id, suffix)
		if d.expired(id, suffix, entry, now) {
			if err := d.root.Remove(entry.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			continue
		}
		if suffix != metaSuffix {
			continue
		}
		other, err := d.read(id, metaSuffix)
		if err != nil {
			continue // it was removed just now
		}
		uploads++
		room -= other.Size
		if u.User != "" && other.User == u.User {
			ofUser++
		}
	}
	switch {
	case uploads >= d.options.MaxUploads, room < u.Size:
		return push.NewError(push.CodeLimitReached, "too many uploads are under way", nil)
	case ofUser >= d.options.MaxUserUploads:
		return push.NewError(push.CodeLimitReached, fmt.Sprintf("a user has at most %d unfinished uploads", d.options.MaxUserUploads), nil)
	}
	return nil
}

// expired reports whether a file is to be removed. What an upload is, is as old as what has
// arrived of it.
func (d *Dir) expired(id, suffix string, entry fs.DirEntry, now time.Time) bool {
	info, err := entry.Info()
	if err != nil {
		return false
	}
	age, most := now.Sub(info.ModTime()), d.options.Expiry
	switch suffix {
	case doneSuffix:
		most = resultExpiry
	case metaSuffix:
		if part, err := d.root.Stat(id + partSuffix); err == nil {
			age = min(age, now.Sub(part.ModTime()))
		}
	}
	return age > most
}

// Find is part of [Store].
func (d *Dir) Find(_ context.Context, id string) (Upload, error) {
	u, err := d.read(id, doneSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		u, err = d.receiving(id)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Upload{}, ErrNotFound
	}
	return u, err
}

func (d *Dir) receiving(id string) (Upload, error) {
	u, err := d.read(id, metaSuffix)
	if err != nil {
		return u, err
	}
	part, err := d.root.Stat(id + partSuffix)
	if err != nil {
		return u, err
	}
	u.Offset = part.Size()
	if time.Since(part.ModTime()) > d.options.Expiry {
		return u, ErrNotFound
	}
	return u, nil
}

// Append is part of [Store]. It writes at the offset: where two requests of a client overlap,
// each writes the same bytes.
func (d *Dir) Append(_ context.Context, id string, offset int64, r io.Reader) (n int64, err error) {
	part, err := d.root.OpenFile(id+partSuffix, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, ErrNotFound
	} else if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, part.Close()) }()
	if info, err := part.Stat(); err != nil {
		return 0, err
	} else if info.Size() != offset {
		return 0, ErrOffset
	}
	return io.Copy(io.NewOffsetWriter(part, offset), r)
}

// Open is part of [Store].
func (d *Dir) Open(_ context.Context, id string) (io.ReadSeekCloser, error) {
	return d.root.Open(id + partSuffix)
}

// Complete is part of [Store].
func (d *Dir) Complete(ctx context.Context, u Upload) error {
	if err := d.write(u, doneSuffix); err != nil {
		return err
	}
	return d.removeFiles(ctx, u.ID, metaSuffix, partSuffix)
}

// Remove is part of [Store].
func (d *Dir) Remove(ctx context.Context, id string) error {
	return d.removeFiles(ctx, id, metaSuffix, partSuffix, doneSuffix)
}

func (d *Dir) removeFiles(_ context.Context, id string, suffixes ...string) (err error) {
	for _, suffix := range suffixes {
		if e := d.root.Remove(id + suffix); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}
