package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// server is an etcd of this process, on loopback and a port that the kernel chose.
type server struct {
	t        *testing.T
	etcd     *embed.Etcd
	dir      string
	endpoint string
	tls      *transport.TLSInfo // nil: it speaks none
}

func newServer(t *testing.T) *server {
	s := &server{t: t, dir: t.TempDir()}
	s.start("127.0.0.1:0")
	t.Cleanup(s.stop)
	return s
}

func (s *server) start(client string) {
	s.t.Helper()
	c := embed.NewConfig()
	c.Dir, c.Logger, c.LogLevel, c.UnsafeNoFsync = s.dir, "zap", "panic", true
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	at := func(scheme, host string) []url.URL { return []url.URL{{Scheme: scheme, Host: host}} }
	c.ListenClientUrls, c.AdvertiseClientUrls = at("http", client), at("http", client)
	if s.tls != nil {
		c.ClientTLSInfo = *s.tls
		c.ListenClientUrls, c.AdvertiseClientUrls = at("https", client), at("https", client)
	}
	c.ListenPeerUrls, c.AdvertisePeerUrls = at("http", "127.0.0.1:0"), at("http", "127.0.0.1:0")
	c.InitialCluster = "default=http://127.0.0.1:0"
	c.TickMs, c.ElectionMs = 50, 500
	var err error
	if s.etcd, err = embed.StartEtcd(c); err != nil {
		s.t.Fatal(err)
	}
	<-s.etcd.Server.ReadyNotify()
	s.endpoint = s.etcd.Clients[0].Addr().String()
}

func (s *server) stop() {
	if s.etcd != nil {
		s.etcd.Close()
		s.etcd = nil
	}
}

// proxy passes TCP on until it is cut, and then holds back what it gets, as a network does that lost its way.
type proxy struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	open  *sync.Cond
	holds bool
}

func newProxy(t *testing.T, to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, to: to}
	p.open = sync.NewCond(&p.mu)
	t.Cleanup(func() { l.Close(); p.cut(false) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.pass(c)
		}
	}()
	return p
}

func (p *proxy) pass(c net.Conn) {
	s, err := net.Dial("tcp", p.to)
	if err != nil {
		c.Close()
		return
	}
	one := func(from, to net.Conn) {
		defer from.Close()
		defer to.Close()
		_, _ = io.Copy(to, held{from, p})
	}
	go one(s, c)
	one(c, s)
}

type held struct {
	net.Conn
	p *proxy
}

func (h held) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	h.p.mu.Lock()
	for h.p.holds {
		h.p.open.Wait()
	}
	h.p.mu.Unlock()
	return n, err
}

func (p *proxy) cut(holds bool) {
	p.mu.Lock()
	p.holds = holds
	p.mu.Unlock()
	p.open.Broadcast()
}

func (c *crew) startAt(name, endpoint string, node *fakeNode) *Member {
	c.t.Helper()
	a, err := ParseAddress("etcd://" + endpoint + "/test")
	if err != nil {
		c.t.Fatal(err)
	}
	a.answer = time.Second
	return c.startWith(name, a, node)
}

func (c *crew) startWith(name string, a *Address, node *fakeNode) *Member {
	c.t.Helper()
	store, err := Open(a)
	if err != nil {
		c.t.Fatal(err)
	}
	m, err := New(Config{Name: name, File: filepath.Join(c.dir, name), Store: store, Node: node, Log: slog.New(slog.DiscardHandler),
		Changed: func() {}, Silence: 2 * time.Second})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	c.members[name], c.nodes[name], c.stops[name] = m, node, stop
	go m.Run(ctx)
	c.t.Cleanup(func() { stop(); m.Wait() })
	return m
}

// TestEtcd: a fleet on a real etcd, of which one node loses its way to it, and which is then stopped and comes back.
func TestEtcd(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := newProxy(t, s.endpoint)
	c := newCrew(t)
	c.startAt("a", s.endpoint, &fakeNode{})
	c.startAt("b", s.endpoint, &fakeNode{})
	c.startAt("c", p.listener.Addr().String(), &fakeNode{})
	c.joined("a", "b", "c")
	c.apply("a", plainDocument)
	c.reaches(1, Done, "a", "b", "c")

	p.cut(true)
	await(t, func() string {
		if v := c.members["c"].View(); v.Reached {
			return fmt.Sprintf("%+v", v)
		}
		return ""
	})
	c.joined("a", "b") // where c led, another does now
	await(t, func() string {
		nodes, err := c.members["a"].Nodes(t.Context())
		if err != nil || len(nodes) != 3 || nodes[2].Status != nil || c.members["a"].View().Leader == "c" {
			return fmt.Sprintf("%+v %v", nodes, err)
		}
		return ""
	})
	c.apply("a", weighed(7))
	c.reaches(2, Done, "a", "b")
	p.cut(false)
	c.reaches(2, Done, "c")

	s.stop()
	await(t, func() string {
		for _, name := range []string{"a", "b", "c"} {
			if v := c.members[name].View(); v.Reached || v.Own != 2 {
				return fmt.Sprintf("%s: %+v", name, v)
			}
		}
		return ""
	})
	if _, err := c.members["a"].Apply(t.Context(), Ask{}, []byte(weighed(8)), 0); err == nil || !strings.Contains(err.Error(), "is away since") {
		t.Errorf("an apply without the store: %v", err)
	}
	s.start(s.endpoint)
	c.joined("a", "b", "c")
	c.apply("b", weighed(9))
	c.reaches(3, Done, "a", "b", "c")
}

// TestEtcdSays: what is wrong with a store is said in words.
func TestEtcdSays(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	admin, err := clientv3.New(clientv3.Config{Endpoints: []string{s.endpoint}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	ctx := t.Context()
	_, rootErr := admin.UserAdd(ctx, "root", "secret")
	_, grantErr := admin.UserGrantRole(ctx, "root", "root")
	_, otherErr := admin.UserAdd(ctx, "other", "secret")
	_, authErr := admin.AuthEnable(ctx)
	if err := errors.Join(rootErr, grantErr, otherErr, authErr); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := free.Addr().String()
	free.Close()
	for _, row := range []struct{ what, endpoint, user, password, want string }{
		{"nobody there", nobody, "", "", "connection refused"},
		{"no user", s.endpoint, "", "", "asks for another user or password"},
		{"a wrong password", s.endpoint, "other", "guess", "asks for another user or password"},
		{"no permission", s.endpoint, "other", "secret", "give its role readwrite"},
		{"what it should be", s.endpoint, "root", "secret", ""},
	} {
		store, err := Open(&Address{Endpoints: []string{row.endpoint}, Prefix: "test/", User: row.user, password: row.password, answer: 2 * time.Second})
		if err == nil {
			_, _, err = store.List(ctx, "")
			store.Close()
		}
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: %v", row.what, err)
		}
	}
}
