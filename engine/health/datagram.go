package health

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

// udp: a datagram is answered, by the text that is expected if one is.
func (q *question) udp() error {
	return q.exchange(unix.IPPROTO_UDP, []byte(q.check.Send), func(answer []byte) (bool, error) {
		if bytes.Contains(answer, []byte(q.check.Expect)) {
			return true, nil
		}
		return true, fmt.Errorf("%q is not in its answer of %d bytes", q.check.Expect, len(answer))
	})
}

// exchange sends a datagram, again when no answer came for a while, until one is for this question: then mine is true, and
// says whether it is right.
func (q *question) exchange(protocol int, text []byte, mine func(answer []byte) (bool, error)) error {
	s, err := q.open(unix.SOCK_DGRAM, protocol)
	if err != nil {
		return err
	}
	defer s.Close()
	return q.converse(s, text, mine)
}

func (q *question) converse(s socket, text []byte, mine func(answer []byte) (bool, error)) error {
	buffer := make([]byte, 2048)
	for i := range q.attempts() {
		if _, err := s.Write(text); err != nil {
			return err
		}
		if err := s.SetReadDeadline(q.attempt(i + 1)); err != nil {
			return err
		}
		for {
			n, err := s.Read(buffer)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil && !(errors.Is(err, io.EOF) && n == 0) { // an empty datagram reads as the end of a file
				return err
			}
			if is, err := mine(buffer[:n]); is {
				return err
			}
		}
	}
	return os.ErrDeadlineExceeded
}

// dns: a query is answered without an error (RFC 1035), over whichever transport the VIP has.
func (q *question) dns() error {
	id := uint16(rand.Uint32())
	query := binary.BigEndian.AppendUint16(nil, id)
	query = append(query, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0) // recursion desired, one question
	for label := range strings.SplitSeq(strings.Trim(q.check.Name, "."), ".") {
		if label != "" {
			query = append(append(query, byte(len(label))), label...)
		}
	}
	query = append(query, 0)
	query = binary.BigEndian.AppendUint16(query, uint16(q.check.Type))
	query = append(query, 0, 1) // IN
	if q.target.Protocol == spec.TCP && q.check.To == spec.ToVIP {
		return q.dnsStream(id, query)
	}
	return q.exchange(unix.IPPROTO_UDP, query, func(answer []byte) (bool, error) { return answers(id, answer) })
}

// dnsStream asks over TCP, where a length stands in front of each message.
func (q *question) dnsStream(id uint16, query []byte) error {
	s, err := q.dial()
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.SetDeadline(q.deadline()); err != nil {
		return err
	}
	if _, err := s.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return err
	}
	var length [2]byte
	if _, err := io.ReadFull(s, length[:]); err != nil {
		return err
	}
	answer := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(s, answer); err != nil {
		return err
	}
	if is, err := answers(id, answer); is {
		return err
	}
	return errors.New("its answer is for another question")
}

// answers tells whether a message answers the query of that number, and what is wrong with the answer.
func answers(id uint16, message []byte) (bool, error) {
	const head, response, code = 12, 0x80, 0x0f
	if len(message) < head || binary.BigEndian.Uint16(message) != id || message[2]&response == 0 {
		return false, nil
	}
	names := [...]string{1: "format error", 2: "server failure", 3: "no such domain", 4: "not implemented", 5: "refused"}
	switch n := int(message[3] & code); {
	case n == 0:
		return true, nil
	case n < len(names):
		return true, fmt.Errorf("answers: %s", names[n])
	default:
		return true, fmt.Errorf("answers with code %d", n)
	}
}

// ping: an ICMP echo is answered (RFC 792, 4443). A socket for that alone needs no privilege where the kernel lets the group
// of this process have one, a raw one CAP_NET_RAW.
func (q *question) ping() error {
	protocol, request, reply := unix.IPPROTO_ICMP, byte(8), byte(0)
	if q.to.Addr().Is6() {
		protocol, request, reply = unix.IPPROTO_ICMPV6, 128, 129
	}
	raw := false
	s, err := q.open(unix.SOCK_DGRAM, protocol)
	if errors.Is(err, unix.EACCES) {
		raw = true
		s, err = q.open(unix.SOCK_RAW, protocol)
	}
	switch {
	case errors.Is(err, unix.EPERM):
		return unsent("ping needs cap_net_raw, or: sysctl net.ipv4.ping_group_range=\"0 2147483647\"")
	case err != nil:
		return err
	}
	defer s.Close()
	number := rand.Uint64()
	message := []byte{request, 0, 0, 0, byte(number >> 8), byte(number), 0, 1}
	message = binary.BigEndian.AppendUint64(message, number)
	binary.BigEndian.PutUint16(message[2:], sum(message))
	return q.converse(s, message, func(answer []byte) (bool, error) {
		if raw && q.to.Addr().Is4() && len(answer) > 0 {
			answer = answer[min(int(answer[0]&0xf)*4, len(answer)):]
		}
		return len(answer) >= len(message) && answer[0] == reply && binary.BigEndian.Uint64(answer[8:]) == number, nil
	})
}

// sum is the Internet checksum (RFC 1071). Of ICMPv6 the kernel makes it.
func sum(b []byte) uint16 {
	var s uint32
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}
