package near

import "testing"

func TestWord(t *testing.T) {
	known := []string{"name", "addresses", "port", "protocol", "encap", "encap_port", "ring", "flow", "settle", "backends"}
	for typed, want := range map[string]string{
		"": "", "x": "", "zzz": "", "nam": "name", "prot": "port", "ports": "port", "Ring": "ring", "addrs": "", "addr": "addresses",
		"encap-port": "encap_port", "bakcends": "backends", "backend": "backends", "backends_list": "backends", "weight": "", "pr": "",
	} {
		if got := Word(typed, known); got != want {
			t.Errorf("nearest to %q is %q, want %q", typed, got, want)
		}
	}
}
