package engine_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

const tlsPort = 443

// withWall is s with a VIP at the port of TLS, and a wall in front of it.
func withWall(n *network, s *spec.Spec, x spec.Wall, shadow bool) *spec.Spec {
	s = s.Clone()
	if s.VIP("tls") == nil {
		v := *s.VIP("web")
		v.Name, v.Port, v.Addresses, v.Backends = "tls", tlsPort, []netip.Addr{lab.VIP4}, v.Backends[:1]
		s.VIPs = append(s.VIPs, v)
	}
	x.Ports, x.VIPs, x.Wait = []uint16{tlsPort}, []string{"tls"}, spec.DefaultWait
	i := slices.IndexFunc(s.Stages, func(o spec.Named) bool { return o.Kind == spec.TLSWall })
	if i < 0 {
		i, s.Stages = len(s.Stages), append(s.Stages, spec.Named{})
		s.NICs[0].XDP = slices.Insert(s.NICs[0].XDP, len(s.NICs[0].XDP)-1, spec.Position{Name: string(spec.TLSWall)})
	}
	s.Stages[i] = spec.Named{Name: string(spec.TLSWall), Kind: spec.TLSWall, Settings: &x}
	s.NICs[0].XDP[len(s.NICs[0].XDP)-2].Shadow = shadow
	return s.Clone()
}

// certificate is the files of a certificate and its key.
func (n *network) certificate(t *testing.T) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	out, err := n.Command(lab.Client, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
		"-days", "2", "-subj", "/CN=tls").CombinedOutput()
	if err != nil {
		t.Fatalf("make a certificate: %v: %s", err, out)
	}
	return cert, key
}

// openssl has openssl's client ask openssl's server on the first backend, which serves one client after the other.
func (n *network) openssl(t *testing.T, cert, key string) {
	t.Helper()
	server := n.Command(lab.Backend(1), "openssl", "s_server", "-accept", fmt.Sprint(tlsPort), "-key", key, "-cert", cert, "-www", "-quiet")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = server.Process.Kill(), server.Wait() }()
	n.await(t, "openssl listens", func() bool {
		c, err := n.DialContext(n.ctx, lab.Backend(1), "tcp", netip.AddrPortFrom(lab.VIP4, tlsPort).String())
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	c := n.Command(lab.Client, "timeout", "20", "openssl", "s_client", "-connect", netip.AddrPortFrom(lab.VIP4, tlsPort).String(), "-ign_eof")
	c.Stdin = strings.NewReader("GET / HTTP/1.0\r\n\r\n")
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "Cipher is TLS") || !strings.Contains(string(out), "HTTP/1.0 200") {
		t.Errorf("openssl s_client: %v: %s", err, out)
	}
}

// serveTLS answers TLS on the first backend, each client by itself.
func (n *network) serveTLS(t *testing.T, cert, key string) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	var l net.Listener
	n.await(t, "the port is free", func() bool {
		return n.Do(lab.Backend(1), func() (err error) {
			l, err = net.Listen("tcp4", fmt.Sprint(":", tlsPort))
			return err
		}) == nil
	})
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}}).HandshakeContext(n.ctx)
			}()
		}
	}()
}

// silence is how long a client waits for a word that is not to come.
const silence = time.Second

// speaks connects from the client and sends parts, each in a segment of its own, doing between before the last of them; and
// says what came within patience: answered, reset or silent.
func (n *network) speaks(t *testing.T, patience time.Duration, between func(), parts ...string) string {
	t.Helper()
	c, err := n.DialContext(n.ctx, lab.Client, "tcp", netip.AddrPortFrom(lab.VIP4, tlsPort).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i, p := range parts {
		if i == len(parts)-1 && between != nil {
			between()
		}
		if _, err := c.Write([]byte(p)); err != nil {
			t.Fatal(err)
		}
		if i < len(parts)-1 {
			time.Sleep(20 * time.Millisecond) // else two writes may be one segment, which other rows have
		}
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	switch _, err = c.Read(make([]byte, 1)); {
	case err == nil, errors.Is(err, io.EOF):
		return "answered"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	}
	return "silent"
}

// clientHello is what a client of TLS says first.
func clientHello(t *testing.T, protocols int) string {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	config := &tls.Config{ServerName: "tls", InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	for i := range protocols {
		config.NextProtos = append(config.NextProtos, fmt.Sprintf("a-protocol-that-nobody-speaks-%04d", i))
	}
	go func() { _ = tls.Client(ours, config).HandshakeContext(t.Context()) }()
	defer theirs.Close()
	head := make([]byte, 5)
	if _, err := io.ReadFull(theirs, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint16(head[3:]))
	if _, err := io.ReadFull(theirs, body); err != nil {
		t.Fatal(err)
	}
	return string(head) + string(body)
}

// TestWallInTheLab: edits put a wall in front of a VIP while it serves; only what begins with a ClientHello gets through,
// however it is cut, also over a handoff; and it is seen. A mirror beside it copies on over a handoff, each packet once.
func TestWallInTheLab(t *testing.T) {
	n := up(t, 1, 1)
	cert, key := n.certificate(t)
	node := n.dial(t)
	plain := node.State().Spec
	wall := func(x spec.Wall, shadow bool) { n.change(t, node, withWall(n, plain, x, shadow)) }
	wall(spec.Wall{}, false)
	n.openssl(t, cert, key)
	n.serveTLS(t, cert, key)
	wall(spec.Wall{}, true)
	const get = "GET / HTTP/1.0\r\n\r\n"
	hello, long := clientHello(t, 0), clientHello(t, 120)
	if len(long) < 3000 {
		t.Fatalf("a long ClientHello has %d bytes, which is one segment", len(long))
	}
	say := func(sentence, want string, between func(), parts ...string) {
		t.Helper()
		patience := time.Minute // a busy machine may need some of it
		if want == "silent" {
			patience = silence
		}
		if got := n.speaks(t, patience, between, parts...); got != want {
			t.Errorf("%s: %s, want %s", sentence, got, want)
		}
	}
	say("a plain client and a wall in shadow", "answered", nil, get)
	wall(spec.Wall{}, false)
	say("a plain client", "silent", nil, get)
	say("a ClientHello", "answered", nil, hello)
	say("a ClientHello in three segments", "answered", nil, hello[:1], hello[1:7], hello[7:])
	say("a ClientHello of more than one segment", "answered", nil, long)
	say("what begins like a ClientHello and is none", "silent", nil, hello[:3], get)
	over := func() {
		if h := n.handOver(t, "--watch", "200ms", "--why", "within a handshake"); h.Outcome != string(engine.HandoffConfirmed) {
			t.Errorf("handoff: %s: %s", h.Outcome, h.Fault)
		}
	}
	say("a plain client with a handoff in its middle", "silent", func() {
		say("a ClientHello with one", "answered", over, hello[:3], hello[3:])
	}, hello[:3], get)
	node = n.dial(t)
	wall(spec.Wall{Action: spec.LimitReset}, false)
	say("a plain client, answered by a reset", "reset", nil, get)
	client := n.Addresses(lab.Client)[0]
	wall(spec.Wall{Allow: []netip.Prefix{netip.PrefixFrom(client, client.BitLen())}}, false)
	say("a plain client that is allowed", "answered", nil, get)
	n.await(t, "the refusals are seen", func() bool {
		s := node.State()
		drop := slices.ContainsFunc(s.Drops, func(d engine.Drop) bool {
			return d.Stage == "tlswall" && d.VIP == "tls" && d.Reason == "not_tls" && !d.Shadow && d.Packets > 0
		})
		would := slices.ContainsFunc(s.Drops, func(d engine.Drop) bool {
			return d.Stage == "tlswall" && d.VIP == "tls" && d.Reason == "not_tls" && d.Shadow && d.Packets > 0
		})
		told := slices.ContainsFunc(s.Events, func(e engine.Event) bool { return strings.Contains(e.What, "vip tls: dropping with reason not_tls") })
		return drop && would && told
	})
	n.change(t, node, plain)
	n.mirrors(t, node, plain)
}

// mirrors sends datagrams while the node is handed over, and looks at what comes to a collector.
func (n *network) mirrors(t *testing.T, node engine.Node, plain *spec.Spec) {
	t.Helper()
	const vxlan, mark = 4789, "a datagram that is counted "
	at := n.Addresses(lab.Backend(1))[0]
	var collector net.PacketConn
	roomy := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) { // others may have the CPU for some hundreds of copies
		e := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, 16<<20)
		})
		return errors.Join(e, err)
	}}
	if err := n.Do(lab.Backend(1), func() (err error) {
		collector, err = roomy.ListenPacket(n.ctx, "udp4", netip.AddrPortFrom(at, vxlan).String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	s := plain.Clone()
	s.Stages = append(s.Stages, spec.Named{Name: "copies", Kind: spec.Mirror, Settings: &spec.Copies{To: netip.AddrPortFrom(at, vxlan), Encap: spec.CopyVXLAN,
		Match: fmt.Sprintf("udp dst port %d", lab.EchoPort), OneIn: 1, Snap: 256, Rate: spec.MaxCopyRate}})
	s.NICs[0].XDP = slices.Insert(s.NICs[0].XDP, 0, spec.Position{Name: "copies"})
	n.change(t, node, s)
	c, err := n.DialContext(n.ctx, lab.Client, "udp4", netip.AddrPortFrom(lab.VIP4, lab.EchoPort).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent := 0
	send := func() {
		sent++
		if _, err := fmt.Fprintf(c, "%s%d.", mark, sent); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			t.Error(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	copies := make(chan string, 1<<16)
	go func() {
		defer close(copies)
		b := make([]byte, 2048)
		for {
			got, _, err := collector.ReadFrom(b)
			if err != nil {
				return
			}
			if i := bytes.Index(b[:got], []byte(mark)); i >= 0 {
				copies <- string(b[i+len(mark) : got])
			}
		}
	}()
	for range 2 {
		done := make(chan handoff)
		go func() { done <- n.handOver(t, "--watch", "200ms", "--why", "copies go on") }()
		for going := true; going; {
			select {
			case h := <-done:
				going = false
				if h.Outcome != string(engine.HandoffConfirmed) {
					t.Errorf("handoff: %s: %s", h.Outcome, h.Fault)
				}
			default:
				send()
			}
		}
	}
	before := sent
	times, seen := map[string]int{}, func(patience time.Duration) bool {
		select {
		case <-copies:
			return true
		case <-time.After(patience):
			return false
		}
	}
	for limit := time.After(time.Minute); len(times) < before; {
		select {
		case id := <-copies:
			times[id]++
			continue
		case <-limit:
		}
		break
	}
	for id, n := range times {
		if n != 1 {
			t.Errorf("datagram %s was copied %d times", id, n)
		}
	}
	if len(times) != before || seen(300*time.Millisecond) {
		t.Errorf("of %d datagrams %d were copied over 2 handoffs, or one of them twice", before, len(times))
	}
	n.change(t, n.dial(t), plain)
	for range 20 {
		send()
	}
	if seen(time.Second) {
		t.Error("copies go on without a mirror")
	}
}
