package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// ordinary is a user of no special rights on a node of a test.
type ordinary struct {
	p    Paths
	caps []uintptr
}

const ordinaryID = 60606 // of user and group

// newOrdinary gives the node's folders to an ordinary user with these capabilities.
func newOrdinary(t *testing.T, p Paths, caps ...uintptr) ordinary {
	t.Helper()
	for _, dir := range []string{p.Config, p.State, p.Run, filepath.Join(p.BPFFS, "hairpin")} {
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o700), os.Chown(dir, ordinaryID, ordinaryID)); err != nil {
			t.Fatal(err)
		}
	}
	return ordinary{p, caps}
}

// command is hairpin as that user starts it.
func (u ordinary) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := Program()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), binary, args...)
	c.Env = []string{"TERM=xterm-256color", "HAIRPIN_CONFIG=" + u.p.Config, "HAIRPIN_STATE=" + u.p.State, "HAIRPIN_RUN=" + u.p.Run,
		"HAIRPIN_BPFFS=" + u.p.BPFFS, "HAIRPIN_NODE=" + u.p.Node}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ordinaryID, Gid: ordinaryID}, AmbientCaps: u.caps,
		Pdeathsig: unix.SIGKILL}
	return c
}

func (u ordinary) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := u.command(t, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("hairpin %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// console is one that runs on a terminal of its own.
type console struct {
	*exec.Cmd
	terminal *os.File
	mu       sync.Mutex
	drawn    bytes.Buffer
}

func (u ordinary) console(t *testing.T) *console {
	t.Helper()
	return onTerminal(t, u.command(t))
}

func onTerminal(t *testing.T, cmd *exec.Cmd) *console {
	t.Helper()
	c := &console{Cmd: cmd}
	terminal, err := pty.StartWithSize(c.Cmd, &pty.Winsize{Rows: 24, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	c.terminal = terminal
	t.Cleanup(func() { _ = terminal.Close() })
	go func() {
		for buffer := make([]byte, 4096); ; {
			n, err := terminal.Read(buffer)
			c.mu.Lock()
			c.drawn.Write(buffer[:n])
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return c
}

func (c *console) types(t *testing.T, keys string) {
	t.Helper()
	if _, err := c.terminal.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// shows waits until the console has drawn a text.
func (c *console) shows(t *testing.T, text string) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		drawn := c.drawn.String()
		c.mu.Unlock()
		if strings.Contains(drawn, text) {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%q is not shown: %q", text, drawn)
		}
	}
}

// TestOrdinaryUser: console and engine do all that they are for as an ordinary user with three capabilities, and leave nothing
// that others could read or write.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	u := newOrdinary(t, p, unix.CAP_BPF, unix.CAP_NET_ADMIN, unix.CAP_PERFMON)
	w := newWire(t, "eth0")
	file := filepath.Join(p.Config, "change.yaml")
	if err := os.WriteFile(file, []byte(frozenSpec), 0o644); err != nil {
		t.Fatal(err)
	}
	c := u.console(t)
	c.shows(t, "no spec is applied")
	u.run(t, "apply", "-f", file, "--confirm", "1m")
	u.run(t, "confirm")
	forwards(t, p, w)
	var status struct {
		Problems []struct{ What string }
		NICs     []struct{ State, Mode string }
	}
	text := u.run(t, "status", "-o", "json")
	if err := json.Unmarshal([]byte(text), &status); err != nil || len(status.NICs) != 1 || status.NICs[0].State != "attached" || status.NICs[0].Mode != "native" {
		t.Errorf("%v: %s", err, text)
	}
	closed(t, p.State, 0o027)
	closed(t, filepath.Join(p.BPFFS, "hairpin"), 0o077)
	closed(t, p.Run, 0o077)
	const three = 1<<unix.CAP_BPF | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_PERFMON
	mayOnly(t, c.Process.Pid, three)
	u.run(t, "detach")
	if xdpOf(t, "eth0") != 0 || len(pins(t, p)) > 0 {
		t.Errorf("XDP program %d and %d pins are left", xdpOf(t, "eth0"), len(pins(t, p)))
	}
	if err := c.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// closed checks that nothing below a folder can be used by others than its user in these ways.
func closed(t *testing.T, dir string, ways fs.FileMode) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a temporary one
		}
		if err == nil && info.Mode()&ways != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if err == nil && info.Sys().(*syscall.Stat_t).Uid != ordinaryID {
			t.Errorf("%s belongs to uid %d", path, info.Sys().(*syscall.Stat_t).Uid)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// mayOnly checks what every thread of a process may, and that it cannot get more.
func mayOnly(t *testing.T, pid int, caps uint64) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("threads of %d: %v", pid, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // has ended
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{fmt.Sprintf("CapPrm:\t%016x\n", caps), fmt.Sprintf("CapEff:\t%016x\n", caps), "NoNewPrivs:\t1\n",
			fmt.Sprintf("Uid:\t%d\t%d\t%[1]d\t%[1]d\n", ordinaryID, ordinaryID)} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: no %q in %s", file, want, text)
			}
		}
	}
}

// supervisor is what a service manager listens on.
func supervisor(t *testing.T, p Paths) *net.UnixConn {
	t.Helper()
	path := filepath.Join(p.Config, "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := errors.Join(os.Chmod(path, 0o666), c.SetReadDeadline(time.Now().Add(time.Minute))); err != nil {
		t.Fatal(err)
	}
	return c
}

// heardWord waits until the supervisor hears a word.
func heardWord(t *testing.T, c *net.UnixConn, word string) {
	t.Helper()
	for buffer := make([]byte, 256); ; {
		n, err := c.Read(buffer)
		if err != nil {
			t.Fatalf("%s was not told: %v", word, err)
		}
		if string(buffer[:n]) == word {
			return
		}
	}
}

// TestRootGivesUp: an engine that root starts goes on as the user whose folders it works in, with what the engine needs, and
// tells its supervisor that it is ready, and from then on that it goes round.
func TestRootGivesUp(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	c := newOrdinary(t, p).command(t, "run")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	heard := supervisor(t, p)
	c.Env = append(c.Env, "NOTIFY_SOCKET="+heard.LocalAddr().String(), "WATCHDOG_USEC=60000000")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	heardWord(t, heard, "READY=1")
	heardWord(t, heard, "WATCHDOG=1")
	mayOnly(t, c.Process.Pid, 1<<unix.CAP_BPF|1<<unix.CAP_NET_ADMIN|1<<unix.CAP_PERFMON|1<<unix.CAP_SYS_PTRACE|1<<unix.CAP_DAC_READ_SEARCH|1<<unix.CAP_NET_RAW)
	closed(t, p.State, 0o027)
	if err := errors.Join(c.Process.Signal(unix.SIGTERM), c.Wait()); err != nil {
		t.Error(err)
	}
}

// TestConsoleGivesUp: a console of root's that takes the node over goes on like an engine that root starts.
func TestConsoleGivesUp(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	u := newOrdinary(t, p)
	c := u.command(t, "run")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	n := reach(t, p)
	root := u.command(t)
	root.SysProcAttr = nil
	console := onTerminal(t, root)
	for _, key := range []struct{ shows, types string }{
		{"no spec is applied", "!"}, {"REASON", "INC-7\r"}, {"ARMED", "8"}, {"preflight", "H"}, {"HAND OVER", p.Node + "\t\r"},
	} {
		console.shows(t, key.shows)
		console.types(t, key.types)
	}
	until(t, n, "the console", func(s *State) bool { return s.PID == console.Process.Pid && s.Handoff.Outcome == HandoffConfirmed })
	mayOnly(t, console.Process.Pid, 1<<unix.CAP_BPF|1<<unix.CAP_NET_ADMIN|1<<unix.CAP_PERFMON|1<<unix.CAP_SYS_PTRACE|1<<unix.CAP_DAC_READ_SEARCH|1<<unix.CAP_NET_RAW)
	if err := errors.Join(n.Close(), c.Wait(), console.Process.Signal(unix.SIGTERM), console.Wait()); err != nil {
		t.Error(err)
	}
}

// TestUpgradeBySignal: at SIGUSR2 the program hands the node over and tells its supervisor whose process it looks after now.
func TestUpgradeBySignal(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	c := newOrdinary(t, p).command(t, "run")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	heard := supervisor(t, p)
	c.Env = append(c.Env, "NOTIFY_SOCKET="+heard.LocalAddr().String())
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	heardWord(t, heard, "READY=1")
	if err := c.Process.Signal(unix.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	n := reach(t, p)
	s := until(t, n, "the successor", func(s *State) bool { return s.Handoff != nil && s.Handoff.Outcome == HandoffConfirmed })
	heardWord(t, heard, fmt.Sprintf("MAINPID=%d", s.PID))
	heardWord(t, heard, "BARRIER=1") // with it goes what the process waits for
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if err := errors.Join(n.Close(), unix.Kill(s.PID, unix.SIGTERM)); err != nil {
		t.Error(err)
	}
	for limit := time.Now().Add(time.Minute); lockedBy(t, p) != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the successor does not end")
		}
	}
}

// TestLacksCapability: what is missing is named, and what it is for, before anything is made.
func TestLacksCapability(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	out, err := newOrdinary(t, p, unix.CAP_BPF, unix.CAP_NET_ADMIN).command(t, "run").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "lacks cap_perfmon (programs that read the kernel's memory, probes)") {
		t.Errorf("%v: %s", err, out)
	}
	if exists(p.Lock()) || len(pins(t, p)) > 0 {
		t.Error("something was made")
	}
}

// TestWritableFolder: what everybody may write is not taken for the engine's own.
func TestWritableFolder(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	if err := os.Chmod(p.State, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Paths: p}); err == nil || !strings.Contains(err.Error(), p.State+" can be written by everybody; run: chmod o-w") {
		t.Errorf("%v", err)
	}
}
