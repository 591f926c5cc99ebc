package health

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

// The process that answers has another program's name in its environment: what it costs is not the prober's.
const answering = "HAIRPIN_HEALTH_ANSWERS"

func TestMain(m *testing.M) {
	if os.Getenv(answering) != "" {
		answer()
		return
	}
	os.Exit(m.Run())
}

// Ports of that process.
const (
	tcpPort  = 7001
	httpPort = 7002
	udpPort  = 7003
)

// answer serves until its standard input ends.
func answer() {
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", tcpPort))
	web, err2 := net.Listen("tcp", fmt.Sprintf(":%d", httpPort))
	echo, err3 := net.ListenPacket("udp", fmt.Sprintf(":%d", udpPort))
	if err != nil || err2 != nil || err3 != nil {
		fmt.Println(err, err2, err3)
		return
	}
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			_ = c.Close()
		}
	}()
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := echo.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = echo.WriteTo(b[:n], from)
		}
	}()
	go func() { _ = http.Serve(web, http.NotFoundHandler()) }()
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// lossy is a network namespace in which a share of all packets is lost on their way, and a process that answers in it.
func lossy(t *testing.T, percent float64) (enter func() error) {
	t.Helper()
	made := make(chan error)
	var space netns.NsHandle
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine, in the namespace that it made
		made <- func() (err error) {
			if space, err = netns.New(); err != nil {
				return err
			}
			lo, err := netlink.LinkByName("lo")
			if err != nil {
				return err
			}
			if err := netlink.LinkSetUp(lo); err != nil {
				return err
			}
			if err := lose(t, lo.Attrs().Index, percent); err != nil {
				return err
			}
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), answering+"=1")
			in, err := c.StdinPipe()
			if err != nil {
				return err
			}
			out, err := c.StdoutPipe()
			if err != nil {
				return err
			}
			if err := c.Start(); err != nil {
				return err
			}
			t.Cleanup(func() { _ = in.Close(); _ = c.Wait() })
			word := make([]byte, 6)
			if n, err := io.ReadFull(out, word); err != nil || string(word) != "ready\n" {
				return fmt.Errorf("%q: %w", word[:n], err)
			}
			return nil
		}()
	}()
	if err := <-made; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = space.Close() })
	return func() error { return netns.Set(space) }
}

// lose drops a share of what comes in by a NIC.
func lose(t *testing.T, nic int, percent float64) error {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{
		asm.FnGetPrandomU32.Call(),
		asm.LSh.Imm(asm.R0, 32), asm.RSh.Imm(asm.R0, 32),
		asm.LoadImm(asm.R1, int64(percent/100*(1<<32)), asm.DWord),
		asm.JGE.Reg(asm.R0, asm.R1, "pass"),
		asm.Mov.Imm(asm.R0, 2), // TC_ACT_SHOT
		asm.Return(),
		asm.Mov.Imm(asm.R0, -1).WithSymbol("pass"),
		asm.Return(),
	}})
	if err != nil {
		return err
	}
	defer p.Close()
	l, err := link.AttachTCX(link.TCXOptions{Interface: nic, Program: p, Attach: ebpf.AttachTCXIngress})
	if err == nil {
		t.Cleanup(func() { _ = l.Close() })
	}
	return err
}

// crowd are as many targets, each of a VIP of its own; checks are as they usually are.
func crowd(n int, kinds ...spec.CheckKind) []Target {
	ports := map[spec.CheckKind]uint16{spec.CheckTCP: tcpPort, spec.CheckHTTP: httpPort, spec.CheckUDP: udpPort}
	list := make([]Target, n)
	for i := range list {
		kind := kinds[i%len(kinds)]
		c := spec.Check{Kind: kind, To: spec.ToBackend, Port: ports[kind], Interval: spec.DefaultInterval, Timeout: spec.DefaultInterval,
			Rise: spec.DefaultRise, Fall: spec.DefaultFall}
		switch kind {
		case spec.CheckHTTP:
			c.Path, c.Status = "/", []spec.StatusSpan{{First: 404, Last: 404}}
		case spec.CheckUDP:
			c.Send, c.Expect = "hairpin", "hairpin"
		}
		list[i] = Target{Key: Key{fmt.Sprint("web", i), netip.AddrFrom4([4]byte{127, 0, 0, 1})}, Checks: []spec.Check{c},
			Health: spec.Health{Damping: spec.DefaultDamping}}
	}
	return list
}

func soak() bool { return os.Getenv("HAIRPIN_SOAK") != "" }

// TestLoss: where 2 % of all packets are lost each way, nobody goes down.
func TestLoss(t *testing.T) {
	targets, span := 300, 5*time.Second
	if soak() {
		targets, span = 2000, 5*time.Minute
	}
	p := New(Options{Enter: lossy(t, 2)})
	defer p.Close()
	p.Follow(crowd(targets, spec.CheckTCP, spec.CheckHTTP, spec.CheckUDP))
	time.Sleep(span)
	failed := 0
	for key, f := range p.Facts() {
		if f.State != Up || f.Checks[0].Flaps > 0 {
			t.Errorf("%s is %s: %s", key.VIP, f.State, f.Why)
		}
		if f.Checks[0].Bad > 0 {
			failed++
		}
	}
	if n := p.Load().Checks; n < uint64(targets)*uint64(span/time.Second-1) {
		t.Errorf("%d checks in %s", n, span)
	} else {
		t.Logf("%d checks in %s, the last of %d backends failed", n, span, failed)
	}
}

// TestCost says how much of a CPU 2,000 checks a second take.
func TestCost(t *testing.T) {
	span := time.Second
	if soak() {
		span = 30 * time.Second
	}
	for _, kind := range []spec.CheckKind{spec.CheckTCP, spec.CheckHTTP, spec.CheckUDP} {
		p := New(Options{Enter: lossy(t, 0)})
		p.Follow(crowd(2000, kind))
		time.Sleep(1500 * time.Millisecond) // the first of each are more at a time
		began, used, before := time.Now(), cpu(), p.Load().Checks
		for time.Sleep(span); p.Load().Checks == before && time.Since(began) < time.Minute; { // others had the CPUs
			time.Sleep(span)
		}
		rate := float64(p.Load().Checks-before) / time.Since(began).Seconds()
		t.Logf("%s: %.0f checks/s take %.1f %% of a CPU", kind, rate, 100*(cpu()-used)/time.Since(began).Seconds())
		for key, f := range p.Facts() {
			if f.State == Down {
				t.Errorf("%s: %s", key.VIP, f.Why)
			}
		}
		if rate == 0 {
			t.Error("nothing was checked")
		}
		p.Close()
	}
}

// cpu is what this process has used, in seconds.
func cpu() float64 {
	var r unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &r) // cannot fail for this process
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
}
