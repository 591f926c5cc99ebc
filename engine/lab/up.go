package lab

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// longest is the most that building or removing may take, so that nobody waits for the lock for ever.
const longest = 30 * time.Second

// Up makes the lab, with servers on the backends and no engine anywhere. A lab that is up is kept, with what died
// in it started again; a half-built one is removed and built anew.
func Up(ctx context.Context, c Config) (*Lab, error) {
	l, err := c.lab()
	if err != nil {
		return nil, err
	}
	unlock, err := lock(ctx, l.lockFile())
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := l.upLocked(ctx, c); err != nil {
		return nil, fmt.Errorf("lab %q up: %w", l.name, err)
	}
	return l, nil
}

func (l *Lab) upLocked(ctx context.Context, c Config) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	old, err := Open(l.name)
	if err == nil {
		switch {
		case c.Backends != 0 && c.Backends != old.size.backends:
			return fmt.Errorf("it is up with %d backends: take it down first", old.size.backends)
		case c.Nodes != 0 && c.Nodes != old.size.balancers:
			return fmt.Errorf("it is up with %d load balancers: take it down first", old.size.balancers)
		case c.Router != "" && c.Router != old.router:
			return fmt.Errorf("it is up with the router %s: take it down first", cmp.Or(old.router, "that has one route"))
		case c.Store != "" && c.Store != old.size.store:
			return errors.New("it is up without a store: take it down first")
		case c.Peering != Peering{} && c.Peering != old.peering:
			return errors.New("it is up with another password or BFD: take it down first")
		}
		l.size, l.router, l.peering = old.size, old.router, old.peering
		if err := errors.Join(l.startServers(ctx), l.startRouter(ctx), l.startStore(ctx)); err != nil {
			return err
		}
		return l.writeRecord() // the program may be another
	}
	if !errors.Is(err, ErrAbsent) {
		return err
	}
	if err := l.downLocked(ctx); err != nil {
		return fmt.Errorf("clear what was there: %w", err)
	}
	if err := l.build(ctx, c.step); err != nil {
		// The caller's context may be over, which must not leave half a lab.
		return errors.Join(err, l.downLocked(context.WithoutCancel(ctx)))
	}
	return nil
}

// lab checks the configuration and writes its defaults out.
func (c Config) lab() (*Lab, error) {
	if c.Name == "" {
		c.Name = DefaultName
	}
	l, err := newLab(c.Name)
	if err != nil {
		return nil, err
	}
	l.size = size{cmp.Or(c.Nodes, 1), cmp.Or(c.Backends, DefaultBackends), c.Store}
	if l.size.backends < 1 || l.size.backends > MaxBackends {
		return nil, fmt.Errorf("lab %q: %d backends: 1 to %d are possible", l.name, l.size.backends, MaxBackends)
	}
	if l.size.balancers < 1 || l.size.balancers > MaxBalancers {
		return nil, fmt.Errorf("lab %q: %d load balancers: 1 to %d are possible", l.name, l.size.balancers, MaxBalancers)
	}
	if l.router, err = c.Router.of(l.size); err != nil {
		return nil, fmt.Errorf("lab %q: %w", l.name, err)
	}
	if err := c.Store.check(); err != nil {
		return nil, fmt.Errorf("lab %q: %w", l.name, err)
	}
	if err := c.Peering.check(l.router); err != nil {
		return nil, fmt.Errorf("lab %q: %w", l.name, err)
	}
	l.peering = c.Peering
	l.binary, err = c.binary()
	return l, err
}

func (c Config) binary() (string, error) {
	if c.Binary != "" {
		return filepath.Abs(c.Binary)
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	if strings.HasSuffix(self, ".test") { // started with the lab's verbs it would run all tests again
		return "", fmt.Errorf("lab %q: %s is a test: Config.Binary must name the hairpin program", c.Name, self)
	}
	return self, nil
}

func (l *Lab) build(ctx context.Context, step func(string)) error {
	say := func(what string) error {
		if step != nil {
			step(what)
		}
		return ctx.Err()
	}
	steps := []struct {
		name string
		run  func() error
	}{
		{"make folders", l.makeFolders},
		{"make namespaces", func() error { return l.eachNode(l.makeNamespace) }},
		{"plug wires", l.plugAll},
		{"configure leaves", l.configureLeaves},
		{"route VIPs", l.routeVIPs},
		{"await links", func() error {
			return l.eachNode(func(n string) error {
				return inNamespace(l.namespace(n), func() error { return awaitLinks(ctx) })
			})
		}},
		{"start servers", func() error { return l.startServers(ctx) }},
		{"start router", func() error { return l.startRouter(ctx) }},
		{"start store", func() error { return l.startStore(ctx) }},
		{"write record", l.writeRecord},
	}
	for _, s := range steps {
		if err := say(s.name); err != nil {
			return err
		}
		if err := s.run(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return say("done")
}

// eachNode runs fn for all nodes at once: what takes time is the kernel's own waiting.
func (l *Lab) eachNode(fn func(node string) error) error {
	var g errgroup.Group
	for _, n := range l.Nodes() {
		g.Go(func() error {
			if err := fn(n); err != nil {
				return fmt.Errorf("%s: %w", n, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (l *Lab) makeFolders() error {
	for _, n := range l.Nodes() {
		for _, sub := range []string{"config", "state", "run", "bpf"} {
			if err := os.MkdirAll(filepath.Join(l.NodeDir(n), sub), 0o755); err != nil {
				return err
			}
		}
		if err := mountBPF(l.bpf(n)); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) makeNamespace(node string) error {
	if err := createNamespace(l.namespace(node)); err != nil {
		return err
	}
	return inNamespace(l.namespace(node), func() error { return writeSettings(node) })
}

func (l *Lab) plugAll() error {
	return inNamespace(l.namespace(Router), func() error {
		for i, n := range leaves(l.size) {
			leaf, err := os.Open(l.namespace(n.name))
			if err != nil {
				return err
			}
			err = plug(n, int(leaf.Fd()), i)
			leaf.Close()
			if err != nil {
				return fmt.Errorf("%s: %w", n.name, err)
			}
		}
		return nil
	})
}

func (l *Lab) configureLeaves() error {
	for _, n := range leaves(l.size) {
		if err := inNamespace(l.namespace(n.name), func() error { return configure(n) }); err != nil {
			return fmt.Errorf("%s: %w", n.name, err)
		}
	}
	return nil
}

// routeVIPs is for one load balancer: several announce themselves.
func (l *Lab) routeVIPs() error {
	if l.router != "" {
		return nil
	}
	return inNamespace(l.namespace(Router), func() error { return routeVIPs(leaves(l.size)[1]) })
}

// writeRecord publishes the lab by one rename.
func (l *Lab) writeRecord() error {
	text, err := json.Marshal(record{Backends: l.size.backends, Nodes: l.size.balancers, Router: l.router, Store: l.size.store, Peering: l.peering, Binary: l.binary})
	if err != nil {
		return err
	}
	temporary := l.recordFile() + ".new"
	if err := os.WriteFile(temporary, text, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, l.recordFile())
}
