package command

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hairpin/engine/lab"
)

func newLabStatus(o *labFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the lab's nodes and what runs on them",
		Args:  usage(cobra.NoArgs),
	}
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		l, err := openLab(o.name)
		if err != nil {
			return err
		}
		s := l.Status()
		return output.print(c.OutOrStdout(), s, func() error { return printLab(c.OutOrStdout(), s) })
	}
	return c
}

func printLab(out io.Writer, s lab.Status) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "lab %s in %s, namespaces hairpin-%s-NODE\n\n", s.Name, s.Folder, s.Name)
	fmt.Fprintln(w, "NODE\tENGINE\tSERVER\tLOAD\tADDRESSES")
	for _, n := range s.Nodes {
		addresses := make([]string, len(n.Addresses))
		for i, a := range n.Addresses {
			addresses[i] = a.String()
		}
		if len(addresses) > 4 {
			addresses = append(addresses[:4], "...")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", n.Name, pid(n.Engine), pid(n.Server), pid(n.Load), strings.Join(addresses, " "))
	}
	return w.Flush()
}

func pid(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}
