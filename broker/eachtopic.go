package broker

// MaxPublishTopics is how many topics one message may be published to at once.
const MaxPublishTopics = 1000

// EachTopic returns an outcome for each of topics, in their order, for a call that publishes
// a message to all of them. publish is called with the different ones, and returns an outcome
// for each in their order, or an error that refuses all; a topic that is named again has the
// outcome of the first. EachTopic doesn't check the names.
//
// An outcome of an error is what refused returns. That error is a BadRequestError, and publish
// isn't called, if there are more than MaxPublishTopics, repetitions included.
func EachTopic[T any](topics []string, publish func(distinct []string) ([]T, error), refused func(topic string, err error) T) []T {
	first := make(map[string]int, len(topics)) // where each topic is in distinct
	var distinct []string
	for _, topic := range topics {
		if _, again := first[topic]; !again {
			first[topic] = len(distinct)
			distinct = append(distinct, topic)
		}
	}
	var published []T
	var err error = BadRequestError("a message is published to at most 1,000 topics at once")
	if len(topics) <= MaxPublishTopics {
		published, err = publish(distinct)
	}
	outcomes := make([]T, len(topics))
	for i, topic := range topics {
		if err != nil {
			outcomes[i] = refused(topic, err)
		} else {
			outcomes[i] = published[first[topic]]
		}
	}
	return outcomes
}
