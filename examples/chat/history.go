package main

import (
	"encoding/json"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

const recentPosts = 50

// history is what a page starts from: the newest posts of a room, and the
// cursor to follow from, right after the last of them.
type history struct {
	Messages []entry `json:"messages"`
	Cursor   string  `json:"cursor"`
}

// entry is a post as it was stored.
type entry struct {
	ID   string `json:"id"`
	Time int64  `json:"time"` // milliseconds since 1970
	post
}

func (c *chat) serveHistory(w http.ResponseWriter, r *http.Request) {
	messages, cursor, err := c.hub.Recent(r.Context(), topicOf(chi.URLParam(r, "room")), recentPosts)
	if err != nil {
		protocol.WriteError(w, r, push.AsError(err))
		return
	}
	h := history{Messages: make([]entry, len(messages)), Cursor: cursor}
	for i, m := range messages {
		h.Messages[i] = entry{ID: m.ID, Time: m.Time.UnixMilli()}
		if err := json.Unmarshal(m.Data, &h.Messages[i].post); err != nil {
			protocol.WriteError(w, r, push.AsError(err)) // not written by receive
			return
		}
	}
	body, err := json.Marshal(h)
	if err != nil {
		protocol.WriteError(w, r, push.AsError(err))
		return
	}
	protocol.WriteJSON(w, http.StatusOK, body)
}
