package command

import (
	"net/netip"
	"time"

	"hairpin/engine"
)

// found is a node whose VIPs have sources: one that names fewer than before, one that is silent, one that is believed.
func found() *engine.State {
	s := balanced()
	v := &s.VIPs[0]
	v.Found = &engine.FoundBy{Source: "kubernetes shop/web", Backends: len(v.Backends), Says: 1, Answered: noon.Add(-time.Minute), Held: noon.Add(-2 * time.Minute),
		Missing: 1, Until: noon.Add(3 * time.Minute), Left: "pods listen on port 8080, and packets keep the VIP's port 80"}
	for i := range v.Backends {
		v.Backends[i].Found, v.Backends[i].FoundSince, v.Backends[i].Edited = true, noon.Add(-time.Hour), i == 1
	}
	dropped := v.Backends[0]
	dropped.Address, dropped.State = netip.MustParseAddr("10.1.1.14"), "drain"
	dropped.Dropped = &engine.Dropped{Since: noon.Add(-40 * time.Second), Until: noon.Add(260 * time.Second)}
	v.Backends = append(v.Backends, dropped)
	for _, x := range []struct {
		name string
		engine.FoundBy
	}{
		{"silent", engine.FoundBy{Source: "dns web.example.com", Backends: 3, Says: 3, Answered: noon.Add(-time.Hour), Failing: noon.Add(-5 * time.Minute), Error: "look up: timeout"}},
		{"sound", engine.FoundBy{Source: "file /etc/web", Backends: 3, Says: 3, Answered: noon}},
		{"empty", engine.FoundBy{Source: "dns srv _http._tcp.example.com", Answered: noon, Held: noon, Missing: 3}},
	} {
		s.VIPs = append(s.VIPs, engine.VIP{Name: x.name, Found: &x.FoundBy})
	}
	return s
}
