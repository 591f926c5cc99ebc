package engine

import (
	"fmt"

	"hairpin/engine/spec"
)

// wireTrace is a TraceRequest as it travels: with specs as YAML.
type wireTrace struct {
	Packet    string   `json:",omitempty"`
	Frames    [][]byte `json:",omitempty"`
	NIC, Hook string   `json:",omitempty"`
	Brief     bool     `json:",omitempty"`
	On        wireOn
	Against   *wireOn `json:",omitempty"`
}

type wireOn struct {
	Spec      string `json:",omitempty"`
	Change    int    `json:",omitempty"`
	Confirmed bool   `json:",omitempty"`
}

func (r TraceRequest) wire() *wireTrace {
	w := &wireTrace{Packet: r.Packet, Frames: r.Frames, NIC: r.NIC, Hook: r.Hook, Brief: r.Brief, On: r.On.wire()}
	if r.Against != nil {
		against := r.Against.wire()
		w.Against = &against
	}
	return w
}

func (on TraceOn) wire() wireOn {
	w := wireOn{Change: on.Change, Confirmed: on.Confirmed}
	if on.Spec != nil {
		w.Spec = string(spec.Marshal(on.Spec))
	}
	return w
}

// request is what wire was given.
func (w *wireTrace) request() (r TraceRequest, err error) {
	if w == nil {
		return r, fmt.Errorf("trace: %w: nothing is asked", ErrInvalid)
	}
	r = TraceRequest{Packet: w.Packet, Frames: w.Frames, NIC: w.NIC, Hook: w.Hook, Brief: w.Brief}
	if r.On, err = w.On.on(); err == nil && w.Against != nil {
		r.Against = new(TraceOn)
		*r.Against, err = w.Against.on()
	}
	return r, err
}

func (w wireOn) on() (on TraceOn, err error) {
	on.Change, on.Confirmed = w.Change, w.Confirmed
	if w.Spec == "" {
		return on, nil
	}
	if on.Spec, err = spec.Parse("the caller's spec", []byte(w.Spec)); err != nil {
		err = fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return on, err
}
