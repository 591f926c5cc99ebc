package datapath

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

func probeSpec(t testing.TB, probes string) *spec.Spec {
	t.Helper()
	text := strings.NewReplacer("STATES", objectFile(t, "states.o"), "ODD", objectFile(t, "odd.o")).Replace(probes)
	return parse(t, "version: 1\nprobes: {"+text+"}\n")
}

// established counts what a probe has seen of TCP sockets that were connected.
func established(t testing.TB, k *Kernel, s *spec.Spec) float64 {
	t.Helper()
	all := k.Metrics(s)
	if len(all) != 1 || all[0].Err != nil {
		t.Fatalf("metrics %+v", all)
	}
	return all[0].Value
}

// connect makes connections of its own on a loopback of its own.
func connect(t testing.TB, times int) {
	t.Helper()
	if err := netlink.LinkSetUp(nicByName(t, "lo")); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range times {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
}

// linkID is the number of the kernel's link below a folder of pins.
func linkID(t testing.TB, k *Kernel, folder string) link.ID {
	t.Helper()
	l, err := link.LoadPinnedLink(k.pin("probes", filepath.Join(folder, "link")), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := l.Info()
	if err != nil {
		t.Fatal(err)
	}
	return info.ID
}

func only(t testing.TB, probes Probes) string {
	t.Helper()
	if len(probes) != 1 {
		t.Fatalf("probes %v, want one", probes)
	}
	for folder := range probes {
		return folder
	}
	return ""
}

// TestProbes: each way to an event of the kernel counts it, outlives who attached it, and is attached once.
func TestProbes(t *testing.T) {
	for _, program := range []string{"raw", "typed"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			k := newKernel(t)
			s := probeSpec(t, "states: {object: STATES, program: "+program+", watch: [{map: states, key: 1}]}")
			probes, err := k.AttachProbes(s, true)
			if err != nil {
				t.Fatal(err)
			}
			folder := only(t, probes)
			id := linkID(t, k, folder)
			before := established(t, k, s)
			connect(t, 20)
			if got := established(t, k, s) - before; got < 40 {
				t.Errorf("40 sockets were connected, it counted %g", got)
			}
			k.Close()
			connect(t, 20) // nobody is there
			again, err := Open(k.dir, true)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			for _, fresh := range []bool{false, true} {
				probes, err := again.AttachProbes(s, fresh)
				if err != nil || only(t, probes) != folder || linkID(t, again, folder) != id {
					t.Errorf("adopted, fresh %v: %v, %v; want %s as it was", fresh, probes, err, folder)
				}
				if err := again.KeepProbes(probes); err != nil {
					t.Fatal(err)
				}
			}
			if got := established(t, again, s) - before; got < 80 {
				t.Errorf("80 sockets were connected, it counted %g", got)
			}
			if err := again.KeepProbes(nil); err != nil {
				t.Fatal(err)
			}
			for limit := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				if _, err := link.NewFromID(id); errors.Is(err, os.ErrNotExist) {
					break
				}
				if time.Now().After(limit) {
					t.Fatal("what the spec does not name any more is still attached")
				}
			}
			if left, err := os.ReadDir(again.pin("probes", "")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// TestProbeReplaced: a newer file takes the older one's place; a file that changed is not read without being asked for.
func TestProbeReplaced(t *testing.T) {
	t.Parallel()
	k := newKernel(t)
	file := filepath.Join(t.TempDir(), "states.o")
	whole, err := os.ReadFile(objectFile(t, "states.o"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(whole)
	s := parse(t, "version: 1\nprobes: {states: {object: "+file+", program: raw, watch: [{map: states, key: 1}]}}\n")
	attach := func(fresh bool) Probes {
		t.Helper()
		probes, err := k.AttachProbes(s, fresh)
		if err != nil {
			t.Fatal(err)
		}
		return probes
	}
	first := only(t, attach(true))
	write(append(slices.Clone(whole), 0)) // another file of the same content
	if got := only(t, attach(false)); got != first {
		t.Errorf("adopted %s, %s was attached", got, first)
	}
	newer := attach(true)
	if only(t, newer) == first || len(k.AttachedProbes()) != 2 {
		t.Errorf("%v are attached; want the older and the newer", k.AttachedProbes())
	}
	if err := k.KeepProbes(newer); err != nil {
		t.Fatal(err)
	}
	connect(t, 5)
	if got := established(t, k, s); got < 10 {
		t.Errorf("10 sockets were connected, the newer counted %g", got)
	}
	write([]byte("no object"))
	if _, err := k.AttachProbes(s, true); !errors.Is(err, ErrObject) {
		t.Errorf("attached %v", err)
	}
	if got := k.AttachedProbes(); len(got) != 1 || !got[only(t, newer)] {
		t.Errorf("%v are attached after a bad file, want %v", got, newer)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got := only(t, attach(true)); got != only(t, newer) {
		t.Errorf("a file that is gone: %s is attached, want %v", got, newer)
	}
	if got := only(t, attach(false)); got != only(t, newer) {
		t.Errorf("a file that cannot be read any more: adopted %s, want %v", got, newer)
	}
}

// libc is the file of the C library that programs of this machine run with.
func libc(t testing.TB) string {
	t.Helper()
	sleep := exec.Command("sleep", "60")
	sleep.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sleep.Process.Kill(); _ = sleep.Wait() }()
	library := regexp.MustCompile(`(?m) (/\S*/libc\S*\.so\S*)$`)
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) { // until it has loaded it
		maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", sleep.Process.Pid))
		if found := library.FindSubmatch(maps); found != nil {
			return string(found[1])
		}
		if err != nil || time.Now().After(limit) {
			t.Fatalf("sleep runs without a C library: %v\n%s", err, maps)
		}
	}
}

// TestUprobe: a probe on a function of processes. Where the kernel has no uprobes, that is said.
func TestUprobe(t *testing.T) {
	t.Parallel()
	k := newKernel(t)
	s := probeSpec(t, `exits: {object: ODD, program: called, attach: "`+libc(t)+`:exit", watch: [{map: calls, key: 7}]}`)
	_, err := k.AttachProbes(s, true)
	if _, missing := os.Stat("/sys/bus/event_source/devices/uprobe"); missing != nil {
		if err == nil || !strings.Contains(err.Error(), "this kernel has no uprobes") {
			t.Errorf("without uprobes: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := exec.Command("true").Run(); err != nil {
			t.Fatal(err)
		}
	}
	if m := k.Metrics(s); len(m) != 1 || m[0].Err != nil || m[0].Value < 5 { // others may end too
		t.Errorf("five processes ended: %+v", m)
	}
	if err := k.KeepProbes(nil); err != nil {
		t.Error(err)
	}
}

// TestBadProbes: what cannot be a probe is refused with the reason, and what the kernel lacks with a way around.
func TestBadProbes(t *testing.T) {
	t.Parallel()
	k := newKernel(t)
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil { // of this test's namespace, without tracefs
		t.Fatal(err)
	}
	kprobe := "there is no such place here"
	if _, err := os.Stat("/sys/bus/event_source/devices/kprobe"); err != nil {
		kprobe = "this kernel has no kprobes (CONFIG_KPROBE_EVENTS): use a tracepoint"
	}
	guard := objectFile(t, "guard.o")
	for _, r := range []struct{ probe, want string }{
		{"{object: /nowhere.o}", "object open /nowhere.o: no such file"},
		{"{object: " + guard + "}", `guard.o: has no program that can be a probe: write it in SEC("raw_tp/NAME"), tp_btf, tracepoint, kprobe or uprobe; it has guard (xdp)`},
		{"{object: STATES}", "has several programs for this: name one, as program: classic; it has classic (tracepoint/sock/inet_sock_set_state)"},
		{"{object: STATES, program: raw, kind: tracepoint}", `program raw is in section raw_tp/inet_sock_set_state and cannot be a probe of kind tracepoint`},
		{"{object: STATES, kind: raw_tp, attach: nothing_of_that_name}", "attach raw to raw_tp nothing_of_that_name: there is no such place here"},
		{"{object: STATES, kind: tp_btf, attach: nothing_of_that_name}", "nothing_of_that_name"},
		{"{object: STATES, kind: tracepoint, attach: sock}", `"sock" names no tracepoint: write attach: GROUP/NAME`},
		{"{object: STATES, kind: tracepoint}", "tracefs is not mounted; run: mount -t tracefs tracefs /sys/kernel/tracing, or use kind: raw_tp"},
		{"{object: ODD, kind: uprobe}", `"" names no function of a file: write attach: /PATH:SYMBOL`},
		{"{object: ODD, kind: uprobe, attach: /nowhere:main}", "/nowhere"},
		{"{object: KPROBE, kind: kprobe, attach: nothing_of_that_name}", kprobe},
		{"{object: STATES, program: raw, maps: {states: {0: -1}}, watch: [{map: state}]}", "has no map state; it has states (PerCPUArray)"},
		{"{object: STATES, program: raw, watch: [{map: states, field: n}]}", "map states: has no n: it is no struct"},
	} {
		text := strings.ReplaceAll(r.probe, "KPROBE", objectFile(t, "odd.o"))
		_, err := k.AttachProbes(probeSpec(t, "bad: "+text), true)
		if err == nil || !strings.Contains(err.Error(), r.want) || !strings.HasPrefix(err.Error(), "probe bad: object ") {
			t.Errorf("%s:\n     %v\nwant %s", r.probe, err, r.want)
		}
		if left, _ := filepath.Glob(k.pin("probes", "*")); len(left) > 0 {
			t.Errorf("%s: left behind: %v", r.probe, left)
		}
	}
	s := probeSpec(t, "good: {object: STATES, program: raw}, bad: {object: /nowhere.o}, fine: {object: STATES, program: typed}")
	if _, err := k.AttachProbes(s, true); err == nil || len(k.AttachedProbes()) != 0 {
		t.Errorf("one of three is bad: %v, attached %v", err, k.AttachedProbes())
	}
	probes, err := k.AttachProbes(s, false)
	if err == nil || !strings.HasPrefix(err.Error(), "probe bad: ") || len(probes) != 2 {
		t.Errorf("adopting three of which one is bad: %v, attached %v", err, probes)
	}
	if got := metricsOf(t, k, probeSpec(t, "bad: {object: /nowhere.o, watch: [{map: x}]}")); got != "bad.x: is not attached" {
		t.Errorf("metrics of a probe that is not attached: %s", got)
	}
}
