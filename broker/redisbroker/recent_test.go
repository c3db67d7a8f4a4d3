package redisbroker_test

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/push"
)

// TestRecentReadsNoMoreThanItGives: any client may ask for so many messages, of a topic whose
// history is far larger than what one client gets.
func TestRecentReadsNoMoreThanItGives(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	client := redis.client()
	b := redisbroker.New(client, redisbroker.Options{Prefix: prefix(), History: broker.History{Bytes: -1}})
	defer b.Close(t.Context())
	const count, size = 200, 64 << 10
	for range count {
		if _, err := b.Publish(t.Context(), push.Message{Topic: "a", Data: make([]byte, size), Encoding: push.EncodingBinary}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{0, 1, 15, 16, 17, 100} {
		page, err := b.Recent(t.Context(), "a", broker.Limit{Messages: 1000, Bytes: want*(size+512) + 1})
		if err != nil || len(page.Messages) != want {
			t.Errorf("got %d messages, want %d: %v", len(page.Messages), want, err)
		}
		for i, m := range page.Messages {
			if m.Offset != uint64(count-want+i+1) {
				t.Fatalf("message %d of %d has offset %d", i, want, m.Offset)
			}
		}
		if want == 17 {
			info, err := client.Info(t.Context(), "memory").Result()
			if err != nil {
				t.Fatal(err)
			}
			used := regexp.MustCompile(`used_memory_lua:(\d+)`).FindStringSubmatch(info)
			if n, _ := strconv.Atoi(used[1]); n > count*size/2 {
				t.Errorf("scripts use %d bytes for %d", n, want*size)
			}
		}
	}
}
