package revoke_test

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/internal/revoke"
)

func TestRecordTextIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, record := range map[string]revoke.Record{
			"a user":             {Subject: revoke.Subject{User: "ann"}, For: 1000},
			"a topic":            {Subject: revoke.Subject{Topic: "a/1"}, For: 60_000},
			"both, and restored": {Subject: revoke.Subject{User: "ann", Topic: "a"}, For: 5, Restored: true},
			"a session":          {Subject: revoke.Subject{Session: uuid.UUID{1, 2, 3}}, For: 1},
		} {
			record.At = time.Now().Truncate(time.Microsecond)
			_, text, err := record.Text()
			if err != nil {
				t.Fatal(err)
			}
			told, err := revoke.ParseTold(text)
			if err != nil || told.Subject != record.Subject || told.Restored != record.Restored || !told.At.Equal(record.At) ||
				told.Left() != time.Duration(record.For)*time.Millisecond {
				t.Errorf("%s, told: %+v, %v", name, told, err)
			}
			stored, err := revoke.ParseStored(broker.Stored{Value: text, Version: record.Version(), TTL: time.Second / 4})
			if err != nil || stored.Subject != record.Subject || !stored.At.Equal(record.At) || stored.Left() != time.Second/4 {
				t.Errorf("%s, stored: %+v, %v", name, stored, err)
			}
		}
		if _, err := revoke.ParseTold([]byte(`{"at":1}`)); err == nil {
			t.Error("what is no record can be read")
		}
		for text, want := range map[string]time.Duration{
			`{"for":-1}`: 0,
			fmt.Sprintf(`{"for":%d}`, int64(math.MaxInt64)): revoke.Forever,
		} {
			if record, err := revoke.ParseTold([]byte(text)); err != nil || record.Left() != want {
				t.Errorf("%s holds for %v, %v", text, record.Left(), err)
			}
		}
	})
}

func TestTableFindsWhatHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var table revoke.Table
		put := func(about revoke.Subject, at, until time.Duration, restored bool) {
			if !table.Put(revoke.Record{Subject: about, At: start.Add(at), Until: start.Add(until), Restored: restored}) {
				t.Error("no room")
			}
		}
		want := func(when, want string) {
			t.Helper()
			got := ""
			for _, user := range []string{"", "ann", "bob"} {
				if table.User(user, start) {
					got += user + " "
				}
				for _, topic := range []string{"a", "b"} {
					if table.Topic(user, topic) {
						got += user + "/" + topic + " "
					}
				}
			}
			if got != want {
				t.Errorf("%s: %q are revoked, want %q", when, got, want)
			}
		}
		want("at first", "")
		if table.Any() || table.Len() != 0 {
			t.Error("something is there at first")
		}
		put(revoke.Subject{User: "ann"}, 0, time.Second, false)
		put(revoke.Subject{Topic: "a"}, 0, 2*time.Second, false)
		put(revoke.Subject{User: "bob", Topic: "b"}, 0, 3*time.Second, false)
		want("with three records", "/a ann ann/a bob/a bob/b ")
		put(revoke.Subject{Topic: "a"}, -1, time.Hour, true)
		want("after an earlier record", "/a ann ann/a bob/a bob/b ")
		put(revoke.Subject{Topic: "a"}, 1, time.Hour, true)
		want("after a later record", "ann bob/b ")
		time.Sleep(time.Second)
		want("when a record has expired", "bob/b ")
		if !table.Any() || table.Len() != 3 || len(table.All()) != 2 || table.Len() != 2 {
			t.Errorf("%d are kept", table.Len())
		}
		time.Sleep(time.Hour)
		want("when all have expired", "")
		if len(table.All()) != 0 || table.Any() {
			t.Error("something is left")
		}
	})
}

func TestTableComparesWhenAnIdentityWasIssued(t *testing.T) {
	at := time.Now()
	var table revoke.Table
	table.Put(revoke.Record{Subject: revoke.Subject{User: "ann"}, At: at, Until: at.Add(time.Hour)})
	for issued, want := range map[time.Duration]bool{-time.Hour: true, 0: true, time.Second: true, time.Second + 1: false} {
		if got := table.User("ann", at.Add(issued)); got != want {
			t.Errorf("issued %v after the revocation: revoked is %v", issued, got)
		}
	}
}

func TestTableGivesALaterTime(t *testing.T) {
	now := time.Now().Truncate(time.Microsecond)
	ann := revoke.Subject{User: "ann"}
	for last, want := range map[time.Duration]time.Duration{
		-time.Second: 0,
		0:            time.Microsecond,
		time.Hour:    time.Hour + time.Microsecond, // by a clock that is ahead
	} {
		var table revoke.Table
		table.Put(revoke.Record{Subject: ann, At: now.Add(last), Until: now.Add(time.Minute)})
		if got, ok := table.Next(ann, now.Add(time.Nanosecond)); !ok || got.Sub(now) != want {
			t.Errorf("after one of %v the next is of %v, %v", last, got.Sub(now), ok)
		}
	}
}

// TestTableIsBounded: those that others have decided on have room past the 10,000 that this
// instance decides on.
func TestTableIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table revoke.Table
		until := time.Now().Add(time.Minute)
		put := func(n int) bool {
			return table.Put(revoke.Record{Subject: revoke.Subject{User: fmt.Sprint(n)}, At: time.Now(), Until: until})
		}
		next := func(user string) bool {
			_, ok := table.Next(revoke.Subject{User: user}, time.Now())
			return ok
		}
		for n := range 11_000 {
			if got := next("another"); got != (n < 10_000) {
				t.Fatalf("with %d records, one more is %v", n, got)
			}
			if !put(n) {
				t.Fatalf("no room for %d", n)
			}
		}
		if put(11_000) || !put(5) || !next("5") {
			t.Error("a full table takes another, or not what it has")
		}
		time.Sleep(time.Minute)
		if !next("another") || !put(11_000) || table.Len() != 1 {
			t.Errorf("after all have expired %d are kept", table.Len())
		}
	})
}
