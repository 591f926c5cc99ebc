package command

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine"
	"hairpin/engine/spec"
)

func newDoctor(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look at what of this machine stands in the way of packets, and how to cure it",
		Long: `Doctor looks at the machine beside hairpin: kernel, drivers, XDP mode, offloads,
MTU, queues and their interrupts, rings, routes, neighbours, other people's
programs, bpffs, clock, memory; on a backend also rp_filter, ARP, MSS and its
VIPs. Each finding says what was found, what follows from it, and the command
that cures it. It changes nothing and sends nothing.

It goes by the spec of -f, else by the running one, else by spec.yaml of the
config folder; without any it says what this machine could do. It needs no
engine. Without root it says what it could not look at. It ends with 0 whatever
it finds; scripts read -o json.`,
		Args: usage(cobra.NoArgs),
	}
	show, file := outputFlag(c), specFlag(c)
	all := c.Flags().Bool("all", false, "show also what is as it should be")
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, by, err := t.examined(c, *file)
		if err != nil {
			return err
		}
		v := doctorOf(t.paths.Node, by, t.diagnose(t.paths, s))
		return show.print(t.Stdout, v, func() error { return v.write(t.Stdout, *all) })
	}
	return c
}

// examined is the spec that the machine is looked at by, nil for none, and where it is from.
func (t *tree) examined(c *cobra.Command, file string) (s *spec.Spec, by string, err error) {
	if file != "" {
		s, err := t.readSpec(file)
		return s, file, err
	}
	running, err := t.shown(c.Context())
	if err == nil && running.Spec != nil {
		return running.Spec, "the running spec", nil
	}
	hidden := ""
	if err != nil {
		hidden = " (whether one runs could not be seen: " + err.Error() + ")"
	}
	s, err = t.readSpec(t.paths.SpecFile())
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return nil, "no spec" + hidden, nil
	case err != nil:
		return nil, "", err
	}
	return s, t.paths.SpecFile() + hidden, nil
}

// viewDoctor is what "doctor -o json" prints.
type viewDoctor struct {
	Time     time.Time      `json:"time"`
	Node     string         `json:"node"`
	Role     string         `json:"role"` // load balancer, backend, both; empty: no spec says
	By       string         `json:"by"`   // where the spec is from
	Levels   map[string]int `json:"levels"`
	Findings []viewFinding  `json:"findings"` // the worst first
}

type viewFinding struct {
	Check string `json:"check"`
	On    string `json:"on"`
	Level string `json:"level"` // crit, warn, unknown, info, ok
	What  string `json:"what"`
	Means string `json:"means"`
	Cure  string `json:"cure"`
}

func doctorOf(node, by string, d *engine.Diagnosis) viewDoctor {
	v := viewDoctor{Time: d.Time, Node: node, Role: d.Role, By: by, Levels: map[string]int{}}
	for _, l := range []string{"crit", "warn", "unknown", "info", "ok"} {
		v.Levels[l] = 0
	}
	v.Findings = list(d.Findings, func(f engine.Finding) viewFinding {
		v.Levels[string(f.Level)]++
		return viewFinding{f.Check, f.On, string(f.Level), f.What, f.Means, f.Cure}
	})
	return v
}

func (v viewDoctor) write(w io.Writer, all bool) error {
	role := "what this machine could do"
	if v.Role != "" {
		role = map[string]string{"both": "load balancer and backend"}[v.Role]
		if role == "" {
			role = v.Role
		}
		role = "as " + role
	}
	fmt.Fprintf(w, "%s, %s, by %s\n", v.Node, role, v.By)
	for _, f := range v.Findings {
		if f.Level != "ok" || all {
			f.write(w)
		}
	}
	if n := v.Levels["ok"]; n > 0 && !all {
		fmt.Fprintf(w, "%s as it should be; --all shows what\n", count(n, "thing"))
	}
	return nil
}

func (f viewFinding) write(w io.Writer) {
	const indent = "         "
	on := ""
	if f.On != "" && !strings.Contains(f.What, f.On) {
		on = f.On + ": "
	}
	fmt.Fprintf(w, "%-8s %s%s\n", strings.ToUpper(f.Level), on, f.What)
	if f.Means != "" {
		fmt.Fprintf(w, "%s%s\n", indent, f.Means)
	}
	if f.Cure != "" {
		fmt.Fprintf(w, "%s=> %s\n", indent, f.Cure)
	}
}
