package upload

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
)

const someID = "ABCDEFGHIJKLMNOPQRSTUVWXY2"

func newDir(t *testing.T, options ...DirOptions) *Dir {
	t.Helper()
	d, err := NewDir(t.TempDir(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// id returns one that ends with a letter.
func id(letter string) string { return someID[:25] + letter }

func TestDirHasRoomForSoMuch(t *testing.T) {
	d := newDir(t, DirOptions{MaxBytes: 10, MaxUploads: 4, MaxUserUploads: 2})
	for i, test := range []struct {
		user string
		size int64
		ok   bool
	}{
		{"ana", 2, true}, {"ana", 2, true}, {"ana", 1, false}, {"", 7, false}, {"", 1, true}, {"bob", 1, true}, {"", 1, false},
	} {
		err := d.Create(t.Context(), Upload{ID: id(string(rune('A' + i))), User: test.user, Size: test.size})
		if (err == nil) != test.ok || err != nil && !errors.Is(err, push.CodeLimitReached) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if err := errors.Join(d.Complete(t.Context(), Upload{ID: id("A"), User: "ana", Result: &Result{}}),
		d.Create(t.Context(), Upload{ID: id("Z"), User: "ana", Size: 1})); err != nil {
		t.Errorf("a finished upload takes room: %v", err)
	}
}

func TestDirForgets(t *testing.T) {
	d := newDir(t, DirOptions{Expiry: time.Hour})
	age := func(by time.Duration, names ...string) {
		for _, name := range names {
			then := time.Now().Add(-by)
			if err := os.Chtimes(d.path+"/"+name, then, then); err != nil {
				t.Fatal(err)
			}
		}
	}
	create := func(letter string) {
		if err := d.Create(t.Context(), Upload{ID: id(letter), Size: 1}); err != nil {
			t.Fatal(err)
		}
	}
	create("A") // is old
	create("B") // has grown just now
	create("C") // was finished long ago
	if err := d.Complete(t.Context(), Upload{ID: id("C"), Result: &Result{}}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.path+"/"+tempPrefix+"1", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	age(2*time.Hour, id("A")+partSuffix, id("A")+metaSuffix, id("B")+metaSuffix, id("C")+doneSuffix, tempPrefix+"1")
	if _, err := d.Find(t.Context(), id("A")); !errors.Is(err, ErrNotFound) {
		t.Errorf("an old upload: %v", err)
	}
	create("D")
	var left []string
	entries, _ := os.ReadDir(d.path)
	for _, e := range entries {
		left = append(left, e.Name()[25:])
	}
	if got := strings.Join(left, " "); got != "B.json B.part D.json D.part" {
		t.Errorf("left: %s", got)
	}
}

func TestDirAppendsAtTheEnd(t *testing.T) {
	d := newDir(t)
	if err := d.Create(t.Context(), Upload{ID: someID, Size: 4}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		offset int64
		want   error
	}{{0, nil}, {0, ErrOffset}, {3, ErrOffset}, {2, nil}} {
		if n, err := d.Append(t.Context(), someID, test.offset, strings.NewReader("ab")); !errors.Is(err, test.want) || err == nil && n != 2 {
			t.Errorf("at %d: %d, %v", test.offset, n, err)
		}
	}
	if _, err := d.Append(t.Context(), id("Z"), 0, strings.NewReader("")); !errors.Is(err, ErrNotFound) {
		t.Errorf("of none: %v", err)
	}
}
