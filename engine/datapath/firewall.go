package datapath

import (
	"fmt"

	"hairpin/engine/spec"
)

// stageFirewall is the kind of a firewall.
const stageFirewall = 4

// standFirewall writes what a firewall goes by, unless its tables are there already.
func (k *Kernel) standFirewall(p spot, s *standing) error {
	policy, ok := p.stage.Settings.(*spec.Policy)
	if !ok {
		return fmt.Errorf("has no settings for a %s", spec.Firewall)
	}
	f, err := k.putTables(p.stage.Name, policy.Drop)
	if err != nil {
		return err
	}
	if err := k.putRules(p, policy.Rules, &f, s); err != nil {
		return err
	}
	s.settings, err = putSettings(k.firewalls.all, k.usedSettings(stageFirewall), f)
	return err
}
