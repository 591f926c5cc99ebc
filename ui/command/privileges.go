package command

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

func newPrivileges(t *tree) *cobra.Command {
	return &cobra.Command{
		Use:   "privileges",
		Short: "What of root's power an engine needs, and what for",
		Long: `Privileges lists what an engine makes use of, and what a process started like
this one has of it. An engine that root starts gives up the rest; one of an
ordinary user does with the first three, in folders of its own:

  setpriv --reuid hairpin --regid hairpin --clear-groups \
    --inh-caps +bpf,+net_admin,+perfmon \
    --ambient-caps +bpf,+net_admin,+perfmon hairpin run`,
		Args: usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			list, err := engine.Capabilities()
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(t.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "CAPABILITY\tHELD\tFOR")
			for _, c := range list {
				fmt.Fprintf(w, "%s\t%s\t%s\n", c.Name, map[bool]string{true: "yes", false: "no"}[c.Held], c.For)
			}
			return w.Flush()
		},
	}
}
