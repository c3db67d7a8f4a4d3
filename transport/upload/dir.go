package upload

import (
	"context"
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

// NewDir makes the store in a directory, and the directory if it isn't there. More than one
// DirOptions panics.
func NewDir(path string, options ...DirOptions) (*Dir, error) {
	o := optional.One(options)
	if o.Expiry <= 0 {
		o.Expiry = defaultExpiry
	}
	o.MaxBytes = optional.Bound(o.MaxBytes, defaultMaxBytes)
	o.MaxUploads = optional.Bound(o.MaxUploads, defaultMaxUploads)
	o.MaxUserUploads = optional.Bound(o.MaxUserUploads, defaultMaxUserUploads)
	return &Dir{path: path, options: o}, os.MkdirAll(path, 0o700)
}

func (d *Dir) file(id, suffix string) string { return filepath.Join(d.path, id+suffix) }

// File is the path of an upload's content. Finish may move it away.
func (d *Dir) File(id string) string { return d.file(id, partSuffix) }

// Create is part of [Store].
func (d *Dir) Create(_ context.Context, u Upload) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.makeRoom(u, time.Now()); err != nil {
		return err
	}
	part, err := os.OpenFile(d.File(u.ID), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
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
	temp, err := os.CreateTemp(d.path, tempPrefix)
	if err != nil {
		return err
	}
	_, err = temp.Write(text)
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), d.file(u.ID, suffix))
	}
	if err != nil {
		_ = os.Remove(temp.Name()) // else it expires
	}
	return err
}

func (d *Dir) read(id, suffix string) (u Upload, err error) {
	text, err := os.ReadFile(d.file(id, suffix))
	if err == nil {
		err = json.Unmarshal(text, &u)
	}
	return u, err
}

// makeRoom removes what has expired, and refuses an upload for which there is no room.
func (d *Dir) makeRoom(u Upload, now time.Time) error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	room, uploads, ofUser := d.options.MaxBytes, 0, 0
	for _, entry := range entries {
		id, suffix := entry.Name(), filepath.Ext(entry.Name())
		id = strings.TrimSuffix(id, suffix)
		if d.expired(id, suffix, entry, now) {
			if err := os.Remove(filepath.Join(d.path, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
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
		if part, err := os.Stat(d.File(id)); err == nil {
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
	part, err := os.Stat(d.File(id))
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
	part, err := os.OpenFile(d.File(id), os.O_WRONLY, 0)
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
	return os.Open(d.File(id))
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
		if e := os.Remove(d.file(id, suffix)); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}
