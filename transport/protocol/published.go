package protocol

import "github.com/tidewire/tidewire/push"

// Result is what became of one topic of a publish by POST to several.
type Result struct {
	Topic   string
	Receipt push.Receipt // its position has no tag
	// Failure says why the message isn't stored; nil if it is.
	Failure *Failure
}

// ParseHTTPPublished reads the answer to a publish by POST to several topics.
func ParseHTTPPublished(body []byte) (results []Result, err error) {
	o, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	list := o.field("results")
	if !list.starts('[') {
		return nil, &MalformedError{"no list of results"}
	}
	for item, ok := range items(list) {
		if !ok || !item.starts('{') {
			return nil, &MalformedError{"a result that is no object"}
		}
		r := reader{object: objectOf(item)}
		result := Result{Topic: r.text("topic")}
		if failure := r.object.field("error"); failure.starts('{') {
			inner := reader{object: objectOf(failure), err: r.err}
			result.Failure, r.err = inner.failure(), inner.err
		} else {
			result.Receipt = r.receipt()
		}
		if r.err != nil {
			return nil, r.err
		}
		results = append(results, result)
	}
	return results, nil
}

// ParseHTTPReceipt reads the answer to a publish by POST. The position has no tag.
func ParseHTTPReceipt(body []byte) (push.Receipt, error) {
	o, err := parseObject(body)
	if err != nil {
		return push.Receipt{}, err
	}
	r := reader{object: o}
	return r.receipt(), r.err
}

// receipt reads the receipt that an object is.
func (r *reader) receipt() push.Receipt {
	receipt := push.Receipt{ID: r.text("id"), Position: r.place(r.object), Duplicate: r.object.field("duplicate").starts('t')}
	if r.err == nil && receipt.Position.Epoch == 0 {
		r.fail("epoch")
	}
	return receipt
}
