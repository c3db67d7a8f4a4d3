package session

import "sync"

// warnings are what an operator should know of how the program is set up, in the order in
// which it was found.
type warnings struct {
	mu    sync.Mutex // guards the rest; innermost
	known map[string]bool
	texts []string
}

// maxWarnings is how many warnings a hub keeps.
const maxWarnings = 32

// Warn keeps a warning for as long as the hub lives. The text of the first with a key stays,
// and past 32 warnings no more are kept. Keys are made of what the program says, so that
// clients can't invent any.
func (h *Host) Warn(key, text string) {
	w := &h.kept
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known[key] || len(w.texts) >= maxWarnings {
		return
	}
	if w.known == nil {
		w.known = map[string]bool{}
	}
	w.known[key] = true
	w.texts = append(w.texts, text)
}

// Warnings returns the texts that Warn has kept.
func (h *Host) Warnings() []string {
	w := &h.kept
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.texts...)
}
