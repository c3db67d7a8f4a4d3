package sse

import "github.com/tidewire/tidewire/push/session"

// Raw is the transport's format=raw.
func Raw(t *Transport) session.Format { return raw{t} }
