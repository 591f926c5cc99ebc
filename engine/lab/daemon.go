package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// daemon is a program of the lab that outlives who started it: a session of its own, output to a log, its own pid
// (no shell around it) in a file.
type daemon struct {
	lab  *Lab
	node string
	name string
}

func (d daemon) pidFile() string { return filepath.Join(d.lab.NodeDir(d.node), d.name+".pid") }
func (d daemon) logFile() string { return filepath.Join(d.lab.NodeDir(d.node), d.name+".log") }

// start runs the hairpin program with args in the node's namespace. The returned channel is closed when it has ended.
// extra are further descriptors for it, from 3 on.
func (d daemon) start(extra []*os.File, args ...string) (ended <-chan struct{}, err error) {
	return d.startProgram(d.lab.binary, extra, args...)
}

// startProgram is start for any program.
func (d daemon) startProgram(path string, extra []*os.File, args ...string) (ended <-chan struct{}, err error) {
	log, err := os.OpenFile(d.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(path, args...)
	cmd.Env = d.environ()
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, extra
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := d.lab.Do(d.node, cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", d.name, err)
	}
	done := make(chan struct{})
	go func() {
		cmd.Wait()
		close(done)
	}()
	if err := os.WriteFile(d.pidFile(), strconv.AppendInt(nil, int64(cmd.Process.Pid), 10), 0o644); err != nil {
		return nil, errors.Join(err, cmd.Process.Kill())
	}
	return done, nil
}

// pid is the daemon's, 0 when it does not run. Without a file that is right it is looked for: whoever started it may have
// been killed before writing one.
func (d daemon) pid() int {
	text, err := os.ReadFile(d.pidFile())
	if err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && d.is(pid) {
			return pid
		}
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && d.is(pid) {
			return pid
		}
	}
	return 0
}

// environ is what tells the daemon from all other processes.
func (d daemon) environ() []string {
	return append(d.lab.Environ(d.node), partVariable+"="+d.name)
}

func (d daemon) is(pid int) bool {
	env := environOf(pid)
	return env[labVariable] == d.lab.name && env[nodeVariable] == d.node && env[partVariable] == d.name
}

// stop sends the daemon a signal and waits for its end.
func (d daemon) stop(ctx context.Context, sig unix.Signal) error {
	pid := d.pid()
	if pid == 0 {
		return nil
	}
	return end(ctx, pid, sig, func() bool { return d.is(pid) })
}

// lastWords are the end of the log, for the error of a daemon that did not come up.
func (d daemon) lastWords() string {
	f, err := os.Open(d.logFile())
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	const most = 2000
	if st, err := f.Stat(); err == nil && st.Size() > most {
		if _, err := f.Seek(-most, io.SeekEnd); err != nil {
			return err.Error()
		}
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return "its log is empty"
	}
	return string(text)
}
