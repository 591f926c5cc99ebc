package command

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hairpin/engine/spec"
)

// viewID is what one server must know to be named by packets.
type viewID struct {
	VIP     string     `json:"vip"`
	Backend netip.Addr `json:"backend"`
	In      string     `json:"in"` // quic v1, v2, v3; id_in tcp_option, payload
	ID      uint32     `json:"id"`
	Bytes   string     `json:"bytes"` // in hexadecimal: what a connection id begins with, the whole option, the payload's beginning
	Mask    string     `json:"mask"`  // its bits; the others are free
}

func newSpecIDs(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "ids [FILE]",
		Short: "Print the ids by which packets name servers",
		Long: `Ids prints, for each backend of a VIP with quic or id_in, the id by which packets
name it, and the bytes with which a connection id begins, or that are the TCP
option, or the beginning of the payload. Of these only the bits of the mask are
fixed. A server is started with its own: "hairpin spec ids FILE --backend
ADDRESS -o json" needs no node. Without FILE, the running spec's.`,
		Args: usage(cobra.MaximumNArgs(1)),
	}
	out := outputFlag(c)
	only := c.Flags().String("backend", "", "those of the backend with this `ADDRESS`")
	c.RunE = func(c *cobra.Command, args []string) error {
		var of netip.Addr
		if *only != "" {
			var err error
			if of, err = netip.ParseAddr(*only); err != nil {
				return &failure{exitUsage, fmt.Errorf("--backend: %q is not an IP address", *only), "write one as 10.0.0.1 or fd00::1"}
			}
		}
		s, err := t.specOf(c, args)
		if err != nil {
			return err
		}
		all := idsOf(s, of)
		if of.IsValid() && len(all) == 0 {
			return &failure{exitAbsent, fmt.Errorf("no VIP with quic or id_in has the backend %s", of), `"hairpin spec ids" lists them`}
		}
		return out.print(t.Stdout, all, func() error { return t.printIDs(all) })
	}
	return c
}

// specOf is the spec in the file that is named, or the running one.
func (t *tree) specOf(c *cobra.Command, args []string) (*spec.Spec, error) {
	if len(args) > 0 {
		return t.readSpec(args[0])
	}
	return t.runningSpec(c.Context())
}

func idsOf(s *spec.Spec, of netip.Addr) []viewID {
	all := []viewID{}
	for i := range s.VIPs {
		v := &s.VIPs[i]
		if !v.NamesServers() {
			continue
		}
		in := "quic " + v.QUIC.String()
		if v.IDIn != spec.IDNowhere {
			in = "id_in " + v.IDIn.String()
		}
		for _, b := range v.Backends {
			if m := v.Mark(b); !of.IsValid() || b.Address == of {
				all = append(all, viewID{v.Name, b.Address, in, v.ServerID(b), hex.EncodeToString(m.Bytes), hex.EncodeToString(m.Mask)})
			}
		}
	}
	return all
}

func (t *tree) printIDs(all []viewID) error {
	if len(all) == 0 {
		fmt.Fprintln(t.Stdout, "no packets name servers: no such VIP has quic or id_in")
		return nil
	}
	w := tabwriter.NewWriter(t.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "VIP\tBACKEND\tIN\tID\tBYTES\tMASK")
	for _, v := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", v.VIP, v.Backend, v.In, v.ID, v.Bytes, v.Mask)
	}
	return w.Flush()
}
