package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hairpin/engine"
	"hairpin/engine/spec"
)

// settled is how long a fleet may take until all of its nodes have its first revision.
const settled = 90 * time.Second

// Agree has the nodes of a lab with a store agree on what WriteSpecs wrote for each, as the fleet's first revision, and returns when
// those whose engines run have it. at is one of them. A fleet that has a revision keeps it.
func (l *Lab) Agree(ctx context.Context, at string) error {
	if l.size.store == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, settled)
	defer cancel()
	text, err := l.document()
	if err != nil {
		return fmt.Errorf("lab %q: the fleet's document: %w", l.name, err)
	}
	if err := os.WriteFile(l.DocumentFile(), []byte(text), 0o644); err != nil {
		return err
	}
	n, err := engine.Dial(ctx, l.Paths(at))
	if err != nil {
		return err
	}
	if err := errors.Join(agree(ctx, n, text), n.Close()); err != nil {
		return fmt.Errorf("%s: agree on the first revision: %w", at, err)
	}
	return nil
}

func agree(ctx context.Context, n engine.Node, text string) error {
	s, err := awaitFleet(ctx, n, func(f *engine.Fleet) bool { return f.Reached })
	if err != nil || s.Fleet.Number != 0 {
		return err
	}
	const who, why = "lab", "the first of this lab"
	if err := n.Arm(ctx, engine.ArmRequest{Who: who, Why: why}); err != nil {
		return err
	}
	_, err = n.Fleet(ctx, engine.FleetRequest{Do: engine.FleetApply, Document: text, Who: who, Why: why})
	if err == nil {
		s, err = awaitFleet(ctx, n, func(f *engine.Fleet) bool { return f.Number > 0 && f.Phase != "running" })
	}
	if err == nil && s.Fleet.Phase != "done" {
		err = fmt.Errorf("it is %s: %s", s.Fleet.Phase, s.Fleet.Reason)
	}
	return errors.Join(err, n.Disarm(ctx))
}

// awaitFleet waits until n shows its fleet in a certain way.
func awaitFleet(ctx context.Context, n engine.Node, is func(*engine.Fleet) bool) (*engine.State, error) {
	for changed := n.Changed(); ; {
		s := n.State()
		if s.Fleet != nil && is(s.Fleet) {
			return s, nil
		}
		select {
		case _, open := <-changed:
			if !open {
				return nil, errors.New("its engine is gone")
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: it shows %+v", ctx.Err(), s.Fleet)
		}
	}
}

// DocumentFile is the document of the first revision, where the lab has a fleet.
func (l *Lab) DocumentFile() string { return filepath.Join(l.Dir(), "fleet.yaml") }

// Paths are where the node's engine is.
func (l *Lab) Paths(node string) engine.Paths {
	dir := l.NodeDir(node)
	return engine.Paths{Config: filepath.Join(dir, "config"), State: filepath.Join(dir, "state"), Run: filepath.Join(dir, "run"), BPFFS: l.bpf(node), Node: node}
}

// document is what WriteSpecs wrote for each node as one document: what the first load balancer has is shared, but for its BGP and for
// stages that others have otherwise.
func (l *Lab) document() (string, error) {
	parts := map[string]*spec.Spec{}
	for _, n := range l.Engines() {
		text, err := os.ReadFile(l.specFile(n))
		if err != nil {
			return "", err
		}
		if parts[n], err = spec.Parse(l.specFile(n), text); err != nil {
			return "", err
		}
	}
	shared := *parts[LB]
	shared.BGP = nil
	same := func(n string) bool {
		return text(&spec.Spec{Stages: parts[n].Stages}) == text(&spec.Spec{Stages: shared.Stages})
	}
	var b strings.Builder
	b.WriteString("version: 1\nrollout: {at_once: 4, watch: 1s}\nnodes:\n")
	for _, n := range l.Engines() {
		own := &spec.Spec{BGP: parts[n].BGP}
		if balances(n) && !same(n) {
			own.Stages = parts[n].Stages
		}
		fmt.Fprintf(&b, "  %s:\n", n)
		if !balances(n) {
			own = parts[n]
			own.Agent.VIPs = nil // they follow from backends
			fmt.Fprintf(&b, "    hosts: [%s]\n", l.Addresses(n)[0])
		}
		for line := range strings.Lines(text(own)) {
			b.WriteString("    " + line)
		}
	}
	b.WriteString(text(&shared))
	return b.String(), nil
}

// text is what s says, without its version.
func text(s *spec.Spec) string {
	c := *s
	c.Version = spec.Version
	_, rest, _ := strings.Cut(string(spec.Marshal(&c)), "\n")
	return rest
}
