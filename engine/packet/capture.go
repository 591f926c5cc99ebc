package packet

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Link types of captures, as both formats number them.
const (
	linkEthernet = 1
	linkRaw      = 101
	linkCooked   = 113 // of tcpdump -i any, before 2020
	linkCooked2  = 276 // and since
	linkIPv4     = 228
	linkIPv6     = 229
)

// maxCaptured bounds one block of a capture file, in bytes.
const maxCaptured = 1 << 18

// ReadCapture reads a capture file, pcap or pcapng, frame by frame, at most that many, and tells whether there are more.
// Frames of which only the beginning was kept are filled up with zeros; packets without an Ethernet header get one. With an error
// come those before it.
func ReadCapture(r io.Reader, most int) (frames [][]byte, more bool, err error) {
	c := &capture{in: bufio.NewReader(r)}
	next, err := c.open()
	for err == nil {
		var frame []byte
		if frame, err = next(); err != nil {
			break
		}
		if len(frames) == most {
			return frames, true, nil
		}
		frames = append(frames, frame)
	}
	if errors.Is(err, io.EOF) {
		return frames, false, nil
	}
	return frames, false, fmt.Errorf("read capture: packet %d: %w", len(frames)+1, err)
}

// capture is a file that is being read.
type capture struct {
	in    *bufio.Reader
	order binary.ByteOrder
	links []uint32 // of each interface
}

// Words with which files and blocks begin.
const (
	magicMicro   = 0xa1b2c3d4 // pcap, times in µs
	magicNano    = 0xa1b23c4d // pcap, times in ns
	blockSection = 0x0a0d0d0a // pcapng
	magicSection = 0x1a2b3c4d
	blockLink    = 1
	blockSimple  = 3
	blockPacket  = 6
)

var errNoCapture = errors.New("neither pcap nor pcapng")

// open reads the head of a file, and says how its packets are read.
func (c *capture) open() (next func() ([]byte, error), err error) {
	head, err := c.in.Peek(4)
	if err != nil {
		return nil, errNoCapture
	}
	if binary.LittleEndian.Uint32(head) == blockSection {
		return c.block, nil
	}
	c.order = binary.LittleEndian
	if m := binary.BigEndian.Uint32(head); m == magicMicro || m == magicNano {
		c.order = binary.BigEndian
	}
	if m := c.order.Uint32(head); m != magicMicro && m != magicNano {
		return nil, errNoCapture
	}
	b, err := c.bytes(24)
	if err != nil {
		return nil, err
	}
	c.links = []uint32{c.order.Uint32(b[20:]) & 0xffff}
	return c.record, nil
}

// bytes are the next n; a file that ends among them is damaged.
func (c *capture) bytes(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(c.in, b)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the file ends in the middle of it")
	}
	return b, err
}

// record is the next packet of a pcap file.
func (c *capture) record() ([]byte, error) {
	head, err := c.bytes(16)
	if err != nil {
		return nil, err
	}
	kept := c.order.Uint32(head[8:])
	if kept > maxCaptured {
		return nil, fmt.Errorf("%d bytes, the limit is %d", kept, maxCaptured)
	}
	data, err := c.bytes(int(kept))
	if err != nil {
		return nil, cutOff(err)
	}
	return c.frame(0, data, c.order.Uint32(head[12:]))
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the file ends in the middle of it")
	}
	return err
}

// block is the next packet of a pcapng file. Blocks of other kinds are read over.
func (c *capture) block() ([]byte, error) {
	for {
		kind, body, err := c.nextBlock()
		switch {
		case err != nil:
			return nil, err
		case kind == blockLink && len(body) >= 2:
			c.links = append(c.links, uint32(c.order.Uint16(body)))
		case kind == blockPacket && len(body) >= 20:
			kept := c.order.Uint32(body[12:])
			if int64(kept) > int64(len(body)-20) {
				return nil, errors.New("it is longer than its block")
			}
			return c.frame(c.order.Uint32(body), body[20:20+kept], c.order.Uint32(body[16:]))
		case kind == blockSimple && len(body) >= 4:
			length := c.order.Uint32(body)
			return c.frame(0, body[4:4+min(int64(length), int64(len(body)-4))], length)
		}
	}
}

func (c *capture) nextBlock() (kind uint32, body []byte, err error) {
	head, err := c.bytes(8)
	if err != nil {
		return 0, nil, err
	}
	if binary.LittleEndian.Uint32(head) == blockSection {
		magic, err := c.in.Peek(4)
		if err != nil {
			return 0, nil, cutOff(io.EOF)
		}
		c.links, c.order = nil, binary.LittleEndian
		if binary.BigEndian.Uint32(magic) == magicSection {
			c.order = binary.BigEndian
		}
	}
	if c.order == nil {
		return 0, nil, errNoCapture
	}
	kind = c.order.Uint32(head)
	length := c.order.Uint32(head[4:])
	if length < 12 || length%4 != 0 || length > maxCaptured {
		return 0, nil, fmt.Errorf("a block of %d bytes: the file is damaged", length)
	}
	body, err = c.bytes(int(length) - 8)
	if err != nil {
		return 0, nil, cutOff(err)
	}
	return kind, body[:len(body)-4], nil
}

// frame is a packet as it came by an interface.
func (c *capture) frame(number uint32, data []byte, length uint32) ([]byte, error) {
	if int64(number) >= int64(len(c.links)) {
		return nil, fmt.Errorf("of an interface %d that the file does not describe", number)
	}
	frame := Pad(data, int(min(length, maxCaptured)))
	switch link := c.links[number]; link {
	case linkEthernet:
		return frame, nil
	case linkRaw, linkIPv4, linkIPv6:
		return Build(Eth{}, Inner(frame)), nil
	case linkCooked:
		return uncooked(frame, 14, 16)
	case linkCooked2:
		return uncooked(frame, 0, 20)
	default:
		return nil, fmt.Errorf("link type %d, and only Ethernet, bare IP and what tcpdump -i any writes can be traced", link)
	}
}

// uncooked puts an Ethernet header in the place of the kernel's: that has the type at one place, and is so many bytes long.
func uncooked(data []byte, kind, head int) ([]byte, error) {
	if len(data) < head {
		return nil, fmt.Errorf("%d bytes, its header has %d", len(data), head)
	}
	const addresses = 12
	return slices.Concat(make([]byte, addresses), data[kind:kind+2], data[head:]), nil
}
