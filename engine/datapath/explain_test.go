package datapath

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestExplain(t *testing.T) {
	rows := []struct {
		sentence string
		version  uint32
		err      error
		want     string
	}{
		{"an old kernel is named, whatever it refused", 5<<16 | 10<<8 | 7, unix.EINVAL, "needs Linux 5.15 or newer, this is 5.10"},
		{"missing privileges name what is needed", 6<<16 | 1<<8, unix.EPERM, "run as root, or with CAP_BPF"},
		{"no memory says which memory", 6<<16 | 1<<8, unix.ENOMEM, "ulimit -l"},
	}
	for _, r := range rows {
		got := explainOn(r.version, true, r.err)
		if !errors.Is(got, r.err) || !strings.Contains(got.Error(), r.want) {
			t.Errorf("%s: %q does not say %q", r.sentence, got, r.want)
		}
	}
	if got := explainOn(5<<16|15<<8, true, unix.EINVAL); got != unix.EINVAL {
		t.Errorf("nothing to add to %q", got)
	}
	if explain(nil) != nil {
		t.Error("no error became one")
	}
}
