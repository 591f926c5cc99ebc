package health

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	mostPrograms = 16  // that run at a time
	mostOutput   = 120 // bytes of what a program says that are shown
	forgo        = 500 * time.Millisecond
)

// surrender takes from the calling thread all of the engine's power, and the way to get it back. What it starts has none.
func surrender() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("pass on no capabilities: %w", err)
	}
	var none [2]unix.CapUserData
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		return fmt.Errorf("give up capabilities: %w", err)
	}
	return nil
}

// command: a program ends with 0. It is told what it is about by its environment, and is killed with all that it started when
// its time is over.
func (q *question) command() error {
	timer := time.NewTimer(q.time)
	defer timer.Stop()
	select {
	case q.slots <- struct{}{}:
	case <-timer.C:
		return unsent("%d programs ran all the while, the most at a time", mostPrograms)
	case <-q.ctx.Done():
		return q.ctx.Err()
	}
	defer func() { <-q.slots }()
	said := &head{}
	c := exec.Command(q.check.Command[0], q.check.Command[1:]...)
	c.Dir, c.Env, c.Stdout, c.Stderr, c.WaitDelay = "/", q.environment(), said, said, forgo
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var err error
	if broken := q.in(q.programs, func() { err = c.Start() }); broken != nil {
		return broken
	}
	if err != nil {
		return unsent("start %s: %v", q.check.Command[0], errors.Unwrap(err))
	}
	ended := make(chan error, 1)
	go func() {
		_ = unix.Waitid(unix.P_PID, c.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) // its number stays its own until Wait
		kill(c.Process.Pid)                                                             // what it has left behind
		ended <- c.Wait()
	}()
	select {
	case err = <-ended:
		return programsWord(err, false, said.String())
	case <-timer.C:
	case <-q.ctx.Done():
	}
	kill(c.Process.Pid)
	return programsWord(<-ended, true, said.String())
}

// kill ends a group of processes.
func kill(group int) { _ = syscall.Kill(-group, syscall.SIGKILL) }

func programsWord(err error, late bool, said string) error {
	var exit *exec.ExitError
	switch {
	case late:
		return os.ErrDeadlineExceeded
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return nil
	case said != "":
		return fmt.Errorf("%w: %s", err, said)
	case errors.As(err, &exit):
		return err
	}
	return unsent("%v", err)
}

func (q *question) environment() []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C", "HAIRPIN_VIP=" + q.target.VIP,
		"HAIRPIN_ADDRESS=" + q.target.Address.String(), fmt.Sprintf("HAIRPIN_PORT=%d", q.target.Port), "HAIRPIN_BACKEND=" + q.target.Backend.String()}
}

// head keeps the first line of what is written, in printable characters.
type head struct {
	lock sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (h *head) Write(b []byte) (int, error) {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.text = append(h.text, b[:min(len(b), mostOutput-len(h.text))]...)
	return len(b), nil
}

// String is what there is to show.
func (h *head) String() string {
	h.lock.Lock()
	defer h.lock.Unlock()
	line, _, _ := strings.Cut(strings.TrimSpace(string(h.text)), "\n")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(line, "?"))
}
