package record

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Tier is what is kept at one resolution: its files and their bounds.
type Tier struct {
	Name   string
	Span   time.Duration // of a value; 0 for notes
	Keep   time.Duration // what is older goes
	Each   int           // values to a file
	Budget int64         // bytes of all its files
}

// ending of the name of every file of a record: TIER-NUMBER.rec.
const ending = ".rec"

// segment is one file.
type segment struct {
	number int
	size   int64
	last   time.Time
}

// tier writes the files of a tier. Each begins with an opening and a value that stands for itself, so that the oldest can go.
type tier struct {
	Tier
	dir  string
	open *os.File // the newest, the last of files; nil = the next value begins one
	held int      // values in it
	// files, oldest first.
	files []segment
}

func (t *tier) path(number int) string {
	return filepath.Join(t.dir, fmt.Sprintf("%s-%08d%s", t.Name, number, ending))
}

// numberOf is the number in the name of a file of the tier called name; 0 = it is none.
func numberOf(name, file string) int {
	middle, ours := strings.CutSuffix(file, ending)
	middle, first := strings.CutPrefix(middle, name+"-")
	n, err := strconv.Atoi(middle)
	if !ours || !first || err != nil {
		return 0
	}
	return n
}

// adopt finds the files of earlier processes, and cuts what was being written when the last of them ended.
func (t *tier) adopt() error {
	found, err := os.ReadDir(t.dir)
	if err != nil {
		return err
	}
	for _, f := range found {
		number := numberOf(t.Name, f.Name())
		if number == 0 {
			continue
		}
		info, err := f.Info()
		if err != nil {
			return err
		}
		t.files = append(t.files, segment{number, info.Size(), info.ModTime()})
	}
	slices.SortFunc(t.files, func(a, b segment) int { return cmp.Compare(a.number, b.number) })
	if n := len(t.files); n > 0 {
		last := &t.files[n-1]
		if last.size, err = cut(t.path(last.number)); err != nil {
			return err
		}
	}
	return nil
}

// cut shortens a file to its whole frames, and says how long they are.
func cut(name string) (int64, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	at := int64(0)
	for {
		p, err := look(f, at, info.Size())
		if err == nil {
			_, err = p.content(f)
		}
		if err != nil {
			break
		}
		at += p.size
	}
	if at == info.Size() {
		return at, nil
	}
	return at, f.Truncate(at)
}

// full tells whether the next value belongs into another file.
func (t *tier) full() bool {
	return t.open == nil || t.held >= t.Each || t.files[len(t.files)-1].size > t.Budget/8
}

// begin makes another file, and room for it.
func (t *tier) begin(opening []byte) error {
	t.close()
	number := 1
	if n := len(t.files); n > 0 {
		number = t.files[n-1].number + 1
	}
	f, err := os.OpenFile(t.path(number), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	for errors.Is(err, os.ErrExist) { // by a process that goes on writing while this one takes over
		number++
		f, err = os.OpenFile(t.path(number), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		return err
	}
	t.open, t.held, t.files = f, 0, append(t.files, segment{number: number})
	if err := t.write(opening); err != nil {
		t.files = t.files[:len(t.files)-1]
		return errors.Join(err, os.Remove(t.path(number)))
	}
	return nil
}

// append writes a frame to the newest file, and removes what is too old or too much.
func (t *tier) append(at time.Time, frame []byte) error {
	if err := t.write(frame); err != nil {
		return err
	}
	t.held++
	t.files[len(t.files)-1].last = at
	return t.thin(at)
}

// write adds all of a frame or nothing; after an error another file is begun.
func (t *tier) write(frame []byte) error {
	s := &t.files[len(t.files)-1]
	n, err := t.open.WriteAt(frame, s.size)
	if err == nil && n < len(frame) {
		err = io.ErrShortWrite
	}
	if err != nil {
		err = errors.Join(err, t.open.Truncate(s.size))
		t.close()
		return err
	}
	s.size += int64(len(frame))
	return nil
}

// thin removes the oldest files while the last value in them is too old, or all are too large; the newest stays.
func (t *tier) thin(now time.Time) error {
	total := int64(0)
	for _, s := range t.files {
		total += s.size
	}
	for len(t.files) > 1 {
		oldest := t.files[0]
		if total <= t.Budget && now.Sub(oldest.last) <= t.Keep {
			break
		}
		if err := os.Remove(t.path(oldest.number)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		total -= oldest.size
		t.files = t.files[1:]
	}
	return nil
}

func (t *tier) close() {
	if t.open != nil {
		_ = t.open.Close() // what was written is with the kernel
		t.open = nil
	}
}
