package handoff

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// maxOwner bounds what is read of a lock file, and maxCommand what is written of a command line, in bytes.
const (
	maxOwner   = 4096
	maxCommand = 200
)

// Owner is the process that a lock file names.
type Owner struct {
	PID     int
	UID     int
	Command string
	Since   time.Time `json:"-"` // when it took the lock: the file's time of change

	// Started tells a process from a later one with the same PID: clock ticks since boot, and which boot.
	Started uint64
	Boot    string
}

func (o Owner) String() string {
	command := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?' // the file may have been written by anybody who owned the node
		}
		return r
	}, o.Command)
	return fmt.Sprintf("%s, pid %d, uid %d, since %s", command, o.PID, o.UID, o.Since.Format(time.DateTime))
}

// Holder is the process that owns the node by the lock at path; false when none does. It reads and does not try the
// lock, so that it never stands in the way of one who wants it.
func Holder(path string) (Owner, bool, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, os.ErrNotExist) {
		return Owner{}, false, nil
	}
	if err != nil {
		return Owner{}, false, fmt.Errorf("read lock: %w", err)
	}
	defer f.Close()
	o, err := read(f)
	if err != nil {
		return Owner{}, false, fmt.Errorf("read lock: %s: %w", path, err)
	}
	if o.PID == 0 || !o.alive() {
		return Owner{}, false, nil
	}
	return o, true, nil
}

// self is this process.
func self() Owner {
	command := append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...)
	o := Owner{PID: os.Getpid(), UID: os.Getuid(), Command: strings.Join(command, " "), Boot: boot()}
	if len(o.Command) > maxCommand {
		o.Command = strings.ToValidUTF8(o.Command[:maxCommand], "") + "…"
	}
	o.Started, _ = started(o.PID)
	return o
}

func (o Owner) same(p Owner) bool {
	return o.PID == p.PID && o.Started == p.Started && o.Boot == p.Boot
}

// alive tells whether o still runs.
func (o Owner) alive() bool {
	t, ok := started(o.PID)
	return ok && t == o.Started && o.Boot == boot()
}

// started is the start time of a process in clock ticks since boot; false when there is none, or only its remains.
func started(pid int) (uint64, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// The second field is the name, in parentheses and with any bytes in it. The state is the third, the start the 22nd.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	var t uint64
	if len(fields) < 20 || bytes.ContainsAny(fields[0], "ZX") {
		return 0, false
	}
	_, err = fmt.Sscan(string(fields[19]), &t)
	return t, err == nil
}

// boot names this run of the kernel; empty where it does not say.
func boot() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}

// read is the owner that f names, zero when it names none.
func read(f *os.File) (Owner, error) {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, maxOwner))
	if err != nil || len(text) == 0 {
		return Owner{}, err
	}
	var o Owner
	if err := json.Unmarshal(text, &o); err != nil {
		return Owner{}, err
	}
	st, err := f.Stat()
	if err != nil {
		return Owner{}, err
	}
	o.Since = st.ModTime()
	return o, nil
}

// write names o in f. A reader between the two steps finds nobody.
func write(f *os.File, o Owner) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(append(text, '\n'), 0)
	return err
}
