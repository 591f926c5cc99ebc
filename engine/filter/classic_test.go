package filter

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// classic is a program of classic BPF, as tcpdump compiles an expression to.
type classic []struct {
	code   uint16
	yes    uint8
	no     uint8
	number uint32
}

// tcpdump compiles an expression with libpcap, without its optimizer: that of 1.10.3 makes of "(icmp6 or net 2001:db8::/33)
// and net 2001:db8::/33" a program that misses packets whose source alone is in the net.
func tcpdump(expr string) (classic, error) {
	out, err := exec.Command("tcpdump", "-O", "-ddd", "-y", "EN10MB", expr).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return nil, errors.New(strings.TrimSpace(string(exit.Stderr)))
		}
		return nil, err
	}
	lines := bufio.NewScanner(strings.NewReader(string(out)))
	var count int
	if !lines.Scan() {
		return nil, errors.New("tcpdump printed nothing")
	}
	if _, err := fmt.Sscan(lines.Text(), &count); err != nil {
		return nil, err
	}
	program := make(classic, count)
	for i := range program {
		lines.Scan()
		if _, err := fmt.Sscan(lines.Text(), &program[i].code, &program[i].yes, &program[i].no, &program[i].number); err != nil {
			return nil, fmt.Errorf("tcpdump -ddd: %q: %w", lines.Text(), err)
		}
	}
	return program, nil
}

// match runs the program on a frame. A load beyond its end is no match.
func (c classic) match(frame []byte) (matched bool, err error) {
	var a, x uint32
	var memory [16]uint32
	for at := 0; at < len(c); at++ {
		i := c[at]
		size := map[uint16]int{0x00: 4, 0x08: 2, 0x10: 1}[i.code&0x18]
		load := func(from uint32) bool {
			if uint64(from)+uint64(size) > uint64(len(frame)) {
				return false
			}
			var word [4]byte
			copy(word[4-size:], frame[from:int(from)+size])
			a = binary.BigEndian.Uint32(word[:])
			return true
		}
		operand := i.number
		if i.code&8 != 0 {
			operand = x
		}
		switch i.code & 7 {
		case 0, 1: // ld, ldx
			switch i.code & 0xe7 {
			case 0x00, 0x01: // immediate
				if i.code&1 == 0 {
					a = i.number
				} else {
					x = i.number
				}
			case 0x20, 0x40: // absolute, indirect
				from := i.number
				if i.code&0xe0 == 0x40 {
					from += x
				}
				if !load(from) {
					return false, nil
				}
			case 0x60:
				a = memory[i.number]
			case 0x61:
				x = memory[i.number]
			case 0x80:
				a = uint32(len(frame))
			case 0x81:
				x = uint32(len(frame))
			case 0xa1: // four times the low half of a byte
				x = uint32(frame[i.number]&0xf) * 4
			default:
				return false, fmt.Errorf("code %#x", i.code)
			}
		case 2:
			memory[i.number] = a
		case 3:
			memory[i.number] = x
		case 4:
			switch i.code & 0xf0 {
			case 0x00:
				a += operand
			case 0x10:
				a -= operand
			case 0x40:
				a |= operand
			case 0x50:
				a &= operand
			case 0x60:
				a <<= operand
			case 0x70:
				a >>= operand
			default:
				return false, fmt.Errorf("code %#x", i.code)
			}
		case 5:
			jump, taken := uint32(0), false
			switch i.code & 0xf0 {
			case 0x00:
				at += int(i.number)
				continue
			case 0x10:
				taken = a == operand
			case 0x20:
				taken = a > operand
			case 0x30:
				taken = a >= operand
			case 0x40:
				taken = a&operand != 0
			}
			jump = uint32(i.no)
			if taken {
				jump = uint32(i.yes)
			}
			at += int(jump)
		case 6:
			return i.number != 0, nil
		case 7:
			if i.code == 0x07 {
				x = a
			} else {
				a = x
			}
		}
	}
	return false, errors.New("the program has no end")
}
