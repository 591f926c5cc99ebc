package term

import (
	"errors"
	"io"
	"os"
	"regexp"
	"time"

	"golang.org/x/sys/unix"
)

// escapeWait is how long the rest of a key may take when the link split it. A lone esc is that much late.
const escapeWait = 40 * time.Millisecond

// input is the terminal as bubbletea reads it: keys are never cut in two, and answers to our questions are not keys.
type input struct {
	*os.File
	wait  time.Duration // for the rest of a sequence
	probe *probe
}

// partial is the beginning of a key's sequence, or of an answer, at the end of what was read.
var partial = regexp.MustCompile(`\x1b(O|\[[0-?]*[ -/]*|\](?:[0-9]+(?:;[^\x07\x1b]*\x1b?)?)?)?$`)

// Read is one read of the terminal, longer when it ends within a sequence. It may return 0 bytes and no error: what came
// was an answer. The error is ErrHungUp when the terminal is gone.
func (in *input) Read(p []byte) (int, error) {
	n, err := in.File.Read(p)
	for err == nil && n < len(p) && partial.Match(p[:n]) && in.ready() {
		var more int
		more, err = in.File.Read(p[n:])
		n += more
	}
	if errors.Is(err, io.EOF) || errors.Is(err, unix.EIO) {
		err = ErrHungUp // bubbletea would go on without input after the end of a file
	}
	if in.probe != nil {
		n = in.probe.take(p[:n])
	}
	return n, err
}

// ready waits a moment for more to read.
func (in *input) ready() bool {
	fds := []unix.PollFd{{Fd: int32(in.Fd()), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, int(in.wait.Milliseconds()))
		if err != unix.EINTR {
			return err == nil && n > 0
		}
	}
}

// cut removes the first match of a pattern from p in place, and returns its groups and the length that is left.
func cut(p []byte, pattern *regexp.Regexp) (groups []string, n int) {
	m := pattern.FindSubmatchIndex(p)
	if m == nil {
		return nil, len(p)
	}
	for i := 2; i < len(m); i += 2 {
		group := "" // one that took no part
		if m[i] >= 0 {
			group = string(p[m[i]:m[i+1]])
		}
		groups = append(groups, group)
	}
	return groups, m[0] + copy(p[m[0]:], p[m[1]:])
}
