package datapath

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// armVariable makes the test's program a process that arms the gate of the data path pinned in that folder and dies.
const armVariable = "HAIRPIN_TEST_ARM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(armVariable); dir != "" {
		armAndDie(dir)
	}
	code := m.Run()
	if faults := checked.judge(); code == 0 && len(faults) > 0 {
		fmt.Fprintln(os.Stderr, strings.Join(faults, "\n"))
		code = 1
	}
	os.Exit(code)
}

// gateNode is a node whose generations 1 and 2 are staged, and 1 is live. Their VIP has one backend each: 10.1.1.1, .2.
func gateNode(t *testing.T) *node {
	t.Helper()
	n := newNode(t, `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips: [{name: dns, addresses: [10.99.0.1], port: 53, protocol: udp, ring: 251, flow: none, backends: [{address: 10.1.1.1}]}]
`)
	s := n.spec.Clone()
	s.VIPs[0].Backends[0].Address = addr("10.1.1.2")
	if _, generation := stageSpec(t, n.Kernel, n.spec, s); generation != 2 || n.Control().Active != 1 {
		t.Fatalf("generation %d beside %d, want 2 beside 1", generation, n.Control().Active)
	}
	return n
}

// live demands that a generation is live, by the gate's word and by a packet.
func (n *node) live(t *testing.T, generation uint32, pending bool) {
	t.Helper()
	c := n.Control()
	if c.Active != generation || (c.Pending != 0) != pending {
		t.Errorf("generation %d, pending %d; want %d, %v", c.Active, c.Pending, generation, pending)
	}
	want := addr(fmt.Sprintf("10.1.1.%d", generation))
	if got := n.deliver(t, frame(ip4{}, udp{Dst: 53})); got != want {
		t.Errorf("a packet went to %v, generation %d sends it to %v", got, generation, want)
	}
}

// refused demands that the gate answers why and changes nothing.
func (n *node) refused(t *testing.T, why error, do func() error) {
	t.Helper()
	before := n.Control()
	if err := do(); !errors.Is(err, why) {
		t.Errorf("the gate says %v, want %v", err, why)
	}
	if after := n.Control(); after != before {
		t.Errorf("the gate refused and changed %+v to %+v", before, after)
	}
}

func TestGateSwitchesAtOnce(t *testing.T) {
	n := gateNode(t)
	before := Monotonic()
	if err := n.Activate(1, 2, 0); err != nil {
		t.Fatal(err)
	}
	n.live(t, 2, false)
	if c := n.Control(); c.Confirmed != 2 || c.Switched < before || c.Left[1] != c.Switched || c.Left[2] != 0 {
		t.Errorf("control %+v", c)
	}
}

func TestGateRefusesOlderEpoch(t *testing.T) {
	n := gateNode(t)
	successor, err := Open(n.dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer successor.Close()
	if err := successor.LoadPrograms(); err != nil {
		t.Fatal(err)
	}
	if err := successor.Take(); err != nil {
		t.Fatal(err)
	}
	n.refused(t, ErrEpoch, func() error { return n.Activate(1, 2, 0) })
	n.refused(t, ErrEpoch, func() error { return n.Activate(1, 2, time.Minute) })
	n.refused(t, ErrEpoch, n.Confirm)
	n.refused(t, ErrEpoch, n.Revert)
	n.refused(t, ErrEpoch, func() error { return n.gate(gateArgs{Op: gateTake}) }) // its own epoch once more
	if err := successor.Activate(1, 2, time.Minute); err != nil {
		t.Fatal(err)
	}
	n.refused(t, ErrEpoch, n.Confirm)
	n.refused(t, ErrEpoch, n.Revert)
	n.live(t, 2, true)
	if err := successor.Confirm(); err != nil {
		t.Fatal(err)
	}
	n.live(t, 2, false)
}

func TestGateRefusesMovedFrom(t *testing.T) {
	n := gateNode(t)
	n.refused(t, ErrMoved, func() error { return n.Activate(2, 1, 0) })
	n.refused(t, ErrMoved, func() error { return n.Activate(0, 2, time.Minute) })
	if err := n.Activate(1, 16, 0); err == nil {
		t.Error("the gate took a generation that cannot be")
	}
	if err := n.gate(gateArgs{Op: 9}); err == nil {
		t.Error("the gate took an operation that is none")
	}
	n.live(t, 1, false)
}

func TestGateConfirm(t *testing.T) {
	n := gateNode(t)
	n.refused(t, ErrLate, n.Confirm)
	if err := n.Activate(1, 2, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	n.live(t, 2, true)
	if err := n.Confirm(); err != nil {
		t.Fatal(err)
	}
	for deadline := n.Control().Deadline + uint64(20*time.Millisecond); Monotonic() < deadline; {
		if c := n.Control(); c.Active != 2 || c.Confirmed != 2 || c.Fallbacks != 0 {
			t.Fatalf("confirmed, and yet %+v", c)
		}
	}
	n.live(t, 2, false)
}

func TestGateLateConfirm(t *testing.T) {
	n := gateNode(t)
	if err := n.Activate(1, 2, 20*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	await(t, "the kernel goes back", func() bool { return n.Control().Active == 1 })
	n.live(t, 1, false)
	if c := n.Control(); c.Fallbacks != 1 || c.Confirmed != 1 || c.Switched < c.Deadline || c.Left[2] != c.Switched {
		t.Errorf("control %+v", c)
	}
	n.refused(t, ErrLate, n.Confirm)
	n.refused(t, ErrLate, n.Revert)
	if err := n.Activate(1, 2, time.Minute); err != nil { // the timer works a second time
		t.Fatal(err)
	}
	if err := n.Confirm(); err != nil {
		t.Fatal(err)
	}
	n.live(t, 2, false)
}

func TestGateRevert(t *testing.T) {
	n := gateNode(t)
	n.refused(t, ErrLate, n.Revert)
	if err := n.Activate(1, 2, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := n.Revert(); err != nil {
		t.Fatal(err)
	}
	n.live(t, 1, false)
	if c := n.Control(); c.Fallbacks != 0 {
		t.Errorf("going back by hand counts as the timer's: %+v", c)
	}
}

// TestGateBuildsOn: a further change while one is unconfirmed neither lengthens nor shortens its time, and both go back.
func TestGateBuildsOn(t *testing.T) {
	n := gateNode(t)
	if err := n.Activate(1, 2, time.Second); err != nil {
		t.Fatal(err)
	}
	first := n.Control().Deadline
	for _, deadline := range []time.Duration{time.Hour, time.Nanosecond, 0} {
		if err := n.Activate(2, 2, deadline); err != nil {
			t.Fatal(err)
		}
		if c := n.Control(); c.Deadline != first || c.Pending != 1 || c.Confirmed != 1 {
			t.Errorf("building on with %v: %+v", deadline, c)
		}
	}
	if err := n.Activate(2, 3, time.Hour); err != nil {
		t.Fatal(err)
	}
	await(t, "the kernel goes back", func() bool { return n.Control().Pending == 0 })
	if late := time.Duration(n.Control().Switched - first); late < 0 || late > 10*time.Second {
		t.Errorf("it went back %v after the first deadline", late)
	}
	n.live(t, 1, false)
}

// TestControlIsFrozen: no process writes what the gate writes, by a system call or through memory.
func TestControlIsFrozen(t *testing.T) {
	n := gateNode(t)
	if err := n.Activate(1, 2, time.Minute); err != nil {
		t.Fatal(err)
	}
	before := n.Control()
	longer := before
	longer.Deadline, longer.Pending = before.Deadline+1<<40, 0
	if err := n.maps["control"].Put(uint32(0), longer); !errors.Is(err, unix.EPERM) {
		t.Errorf("writing control: %v", err)
	}
	if err := n.maps["control"].Update(uint32(0), longer, ebpf.UpdateExist); !errors.Is(err, unix.EPERM) {
		t.Errorf("writing control: %v", err)
	}
	if m, err := mapMemory[Control](n.maps["control"], true); err == nil {
		m.unmap()
		t.Error("control can be mapped for writing")
	}
	if after := n.Control(); after != before {
		t.Errorf("control was changed to %+v", after)
	}
}

// TestGateOneAtATime: runs of the gate on all CPUs shut each other out and never leave it shut.
func TestGateOneAtATime(t *testing.T) {
	n := gateNode(t)
	var group sync.WaitGroup
	var done [4]int
	for i := range done {
		group.Go(func() {
			for range 2000 {
				from := n.Control().Active
				err := n.Activate(int(from), int(3-from), time.Duration(i)*time.Hour)
				if err == nil {
					done[i]++
				} else if !errors.Is(err, ErrMoved) && !errors.Is(err, ErrLate) {
					t.Errorf("activate: %v", err)
				}
				if i == 3 {
					_ = n.Revert()
				}
			}
		})
	}
	group.Wait()
	if c := n.Control(); c.Busy != 0 || c.Active < 1 || c.Active > 2 || c.Fallbacks != 0 {
		t.Errorf("control %+v", c)
	}
	if done[0]+done[1]+done[2]+done[3] == 0 {
		t.Error("nobody got through the gate")
	}
}

// TestFallbackWithoutProcess: the process that changed the generation is killed, nobody holds anything but the pins, and
// the kernel goes back.
func TestFallbackWithoutProcess(t *testing.T) {
	n := gateNode(t)
	dir := n.dir
	for _, root := range n.roots {
		_ = root.Close()
	}
	n.Close()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), armVariable+"="+dir)
	out, err := child.CombinedOutput()
	if err == nil || child.ProcessState.Sys().(interface{ Signal() unix.Signal }).Signal() != unix.SIGKILL {
		t.Fatalf("the process that armed the gate was not killed: %v: %s", err, out)
	}
	look := func() (c Control) {
		k, err := Open(dir, false)
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		return k.Control()
	}
	if c := look(); c.Active != 2 || c.Pending != 1 {
		t.Fatalf("the killed process left %+v", c)
	}
	await(t, "the kernel goes back", func() bool { return look().Active == 1 })
	if c := look(); c.Pending != 0 || c.Fallbacks != 1 || c.Switched < c.Deadline {
		t.Errorf("the kernel went back and left %+v", c)
	}
}

func armAndDie(dir string) {
	k, err := Open(dir, true)
	for _, do := range []func() error{
		func() error { return err },
		func() error { return k.LoadPrograms() },
		func() error { return k.Take() },
		func() error { return k.Activate(1, 2, 5*time.Second) },
		func() error { return unix.Kill(os.Getpid(), unix.SIGKILL) },
	} {
		if err := do(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	select {}
}
