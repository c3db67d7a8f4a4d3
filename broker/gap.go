package broker

// GapReason says why messages can't be replayed.
type GapReason string

// The reasons.
const (
	GapTrimmed       GapReason = "trimmed"        // history no longer reaches back that far
	GapEpoch         GapReason = "epoch"          // history was lost and began again
	GapFork          GapReason = "fork"           // history went another way than the client saw
	GapTooMany       GapReason = "too_many"       // more was missed than Options.ReplayMessages allows
	GapUnknownCursor GapReason = "unknown_cursor" // the cursor is broken, or of other topics
)

// Gap says that messages of a topic were missed and won't come. What is delivered after
// it follows Now. It is the one thing that an application must handle, by loading its
// state again.
type Gap struct {
	Topic  string
	Reason GapReason
	Last   Position // where the client was; zero if unknown
	Now    Position // where it goes on
}

// After returns the gap for a client whose position isn't its instance's: from last, with
// the reason that holds for it.
func (g Gap) After(last Position) Gap {
	g.Last = last
	switch {
	case last.IsZero():
		g.Reason = GapUnknownCursor
	case last.Epoch != g.Now.Epoch:
		g.Reason = GapEpoch
	case g.Reason == GapEpoch:
		g.Reason = GapTrimmed // it is in the new epoch, and misses some of it
	}
	return g
}
