package follow

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// lines are a log's. Nobody may be writing it.
type lines struct{ strings.Builder }

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// wantOnce fails unless the log has something once.
func (l *lines) wantOnce(t *testing.T, what string) {
	t.Helper()
	if n := strings.Count(l.String(), what); n != 1 {
		t.Errorf("%q is logged %d times: %.2000s", what, n, l)
	}
}

func TestProblemsAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		problems := newProblems("name", log.logger())
		full := push.NewError(push.CodeUnavailable, "the memory is full", &RefusalError{Answer: errors.New("OOM")})
		for range 10 {
			_ = problems.note(full)
			_ = problems.note(Foreign(errPage))
		}
		log.wantOnce(t, "name: the memory is full")
		log.wantOnce(t, ForeignData)
		_ = problems.note(push.CodeConflict)
		_ = problems.note(push.NewError(push.CodeUnavailable, "connection refused", nil))
		if n := strings.Count(log.String(), "\n"); n != 2 {
			t.Errorf("%d lines: %s", n, &log)
		}
		time.Sleep(logInterval)
		if err := problems.health(); err != nil {
			t.Errorf("a minute later: %v", err)
		}
		_ = problems.note(full)
		log.wantOnce(t, "left_out=9")
		if err := problems.health(); !errors.Is(err, push.CodeUnavailable) {
			t.Errorf("health: %v", err)
		}
	})
}

// foreignStore finds foreign data under every topic.
type foreignStore struct {
	scriptedStore
	reads int
}

func (s *foreignStore) Read(context.Context, string, Query, HighWater, Origin) (push.Page, error) {
	s.reads++
	return push.Page{}, Foreign(errPage)
}

// TestFollowerOfForeignDataWaits counts the reads of a follower whose topic's data has
// become foreign, and which is asked to look again all the time.
func TestFollowerOfForeignDataWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		store := &foreignStore{}
		b := New(store, Options{Logger: log.logger()})
		topic := newTopic(b, "a")
		b.topics["a"], topic.position = topic, at(1, 2)
		for range 50 * 1000 {
			topic.compare(Head{}, true)
			time.Sleep(time.Millisecond)
		}
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if store.reads > 60 {
			t.Errorf("%d reads in 50 s", store.reads)
		}
		log.wantOnce(t, ForeignData)
	})
}

// TestPageWithoutAHeadIsForeign has an answer that no store may give.
func TestPageWithoutAHeadIsForeign(t *testing.T) {
	var log lines
	b := New(&scriptedStore{pages: []push.Page{{}}}, Options{Logger: log.logger()})
	defer b.cancel()
	if _, err := b.Since(t.Context(), "a", broker.Position{}, broker.Limit{}); !errors.Is(err, push.CodeInternal) {
		t.Errorf("Since: %v", err)
	}
	log.wantOnce(t, "broker: "+ForeignData)
}
