package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

func TestEngines(t *testing.T) {
	l := testUp(t, 2)
	ctx := testContext(t)
	nodes := []string{LB, Backend(1), Backend(2)}
	err := l.StartEngine(ctx, LB)
	if err == nil || !strings.Contains(err.Error(), "lb: start engine: it ended: no spec, no engine") {
		t.Errorf("the error of an engine without a spec is %v", err)
	}
	if err := l.WriteSpecs(); err != nil {
		t.Fatal(err)
	}
	if err := l.StartEngine(ctx, nodes...); err != nil {
		t.Fatal(err)
	}
	pids := map[string]int{}
	for _, n := range nodes {
		pids[n] = l.EnginePID(n)
		here, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pids[n]))
		if want := fmt.Sprintf("net:[%d]", namespaceInode(l.namespace(n))); err != nil || here != want {
			t.Errorf("the engine of %s is in %s, not in %s, %v", n, here, want, err)
		}
		if group, err := unix.Getpgid(pids[n]); err != nil || group != pids[n] {
			t.Errorf("the engine of %s is in group %d, %v", n, group, err)
		}
	}
	if err := os.Remove(daemon{l, Backend(2), engineDaemon}.pidFile()); err != nil { // as if it had not been written yet
		t.Fatal(err)
	}
	if got := l.EnginePID(Backend(2)); got != pids[Backend(2)] {
		t.Errorf("the engine of backend2 is found as %d, not %d", got, pids[Backend(2)])
	}
	if err := l.KillEngine(ctx, LB); err != nil {
		t.Fatal(err)
	}
	if err := l.StopEngine(ctx, Backend(1)); err != nil {
		t.Fatal(err)
	}
	if l.EnginePID(LB) != 0 || l.EnginePID(Backend(1)) != 0 {
		t.Error("engines go on after their end")
	}
	if _, err := os.Stat(l.EngineSocket(Backend(1))); !os.IsNotExist(err) {
		t.Errorf("a stopped engine had no time to close its socket: %v", err)
	}
	if err := os.Remove(l.EngineSocket(LB)); err != nil {
		t.Errorf("a killed engine took its socket along: %v", err)
	}
	if err := l.StartEngine(ctx, nodes...); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		if again := l.EnginePID(n); again == 0 || (again == pids[n]) != (n == Backend(2)) {
			t.Errorf("the engine of %s was %d and is %d", n, pids[n], again)
		}
	}
}

func TestStatusAndSpecs(t *testing.T) {
	l := testUp(t, 1)
	if err := l.WriteSpec(LB, &spec.Spec{Version: spec.Version}); err != nil {
		t.Fatal(err)
	}
	if err := l.WriteSpecs(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(l.specFile(LB)); err != nil || string(text) != "version: 1\n" {
		t.Errorf("the spec of lb was replaced: %q, %v", text, err)
	}
	if text, err := os.ReadFile(l.specFile(Backend(1))); err != nil || !strings.Contains(string(text), "decap") {
		t.Errorf("the spec of backend1 is %q, %v", text, err)
	}
	s := l.Status()
	if len(s.Nodes) != 4 || s.Nodes[3].Name != Backend(1) || s.Nodes[3].Server == 0 || s.Nodes[3].Engine != 0 || s.Nodes[2].Server != 0 {
		t.Errorf("%+v", s)
	}
	if len(s.Nodes[0].Addresses) != 6 || len(s.Nodes[1].Addresses) != 16 {
		t.Errorf("router and client have %d and %d addresses", len(s.Nodes[0].Addresses), len(s.Nodes[1].Addresses))
	}
	if _, err := Open("no-" + l.Name()); err == nil {
		t.Error("a lab that does not exist opens")
	}
}

func TestOrdinaryUser(t *testing.T) {
	err := onThread(func() error { // the thread alone is another user, and ends here
		const nobody = 65534
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			return errno
		}
		return Down(context.Background(), "whatever")
	})
	if !errors.Is(err, ErrNotRoot) {
		t.Errorf("an ordinary user reads %v", err)
	}
}
