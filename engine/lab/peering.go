package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hairpin/engine/spec"
)

// Peering is how several load balancers and the router speak BGP, beyond that they do. It is part of the lab's record.
type Peering struct {
	BFD    BFD
	Secret string // of all sessions (RFC 2385); empty = none
}

// BFD is what becomes of the routes of a load balancer that the router does not hear by BFD any more.
type BFD string

// BFD is off, has the router drop routes, or has it keep those of an engine that ends.
const (
	NoBFD    BFD = ""
	DropBFD  BFD = "drop" // at once: nothing is kept of an engine that is gone either
	GraceBFD BFD = "keep" // as long as those of an engine that is gone
)

// patient is the hold time of sessions that BFD watches: it does not end them first.
const patient = 90 * time.Second

// bfdMilliseconds is from packet to packet, of which spec.DefaultBFDMultiplier may be missing.
const bfdMilliseconds = int64(spec.DefaultBFDInterval / time.Millisecond)

// check refuses what the router of a lab cannot be.
func (p Peering) check(k Kind) error {
	switch {
	case p == Peering{}:
		return nil
	case k == "":
		return errors.New("BFD and passwords are for sessions with a router, and one load balancer has none: have 2 nodes at least")
	case !slices.Contains([]BFD{NoBFD, DropBFD, GraceBFD}, p.BFD):
		return fmt.Errorf("bfd %q: drop or keep", p.BFD)
	case p.BFD != NoBFD && k == Builtin:
		return fmt.Errorf("bfd %s: the router %s speaks none: take bird or frr", p.BFD, k)
	case len(p.Secret) > 80 || strings.ContainsFunc(p.Secret, odd):
		return errors.New("the password is 80 letters and digits at most: two programs read it from their files")
	}
	return nil
}

func odd(r rune) bool {
	return r < '0' || r > 'z' || r > '9' && r < 'A' || r > 'Z' && r < 'a'
}

// apply makes g how a node of such a lab speaks.
func (p Peering) apply(g *spec.BGP, secretFile string) {
	if p.BFD != NoBFD {
		g.HoldTime = patient
	}
	if p.BFD == DropBFD {
		g.Restart = 0
	}
	for i := range g.Neighbors {
		if p.BFD != NoBFD {
			g.Neighbors[i].BFD = spec.BFD{Interval: spec.DefaultBFDInterval, Multiplier: spec.DefaultBFDMultiplier, Graceful: p.BFD == GraceBFD}
		}
		if p.Secret != "" {
			g.Neighbors[i].PasswordFile = secretFile
		}
	}
}

// SecretFile is where a node, or the router Builtin, reads the password of its sessions.
func (l *Lab) SecretFile(node string) string {
	return filepath.Join(l.NodeDir(node), "config", "bgp.secret")
}

// writeSecrets gives the router and all load balancers the password of their sessions, unless they have one.
func (l *Lab) writeSecrets() error {
	if l.peering.Secret == "" {
		return nil
	}
	for _, n := range append(l.Balancers(), Router) {
		if _, err := os.Stat(l.SecretFile(n)); err == nil {
			continue
		}
		if err := os.WriteFile(l.SecretFile(n), []byte(l.peering.Secret+"\n"), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// secret is what the router Builtin was given.
func (l *Lab) secret() (string, error) {
	text, err := os.ReadFile(l.SecretFile(Router))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}
