package plan

import (
	"fmt"
	"net/netip"
	"strings"

	"hairpin/engine/spec"
)

// chosen says how a new VIP chooses where that is not as usual.
func chosen(v spec.VIP) (text string) {
	if v.Hash != spec.HashTuple {
		text += fmt.Sprintf(", hash %s", v.Hash)
	}
	if v.QUIC != spec.NoQUIC {
		text += fmt.Sprintf(", quic %s", v.QUIC)
	}
	if v.IDIn != spec.IDNowhere {
		text += fmt.Sprintf(", id_in %s", v.IDIn)
	}
	if v.Local {
		text += ", local"
	}
	if v.Migrate {
		text += ", migrate"
	}
	if v.Handover {
		text += ", handover"
	}
	return text
}

// choiceLines say what changes in how a VIP chooses, and whose flows that moves.
func choiceLines(before spec.VIP, c *Change) (lines []string) {
	now := &c.Spec
	if before.Hash != now.Hash {
		lines = append(lines, fmt.Sprintf("  hash %s → %s, so flows have other slots", before.Hash, now.Hash))
		if c.Before == nil {
			lines = append(lines, "  flows on them move at once (flow: none)")
		}
	}
	if before.QUIC != now.QUIC {
		lines = append(lines, fmt.Sprintf("  quic %s → %s: connections go where their ids by it say", before.QUIC, now.QUIC))
	}
	if before.IDIn != now.IDIn {
		lines = append(lines, fmt.Sprintf("  id_in %s → %s: packets go where their ids by it say", before.IDIn, now.IDIn))
	}
	if before.Local != now.Local {
		lines = append(lines, fmt.Sprintf("  local %t → %t", before.Local, now.Local))
	}
	if before.Migrate != now.Migrate {
		lines = append(lines, fmt.Sprintf("  migrate %t → %t", before.Migrate, now.Migrate))
	}
	return lines
}

func serverID(b spec.Backend) string {
	if b.ID == 0 {
		return "by address"
	}
	return fmt.Sprint(b.ID)
}

// sources says from where a VIP for some sources takes packets.
func sources(list []netip.Prefix) string {
	const most = 3
	switch n := len(list); {
	case n == 0:
		return ""
	case n > most:
		return fmt.Sprintf(" from %v and %d more", list[0], n-1)
	}
	text := make([]string, len(list))
	for i, p := range list {
		text[i] = p.String()
	}
	return " from " + strings.Join(text, " ")
}
