package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/push"
)

// Duration is a time.Duration, as in "1h30m".
type Duration time.Duration

// UnmarshalText reads it.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return errors.New(`a duration is as in "1h30m"`)
	}
	*d = Duration(parsed)
	return nil
}

// MarshalText writes it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Bytes is a size, as in "64KiB". Negative is no limit.
type Bytes int64

var units = []struct {
	name string
	size Bytes
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

// UnmarshalText reads it.
func (b *Bytes) UnmarshalText(text []byte) error {
	for _, unit := range units {
		number, ok := strings.CutSuffix(string(text), unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 32)
		if err != nil {
			break
		}
		*b = Bytes(n) * unit.size
		return nil
	}
	return errors.New(`a size is as in "64KiB", in B, KiB, MiB or GiB`)
}

// MarshalText writes it.
func (b Bytes) MarshalText() ([]byte, error) {
	for _, unit := range units {
		if b%unit.size == 0 {
			return fmt.Appendf(nil, "%d%s", b/unit.size, unit.name), nil
		}
	}
	panic("every number is one of bytes")
}

// Rate is a push.Rate, as in "10/s burst 20", or "unlimited".
type Rate push.Rate

const unlimited = "unlimited"

var perSecond = map[string]float64{"s": 1, "m": 60, "h": 3600}

// UnmarshalText reads it.
func (r *Rate) UnmarshalText(text []byte) error {
	if string(text) == unlimited {
		*r = Rate{PerSecond: -1}
		return nil
	}
	rate, burst, hasBurst := strings.Cut(string(text), " burst ")
	number, unit, _ := strings.Cut(rate, "/")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n > 0 && n < 1e9) || perSecond[unit] == 0 {
		return errRate
	}
	parsed := Rate{PerSecond: n / perSecond[unit]}
	if hasBurst {
		if parsed.Burst, err = strconv.Atoi(burst); err != nil || parsed.Burst < 1 {
			return errRate
		}
	}
	*r = parsed
	return nil
}

var errRate = errors.New(`a rate is as in "10/s burst 20", per s, m or h, or "unlimited"`)

// MarshalText writes it.
func (r Rate) MarshalText() ([]byte, error) {
	if r.PerSecond < 0 {
		return []byte(unlimited), nil
	}
	n, unit := r.PerSecond, "s"
	if n < 1 {
		n, unit = n*60, "m"
	}
	text := strconv.AppendFloat(nil, n, 'g', 6, 64)
	text = append(append(text, '/'), unit...)
	if r.Burst > 0 {
		text = fmt.Appendf(text, " burst %d", r.Burst)
	}
	return text, nil
}
