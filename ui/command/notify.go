package command

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
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
	if strings.HasPrefix(name, "@") {
		name = "\x00" + name[1:]
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	defer c.Close()
	var rights []byte
	if file != nil {
		rights = unix.UnixRights(int(file.Fd()))
	}
	if _, _, err := c.WriteMsgUnix([]byte(state), rights, nil); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}
