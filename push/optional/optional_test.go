package optional

import "testing"

func TestOne(t *testing.T) {
	if got := One[int](nil); got != 0 {
		t.Errorf("none gives %d", got)
	}
	if got := One([]int{7}); got != 7 {
		t.Errorf("7 gives %d", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("two are taken")
		}
	}()
	One([]int{7, 0})
}
