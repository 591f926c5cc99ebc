package discover

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"hairpin/engine/spec"
)

const (
	fileEvery = time.Second // between looks whether it has changed: also where no file system tells
	mostBytes = 4 << 20
)

// file has a line for each backend: its address, then, in any order, "weight" and a number, and up, drain or down. What
// follows a # is a comment. It is read once it has come to rest: a look later it is still the same.
type file struct {
	path   string
	family spec.Family
	seen   os.FileInfo // at the last look
	read   os.FileInfo // what was told
	failed string      // the error that was told
}

// Follow implements Source.
func (f *file) Follow(ctx context.Context, tell func(Answer)) {
	for {
		if a, news := f.look(); news {
			tell(a)
		}
		if !sleep(ctx, fileEvery) {
			return
		}
	}
}

// look is what the file says; news tells whether that may be something else than before.
func (f *file) look() (a Answer, news bool) {
	now, err := os.Stat(f.path)
	if err == nil && !now.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", f.path)
	}
	if err != nil {
		return f.fail(err)
	}
	rests := f.read == nil && f.failed == "" || same(now, f.seen) // the first time it is read at once
	f.seen = now
	if !rests || f.failed == "" && same(now, f.read) {
		return Answer{}, false
	}
	text, err := readAtMost(f.path, mostBytes)
	if err == nil {
		a.Endpoints, err = f.parse(text)
	}
	if err != nil {
		return f.fail(err)
	}
	f.read, f.failed = now, ""
	return a, true
}

// fail tells an error once, and reads again whatever is there when it is another one.
func (f *file) fail(err error) (Answer, bool) {
	news := f.failed != err.Error()
	f.failed = err.Error()
	return Answer{Err: err}, news
}

func same(a, b os.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func readAtMost(path string, most int64) ([]byte, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return text, err
}

func (f *file) parse(text []byte) (list []spec.Endpoint, err error) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		e, err := endpointOf(words)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", f.path, number, err)
		}
		if sound(e.Address, f.family) {
			list = append(list, e)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	return list, nil
}

func endpointOf(words []string) (e spec.Endpoint, err error) {
	if e.Address, err = spec.ParseAddress(words[0]); err != nil {
		return e, err
	}
	for rest := words[1:]; len(rest) > 0; {
		if rest[0] == "weight" && len(rest) > 1 {
			n, err := strconv.ParseUint(rest[1], 10, 32)
			if err != nil || n < 1 || n > spec.MaxWeight {
				return e, fmt.Errorf("weight %.20q is not within 1 to %d", rest[1], spec.MaxWeight)
			}
			e.Weight, rest = uint32(n), rest[2:]
			continue
		}
		state, err := spec.ParseState(rest[0])
		if err != nil || state == spec.Maintenance {
			return e, fmt.Errorf("%.20q: after the address there may be: weight NUMBER, up, drain, down", rest[0])
		}
		e.State, rest = state, rest[1:]
	}
	return e, nil
}
