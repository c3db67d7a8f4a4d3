package push

// Rate bounds how often something may happen: Burst times at once, and PerSecond
// times a second in the long run. The zero Rate is the default of where it stands; a
// negative PerSecond is no limit. With a PerSecond and no Burst, the burst is what
// one second allows, and at least one.
type Rate struct {
	PerSecond float64
	Burst     int
}
