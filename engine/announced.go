package engine

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Told tells whether routers are told of a.
func (a Announcement) Told() bool { return a.State == announced || a.State == shuttingDown }

// Off tells whether the spec keeps a from routers.
func (a Announcement) Off() bool { return a.State == announceOff }

// With is what is told along with a, in words.
func (a Announcement) With() string {
	var with []string
	for _, c := range a.Communities {
		with = append(with, c.String())
	}
	if a.MED != nil {
		with = append(with, fmt.Sprint("med ", *a.MED))
	}
	if a.LocalPreference != nil {
		with = append(with, fmt.Sprint("preference ", *a.LocalPreference))
	}
	return strings.Join(with, " ")
}

// Told are the prefixes that routers are told of, which a drain of the node would withdraw.
func (b *BGP) Told() (list []netip.Prefix) {
	for _, a := range b.Routes {
		if a.Told() {
			list = append(list, a.Prefix)
		}
	}
	return list
}

// Drain says what a drain of the node would do, or does.
func (b *BGP) Drain(drained bool) string {
	told := len(b.Told())
	switch {
	case drained && told > 0:
		return fmt.Sprintf("the node is drained: %d of %d addresses are withdrawn %s after that began", told, len(b.Routes), b.DrainWait)
	case drained:
		return "the node is drained: nothing is announced"
	case told == 0:
		return "a drain of the node would withdraw nothing: nothing is announced"
	}
	return fmt.Sprintf("a drain of the node asks routers to prefer others, and withdraws %d of %d addresses %s later", told, len(b.Routes), b.DrainWait)
}

// Kept says what the router of x does with routes of an engine that is gone, and for how long; and how BFD stands, which ends with one.
func (b *BGP) Kept(x BGPSession) string {
	if x.OldSecret {
		x.OldSecret = false
		return b.Kept(x) + "; its password was changed, and it goes on by the one before until it ends"
	}
	if x.BFD != "" {
		state := x.BFD
		x.BFD = ""
		return b.Kept(x) + "; BFD is " + state
	}
	switch {
	case x.State != "established":
		return "what it keeps of an engine that is gone is not known: there is no session"
	case x.Keeps && b.Restart > 0:
		return fmt.Sprintf("it keeps the routes of an engine that is gone for %s", b.Restart.Round(time.Second))
	}
	return "it drops the routes of an engine that is gone"
}
