package lab

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestXDPTX has lb send UDP packets back by XDP_TX: without the program on the router's end they would be lost.
func TestXDPTX(t *testing.T) {
	l := testUp(t, 1)
	if err := l.Do(LB, attachReflector); err != nil {
		t.Fatal(err)
	}
	conn, err := l.DialContext(testContext(t), Client, "udp", netip.AddrPortFrom(VIP4, 9).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range 100 {
		if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		sent, got := make([]byte, i*14), make([]byte, 2000) // up to a full frame
		if _, err := conn.Write(sent); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(got); err != nil || n != len(sent) {
			t.Fatalf("datagram %d of %d bytes: %d came back, %v", i, len(sent), n, err)
		}
	}
}

// attachReflector puts a program on the NIC that sends every UDP packet back: it swaps MACs, addresses and ports, which
// leaves the checksums right.
func attachReflector() error {
	swap := func(size asm.Size, a, b int16) asm.Instructions {
		return asm.Instructions{
			asm.LoadMem(asm.R4, asm.R2, a, size), asm.LoadMem(asm.R5, asm.R2, b, size),
			asm.StoreMem(asm.R2, a, asm.R5, size), asm.StoreMem(asm.R2, b, asm.R4, size),
		}
	}
	code := asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word), // data
		asm.LoadMem(asm.R3, asm.R1, 4, asm.Word), // data_end
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, 42),
		asm.JGT.Reg(asm.R4, asm.R3, "pass"),
		asm.LoadMem(asm.R4, asm.R2, 12, asm.Half), // EtherType
		asm.HostTo(asm.BE, asm.R4, asm.Half),
		asm.JNE.Imm(asm.R4, 0x0800, "pass"),
		asm.LoadMem(asm.R4, asm.R2, 23, asm.Byte), // protocol
		asm.JNE.Imm(asm.R4, unix.IPPROTO_UDP, "pass"),
	}
	code = append(code, swap(asm.Word, 0, 6)...)
	code = append(code, swap(asm.Half, 4, 10)...)
	code = append(code, swap(asm.Word, 26, 30)...)
	code = append(code, swap(asm.Half, 34, 36)...)
	code = append(code,
		asm.Mov.Imm(asm.R0, 3), asm.Return(), // XDP_TX
		asm.Mov.Imm(asm.R0, 2).WithSymbol("pass"), asm.Return())
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "MIT", Instructions: code})
	if err != nil {
		return err
	}
	nic, err := netlink.LinkByName(NIC)
	if err == nil {
		err = netlink.LinkSetXdpFdWithFlags(nic, prog.FD(), unix.XDP_FLAGS_DRV_MODE)
	}
	return errors.Join(err, prog.Close())
}
