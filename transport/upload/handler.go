// Package upload takes large files from pages, in pieces, by plain HTTP requests that can be
// repeated: an upload goes on after a lost connection, a reload of the page or a restart of the
// server. The protocol is draft-ietf-httpbis-resumable-upload; docs/protocol.md says what of it.
//
//	r.Handle("/uploads", upload.New(hub, upload.Options{Store: dir, Finish: finish}))
//
// The browser's side is upload.mjs of js-client.
package upload

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/tidewire/tidewire/middleware"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// Handler is the route that takes uploads. It is at one path, whatever the router: an upload
// has the same path, and its ID in the query.
type Handler struct {
	options Options
	host    *session.Host
	pages   http.Handler
	turns   turns
}

// New makes a handler. Who a client is, and which pages may use it, is what the hub's options
// say (Identify and Origins). It panics without Store or Finish.
func New(hub *push.Hub, options Options) *Handler {
	h := &Handler{options: options.withDefaults(), host: session.Of(hub), turns: turns{of: map[string]*turn{}}}
	h.pages = middleware.Origins(hub)(http.HandlerFunc(h.serve))
	return h
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.pages.ServeHTTP(w, r) }

// parameter is the query's that names an upload.
const parameter = "upload"

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	protocol.SetHeaders(w.Header())
	if w.Header().Get("Access-Control-Allow-Origin") != "" {
		w.Header().Set("Access-Control-Expose-Headers", exposedHeaders)
	}
	if len(r.TransferEncoding) > 0 {
		w.Header().Set("Connection", "close") // as transport.Routes does: RFC 9112 section 6.1
	}
	query, e := protocol.Query(r)
	switch {
	case e != nil:
	case len(query[parameter]) > 1:
		e = push.NewError(push.CodeBadRequest, "upload is given twice", nil)
	case r.ContentLength != 0 && r.Method != http.MethodPatch:
		e = push.NewError(push.CodeBadRequest, "only PATCH has content here; an upload begins without", nil)
	}
	if e != nil {
		h.refuse(w, r, e)
		return
	}
	if !query.Has(parameter) {
		h.serveCollection(w, r, query)
		return
	}
	if protocol.CheckMethod(h.host, w, r, http.MethodHead, http.MethodGet, http.MethodPatch, http.MethodDelete) {
		h.serveUpload(w, r, query.Get(parameter))
	}
}

// refuse answers with an error. What is left of the body isn't read.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := push.AsError(err)
	if e.Code == push.CodeTooLarge {
		h.setLimit(w)
	}
	status := e.Code.HTTPStatus()
	if errors.Is(err, ErrNotFound) {
		status = http.StatusNotFound
	}
	protocol.RefuseAs(h.host, w, r, status, e)
}

// serveCollection answers requests for no upload: POST begins one.
func (h *Handler) serveCollection(w http.ResponseWriter, r *http.Request, query url.Values) {
	if !protocol.CheckMethod(h.host, w, r, http.MethodPost, http.MethodOptions) {
		return
	}
	if r.Method == http.MethodOptions {
		h.setLimit(w)
		w.Header().Set("Accept-Patch", partialUpload)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	u, err := h.create(r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	h.progress(r, u)
	query.Set(parameter, u.ID)
	h.setState(w, u)
	h.setLimit(w)
	w.Header().Set("Location", "?"+query.Encode())
	w.WriteHeader(http.StatusCreated)
}

func (h *Handler) create(r *http.Request) (Upload, error) {
	identity, err := h.host.IdentifySender(r)
	if err != nil {
		return Upload{}, err
	}
	size, e := integer(r, headerLength)
	last, e2 := complete(r)
	switch {
	case e != nil:
		return Upload{}, e
	case e2 != nil:
		return Upload{}, e2
	case size < 0:
		return Upload{}, push.NewError(push.CodeBadRequest, "Upload-Length is missing", nil)
	case last:
		return Upload{}, push.NewError(push.CodeBadRequest, "an upload begins without content, and Upload-Complete is ?0", nil)
	case size > h.options.MaxSize:
		return Upload{}, push.NewError(push.CodeTooLarge, fmt.Sprintf("a file has at most %d bytes here", h.options.MaxSize), nil)
	}
	u := Upload{
		User: identity.User, Name: fileName(r), Type: text(r.Header.Get("Content-Type")), Size: size, Phase: PhaseReceiving,
	}
	if err := session.Refusal(h.options.Authorize(r.Context(), u), push.CodeForbidden); err != nil {
		return Upload{}, err
	}
	u.ID = rand.Text()
	return u, stored(h.options.Store.Create(r.Context(), u))
}

// stored is an error of the store as one that a client may be told.
func stored(err error) error {
	switch {
	case errors.Is(err, ErrNotFound):
		return push.NewError(push.CodeBadRequest, "there is no such upload, or it has expired", ErrNotFound)
	case err != nil:
		return session.Refusal(err, push.CodeUnavailable)
	default:
		return nil
	}
}

// find returns an upload of the client that makes the request. That of another one isn't there.
func (h *Handler) find(r *http.Request, identity push.Identity, id string) (Upload, error) {
	u, err := h.options.Store.Find(r.Context(), id)
	if err == nil && u.User != identity.User {
		err = ErrNotFound
	}
	return u, stored(err)
}

// serveUpload answers requests for an upload.
func (h *Handler) serveUpload(w http.ResponseWriter, r *http.Request, id string) {
	identity, err := h.host.Identify(r)
	if err == nil && !isID(id) {
		err = stored(ErrNotFound)
	}
	if err == nil {
		_, err = h.find(r, identity, id) // nobody else may end a turn
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	turn, leave, err := h.turns.take(r.Context(), id)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	defer leave()
	u, err := h.find(r, identity, id)
	if err == nil {
		switch r.Method {
		case http.MethodPatch:
			err = h.patch(w, r, turn, u)
		case http.MethodDelete:
			err = h.remove(w, r, u)
		default:
			h.answer(w, r, u)
		}
	}
	if err != nil {
		h.refuse(w, r, err)
	}
}

// answer says how far an upload is: with its result, if there is one.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, u Upload) {
	h.setState(w, u)
	h.setLimit(w)
	switch result := u.Result; {
	case result == nil || r.Method == http.MethodHead:
		w.WriteHeader(http.StatusNoContent)
	case result.Code != "":
		e := push.NewError(result.Code, result.Reason, nil)
		protocol.WriteJSON(w, e.Code.HTTPStatus(), protocol.HTTPError(e))
	default:
		protocol.WriteJSON(w, http.StatusOK, protocol.HTTPReply(result.Reply))
	}
}

func (h *Handler) remove(w http.ResponseWriter, r *http.Request, u Upload) error {
	if err := h.options.Store.Remove(r.Context(), u.ID); err != nil {
		return stored(err)
	}
	if u.Phase == PhaseReceiving {
		u.Phase = PhaseCancelled
		h.progress(r, u)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// patch appends a piece, and finishes the upload if that was the last.
func (h *Handler) patch(w http.ResponseWriter, r *http.Request, turn *turn, u Upload) error {
	last, err := h.checkPiece(w, r, u)
	if err != nil {
		return err
	}
	turn.beginBody(w, time.Now().Add(h.options.PieceTimeout))
	room := min(h.options.MaxPiece, u.Size-u.Offset)
	n, err := h.options.Store.Append(r.Context(), u.ID, u.Offset, http.MaxBytesReader(w, r.Body, room))
	turn.endBody(err == nil)
	u.Offset += n
	if n > 0 {
		h.progress(r, u)
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return h.tooLong(u.Offset < u.Size)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return push.NewError(push.CodeTimeout, "the piece took too long, or another request came", nil)
	case err != nil && r.Context().Err() != nil, errors.Is(err, io.ErrUnexpectedEOF):
		return push.NewError(push.CodeBadRequest, "the piece isn't whole", err) // there is hardly anybody to read it
	case err != nil:
		return stored(err)
	case last && u.Offset < u.Size:
		return errLength
	case last:
		if u, err = h.finish(r, u); err != nil {
			return err
		}
	}
	h.answer(w, r, u)
	return nil
}

var errLength = push.NewError(push.CodeBadRequest, "the content doesn't end where Upload-Length says", nil)

// tooLong is the error of a piece that is too long: for one request, or for the file.
func (h *Handler) tooLong(forRequest bool) error {
	if forRequest {
		return push.NewError(push.CodeTooLarge, fmt.Sprintf("a piece has at most %d bytes here", h.options.MaxPiece), nil)
	}
	return errLength
}

// checkPiece refuses a piece before any of it is read, and reports whether it is the last.
func (h *Handler) checkPiece(w http.ResponseWriter, r *http.Request, u Upload) (last bool, err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != partialUpload {
		return false, push.NewError(push.CodeUnsupported, "a piece is "+partialUpload, nil)
	}
	if r.Header.Get("Content-Encoding") != "" {
		return false, push.NewError(push.CodeUnsupported, "a piece isn't encoded", nil)
	}
	offset, e := integer(r, headerOffset)
	last, e2 := complete(r)
	size, e3 := integer(r, headerLength)
	switch {
	case e != nil:
		return false, e
	case e2 != nil:
		return false, e2
	case e3 != nil:
		return false, e3
	case offset < 0:
		return false, push.NewError(push.CodeBadRequest, "Upload-Offset is missing", nil)
	case u.Result != nil, offset != u.Offset:
		h.setState(w, u)
		return false, push.NewError(push.CodeConflict, "the upload is at another offset", nil)
	case size >= 0 && size != u.Size, r.ContentLength > u.Size-offset:
		return false, errLength
	case r.ContentLength > h.options.MaxPiece:
		return false, h.tooLong(true)
	}
	return last, nil
}

// finish hands the file to the application, and keeps what it says.
func (h *Handler) finish(r *http.Request, u Upload) (Upload, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), h.options.FinishTimeout)
	defer cancel()
	content, err := h.options.Store.Open(ctx, u.ID)
	if err != nil {
		return u, stored(err)
	}
	reply, err := h.options.Finish(ctx, u, content)
	_ = content.Close() // it was only read
	u.Phase, u.Result = PhaseDone, &Result{Reply: reply}
	if err := session.Refusal(err, push.CodeInternal); err != nil {
		e := push.AsError(err)
		if !e.Code.Final() {
			return u, e
		}
		h.host.Refused(r, e)
		u.Phase, u.Result = PhaseRefused, &Result{Code: e.Code, Reason: e.Reason}
	}
	if err := h.options.Store.Complete(ctx, u); err != nil {
		return u, stored(err)
	}
	h.progress(r, u)
	return u, nil
}

// progress tells the application, also when the client has gone.
func (h *Handler) progress(r *http.Request, u Upload) {
	if h.options.Progress != nil {
		h.options.Progress(context.WithoutCancel(r.Context()), u)
	}
}
