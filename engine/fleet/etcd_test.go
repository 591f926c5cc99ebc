package fleet

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
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
	m, err := New(Config{Name: name, File: filepath.Join(c.dir, name), Store: Open(a), Node: node, Log: slog.New(slog.DiscardHandler),
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

// guarded is an etcd that wants to know who asks: root and boss, who may do all, and other, who may nothing.
func guarded(t *testing.T) (*server, *clientv3.Client) {
	t.Helper()
	s := newServer(t)
	admin, err := clientv3.New(clientv3.Config{Endpoints: []string{s.endpoint}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	for _, user := range []string{"root", "boss", "other"} {
		_, err = admin.UserAdd(t.Context(), user, "secret")
		if err == nil && user != "other" {
			_, err = admin.UserGrantRole(t.Context(), user, "root")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := admin.AuthEnable(t.Context()); err != nil {
		t.Fatal(err)
	}
	boss, err := clientv3.New(clientv3.Config{Endpoints: []string{s.endpoint}, Logger: zap.NewNop(), Username: "boss", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { boss.Close() })
	return s, boss
}

// entrusted is a store with the file that its user's password stands in.
type entrusted struct {
	*testing.T
	Store
	file string
}

func entrust(t *testing.T, endpoint, user string, answer time.Duration) entrusted {
	file := filepath.Join(t.TempDir(), "password")
	s := Open(&Address{Endpoints: []string{endpoint}, Prefix: "test/", User: user, secret: file, answer: answer})
	t.Cleanup(func() { s.Close() })
	return entrusted{t, s, file}
}

// list asks the store, when the file has that password.
func (e entrusted) list(password string) error {
	e.Helper()
	if err := os.WriteFile(e.file, []byte(password+"\n"), 0o600); err != nil {
		e.Fatal(err)
	}
	_, _, err := e.List(e.Context(), "")
	return err
}

// TestEtcdSays: what is wrong with a store is said in words.
func TestEtcdSays(t *testing.T) {
	t.Parallel()
	s, _ := guarded(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := free.Addr().String()
	free.Close()
	for _, row := range []struct{ what, endpoint, user, password, want string }{
		{"nobody there", nobody, "", "", "connection refused"},
		{"nobody there to ask for a token", nobody, "root", "secret", "connection refused"},
		{"no user", s.endpoint, "", "", "asks for another user or password"},
		{"a wrong password", s.endpoint, "other", "guess", "asks for another user or password"},
		{"an empty password", s.endpoint, "other", "", "password is empty"},
		{"no permission", s.endpoint, "other", "secret", "give its role readwrite"},
		{"what it should be", s.endpoint, "root", "secret", ""},
	} {
		answer := 10 * time.Second
		if row.endpoint == nobody {
			answer = time.Second // which it waits for
		}
		err := entrust(t, row.endpoint, row.user, answer).list(row.password)
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: %v", row.what, err)
		}
	}
}

// TestPassword: a store goes on by a password that is changed there and in its file, whichever comes first.
func TestPassword(t *testing.T) {
	t.Parallel()
	s, boss := guarded(t)
	e, known := entrust(t, s.endpoint, "root", 10*time.Second), "secret"
	for _, step := range []struct {
		file, etcd string
		refused    bool
	}{{"secret", "secret", false}, {"secret", "changed", true}, {"changed", "changed", false}, {"next", "changed", false}, {"next", "next", false}} {
		if step.etcd != known {
			if _, err := boss.UserChangePassword(t.Context(), "root", step.etcd); err != nil {
				t.Fatal(err)
			}
			known = step.etcd
		}
		if err := e.list(step.file); (err != nil) != step.refused {
			t.Errorf("the file says %s, and it is %s: %v", step.file, step.etcd, err)
		}
	}
}
