package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"hairpin/engine/spec"
)

// colleague is who makes changes on lb while somebody else is looking.
const colleague = "alex"

// hairpin runs a verb on lb as the colleague.
func (l *Lab) hairpin(ctx context.Context, args ...string) ([]byte, error) {
	cmd := l.Command(LB, append([]string{"hairpin"}, args...)...)
	cmd.Env = append(cmd.Env, "SUDO_USER="+colleague)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	err := cmd.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("hairpin %s: %w: %s", args[0], err, bytes.TrimSpace(said.Bytes()))
	}
	return out.Bytes(), nil
}

// change edits the spec that runs on lb. While somebody else may change the node, it waits.
func (l *Lab) change(ctx context.Context, why string, edit func(*spec.Spec) error, flags ...string) error {
	text, err := l.hairpin(ctx, "spec", "show")
	if err != nil {
		return err
	}
	s, err := spec.Parse("running spec", text)
	if err != nil {
		return err
	}
	if err := edit(s); err != nil {
		return err
	}
	file := filepath.Join(l.NodeDir(LB), colleague+".yaml")
	if err := os.WriteFile(file, spec.Marshal(s), 0o644); err != nil {
		return err
	}
	return l.insist(ctx, append([]string{"apply", "-f", file, "--why", why}, flags...)...)
}

// insist tries a verb until it is not refused any more.
func (l *Lab) insist(ctx context.Context, args ...string) error {
	const refused = 4
	for {
		_, err := l.hairpin(ctx, args...)
		exit, failed := errors.AsType[*exec.ExitError](err)
		if !failed || exit.ExitCode() != refused {
			return err
		}
		if !pause(ctx, time.Second) {
			return err
		}
	}
}

// limit gives lb one more limit of new connections a second.
func limit(s *spec.Spec, r spec.Rate) error {
	rates, ok := s.Stage(string(spec.RateLimit)).Settings.(*spec.Rates)
	if !ok {
		return errors.New("the spec has no ratelimit stage")
	}
	rates.Limits = append(rates.Limits, r)
	return nil
}

func limitWeb(_ *Lab, s *spec.Spec) error {
	return limit(s, spec.Rate{Rate: 500, Per: spec.PerVIP, VIP: "web"})
}

func limitSources(_ *Lab, s *spec.Spec) error {
	return limit(s, spec.Rate{Rate: 40, Per: spec.PerSource, Prefix4: 32, Prefix6: 128})
}

func limitTooLow(ctx context.Context, l *Lab) error {
	return l.change(ctx, "protect web", func(s *spec.Spec) error {
		return limit(s, spec.Rate{Rate: 20, Per: spec.PerVIP, VIP: "web"})
	})
}

func wallOf(s *spec.Spec) (*spec.Policy, error) {
	wall, ok := s.Stage(string(spec.Firewall)).Settings.(*spec.Policy)
	if !ok {
		return nil, errors.New("the spec has no firewall stage")
	}
	return wall, nil
}

func cutOff(ctx context.Context, l *Lab) error {
	return l.change(ctx, "close the firewall", func(s *spec.Spec) error {
		wall, err := wallOf(s)
		if err != nil {
			return err
		}
		wall.Drop.Sources = append(wall.Drop.Sources, prefixes("0.0.0.0/0", "::/0")...)
		return nil
	}, "--confirm", "60s", "--force")
}

func dropBGP(ctx context.Context, l *Lab) error {
	return l.change(ctx, "close ports nobody uses", func(s *spec.Spec) error {
		wall, err := wallOf(s)
		if err != nil {
			return err
		}
		wall.Rules = append(wall.Rules, spec.Rule{Name: "unused", Match: fmt.Sprintf("tcp port %d", spec.BGPPort), Action: spec.RuleDrop})
		return nil
	}, "--force")
}

func drainAll(ctx context.Context, l *Lab) error {
	return l.change(ctx, "maintenance of the rack", func(s *spec.Spec) error {
		web := s.VIP("web")
		for i := range web.Backends {
			web.Backends[i].State = spec.Drain
		}
		return nil
	}, "--force")
}

func (l *Lab) listFile() string { return filepath.Join(l.NodeDir(LB), "config", "blocked.txt") }

// writeList replaces the file of blocked networks by one rename.
func (l *Lab) writeList(nets ...netip.Prefix) error {
	var text []byte
	for _, n := range nets {
		text = fmt.Appendln(text, n)
	}
	temporary := l.listFile() + ".new"
	if err := os.WriteFile(temporary, text, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, l.listFile())
}

var blocked = prefixes("192.0.2.0/24", "203.0.113.0/24")

func listInFile(l *Lab, s *spec.Spec) error {
	wall, err := wallOf(s)
	if err != nil {
		return err
	}
	wall.Drop.Sources, wall.Drop.SourceFiles = nil, []string{l.listFile()}
	return l.writeList(blocked...)
}

func blockClients(_ context.Context, l *Lab) error {
	return l.writeList(slices.Concat(blocked, prefixes("198.51.100.8/29"))...)
}

func upgrade(ctx context.Context, l *Lab) error {
	return l.insist(ctx, "handoff", "--why", "new version")
}

func drainNode(ctx context.Context, l *Lab) error {
	return l.insist(ctx, "drain", "node", "--why", "new kernel")
}

func powerOff(ctx context.Context, l *Lab) error { return l.PowerOff(ctx, Balancer(2)) }

func reshuffle(_ context.Context, l *Lab) error { return l.Reshuffle() }

func killEngine(ctx context.Context, l *Lab) error { return l.KillEngine(ctx, LB) }
