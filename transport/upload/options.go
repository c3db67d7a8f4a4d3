package upload

import (
	"context"
	"io"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/optional"
)

// Options configures a Handler. Store and Finish have to be set; the zero value of each other
// field is its production default.
type Options struct {
	// Store keeps what has arrived; NewDir makes one.
	Store Store
	// Finish takes a file that is whole, and makes the reply that its client gets. The file is
	// removed when Finish has returned nil or an error that is final (push.Code.Final): what is
	// to stay must be copied, or moved away (Dir.File). After any other error the client tries
	// again later. Finish is called again for the same upload if this process ends before the
	// reply is stored, so it has to be repeatable by u.ID. It may take FinishTimeout, whether
	// the client waits for it or not. What clients say of a file, its name and its type, is
	// theirs to invent.
	Finish func(ctx context.Context, u Upload, content io.ReadSeeker) (push.Reply, error)
	// Authorize answers whether a client may begin an upload: nil is yes. The upload has no ID
	// yet. An error refuses as the *push.Error that it is, or else with CodeForbidden. Unset: any
	// user with a name may, and nobody who is anonymous.
	Authorize func(ctx context.Context, u Upload) error
	// Progress, if set, is called after each change of an upload, in order, and waited for: when
	// it begins, after each piece, and when it ends. An upload that expires ends without a call.
	Progress func(ctx context.Context, u Upload)

	// MaxSize is the largest file, in bytes. Default 1 GiB; negative is no limit.
	MaxSize int64
	// MaxPiece is the largest body of a request, in bytes. Default 8 MiB, which is also what
	// browsers send at most; negative is no limit.
	MaxPiece int64
	// PieceTimeout is how long a body may take. What has arrived by then is kept. Default 1 min.
	PieceTimeout time.Duration
	// FinishTimeout is how long Finish may take. Default 1 min.
	FinishTimeout time.Duration
}

const (
	defaultMaxSize  = 1 << 30
	defaultMaxPiece = 8 << 20
	defaultTimeout  = time.Minute
)

func (o Options) withDefaults() Options {
	if o.Store == nil || o.Finish == nil {
		panic("upload.New: Options.Store and Options.Finish have to be set")
	}
	o.MaxSize = optional.Bound(o.MaxSize, defaultMaxSize)
	o.MaxPiece = optional.Bound(o.MaxPiece, defaultMaxPiece)
	if o.PieceTimeout <= 0 {
		o.PieceTimeout = defaultTimeout
	}
	if o.FinishTimeout <= 0 {
		o.FinishTimeout = defaultTimeout
	}
	if o.Authorize == nil {
		o.Authorize = named
	}
	return o
}

func named(_ context.Context, u Upload) error {
	if u.User == "" {
		return push.NewError(push.CodeUnauthenticated, "uploads are for users who have signed in", nil)
	}
	return nil
}
