package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"hairpin/engine/bgp"
	"hairpin/engine/spec"
)

// routers is what this engine tells routers, and since when.
type routers struct {
	speaker *bgp.Speaker // nil: none was needed yet
	adopted bool         // an engine before this one may have told them: they keep that until all is told again
	of      *spec.BGP
	secrets bgp.Secrets
	read    time.Time // the secrets
	missing error     // some of them
	noted   time.Time // that routers are spoken to
	shown   map[netip.Prefix]Announcement
	returns map[netip.Prefix]*returning
}

// returning keeps an address from going to and fro: the more often it went lately, the longer it must be fit.
type returning struct {
	times int
	last  time.Time // that it was withdrawn
	fit   time.Time // since when it would be announced; zero = it would not
}

// How long an address must be fit after it was withdrawn more than once within the memory, doubled each time.
const (
	returnsAfter = time.Second
	returnsMost  = 32 * time.Second
	returnsFor   = 5 * time.Minute
)

// firstCall is how long a new engine may take until it has sessions, and a new session until BFD watches it.
const firstCall = 10 * time.Second

// secretsEvery is how often the files of passwords are read again.
const secretsEvery = 2 * time.Second

// announce tells routers what s says, and writes into s what they are told.
func (o *owner) announce(now time.Time, s *State) {
	r := &o.routers
	if s.Spec == nil && s.Generation.Active > 0 {
		return // what runs is not known: what was told stays
	}
	if s.Spec == nil || s.Spec.BGP == nil {
		r.stop(false)
		return
	}
	list := announcements(s, o.drained)
	r.damp(now, list)
	for i := range list {
		list[i].Since = now
		if old, known := r.shown[list[i].Prefix]; known && old.State == list[i].State {
			list[i].Since = old.Since
		} else if known || list[i].State == withdrawn {
			o.journal.add(now, severityOf(list[i]), "engine", list[i].sentence())
		}
	}
	r.note(list)
	err := r.tell(now, s.Spec.BGP, list, o)
	s.BGP = &BGP{AS: s.Spec.BGP.AS, Restart: s.Spec.BGP.Restart, DrainWait: s.Spec.BGP.DrainWait, Routes: list}
	sessions, e := r.speaker.Sessions(context.Background())
	s.BGP.Sessions = sessions
	if err = errors.Join(err, e); err != nil {
		s.BGP.Trouble = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
}

func severityOf(a Announcement) string {
	if a.State == withdrawn {
		return "warn"
	}
	return "info"
}

// sentence is what happened to a, for the journal.
func (a Announcement) sentence() string {
	text := fmt.Sprintf("routers: %s (%s) is %s", a.Prefix, strings.Join(a.VIPs, ", "), a.State)
	if a.Why != "" {
		text += ": " + a.Why
	}
	return text
}

func (r *routers) note(list []Announcement) {
	r.shown = make(map[netip.Prefix]Announcement, len(list))
	for _, a := range list {
		r.shown[a.Prefix] = a
	}
}

// damp keeps withdrawn what went to and fro, for a while.
func (r *routers) damp(now time.Time, list []Announcement) {
	for i := range list {
		a := &list[i]
		x, was := r.returns[a.Prefix], r.shown[a.Prefix].State
		switch {
		case a.State == withdrawn && (was == announced || was == shuttingDown):
			if x == nil || now.Sub(x.last) > returnsFor {
				x = &returning{}
			}
			x.times, x.last, x.fit = x.times+1, now, time.Time{}
			if r.returns == nil {
				r.returns = map[netip.Prefix]*returning{}
			}
			r.returns[a.Prefix] = x
		case a.State == withdrawn && x != nil:
			x.fit = time.Time{}
		case a.State == announced && was == withdrawn && x != nil && x.times > 1 && now.Sub(x.last) <= returnsFor:
			if x.fit.IsZero() {
				x.fit = now
			}
			if at := x.fit.Add(min(returnsAfter<<(x.times-2), returnsMost)); now.Before(at) {
				a.State, a.Why = withdrawn, fmt.Sprintf("fit again, after it went %d times in %s: comes back at %s", x.times, returnsFor, at.Format(time.TimeOnly))
			}
		}
	}
}

// tell brings the sessions and what is told in them to where they should be.
func (r *routers) tell(now time.Time, want *spec.BGP, list []Announcement, o *owner) error {
	var routes []bgp.Route
	for _, a := range list {
		if a.Told() {
			routes = append(routes, bgp.Route{Prefix: a.Prefix, Path: a.Path})
		}
	}
	if r.speaker == nil {
		r.speaker = bgp.New(o.log)
	}
	same := r.speaker.Runs() && want.SameSessions(r.of)
	if same && now.Sub(r.read) < secretsEvery {
		return errors.Join(r.missing, r.speaker.Tell(routes))
	}
	secrets, missing := readSecrets(want)
	for a := range missing {
		if old, known := r.secrets[a]; known && same {
			secrets[a] = old // it goes on with the one before
		}
	}
	err := r.speaker.Follow(reachableOnly(want, missing, secrets), secrets, routes, r.adopted)
	r.of, r.secrets, r.read, r.adopted = want, secrets, now, false
	r.missing = errors.Join(slices.Collect(maps.Values(missing))...)
	return errors.Join(r.missing, err)
}

// reachableOnly is want without the neighbors whose secret is not known: a session without it would be one with anybody.
func reachableOnly(want *spec.BGP, missing map[netip.Addr]error, secrets bgp.Secrets) *spec.BGP {
	if len(missing) == 0 {
		return want
	}
	c := *want
	c.Neighbors = nil
	for _, n := range want.Neighbors {
		if missing[n.Address] == nil || secrets[n.Address] != "" {
			c.Neighbors = append(c.Neighbors, n)
		}
	}
	return &c
}

// mostSecret is the longest password that the kernel takes for a connection.
const mostSecret = 80

// readSecrets reads the passwords of neighbors, and says why those that are missing could not be read.
func readSecrets(want *spec.BGP) (bgp.Secrets, map[netip.Addr]error) {
	secrets, missing := bgp.Secrets{}, map[netip.Addr]error{}
	for _, n := range want.Neighbors {
		if n.PasswordFile == "" {
			continue
		}
		data, err := os.ReadFile(n.PasswordFile)
		secret := strings.TrimSpace(string(data))
		switch {
		case err != nil:
			missing[n.Address] = fmt.Errorf("password of %s: %w", n.Address, err)
		case secret == "" || len(secret) > mostSecret:
			missing[n.Address] = fmt.Errorf("password of %s: %s has %d bytes in its line: write 1 to %d", n.Address, n.PasswordFile, len(secret), mostSecret)
		default:
			secrets[n.Address] = secret
		}
	}
	return secrets, missing
}

// stop ends all sessions; with keep, routers keep the routes as the spec says, for the engine that comes.
func (r *routers) stop(keep bool) {
	if r.speaker != nil {
		r.speaker.Stop(keep)
	}
	*r = routers{}
}

func bgpProblems(s *State) (list []Problem) {
	if s.BGP == nil {
		return nil
	}
	if s.BGP.Trouble != "" {
		list = append(list, Problem{Key: "bgp", Severity: "crit", What: "not all routers are told what they should be: " + s.BGP.Trouble})
	}
	for _, x := range s.BGP.Sessions {
		if x.State != "established" && !(x.Since.IsZero() && s.Time.Sub(s.Since) < firstCall) {
			list = append(list, Problem{Key: "router " + x.Neighbor.String(), Severity: "crit",
				What: fmt.Sprintf("no BGP session with %s (%s): %s", x.Neighbor, x.State, x.Why), Cure: "look whether it is up and expects this node"})
		}
	}
	for _, x := range s.BGP.Sessions {
		if x.OldSecret {
			list = append(list, Problem{Key: "password " + x.Neighbor.String(), Severity: "warn", What: fmt.Sprintf("the password of %s was changed: its session goes on by the one before, and the next one is by the new one", x.Neighbor),
				Cure: "give it the new password too: that ends the session, and another begins"})
		}
		if x.State == "established" && x.BFD != "" && s.Time.Sub(x.Since) >= firstCall && (x.BFD != "up" || s.BGP.Restart > 0 && !x.Keeps) {
			list = append(list, bfdProblem(x))
		}
	}
	for _, a := range s.BGP.Routes {
		if a.State == withdrawn && s.Drained == nil && (s.Fleet == nil || s.Fleet.Holds == "") {
			list = append(list, Problem{Key: "route " + a.Prefix.String(), Severity: "crit", What: fmt.Sprintf("%s is not announced: %s", a.Prefix, a.Why)})
		}
	}
	return list
}

// bfdProblem is of a session that BFD does not watch as the spec has it.
func bfdProblem(x BGPSession) Problem {
	p := Problem{Key: "bfd " + x.Neighbor.String(), Severity: "warn", What: fmt.Sprintf("BFD with %s is %s: a node that hangs is noticed after the hold time only", x.Neighbor, x.BFD),
		Cure: "look whether it has BFD for this node, and UDP port 3784 is open both ways"}
	if x.BFD == "up" {
		p.What = fmt.Sprintf("%s watches this node by BFD and keeps no routes: it drops them when the engine ends", x.Neighbor)
		p.Cure = "turn graceful restart on there, or write graceful_restart: 0s"
	}
	return p
}
