package command

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine"
)

// notify tells whoever supervises this process how it stands, as sd_notify(3) has it. Where nobody does, nothing is told.
func notify(state string) error { return tellSupervisor(state, nil) }

// notifyDone waits until everything told so far was taken in: what the process does next must not come first.
func notifyDone(patience time.Duration) error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	defer r.Close()
	err = errors.Join(tellSupervisor("BARRIER=1", w), w.Close())
	if err != nil || os.Getenv(notifySocket) == "" {
		return err
	}
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	if _, err = r.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) { // else it has closed its end
		return fmt.Errorf("notify: not taken in within %v", patience)
	}
	return nil
}

const notifySocket = "NOTIFY_SOCKET"

func tellSupervisor(state string, file *os.File) error {
	name := os.Getenv(notifySocket)
	if name == "" {
		return nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	defer unix.Close(fd)
	var rights []byte
	if file != nil {
		rights = unix.UnixRights(int(file.Fd()))
	}
	if err := unix.Sendmsg(fd, []byte(state), rights, &unix.SockaddrUnix{Name: name}, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

// heartbeat tells a supervisor that waits for it that the engine lives, by its snapshots: one that stands still makes no new
// ones, though it may show an old one again. It is told nothing where nobody waits.
func heartbeat(tell func(state string)) func(*engine.State) {
	var last time.Time
	pid := os.Getenv("WATCHDOG_PID")
	waits := os.Getenv("WATCHDOG_USEC") != "" && (pid == "" || pid == strconv.Itoa(os.Getpid()))
	return func(s *engine.State) {
		if waits && s.Time.After(last) {
			last = s.Time
			tell("WATCHDOG=1")
		}
	}
}
