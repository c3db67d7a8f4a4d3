package websocket

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
)

// unmask undoes the masking of b (RFC 6455 section 5.3), or does it, which is the same,
// and returns the key for the bytes that follow.
func unmask(b []byte, key uint32) uint32 {
	wide := uint64(key)<<32 | uint64(key)
	for len(b) >= 32 {
		block := b[:32]
		binary.LittleEndian.PutUint64(block[0:], binary.LittleEndian.Uint64(block[0:])^wide)
		binary.LittleEndian.PutUint64(block[8:], binary.LittleEndian.Uint64(block[8:])^wide)
		binary.LittleEndian.PutUint64(block[16:], binary.LittleEndian.Uint64(block[16:])^wide)
		binary.LittleEndian.PutUint64(block[24:], binary.LittleEndian.Uint64(block[24:])^wide)
		b = b[32:]
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(key)
		key = key>>8 | key<<24
	}
	return key
}

var errNotFrames = errors.New("not frames as AppendFrame encodes them")

// masker turns a server's frames into a client's. All that is written passes through it,
// so that everything else encodes frames in one way only.
type masker struct {
	conn *Conn
	out  []byte // masked, not yet written
	left uint64 // payload of the current frame that is still to come
	key  uint32
}

// writeMasked writes whole frames as a client has to, each masked with a key of its own.
// Headers aren't cut by the ends of parts. frameLock is held.
func (c *Conn) writeMasked(parts [][]byte) error {
	buf := takeBuffer()
	defer giveBuffer(buf)
	m := masker{conn: c, out: buf[:0]}
	for _, p := range parts {
		if err := m.add(p); err != nil {
			return err
		}
	}
	if m.left > 0 {
		return m.refuse()
	}
	return c.writeBytes(m.out)
}

// add masks p, and writes what has been gathered as often as the buffer is full.
func (m *masker) add(p []byte) error {
	for len(p) > 0 {
		if cap(m.out)-len(m.out) <= maxClientHeader {
			if err := m.conn.writeBytes(m.out); err != nil {
				return err
			}
			m.out = m.out[:0]
		}
		if m.left == 0 {
			size := m.addHeader(p)
			if size == 0 {
				return m.refuse()
			}
			p = p[size:]
			continue
		}
		n := int(min(uint64(len(p)), m.left, uint64(cap(m.out)-len(m.out))))
		start := len(m.out)
		m.out = append(m.out, p[:n]...)
		m.key = unmask(m.out[start:], m.key)
		m.left -= uint64(n)
		p = p[n:]
	}
	return nil
}

// addHeader begins with a frame, whose header is at the start of p, and returns the size
// of that header, or 0 if there is none.
func (m *masker) addHeader(p []byte) (size int) {
	if len(p) < 2 || p[1]&bitMask != 0 {
		return 0
	}
	size, m.left = 2, uint64(p[1])
	switch p[1] {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if len(p) < size {
		return 0
	}
	switch size {
	case 4:
		m.left = uint64(binary.BigEndian.Uint16(p[2:]))
	case 10:
		m.left = binary.BigEndian.Uint64(p[2:])
	}
	m.out = append(append(m.out, p[0], p[1]|bitMask), p[2:size]...)
	key := m.out[len(m.out) : len(m.out)+4]
	_, _ = rand.Read(key) // it never fails
	m.out = m.out[:len(m.out)+4]
	m.key = binary.LittleEndian.Uint32(key)
	return size
}

// refuse drops the connection, on which a part of a frame may have been written.
func (m *masker) refuse() error {
	m.conn.drop(false)
	return errNotFrames
}
