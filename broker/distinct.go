package broker

// MaxPublishTopics is how many topics one message may be published to at once.
const MaxPublishTopics = 1000

// DistinctTopics returns the different ones of topics that a message is published to, and
// for each of topics its index there. It doesn't check the names. The error is a
// BadRequestError if there are more than MaxPublishTopics, repetitions included.
func DistinctTopics(topics []string) (distinct []string, index []int, err error) {
	if len(topics) > MaxPublishTopics {
		return nil, nil, BadRequestError("a message is published to at most 1,000 topics at once")
	}
	first := make(map[string]int, len(topics))
	distinct, index = make([]string, 0, len(topics)), make([]int, len(topics))
	for i, topic := range topics {
		at, again := first[topic]
		if !again {
			at = len(distinct)
			first[topic] = at
			distinct = append(distinct, topic)
		}
		index[i] = at
	}
	return distinct, index, nil
}
