package api

import (
	"bytes"
	"encoding/json"

	"github.com/tidewire/tidewire/push"
)

// maxList is how many topics, or messages of a batch, a request may have.
const maxList = 1000

var errMany = push.NewError(push.CodeBadRequest, "there are from 1 to 1,000 topics, or messages of a batch", nil)

// list is a list in a body. Reading one that is too long ends with errMany at the first item
// too many: all of them would take far more memory than the body.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(text []byte) error {
	*l = nil
	if text[0] != '[' { // null, or an error about it
		return json.Unmarshal(text, (*[]T)(l))
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if _, err := d.Token(); err != nil {
		return err
	}
	for *l = (list[T]{}); d.More(); {
		if len(*l) == maxList {
			return errMany
		}
		var item T
		if err := d.Decode(&item); err != nil {
			return err
		}
		*l = append(*l, item)
	}
	return nil
}
