package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Keeper is the program that keeps the spec of all nodes of a lab, on a node of its own beside the router.
type Keeper string

// Etcd is the one there is: Debian has it in etcd-server.
const Etcd Keeper = "etcd"

const (
	storePort   = 2379
	storePrefix = "lab"
)

func (k Keeper) check() error {
	if k == "" {
		return nil
	}
	if k != Etcd {
		return fmt.Errorf("store %q: %s, or none", k, Etcd)
	}
	if _, err := program(string(k)); err != nil {
		return fmt.Errorf("store %s: %w: install it (the Debian package is etcd-server), or have a lab without a store", k, err)
	}
	return nil
}

// Store is what keeps the spec of the nodes; empty where each has its own.
func (l *Lab) Store() Keeper { return l.size.store }

func (l *Lab) storeAt() netip.AddrPort { return netip.AddrPortFrom(l.Addresses(Store)[0], storePort) }

// StoreAddress is what engines are started with.
func (l *Lab) StoreAddress() string { return fmt.Sprintf("etcd://%s/%s", l.storeAt(), storePrefix) }

// StartStore starts what keeps the spec, where it does not run.
func (l *Lab) StartStore(ctx context.Context) error {
	unlock, err := lock(ctx, l.lockFile())
	if err != nil {
		return err
	}
	defer unlock()
	return l.startStore(ctx)
}

func (l *Lab) startStore(ctx context.Context) error {
	if l.size.store == "" {
		return nil
	}
	d := daemon{l, Store, string(l.size.store)}
	if d.pid() == 0 {
		path, err := program(string(l.size.store))
		if err != nil {
			return fmt.Errorf("%s: %w", Store, err)
		}
		clients, peers := "http://"+l.storeAt().String(), "http://127.0.0.1:2380"
		_, err = d.startProgram(path, nil, "--name", Store, "--data-dir", filepath.Join(l.NodeDir(Store), "state", "etcd"),
			"--listen-client-urls", clients, "--advertise-client-urls", clients, "--listen-peer-urls", peers,
			"--initial-advertise-peer-urls", peers, "--initial-cluster", Store+"="+peers, "--log-level", "warn",
			"--heartbeat-interval", "50", "--election-timeout", "500") // it elects itself: nobody is waited for
		if err != nil {
			return fmt.Errorf("%s: %w", Store, err)
		}
	}
	if err := l.awaitPort(ctx, Store, l.storeAt()); err != nil {
		return fmt.Errorf("%s: %w: %s says: %s", Store, err, l.size.store, d.lastWords())
	}
	return nil
}

// StopStore ends what keeps the spec; its disk stays.
func (l *Lab) StopStore(ctx context.Context) error {
	if err := (daemon{l, Store, string(l.size.store)}).stop(ctx, unix.SIGKILL); err != nil {
		return fmt.Errorf("%s: %w", Store, err)
	}
	return nil
}

// CutStore has all packets between the store and these nodes vanish, as in a network that lost its way. Nobody is told.
func (l *Lab) CutStore(nodes ...string) error {
	return l.ruleStore(netlink.RuleAdd, unix.EEXIST, nodes)
}

// MendStore takes that back.
func (l *Lab) MendStore(nodes ...string) error {
	return l.ruleStore(netlink.RuleDel, unix.ENOENT, nodes)
}

// ruleStore changes the rules by which the router loses packets. done is what it says where that is so already.
func (l *Lab) ruleStore(change func(*netlink.Rule) error, done error, nodes []string) error {
	if err := l.has(Store); err != nil {
		return err
	}
	store := l.storeAt().Addr()
	err := l.Do(Router, func() error {
		for _, n := range nodes {
			if err := l.has(n); err != nil {
				return err
			}
			own := l.Addresses(n)[0]
			for _, way := range [][2]netip.Addr{{own, store}, {store, own}} {
				r := netlink.NewRule()
				r.Src, r.Dst = ipNet(netip.PrefixFrom(way[0], 32)), ipNet(netip.PrefixFrom(way[1], 32))
				r.Type, r.Priority = unix.FR_ACT_BLACKHOLE, 100
				if err := change(r); err != nil && !errors.Is(err, done) {
					return fmt.Errorf("lose packets from %s to %s: %w", way[0], way[1], err)
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", Router, err)
	}
	return nil
}
