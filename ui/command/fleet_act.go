package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"hairpin/engine"
)

// newFleetAct is a command that asks one thing of the fleet.
func newFleetAct(t *tree, do engine.FleetAct, short, long string) *cobra.Command {
	c := &cobra.Command{Use: string(do), Short: short, Long: long, Args: usage(cobra.NoArgs)}
	why := c.Flags().String("why", "", "a ticket, or a few `WORDS`")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return t.askFleet(c, engine.FleetRequest{Do: do, Why: *why}, nil)
	}
	return c
}

// askFleet arms and asks; said prints the answer.
func (t *tree) askFleet(c *cobra.Command, r engine.FleetRequest, said func(*engine.FleetAnswer)) error {
	n, err := t.dial(c.Context(), t.paths)
	if err != nil {
		return err
	}
	r.Who = t.who
	var a *engine.FleetAnswer
	if r.Do != engine.FleetShow {
		err = t.arm(c, n, r.Why)
	}
	if err == nil {
		a, err = n.Fleet(c.Context(), r)
	}
	if err == nil && said != nil {
		said(a)
	} else if err == nil {
		fmt.Fprintln(t.Stdout, `done; "hairpin fleet" shows how it goes on`)
	}
	return errors.Join(err, n.Close())
}

func newFleetShow(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "show",
		Short: "Print the document of the newest revision",
		Long: `Show prints the document that all nodes share, with what differs by node below
"nodes". Edit it, and give it to "hairpin fleet apply -f FILE --after NUMBER".`,
		Args: usage(cobra.NoArgs),
	}
	number := c.Flags().Int("revision", 0, "of revision `NUMBER` instead; the last 100 are kept")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return t.askFleet(c, engine.FleetRequest{Do: engine.FleetShow, Number: *number}, func(a *engine.FleetAnswer) {
			fmt.Fprintf(t.Stdout, "# revision %d\n%s", a.Number, a.Document)
		})
	}
	return c
}

func newFleetApply(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make a document the fleet's next revision",
		Long: `Apply checks the spec of every node that the document names, and makes it the next
revision. It comes to the nodes one after another:

  version: 1
  rollout: {at_once: 2, watch: 10s}    # after the first node, two at a time
  nodes:                               # what differs, laid over the rest
    lb1: {nics: {eth0: {xdp: [balancer]}}, bgp: {router_id: 10.0.0.1}}
    web1: {hosts: [10.1.1.11], nics: {eth0: {xdp: [decap]}}}
  vips: ...

A node with "hosts" is those backends: an agent for the VIPs that list them.`,
		Args: usage(cobra.NoArgs),
	}
	file := specFlag(c)
	after := c.Flags().Int("after", 0, "refuse it unless revision `NUMBER` is the newest")
	why := c.Flags().String("why", "", "a ticket, or a few `WORDS`")
	force := forceFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *file == "" {
			return &failure{exitUsage, errors.New("apply needs a document"), `"` + c.CommandPath() + ` -f FILE"`}
		}
		text, err := t.text(*file)
		if err != nil {
			return err
		}
		r := engine.FleetRequest{Do: engine.FleetApply, Document: string(text), Number: *after, Why: *why, Force: *force}
		return t.askFleet(c, r, func(a *engine.FleetAnswer) { t.sayFleet(a.Number) })
	}
	return c
}

// text is a file, or what comes in.
func (t *tree) text(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(t.Stdin)
	}
	return os.ReadFile(file)
}

// sayFleet says what became of an edit.
func (t *tree) sayFleet(number int) {
	fmt.Fprintf(t.Stdout, "revision %d of the fleet: it comes to the nodes one after another; \"hairpin fleet\" shows how far\n", number)
}

func newFleetForget(t *tree) *cobra.Command {
	return &cobra.Command{
		Use:   "forget NODE",
		Short: "Take a node that is gone for good off the list",
		Args:  usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return t.askFleet(c, engine.FleetRequest{Do: engine.FleetForget, Node: strings.TrimSpace(args[0])}, nil)
		},
	}
}

func newFleetRejoin(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "rejoin",
		Short: "Have the fleet's revision be this node's again",
		Long: `Rejoin takes back "hairpin fleet leave", and what was changed at this node since.
A node that went back from a revision tries it again.`,
		Args: usage(cobra.NoArgs),
	}
	afresh := c.Flags().Bool("new", false, "also into another fleet than the one that this node was in")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return t.askFleet(c, engine.FleetRequest{Do: engine.FleetRejoin, Afresh: *afresh}, nil)
	}
	return c
}
