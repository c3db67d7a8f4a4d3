package upload

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/tidewire/tidewire/push"
)

// Phase is what becomes of an upload.
type Phase string

// The phases.
const (
	PhaseReceiving Phase = "receiving" // more is to come, or Finish is to be called
	PhaseDone      Phase = "done"      // Finish has taken it
	PhaseRefused   Phase = "refused"   // Finish has refused it for good
	PhaseCancelled Phase = "cancelled" // its client doesn't want it any more
)

// Upload is one file on its way.
type Upload struct {
	// ID is a name for the upload that can't be guessed: 26 letters and digits. Whoever knows it, and
	// is its user, may go on with it; others needn't be told.
	ID string
	// User is that of the push.Identity that has begun it; empty is anonymous.
	User string
	// Name and Type are what the client calls the file, and its media type. Either may be
	// empty, and neither is to be trusted: Name may hold slashes.
	Name, Type string
	// Size is how many bytes the file has, and Offset how many of them are here.
	Size, Offset int64
	Phase        Phase
	// Result is what Finish has said; nil before that.
	Result *Result
}

// Result is what the client gets in the end, kept for a while: the answer may get lost.
type Result struct {
	Reply push.Reply
	// Code and Reason are those of the error with which Finish has refused the file.
	Code   push.Code
	Reason string
}

// Store keeps uploads. The Handler makes one call at a time for an upload, unless several
// instances share the store: then a request that was given up may still append on one while
// the client goes on with another. IDs are valid names for files.
type Store interface {
	// Create stores a new upload. The error refuses it, such as with CodeLimitReached.
	Create(ctx context.Context, u Upload) error
	// Find returns an upload with its Offset. ErrNotFound: there is none, or no more.
	Find(ctx context.Context, id string) (Upload, error)
	// Append adds r to what there is up to offset, and returns how many bytes it has added, also
	// with an error, such as that of r. ErrOffset: the upload doesn't end at offset.
	Append(ctx context.Context, id string, offset int64, r io.Reader) (int64, error)
	// Open opens the file for Finish.
	Open(ctx context.Context, id string) (io.ReadSeekCloser, error)
	// Complete stores u, which has a Result, and removes the file.
	Complete(ctx context.Context, u Upload) error
	// Remove removes all of an upload. One that isn't there is no error.
	Remove(ctx context.Context, id string) error
}

// Errors of stores.
var (
	ErrNotFound = errors.New("upload: there is no such upload")
	ErrOffset   = errors.New("upload: the upload doesn't end there")
)

const (
	idLength   = 26 // what crypto/rand.Text returns
	idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

// isID reports whether a client's name for an upload can be one.
func isID(id string) bool {
	return len(id) == idLength && strings.Trim(id, idAlphabet) == ""
}
