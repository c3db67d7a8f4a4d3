package dashboard

// point is one point of the page's graphs: what is at a time, or happens a second since the
// point before.
type point struct {
	Time      int64   `json:"time"` // in milliseconds since 1970
	Sessions  int     `json:"sessions"`
	Published float64 `json:"published"`
	Delivered float64 `json:"delivered"`
	Written   float64 `json:"written"` // bytes
	Queued    int     `json:"queued"`  // bytes
	Refused   float64 `json:"refused"`
	Replayed  float64 `json:"replayed"`
	Gaps      float64 `json:"gaps"`
}

// points returns a point for each sample but the first.
func points(samples []sample) []point {
	all := []point{}
	for i := 1; i < len(samples); i++ {
		all = append(all, pointOf(&samples[i], &samples[i-1]))
	}
	return all
}

func pointOf(now, before *sample) point {
	s, b, in := &now.stats, &before.stats, now.at.Sub(before.at)
	return point{
		Time: now.at.UnixMilli(), Sessions: s.Sessions, Queued: s.QueuedBytes,
		Published: perSecond(s.Published, b.Published, in), Delivered: perSecond(s.Delivered, b.Delivered, in),
		Written: perSecond(written(now), written(before), in), Refused: perSecond(refused(now), refused(before), in),
		Replayed: perSecond(s.Replayed, b.Replayed, in), Gaps: perSecond(s.Gaps, b.Gaps, in),
	}
}

func written(s *sample) (n uint64) {
	for _, t := range s.stats.Transports {
		n += t.Written
	}
	return n
}

func refused(s *sample) (n uint64) {
	for _, count := range s.stats.Refused {
		n += count
	}
	return n
}
