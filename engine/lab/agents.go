package lab

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"hairpin/engine/spec"
)

// AgentPort is where load balancers hear agents.
const AgentPort = 6090

// CountByAgents has the limits of a load balancer's spec count what agents report, and a backend's agent report it.
func (l *Lab) CountByAgents(s *spec.Spec) error {
	key, err := l.agentKey()
	if err != nil {
		return fmt.Errorf("lab %q: %w", l.name, err)
	}
	own := l.Addresses(LB)[0]
	if s.BGP != nil {
		own = s.BGP.RouterID
	}
	if s.Agent != nil {
		s.Agent.Report = &spec.Report{Every: spec.DefaultReport, Key: key}
		for _, n := range l.Balancers() {
			s.Agent.Report.To = append(s.Agent.Report.To, netip.AddrPortFrom(l.Addresses(n)[0], AgentPort))
		}
	}
	for _, n := range s.Stages {
		if x, ok := n.Settings.(*spec.Connections); ok {
			x.Source, x.Idle = spec.Agents, spec.DefaultIdle
			x.Reported = spec.Reported{Listen: netip.AddrPortFrom(own, AgentPort), Key: key, Hold: spec.DefaultHold}
		}
	}
	return nil
}

// agentKey is the file with the secret of the lab's agents, which is made when it is first asked for.
func (l *Lab) agentKey() (string, error) {
	name := filepath.Join(l.Dir(), "agents.key")
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return name, nil
	}
	if err != nil {
		return "", err
	}
	var secret [32]byte
	_, err = rand.Read(secret[:])
	if err == nil {
		_, err = f.WriteString(hex.EncodeToString(secret[:]) + "\n")
	}
	return name, errors.Join(err, f.Close())
}
