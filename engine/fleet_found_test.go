package engine

import (
	"errors"
	"strings"
	"testing"

	"hairpin/engine/fleet"
	"hairpin/engine/spec"
)

const fleetFound = `version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - name: web
    addresses: [10.99.0.1]
    port: 80
    protocol: tcp
    from: {dns: web.example.com}
    backends:
      - {address: 10.1.1.1}
      - {address: 10.1.1.2, found: true}
`

// TestEditsFound: what a node has found is no part of what the fleet agrees on, and an edit of it is the node's own.
func TestEditsFound(t *testing.T) {
	running := parse(t, fleetFound)
	for what, row := range map[string]struct {
		next    string
		own     bool
		refused bool
	}{
		"nothing":             {fleetFound, false, false},
		"not named":           {strings.Replace(fleetFound, "      - {address: 10.1.1.2, found: true}\n", "", 1), false, false},
		"a found one drained": {strings.Replace(fleetFound, "found: true", "state: drain, found: {weight: 100, state: up}", 1), true, false},
		"a typed one drained": {strings.Replace(fleetFound, "10.1.1.1}", "10.1.1.1, state: drain}", 1), false, false},
		"another port":        {strings.Replace(fleetFound, "port: 80", "port: 81", 1), false, false},
		"both": {strings.Replace(strings.Replace(fleetFound, "port: 80", "port: 81", 1), "found: true", "state: drain, found: {weight: 100, state: up}", 1),
			false, true},
	} {
		if own, err := editsFound(parse(t, row.next), running); own != row.own || errors.Is(err, ErrRefused) != row.refused {
			t.Errorf("%s: %v %v", what, own, err)
		}
	}
	if fleet.NameOf(running) != fleet.NameOf(spec.Typed(running)) || fleet.NameOf(running) == spec.Revision(running) {
		t.Error("what was found is in the name of what the fleet agrees on")
	}
	if runs(&State{Spec: running, Revision: spec.Revision(running)}) != fleet.NameOf(running) {
		t.Error("a node that found a backend differs from its fleet")
	}
}
