package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Stage is a kernel function.
type Stage string

// Stages of this version.
const (
	Balancer  Stage = "balancer"
	Decap     Stage = "decap"
	RateLimit Stage = "ratelimit"
	External  Stage = "external"
	Firewall  Stage = "firewall"
	ConnLimit Stage = "connlimit"
	SNAT      Stage = "snat"
	TLSWall   Stage = "tlswall"
	Mirror    Stage = "mirror"
	Steer     Stage = "steer"
)

// kindOf is a kernel function, the hooks at which it can stand, and settings to read into; nil where it has none.
type kindOf struct {
	name     Stage
	hooks    []Hook
	settings func() settings
}

// kinds are the kernel functions of this version; a further one is one more line.
var kinds = []kindOf{
	{Balancer, []Hook{XDP}, nil},
	{Decap, []Hook{XDP, TCXIngress, TCXEgress}, nil},
	{Firewall, []Hook{XDP, TCXIngress, TCXEgress}, func() settings { return &Policy{} }},
	{RateLimit, []Hook{XDP, TCXIngress, TCXEgress}, func() settings { return &Rates{} }},
	{External, []Hook{XDP, TCXIngress, TCXEgress}, func() settings { return &ExternalStage{} }},
	{ConnLimit, []Hook{XDP, TCXIngress}, func() settings { return &Connections{Idle: DefaultIdle} }},
	{SNAT, []Hook{TCXEgress, TCXIngress}, nil},
	{TLSWall, []Hook{XDP, TCXIngress}, func() settings { return &Wall{Wait: DefaultWait} }},
	{Mirror, []Hook{XDP, TCXIngress, TCXEgress}, func() settings { return &Copies{Encap: CopyVXLAN, OneIn: 1, Snap: MaxCopySnap, Rate: DefaultCopyRate} }},
	{Steer, []Hook{TCXEgress, XDP}, func() settings { return &Steering{} }},
}

// Position is one place in a chain: the stage that stands there, and how.
type Position struct {
	Name     string // of Spec.Stages, or of a kernel function that has no settings
	Disabled bool   // kept in the spec, and no packet meets it
	Shadow   bool   // decides and counts what it would have dropped, and lets it pass
}

// Named is a stage with settings, by the name that chains call it.
type Named struct {
	Name     string
	Kind     Stage
	Settings Settings
}

// Settings are what one kind of stage goes by: *Policy, *Rates, *Connections, *Wall,
// *Copies, *Steering. They are never changed once they are part of
// a Spec.
type Settings interface {
	Kind() Stage
}

// settings is what each kind has to know of itself.
type settings interface {
	Settings
	fields(r *reader) []field           // how to read it
	check(s *Spec, here *at, f *faults) // what it must not say
	write(b *bytes.Buffer)              // its fields as YAML, a line each, without indent
	clone() Settings                    // shares nothing with it
	equal(o Settings) bool              // says the same
}

// Stands are positions of these stages, none disabled or in shadow.
func Stands(stages ...Stage) []Position {
	all := make([]Position, len(stages))
	for i, s := range stages {
		all[i] = Position{Name: string(s)}
	}
	return all
}

// KindOf is the kernel function that a position's name stands for; empty when it stands for none.
func (s *Spec) KindOf(name string) Stage {
	if n := s.Stage(name); n != nil {
		return n.Kind
	}
	for _, k := range kinds {
		if string(k.name) == name {
			return k.name
		}
	}
	return ""
}

// Enabled are the positions that packets meet.
func Enabled(list []Position) []Position {
	var all []Position
	for _, p := range list {
		if !p.Disabled {
			all = append(all, p)
		}
	}
	return all
}

// UnmarshalJSON reads settings into what their kind has.
func (n *Named) UnmarshalJSON(data []byte) error {
	var head struct {
		Name     string
		Kind     Stage
		Settings json.RawMessage
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	known, why := settingsOf(head.Kind)
	if why != "" {
		return fmt.Errorf("stage %s: %s", quote(head.Name), why)
	}
	if err := json.Unmarshal(head.Settings, known); err != nil {
		return fmt.Errorf("stage %s: %w", quote(head.Name), err)
	}
	*n = Named{head.Name, head.Kind, known}
	return nil
}

func (n Named) clone() Named {
	if known, ok := n.Settings.(settings); ok {
		n.Settings = known.clone()
	}
	return n
}

// Equal is Spec.Equal for a stage.
func (n Named) Equal(o Named) bool {
	if n.Name != o.Name || n.Kind != o.Kind {
		return false
	}
	known, ok := n.Settings.(settings)
	if !ok || o.Settings == nil {
		return n.Settings == nil && o.Settings == nil
	}
	return known.equal(o.Settings)
}
