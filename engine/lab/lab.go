package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Root holds a folder per lab.
const Root = "/run/hairpin-lab"

// Limits and defaults of Config.
const (
	DefaultName     = "lab"
	DefaultBackends = 4
	MaxBackends     = 250
	MaxBalancers    = 16
)

// ErrAbsent is wrapped by Open when no lab of that name is up, or only half of one.
var ErrAbsent = errors.New("no such lab is up")

// ErrNotRoot is what everything in here says to an ordinary user.
var ErrNotRoot = errors.New("the lab needs root for its network namespaces and bpffs: run it with sudo")

// Config says which lab to have.
type Config struct {
	Name     string // one to 32 of a-z, 0-9 and -; empty = DefaultName
	Backends int    // 0 = as many as the lab has that is up already, else DefaultBackends
	Nodes    int    // load balancers; 0 = as many as the lab has that is up already, else 1
	Router   Kind   // who is told of the VIPs by several load balancers; empty = what the lab has that is up already, else BIRD where it is installed, else Builtin
	Store    Keeper // what keeps the spec of all nodes; empty = what the lab has that is up already, else each node has its own
	Peering  Peering
	Binary   string // path of hairpin, for its `lab` verbs and `run`; empty = this program

	step func(string) // called before each step of the building; tests break off there
}

// Lab is one that is up. It holds nothing open: everything is in the kernel and below its folder, and any process of
// root may open it by name.
type Lab struct {
	name    string
	size    size
	router  Kind // empty: one load balancer, and a route to it that is always there
	peering Peering
	binary  string
}

// record is what the folder of a lab says about it. It is written last, so a lab without one is half built.
type record struct {
	Backends int
	Nodes    int
	Router   Kind
	Store    Keeper
	Peering  Peering
	Binary   string
}

// Open finds a lab that is up.
func Open(name string) (*Lab, error) {
	if name == "" {
		name = DefaultName
	}
	l, err := newLab(name)
	if err != nil {
		return nil, err
	}
	var r record
	text, err := os.ReadFile(l.recordFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open lab %q: %w", name, ErrAbsent)
	}
	if err != nil {
		return nil, fmt.Errorf("open lab %q: %w", name, err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("open lab %q: read %s: %w", name, l.recordFile(), err)
	}
	l.size, l.router, l.peering, l.binary = size{max(r.Nodes, 1), r.Backends, r.Store}, r.Router, r.Peering, r.Binary
	for _, n := range l.Nodes() {
		if namespaceInode(l.namespace(n)) == 0 || !isBPF(l.bpf(n)) {
			return nil, fmt.Errorf("open lab %q: %s is gone: %w", name, n, ErrAbsent)
		}
	}
	return l, nil
}

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

func newLab(name string) (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, ErrNotRoot
	}
	if !validName.MatchString(name) {
		return nil, fmt.Errorf("lab name %q: one to 32 of a-z, 0-9 and -, not - first", name)
	}
	return &Lab{name: name}, nil
}

// Down removes the lab: its processes, namespaces, mounts, pins and folder. It needs nothing to be whole.
func (l *Lab) Down(ctx context.Context) error { return Down(ctx, l.name) }

// Name is the lab's.
func (l *Lab) Name() string { return l.name }

// Backends is their number.
func (l *Lab) Backends() int { return l.size.backends }

// Balancers are the names of the load balancers.
func (l *Lab) Balancers() []string {
	all := make([]string, l.size.balancers)
	for i := range all {
		all[i] = Balancer(i + 1)
	}
	return all
}

// Engines are the names of the nodes that run one: load balancers and backends.
func (l *Lab) Engines() []string {
	all := l.Balancers()
	for i := 1; i <= l.size.backends; i++ {
		all = append(all, Backend(i))
	}
	return all
}

// Router is who is told of the VIPs; empty where there is one load balancer.
func (l *Lab) Router() Kind { return l.router }

// Nodes are the names of all nodes.
func (l *Lab) Nodes() []string { return names(l.size) }

// Dir is the folder of the lab.
func (l *Lab) Dir() string { return filepath.Join(Root, l.name) }

// NodeDir is the folder of one node, with config, state, run and bpf in it.
func (l *Lab) NodeDir(node string) string { return filepath.Join(l.Dir(), node) }

func (l *Lab) recordFile() string        { return filepath.Join(l.Dir(), "lab.json") }
func (l *Lab) lockFile() string          { return l.Dir() + ".lock" }
func (l *Lab) bpf(node string) string    { return filepath.Join(l.NodeDir(node), "bpf") }
func (l *Lab) namespacePrefix() string   { return filepath.Join(netnsRoot, "hairpin-"+l.name+"-") }
func (l *Lab) namespace(n string) string { return l.namespacePrefix() + n }

func (l *Lab) has(node string) error {
	if !slices.Contains(l.Nodes(), node) {
		return fmt.Errorf("lab %q has no %q: it has %s", l.name, node, strings.Join(l.Nodes(), ", "))
	}
	return nil
}

var nodeName = regexp.MustCompile(`^(client|router|store|lb[0-9]*|backend[0-9]+)$`)

// namespaces are the paths of all that exist under the lab's name, whatever its record says. No node's name has a
// dash, so another lab whose name begins like this one's is not meant.
func (l *Lab) namespaces() ([]string, error) {
	entries, err := os.ReadDir(netnsRoot)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var paths []string
	for _, e := range entries {
		path := filepath.Join(netnsRoot, e.Name())
		if n, ok := strings.CutPrefix(path, l.namespacePrefix()); ok && nodeName.MatchString(n) {
			paths = append(paths, path)
		}
	}
	return paths, err
}
