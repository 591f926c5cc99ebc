// Package stacks lets real clients and servers speak through a lab: what is balanced is written and read by others.
package stacks

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

const (
	backends = 3
	patience = 2 * time.Minute
)

// TestMain lets the test program stand in for hairpin, whose engine it has, and takes the lab that tests share down.
func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) == 8 && os.Args[1] == "lab":
		err = serve(os.Args[4], os.Args[6], os.Args[7])
	case len(os.Args) == 6 && os.Args[1] == "lab":
		err = route(os.Args[4], os.Args[5])
	case len(os.Args) == 2 && os.Args[1] == "run":
		err = run()
	default:
		code := m.Run()
		if err := lab.Down(context.Background(), name()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func name() string { return fmt.Sprintf("stacks%d", os.Getpid()) }

// serve is the verb lab serve --name L --ready FD NODE.
func serve(name, ready, node string) error {
	fd, err := strconv.Atoi(ready)
	if err != nil {
		return err
	}
	return lab.Serve(context.Background(), name, node, fd)
}

// route is the verb lab router --name L NODES.
func route(name, nodes string) error {
	n, err := strconv.Atoi(nodes)
	if err != nil {
		return err
	}
	return lab.Route(context.Background(), name, n)
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	n, err := engine.Open(ctx, engine.Options{Paths: engine.DefaultPaths(), Version: "test"})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return n.Close()
}

// network is the lab with an engine on lb and on every backend.
type network struct {
	*lab.Lab
	node engine.Node // of lb
}

// up is the one lab of all tests. Each has VIPs of its own in it.
var up = sync.OnceValues(func() (*network, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	l, err := lab.Up(ctx, lab.Config{Name: name(), Backends: backends, Binary: os.Args[0]})
	if err != nil {
		return nil, err
	}
	engines, errs := []string{lab.LB}, []error{l.WriteSpec(lab.LB, withVIPs(l.LBSpec()))}
	for i := 1; i <= backends; i++ {
		engines = append(engines, lab.Backend(i))
	}
	if err := errors.Join(append(errs, l.WriteSpecs(), l.StartEngine(ctx, engines...))...); err != nil {
		return nil, err
	}
	node, err := engine.Dial(context.Background(), engine.Paths{Run: filepath.Dir(l.EngineSocket(lab.LB))})
	return &network{l, node}, err
})

// withVIPs is the lab's spec with the VIPs of the tests beside its own.
func withVIPs(s *spec.Spec) *spec.Spec {
	for _, q := range quicVIPs {
		v := s.VIPs[1] // echo
		v.Name, v.Port, v.QUIC, v.Addresses = q.name, q.port, q.layout, []netip.Addr{lab.VIP4, lab.VIP6}
		s.VIPs = append(s.VIPs, v)
	}
	dns := s.VIPs[1]
	dns.Name, dns.Port, dns.Addresses = "dns", dnsPort, []netip.Addr{lab.VIP4, lab.VIP6}
	byPayload := s.VIPs[1]
	byPayload.Name, byPayload.IDIn, byPayload.Addresses = "payload", spec.IDPayload, []netip.Addr{lab.VIP6}
	s.VIPs = append(s.VIPs, byPayload, dns)
	return s
}

// begin is the lab, and the time that a test has.
func begin(t *testing.T) (*network, context.Context) {
	t.Helper()
	t.Parallel()
	n, err := up()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return n, ctx
}

// until waits until a State of lb shows what is expected.
func (n *network) until(t *testing.T, what string, is func(*engine.State) bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !is(n.node.State()); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s: not shown", what)
		}
	}
}
