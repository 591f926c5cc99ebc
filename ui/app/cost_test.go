package app

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"hairpin/ui/uitest/fake"
)

// asConsole makes the test binary a console on a node on which every number moves each second.
const asConsole = "HAIRPIN_TEST_CONSOLE"

func TestMain(m *testing.M) {
	if os.Getenv(asConsole) == "" {
		os.Exit(m.Run())
	}
	state := fake.Incident()
	node := fake.New(state)
	go func() {
		r := rand.New(rand.NewPCG(1, 2))
		for s := state; ; time.Sleep(time.Second) {
			s = fake.Stir(state, s, r)
			s.Time = time.Now()
			node.Show(s)
		}
	}()
	if err := Run(context.Background(), node, Options{KnowsGlyphs: true}); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestCosts: a console of 140x40 that nobody touches needs little memory and hardly a CPU. The budget is one percent of a
// core of a server; a slow machine that is busy with other things may need five times that.
func TestCosts(t *testing.T) {
	const (
		span   = 4 * time.Second
		cpu    = 0.05
		memory = 60 << 10 // kB
	)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asConsole+"=1", "TERM=xterm-256color", "HOME="+t.TempDir(), "COLORTERM=")
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 140, Rows: 40})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = f.Close()
	})
	wrote := make(chan int, 1<<16)
	go func() {
		defer close(wrote)
		for b := make([]byte, 1<<16); ; {
			n, err := f.Read(b)
			if err != nil {
				return
			}
			wrote <- n
		}
	}()
	<-wrote // the first frame
	before, begun := spent(t, cmd.Process.Pid), time.Now()
	time.Sleep(span) // the time is what is measured
	share := float64(spent(t, cmd.Process.Pid)-before) / float64(time.Since(begun))
	bytes := 0
	for range len(wrote) {
		bytes += <-wrote
	}
	rss := anonymous(t, cmd.Process.Pid)
	t.Logf("%.2f %% of a CPU, %d kB of anonymous memory", 100*share, rss)
	if share > cpu || rss > memory || bytes == 0 {
		t.Errorf("%.2f %% of a CPU, at most %.0f; %d kB of memory, at most %d; %d bytes", 100*share, 100*cpu, rss, memory, bytes)
	}
}

// spent is the CPU time of a process, by the scheduler's own clock.
func spent(t *testing.T, pid int) (all time.Duration) {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, task.Name()))
		if err != nil {
			continue // it ended
		}
		ran, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		all += time.Duration(ran)
	}
	return all
}

// anonymous is the memory of a process that no file stands behind, in kB.
func anonymous(t *testing.T, pid int) (kB int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(text, []byte("RssAnon:"))
	if _, err := fmt.Sscan(string(rest), &kB); err != nil {
		t.Fatal(err)
	}
	return kB
}
