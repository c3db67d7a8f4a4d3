package session

import (
	"math"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/internal/limit"
	"github.com/tidewire/tidewire/push/optional"
)

// defaults gives limits their meaning. Rates that don't limit are zero.
func defaults(l push.Limits) push.Limits {
	orDefault := func(r *push.Rate, standard limit.Rate) { *r = push.Rate(limit.Rate(*r).OrDefault(standard)) }
	l.Connections = optional.Bound(l.Connections, mostConnections())
	l.PerUser = optional.Bound(l.PerUser, 20)
	l.PerAddress = optional.Bound(l.PerAddress, 200)
	l.Memory = optional.Bound(l.Memory, memoryShare())
	orDefault(&l.Opens, limit.Rate{})
	orDefault(&l.Failures, limit.Rate{PerSecond: 5.0 / 60, Burst: 50})
	orDefault(&l.Requests, limit.Rate{PerSecond: 100, Burst: 1000})
	orDefault(&l.Topics, limit.Rate{PerSecond: 10, Burst: 600})
	orDefault(&l.Resumes, limit.Rate{PerSecond: 20, Burst: 1000})
	orDefault(&l.Sends, limit.Rate{PerSecond: 10, Burst: 20})
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
