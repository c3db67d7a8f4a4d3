package fleet

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/flate"
)

// inflater undoes the compression of RFC 7692. Each message may refer to the 32 KiB before it.
type inflater struct {
	reader  io.ReadCloser
	history []byte
}

// tail is what a sender leaves out, and an empty last block, so that the reader comes to an end.
const (
	tail   = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"
	window = 32 << 10
)

func (i *inflater) inflate(b []byte) ([]byte, error) {
	in := bytes.NewReader(append(b, tail...))
	if i.reader == nil {
		i.reader = flate.NewReader(in)
	} else if err := i.reader.(flate.Resetter).Reset(in, i.history); err != nil {
		return nil, err
	}
	begin := len(i.history)
	out := bytes.NewBuffer(i.history)
	if _, err := out.ReadFrom(i.reader); err != nil {
		return nil, err
	}
	all := out.Bytes()
	message := bytes.Clone(all[begin:])
	i.history = append(i.history[:0], all[max(0, len(all)-window):]...)
	return message, nil
}
