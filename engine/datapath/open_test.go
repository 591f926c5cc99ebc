package datapath

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"hairpin/bpf"
)

func TestCheckBPFFS(t *testing.T) {
	t.Parallel()
	bpffs := machinesMount(t)
	if err := CheckBPFFS(bpffs); err != nil {
		t.Errorf("a bpffs: %v", err)
	}
	plain := t.TempDir()
	if err := CheckBPFFS(plain); err == nil || err.Error() != fmt.Sprintf("bpffs: none is mounted on %s; run: mount -t bpf bpf %s", plain, plain) {
		t.Errorf("a plain folder: %v", err)
	}
	if err := CheckBPFFS(filepath.Join(plain, "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if _, err := Create(Dir(plain, "test")); err == nil {
		t.Error("created pins on a plain folder")
	}
	if left, err := os.ReadDir(filepath.Join(plain, "hairpin", "test")); err == nil && len(left) > 0 {
		t.Errorf("a creation that did not succeed left %v", left)
	}
}

// TestForeignMap: a map under one of our names that is not ours is refused, named and left alone.
func TestForeignMap(t *testing.T) {
	t.Parallel()
	k := newKernel(t)
	for pin, spec := range map[string]*ebpf.MapSpec{
		"vips4":    {Name: "theirs", Type: ebpf.Hash, KeySize: 4, ValueSize: 32, MaxEntries: 65536},
		"counters": {Name: "theirs", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 2, Flags: unix.BPF_F_MMAPABLE},
		"rows_xdp": {Name: "theirs", Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 8},
		"meta":     {Name: "theirs", Type: ebpf.Array, KeySize: 4, ValueSize: 64, MaxEntries: 1, Flags: unix.BPF_F_MMAPABLE},
	} {
		path := k.pin("maps", pin)
		foreign, err := ebpf.NewMap(spec)
		if err != nil {
			t.Fatal(err)
		}
		defer foreign.Close()
		if err := os.Rename(path, path+"_kept"); err != nil {
			t.Fatal(err)
		}
		if err := foreign.Pin(path); err != nil {
			t.Fatal(err)
		}
		for _, writable := range []bool{true, false} {
			_, err := Open(k.dir, writable)
			if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "hairpin detach") {
				t.Errorf("a foreign map as %s: %v", pin, err)
			}
		}
		if !foreign.IsPinned() {
			t.Errorf("the foreign %s was unpinned", pin)
		}
		if err := errors.Join(os.Remove(path), os.Rename(path+"_kept", path)); err != nil {
			t.Fatal(err)
		}
	}
	adopted, err := Open(k.dir, true)
	if err != nil {
		t.Fatalf("with its own maps again: %v", err)
	}
	adopted.Close()
}

// TestMissingMap: a pin that is gone is named.
func TestMissingMap(t *testing.T) {
	t.Parallel()
	k := newKernel(t)
	if err := os.Remove(k.pin("maps", "backends")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(k.dir, true); err == nil || !strings.Contains(err.Error(), "map backends") {
		t.Errorf("open without the map backends: %v", err)
	}
	if err := RemovePins(k.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(k.dir, true); !errors.Is(err, ErrNone) {
		t.Errorf("open without pins: %v", err)
	}
}

// TestUnfinished: what a start left that was killed in the middle is removed by the next, of whatever process id.
func TestUnfinished(t *testing.T) {
	t.Parallel()
	dir := Dir(privateMount(t), "test")
	leave := func(folder string) {
		t.Helper()
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"gate", "parse", "counters"} {
			m, err := ebpf.NewMap(plainArray("left", 8, 1))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if err := m.Pin(filepath.Join(folder, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, pid := range []int{1, os.Getpid()} {
		leave(fmt.Sprintf("%s_new_%d/maps", dir, pid))
	}
	k, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	build := bpf.Build()
	for _, pid := range []int{1, os.Getpid()} {
		leave(fmt.Sprintf("%s_new_%d", k.pin("programs", hex.EncodeToString(build[:8])), pid))
	}
	if err := k.LoadPrograms(); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{filepath.Dir(dir), filepath.Join(dir, "programs")} {
		if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
			t.Errorf("%s holds %v, %v", folder, left, err)
		}
	}
	if _, err := Create(dir); err == nil {
		t.Error("created over what exists")
	}
}

// TestSegmentWithoutPlace: a ring segment that was pinned and not yet put into the store when its process was killed.
func TestSegmentWithoutPlace(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	if err := n.maps["rings"].Delete(uint32(0)); err != nil {
		t.Fatal(err)
	}
	if got := n.deliver(t, frame(ip4{}, syn)); got.IsValid() {
		t.Fatalf("a packet went to %v without rings", got)
	}
	for _, writable := range []bool{false, true} {
		adopted, err := Open(n.dir, writable)
		if err != nil {
			t.Fatal(err)
		}
		adopted.Close()
		if got := n.deliver(t, frame(ip4{}, syn)); got.IsValid() != writable {
			t.Errorf("opened, writable %v: a packet went to %v", writable, got)
		}
	}
}

// TestReadOnly: who only looks sees what the owner does, and can write nothing.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	look, err := Open(n.dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer look.Close()
	connected(t, n.clients("web", 50))
	var s Snapshot
	if err := look.Snapshot(&s); err != nil {
		t.Fatal(err)
	}
	chain := n.chain(t, "eth0", XDP)
	if got := s.Exits[chain][1].Packets; got != 100 || s.VIP[n.vip(t, "web").Num].Packets != 100 {
		t.Errorf("100 packets were forwarded, %d are seen", got)
	}
	if got, want := look.Control(), n.Control(); got != want {
		t.Errorf("control %+v, is %+v", got, want)
	}
	for name, raw := range map[string][]byte{"vips4": look.vips4[0].raw, "counters": look.counters.raw, "connections": look.connections.raw} {
		if err := unix.Mprotect(raw, unix.PROT_READ|unix.PROT_WRITE); err == nil {
			t.Errorf("the memory of %s can be made writable", name)
		}
	}
}

// TestWithoutPrivileges says what is missing.
func TestWithoutPrivileges(t *testing.T) {
	t.Parallel()
	dir := Dir(privateMount(t), "test")
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var all, none [2]unix.CapUserData
	if err := unix.Capget(&header, &all[0]); err != nil {
		t.Fatal(err)
	}
	for i := range none {
		none[i].Permitted = all[i].Permitted
	}
	if err := unix.Capset(&header, &none[0]); err != nil { // of this thread alone
		t.Fatal(err)
	}
	_, err := Create(dir)
	if err := unix.Capset(&header, &all[0]); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, os.ErrPermission) || !strings.HasSuffix(err.Error(), "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON") {
		t.Errorf("create without any capability: %v", err)
	}
}
