package lab

import (
	"net/netip"
	"path/filepath"
)

// Status is what runs where in a lab.
type Status struct {
	Name   string       `json:"name"`
	Folder string       `json:"folder"`
	Nodes  []NodeStatus `json:"nodes"`
}

// NodeStatus is one node. A pid is 0 where the program does not run.
type NodeStatus struct {
	Name      string       `json:"name"`
	Namespace string       `json:"namespace"` // as `ip netns` names it
	Addresses []netip.Addr `json:"addresses"`
	Engine    int          `json:"engine"`
	Server    int          `json:"server"` // of the router: what hears load balancers; of the store: the database
	Load      int          `json:"load"`
}

// Status looks at the lab's processes.
func (l *Lab) Status() Status {
	s := Status{Name: l.name, Folder: l.Dir()}
	for _, n := range l.Nodes() {
		s.Nodes = append(s.Nodes, NodeStatus{
			Name:      n,
			Namespace: filepath.Base(l.namespace(n)),
			Addresses: l.Addresses(n),
			Engine:    daemon{l, n, engineDaemon}.pid(),
			Server:    daemon{l, n, l.server(n)}.pid(),
			Load:      daemon{l, n, loadDaemon}.pid(),
		})
	}
	return s
}

// server is the name of the daemon that others on the network speak to.
func (l *Lab) server(node string) string {
	if names := l.router.programs(); node == Router && len(names) > 0 {
		return names[len(names)-1]
	}
	if node == Store {
		return string(l.size.store)
	}
	return serverDaemon
}
