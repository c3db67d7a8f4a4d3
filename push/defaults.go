package push

import (
	"math"
	"time"

	"github.com/tidewire/tidewire/push/optional"
)

// defaults gives limits their meaning. Rates that don't limit are zero.
func defaults(l Limits) Limits {
	orDefault := func(r *Rate, standard rate) { *r = Rate(rate(*r).orDefault(standard)) }
	l.Connections = optional.Bound(l.Connections, mostConnections())
	l.PerUser = optional.Bound(l.PerUser, 20)
	l.PerAddress = optional.Bound(l.PerAddress, 200)
	l.Memory = optional.Bound(l.Memory, memoryShare())
	orDefault(&l.Opens, rate{})
	orDefault(&l.Failures, rate{PerSecond: 5.0 / 60, Burst: 50})
	orDefault(&l.Requests, rate{PerSecond: 100, Burst: 1000})
	orDefault(&l.Topics, rate{PerSecond: 10, Burst: 600})
	orDefault(&l.Resumes, rate{PerSecond: 20, Burst: 1000})
	orDefault(&l.Sends, rate{PerSecond: 10, Burst: 20})
	l.Silence = optional.Bound(l.Silence, 5*time.Second)
	l.Age = optional.Bound(l.Age, 24*time.Hour)
	return l
}

// mostConnections leaves a tenth of the descriptors to all else.
func mostConnections() int {
	if n := descriptors(); n > 0 {
		return max(1, n-n/10)
	}
	return math.MaxInt
}
