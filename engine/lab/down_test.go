package lab

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
)

func TestDownRemovesEverything(t *testing.T) {
	before := interfaces(t)
	l := testUp(t, 2)
	pinned := pinSomething(t, l)
	passing := passProgram(t, l)
	inside := exec.Command("sleep", "60") // in the namespace, but nothing that the lab knows of
	if err := l.Do(Client, inside.Start); err != nil {
		t.Fatal(err)
	}
	outside := exec.Command("sleep", "60") // of the lab by its environment, but in no namespace of it
	outside.Env = l.Environ(LB)
	if err := outside.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() { ended <- inside.Wait() }()
	go func() { ended <- outside.Wait() }()
	if got := interfaces(t); got != before {
		t.Errorf("the machine's interfaces were %s and are %s", before, got)
	}
	start := time.Now()
	if err := l.Down(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 30*time.Second { // the two processes sleep for longer
		t.Errorf("down took %v", took)
	}
	for range 2 {
		select {
		case err := <-ended:
			if err == nil || err.Error() != "signal: killed" {
				t.Errorf("a process of the lab ended with %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("a process of the lab is left")
		}
	}
	await(t, "the pinned map goes", func() bool {
		m, err := ebpf.NewMapFromID(pinned)
		m.Close()
		return errors.Is(err, os.ErrNotExist)
	})
	await(t, "the program on the router goes, and with it the namespace", func() bool {
		p, err := ebpf.NewProgramFromID(passing)
		p.Close()
		return errors.Is(err, os.ErrNotExist)
	})
	if err := l.Down(testContext(t)); err != nil {
		t.Errorf("down of nothing: %v", err)
	}
}

// await fails the test when a condition has not come in time: the kernel takes namespaces apart in its own time.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func interfaces(t *testing.T) string {
	t.Helper()
	nics, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, n := range nics {
		all = append(all, n.Name)
	}
	return strings.Join(all, " ")
}

func pinSomething(t *testing.T, l *Lab) ebpf.MapID {
	t.Helper()
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Pin(l.NodeDir(LB) + "/bpf/something"); err != nil {
		t.Fatal(err)
	}
	info, err := m.Info()
	if err != nil {
		t.Fatal(err)
	}
	id, _ := info.ID()
	return id
}

func passProgram(t *testing.T, l *Lab) ebpf.ProgramID {
	t.Helper()
	var id ebpf.ProgramID
	err := l.Do(Router, func() error {
		nic, err := netlink.LinkByName(LB)
		if err == nil {
			id = ebpf.ProgramID(nic.Attrs().Xdp.ProgId)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestTwoUpsAreOneLab(t *testing.T) {
	l := testUp(t, 2)
	ctx := testContext(t)
	before := namespaceInode(l.namespace(Router))
	survivor := daemon{l, Backend(1), serverDaemon}.pid()
	if err := (daemon{l, Backend(2), serverDaemon}).stop(ctx, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	again, err := Up(ctx, Config{Name: l.Name(), Binary: os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	if again.Backends() != 2 || namespaceInode(l.namespace(Router)) != before {
		t.Errorf("%d backends and another router", again.Backends())
	}
	if pid := (daemon{l, Backend(1), serverDaemon}).pid(); pid != survivor {
		t.Errorf("the server of backend1 was %d and is %d", survivor, pid)
	}
	asksBackend(t, l, l.Addresses(Backend(2))[0], Backend(2)) // the one that had died
	if _, err := Up(ctx, Config{Name: l.Name(), Backends: 3, Binary: os.Args[0]}); err == nil {
		t.Error("3 backends were accepted where 2 are up")
	}
}

func TestUpsAtOnce(t *testing.T) {
	name := labName(t)
	t.Cleanup(func() { nothingLeft(t, name) })
	results := make(chan error)
	for range 4 {
		go func() {
			_, err := Up(context.Background(), Config{Name: name, Backends: 1, Binary: os.Args[0]})
			results <- err
		}()
	}
	for range 4 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if err := Down(testContext(t), name); err != nil {
		t.Fatal(err)
	}
}

func TestLabsDoNotMeet(t *testing.T) {
	a := testUp(t, 1)
	ctx := testContext(t)
	b, err := Up(ctx, Config{Name: a.Name() + "-b", Backends: 1, Binary: os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Down(context.Background())
	if err := a.Down(ctx); err != nil {
		t.Fatal(err)
	}
	asksBackend(t, b, b.Addresses(Backend(1))[0], Backend(1))
	if err := b.Down(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestKilledUp breaks the building off before every step, and at chance moments between.
func TestKilledUp(t *testing.T) {
	name := labName(t)
	t.Cleanup(func() { nothingLeft(t, name) })
	ctx := testContext(t)
	killed := 0
	for step := 0; ; step++ {
		err := exec.Command(os.Args[0], "lab", "up-to", name, strconv.Itoa(step)).Run()
		upAgain(t, ctx, name, step%2 == 0)
		if err == nil {
			break // there were no more steps
		}
		killed++
	}
	if killed < 7 {
		t.Errorf("killed at %d steps only", killed)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	for i := range 20 {
		up := exec.Command(os.Args[0], "lab", "up-to", name, "1000")
		if err := up.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Duration(chance.IntN(60))*time.Millisecond, func() { up.Process.Kill() })
		up.Wait() // killed or not
		upAgain(t, ctx, name, i%2 == 0)
	}
}

// upAgain finds nothing after a Down, or a whole lab after an Up and nothing after a Down.
func upAgain(t *testing.T, ctx context.Context, name string, up bool) {
	t.Helper()
	if up {
		l, err := Up(ctx, Config{Name: name, Backends: 2, Binary: os.Args[0]})
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i <= 2; i++ {
			asksBackend(t, l, l.Addresses(Backend(i))[1], Backend(i))
		}
	}
	if err := Down(ctx, name); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, name)
}
