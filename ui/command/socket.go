package command

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hairpin/engine/sockets"
)

func newSocket(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "socket",
		Short: "Show and change which local sockets serve addresses and ports",
		Long: `Socket steers new connections and datagrams for addresses and ports of this host
to a socket, whatever that is bound to (sk_lookup): for a server on a node that
balances too, or one that is replaced by its next version while it serves. It
needs no engine, no process of hairpin's keeps it up, and it is not in the spec.

The next version listens wherever it likes, and gets what is new by "hairpin
socket give NAME PID". The one before goes on accepting until nobody comes any
more: then nobody is refused. In a systemd unit, ExecStartPost does it with
$MAINPID.`,
		Args: usage(cobra.NoArgs),
	}
	output := outputFlag(c)
	c.RunE = func(*cobra.Command, []string) error {
		table, err := t.openSockets()
		if err != nil {
			return err
		}
		defer table.Close()
		all, err := table.Services()
		if err != nil {
			return err
		}
		v := list(all, viewServiceOf)
		return output.print(t.Stdout, v, func() error { return writeServices(t.Stdout, v) })
	}
	c.AddCommand(newSocketBind(t), newSocketGive(t), newSocketUnbind(t), newSocketDetach(t))
	return c
}

func (t *tree) socketPins() string { return sockets.Dir(t.paths.BPFFS, t.paths.Node) }

// openSockets is the table that others have made.
func (t *tree) openSockets() (*sockets.Table, error) {
	table, err := sockets.Open(t.socketPins())
	return table, absent(err)
}

func absent(err error) error {
	if errors.Is(err, sockets.ErrNone) {
		return &failure{exitAbsent, err, ""}
	}
	return err
}

func newSocketBind(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "bind NAME",
		Short: "Have addresses and ports be a service's, to which a socket can be given",
		Long: `Bind has addresses or prefixes of this host and a range of ports be those of a
service. Until a socket is given to it, what comes for them goes where it always
went. The addresses must be local: on an interface, or by "ip route add local".`,
		Args: usage(cobra.ExactArgs(1)),
	}
	protocol := c.Flags().String("protocol", "tcp", "`PROTOCOL`: tcp or udp")
	addresses := c.Flags().StringSlice("address", nil, "an `ADDRESS` or prefix; may be given several times")
	ports := c.Flags().String("port", "", "a `PORT`, or a range as 8000-8099")
	c.RunE = func(_ *cobra.Command, args []string) error {
		s := sockets.Service{Name: args[0], Protocol: *protocol}
		var err error
		if s.From, s.To, err = portRange(*ports); err == nil {
			s.Prefixes, err = prefixesOf(*addresses)
		}
		if err != nil {
			return &failure{exitUsage, fmt.Errorf("bind %s: %w", s.Name, err), ""}
		}
		table, err := sockets.Create(t.socketPins())
		if err != nil {
			return err
		}
		defer table.Close()
		return table.Bind(s)
	}
	return c
}

// portRange reads 80, or 8000-8099.
func portRange(text string) (from, to uint16, err error) {
	low, high, several := strings.Cut(text, "-")
	if !several {
		high = low
	}
	a, err := strconv.ParseUint(low, 10, 16)
	b, err2 := strconv.ParseUint(high, 10, 16)
	if err != nil || err2 != nil || a == 0 || b < a {
		return 0, 0, fmt.Errorf("--port %q: write 80, or 8000-8099", text)
	}
	return uint16(a), uint16(b), nil
}

func prefixesOf(list []string) (all []netip.Prefix, err error) {
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		if a, bad := netip.ParseAddr(text); bad == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("--address %q: write 10.99.0.1, or 10.99.0.0/24", text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

func newSocketGive(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "give NAME PID",
		Short: "Have everything new of a service go to the socket of a process",
		Long: `Give takes the socket by which a process waits for connections or datagrams, and
has everything new of the service go there, in one step for each family. An IPv6
socket that takes IPv4 too serves both. The socket before keeps the connections
that it has, and those whose handshake it began: its process should accept until
nobody comes any more. A socket that is closed leaves its place by itself.

Several may be given to at a time; the last one has the service. What is begun
and ends, or is killed, while it waits has changed nothing.`,
		Args: usage(cobra.ExactArgs(2)),
	}
	fd := c.Flags().Int("fd", -1, "the descriptor `N` of it, where the process has several")
	wait := c.Flags().Duration("wait", 10*time.Second, "for how much `TIME` a process may have none yet")
	c.RunE = func(c *cobra.Command, args []string) error {
		pid, err := strconv.Atoi(args[1])
		if err != nil || pid < 1 {
			return &failure{exitUsage, fmt.Errorf("%q is no number of a process", args[1]), ""}
		}
		p, err := sockets.OpenProcess(pid)
		if err != nil {
			return fmt.Errorf("give %s: %w", args[0], err)
		}
		defer p.Close()
		return absent(sockets.Give(c.Context(), t.socketPins(), args[0], p, *fd, *wait))
	}
	return c
}

func newSocketUnbind(t *tree) *cobra.Command {
	return &cobra.Command{
		Use:   "unbind NAME",
		Short: "Have the addresses and ports of a service go where they always went",
		Args:  usage(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			table, err := t.openSockets()
			if err != nil {
				return err
			}
			defer table.Close()
			return table.Unbind(args[0])
		},
	}
}

func newSocketDetach(t *tree) *cobra.Command {
	return &cobra.Command{
		Use:   "detach",
		Short: "End all steering to sockets, and remove what it is done with",
		Args:  usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return absent(sockets.Remove(t.socketPins()))
		},
	}
}

// viewService is a service as "socket -o json" prints it.
type viewService struct {
	Name      string   `json:"name"`
	Protocol  string   `json:"protocol"`
	Addresses []string `json:"addresses"`
	From      uint16   `json:"from_port"`
	To        uint16   `json:"to_port"`
	Socket4   uint64   `json:"socket4"` // cookie; 0 = none
	Socket6   uint64   `json:"socket6"`
	Given     uint64   `json:"given"`
	Missing   uint64   `json:"missing"`
}

func viewServiceOf(s sockets.Service) viewService {
	v := viewService{s.Name, s.Protocol, []string{}, s.From, s.To, s.Sockets[0], s.Sockets[1], s.Given, s.Missing}
	for _, p := range s.Prefixes {
		v.Addresses = append(v.Addresses, p.String())
	}
	return v
}

func writeServices(out io.Writer, all []viewService) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERVICE\tPROTOCOL\tPORTS\tIPv4\tIPv6\tGIVEN\tMISSING\tADDRESSES")
	for _, v := range all {
		ports := fmt.Sprint(v.From)
		if v.To != v.From {
			ports = fmt.Sprintf("%d-%d", v.From, v.To)
		}
		has := map[bool]string{true: "socket", false: "-"}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", v.Name, v.Protocol, ports, has[v.Socket4 != 0], has[v.Socket6 != 0], v.Given, v.Missing,
			strings.Join(v.Addresses, " "))
	}
	return w.Flush()
}
