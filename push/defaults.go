package push

import (
	"math"
	"time"

	"github.com/tidewire/tidewire/push/optional"
)

func (l Limits) withDefaults() Limits {
	l.Connections = optional.Bound(l.Connections, mostConnections())
	l.PerUser = optional.Bound(l.PerUser, 20)
	l.PerAddress = optional.Bound(l.PerAddress, 200)
	l.Memory = optional.Bound(l.Memory, memoryShare())
	l.Opens = l.Opens.orDefault(Rate{})
	l.Failures = l.Failures.orDefault(Rate{PerSecond: 5.0 / 60, Burst: 50})
	l.Requests = l.Requests.orDefault(Rate{PerSecond: 100, Burst: 1000})
	l.Topics = l.Topics.orDefault(Rate{PerSecond: 10, Burst: 600})
	l.Resumes = l.Resumes.orDefault(Rate{PerSecond: 20, Burst: 1000})
	l.Sends = l.Sends.orDefault(Rate{PerSecond: 10, Burst: 20})
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
