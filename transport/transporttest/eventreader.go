package transporttest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
)

// eventReader reads an event stream. It is stricter than the standard: it knows
// only what this server writes.
type eventReader struct {
	lines *bufio.Reader
	id    string
}

// next reads an event whose data is a frame.
func (r *eventReader) next() (f Frame, err error) {
	name, data, err := r.event()
	if err != nil {
		return f, err
	}
	f, err = decode(data)
	f.EventID, f.EventName = r.id, name
	return f, err
}

func decode(data string) (f Frame, err error) {
	err = json.Unmarshal([]byte(data), &f)
	return f, err
}

// event reads the next event that has data.
func (r *eventReader) event() (name, data string, err error) {
	var all []string
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			return name, "", err
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "":
			if len(all) > 0 {
				return name, strings.Join(all, "\n"), nil
			}
		case ":", "retry":
		case "id":
			r.id = value
		case "event":
			name = value
		case "data":
			all = append(all, value)
		default:
			return name, "", fmt.Errorf("unknown field in line %q", line)
		}
	}
}
