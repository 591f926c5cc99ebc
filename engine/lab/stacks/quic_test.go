package stacks

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"hairpin/engine"
	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

const (
	proto   = "who"
	idBytes = 8 // of a connection id
)

var quicVIPs = []struct {
	name   string
	port   uint16
	layout spec.QUIC
}{{"quic-v1", 443, spec.QUIC1}, {"quic-v2", 8443, spec.QUIC2}, {"quic-v3", 9443, spec.QUIC3}}

// ids makes the connection ids of one server.
type ids struct {
	layout spec.QUIC
	server uint32
}

func (i ids) ConnectionIDLen() int { return idBytes }

func (i ids) GenerateConnectionID() (quic.ConnectionID, error) {
	id := make([]byte, idBytes)
	rand.Read(id) // it never fails
	i.layout.PutServer(id, i.server)
	return quic.ConnectionIDFromBytes(id), nil
}

// secrets are what all servers have in common, so that a client may come back to another one.
type secrets struct {
	tls   tls.Config
	token quic.TokenGeneratorKey
}

func newSecrets(t *testing.T) *secrets {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"hairpin.test"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	s := &secrets{tls: tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}, NextProtos: []string{proto}}}
	var ticket [32]byte
	rand.Read(ticket[:])
	rand.Read(s.token[:])
	s.tls.SetSessionTicketKeys([][32]byte{ticket})
	return s
}

// serveQUIC answers every stream to an address of a VIP on a backend with the backend's name and the client's address.
func (n *network) serveQUIC(t *testing.T, backend string, at netip.AddrPort, i ids, s *secrets) {
	t.Helper()
	var conn *net.UDPConn
	err := n.Do(backend, func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	transport := &quic.Transport{Conn: conn, ConnectionIDGenerator: i, TokenGeneratorKey: &s.token}
	listener, err := transport.ListenEarly(s.tls.Clone(), &quic.Config{Allow0RTT: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = transport.Close()
		_ = conn.Close()
	})
	go func() {
		for {
			c, err := listener.Accept(context.Background())
			if err != nil {
				return
			}
			go answer(c, backend)
		}
	}()
}

func answer(c *quic.Conn, backend string) {
	for {
		stream, err := c.AcceptStream(context.Background())
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, stream); err != nil {
			continue // its client is gone
		}
		fmt.Fprintf(stream, "%s %s", backend, c.RemoteAddr())
		stream.Close()
	}
}

// ask says which backend has the connection, and from where it sees the client.
func ask(ctx context.Context, c *quic.Conn) (backend string, from netip.AddrPort, err error) {
	stream, err := c.OpenStreamSync(ctx)
	if err != nil {
		return "", from, err
	}
	if _, err := stream.Write([]byte("who")); err != nil {
		return "", from, err
	}
	stream.Close()
	answer, err := io.ReadAll(stream)
	if err != nil {
		return "", from, err
	}
	backend, text, _ := strings.Cut(string(answer), " ")
	from, err = netip.ParseAddrPort(text)
	return backend, from, err
}

// bind is a new socket of the client with one of its addresses.
func (n *network) bind(t *testing.T, a netip.Addr) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	if err := n.Do(lab.Client, func() (err error) {
		conn, err = net.ListenUDP("udp", &net.UDPAddr{IP: a.AsSlice()})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// byRing is the backend that the ring alone has for packets between two ends.
func (n *network) byRing(t *testing.T, ctx context.Context, from, to netip.AddrPort) string {
	t.Helper()
	tr, err := n.node.Trace(ctx, engine.TraceRequest{Packet: fmt.Sprintf("udp %s > %s", from, to)})
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= backends; i++ {
		if n.Addresses(lab.Backend(i))[0].String() == tr.Packets[0].Now.Backend {
			return lab.Backend(i)
		}
	}
	t.Fatalf("a packet from %s to %s goes to no backend: %+v", from, to, tr.Packets[0].Now)
	return ""
}

// TestQUIC: connections of QUIC go on with their server when their clients get other addresses and ports, however they do;
// what clients send first goes by the ring.
func TestQUIC(t *testing.T) {
	n, ctx := begin(t)
	s := newSecrets(t)
	for _, q := range quicVIPs {
		servers := n.servers(t, q.name)
		for i := 1; i <= backends; i++ {
			server := ids{q.layout, servers[n.Addresses(lab.Backend(i))[0]]}
			for _, a := range []netip.Addr{lab.VIP4, lab.VIP6} {
				n.serveQUIC(t, lab.Backend(i), netip.AddrPortFrom(a, q.port), server, s)
			}
		}
	}
	elsewhere := make(chan int, 2*len(quicVIPs))
	t.Run("clients", func(t *testing.T) {
		for _, q := range quicVIPs {
			for _, a := range []netip.Addr{lab.VIP4, lab.VIP6} {
				t.Run(fmt.Sprintf("%s %s", q.name, a), func(t *testing.T) {
					t.Parallel()
					elsewhere <- n.roam(t, ctx, netip.AddrPortFrom(a, q.port))
				})
			}
		}
	})
	others := 0
	for range cap(elsewhere) {
		others += <-elsewhere
	}
	t.Logf("of %d addresses that clients got, the ring has another backend for %d", 5*cap(elsewhere), others)
	if others == 0 {
		t.Error("the ring has the same backend for every address that a client got: nothing was shown")
	}
	for _, q := range quicVIPs {
		n.until(t, "packets that name servers, and none that names another", func(s *engine.State) bool {
			c := vipOf(s, q.name).Choice
			return c.Known > 0 && c.Unknown == 0
		})
	}
}

// servers are the ids that lb has for the backends of a VIP: what one tells them.
func (n *network) servers(t *testing.T, vip string) map[netip.Addr]uint32 {
	t.Helper()
	all := map[netip.Addr]uint32{}
	n.until(t, "the ids of servers", func(s *engine.State) bool {
		for _, b := range vipOf(s, vip).Backends {
			all[b.Address] = b.Server
		}
		return len(all) == backends
	})
	return all
}

func vipOf(s *engine.State, name string) engine.VIP {
	for _, v := range s.VIPs {
		if v.Name == name {
			return v
		}
	}
	return engine.VIP{}
}

// roam is a client that gets other addresses and ports, comes back with a ticket, and says how often the ring would have sent it
// elsewhere.
func (n *network) roam(t *testing.T, ctx context.Context, to netip.AddrPort) (elsewhere int) {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true, ServerName: "hairpin.test", NextProtos: []string{proto}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	addresses := lab.Sources(to.Addr())
	first := &swapped{}
	first.now.Store(n.bind(t, addresses[0]))
	c, home := n.connect(t, ctx, &quic.Transport{Conn: first}, to, config)
	stays := func(what string, from netip.AddrPort) {
		t.Helper()
		for { // the first answers may still be to the path before
			backend, seen, err := ask(ctx, c)
			if err != nil || backend != home {
				t.Fatalf("%s: %s answered instead of %s: %v", what, backend, home, err)
			}
			if seen == from {
				break
			}
		}
		if n.byRing(t, ctx, from, to) != home {
			elsewhere++
		}
	}
	for i := range 3 { // a NAT forgets the client
		conn := n.bind(t, addresses[i])
		old := first.now.Swap(conn)
		old.Close()
		stays("after a NAT's new port", endOf(conn))
	}
	for i := range 2 { // the client moves to another network
		conn := n.bind(t, addresses[4+i])
		path, err := c.AddPath(&quic.Transport{Conn: conn})
		if err == nil {
			err = path.Probe(ctx)
		}
		if err == nil {
			err = path.Switch()
		}
		if err != nil {
			t.Fatal(err)
		}
		stays("on another path", endOf(conn))
	}
	for ready := false; !ready; time.Sleep(5 * time.Millisecond) {
		if _, ready = config.ClientSessionCache.Get(config.ServerName); ctx.Err() != nil {
			t.Fatal("no ticket came")
		}
	}
	again, _ := n.connect(t, ctx, &quic.Transport{Conn: n.bind(t, addresses[7])}, to, config)
	if !again.ConnectionState().Used0RTT {
		t.Error("a client with a ticket did not send at once")
	}
	return elsewhere
}

// connect begins a connection, which is of the backend that the ring has for it.
func (n *network) connect(t *testing.T, ctx context.Context, from *quic.Transport, to netip.AddrPort, config *tls.Config) (*quic.Conn, string) {
	t.Helper()
	c, err := from.DialEarly(ctx, udpAddr(to), config, &quic.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseWithError(0, "") })
	backend, seen, err := ask(ctx, c)
	if want := n.byRing(t, ctx, seen, to); err != nil || backend != want {
		t.Fatalf("%s has the new connection, the ring says %s: %v", backend, want, err)
	}
	return c, backend
}

func udpAddr(a netip.AddrPort) net.Addr { return net.UDPAddrFromAddrPort(a) }

func endOf(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }
