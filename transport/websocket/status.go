package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// StatusCode says why a connection is closed (RFC 6455 section 7.4 and the
// registry that it set up). Codes from 3000 to 3999 are registered by libraries,
// those from 4000 to 4999 are free for applications.
type StatusCode int

// The codes that have a use between servers and clients of messages.
const (
	StatusNormal             StatusCode = 1000
	StatusGoingAway          StatusCode = 1001
	StatusProtocolError      StatusCode = 1002
	StatusUnsupportedData    StatusCode = 1003
	StatusInvalidData        StatusCode = 1007 // text that isn't UTF-8, corrupt compressed data
	StatusPolicyViolation    StatusCode = 1008
	StatusMessageTooBig      StatusCode = 1009
	StatusMandatoryExtension StatusCode = 1010
	StatusInternalError      StatusCode = 1011
	StatusServiceRestart     StatusCode = 1012
	StatusTryAgainLater      StatusCode = 1013
	StatusBadGateway         StatusCode = 1014

	// StatusNone stands for a close frame without a code. It is never sent; as
	// an argument it asks for such a frame.
	StatusNone StatusCode = 1005
)

// sendable reports whether a close frame may carry the code.
func (s StatusCode) sendable() bool {
	switch {
	case s >= 3000 && s <= 4999:
		return true
	case s >= StatusNormal && s <= StatusUnsupportedData:
		return true
	}
	return s >= StatusInvalidData && s <= StatusBadGateway
}

// CloseError reports that the peer closed the connection with a close frame.
type CloseError struct {
	Code   StatusCode // StatusNone if the frame had none
	Reason string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("closed by the peer with status %d and reason %q", int(e.Code), e.Reason)
}

// ProtocolError reports that the connection was closed from this side, since
// the peer broke a rule: of the protocol, of its data, or of size. Code and
// Reason are what the close frame to the peer had.
type ProtocolError struct {
	Code   StatusCode
	Reason string
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("peer refused with status %d: %s", int(e.Code), e.Reason)
}

func protocolError(reason string) error { return &ProtocolError{StatusProtocolError, reason} }

// CloseStatus returns the code that the peer closed the connection with, if err
// is or wraps a [*CloseError], and -1 otherwise.
func CloseStatus(err error) StatusCode {
	if closed, ok := errors.AsType[*CloseError](err); ok {
		return closed.Code
	}
	return -1
}

const maxReason = maxControlPayload - 2

// closePayload makes the body of a close frame. The reason is cut to what fits,
// at the end of a character.
func closePayload(code StatusCode, reason string) ([]byte, error) {
	if code == StatusNone {
		return nil, nil
	}
	if !code.sendable() {
		return nil, fmt.Errorf("status %d can't be sent", int(code))
	}
	reason = strings.ToValidUTF8(reason, "\uFFFD")
	if len(reason) > maxReason {
		end := maxReason
		for !utf8.RuneStart(reason[end]) {
			end--
		}
		reason = reason[:end]
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...), nil
}

// parseClosePayload reads the body of a close frame (RFC 6455 section 5.5.1).
func parseClosePayload(p []byte) (*CloseError, error) {
	switch len(p) {
	case 0:
		return &CloseError{Code: StatusNone}, nil
	case 1:
		return nil, protocolError("close frame with half a status")
	}
	code := StatusCode(binary.BigEndian.Uint16(p))
	if !code.sendable() {
		return nil, protocolError("close frame with a reserved status")
	}
	if !utf8.Valid(p[2:]) {
		return nil, protocolError("close reason not UTF-8")
	}
	return &CloseError{Code: code, Reason: string(p[2:])}, nil
}
