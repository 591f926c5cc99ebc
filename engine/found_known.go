package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"hairpin/engine/disk"
	"hairpin/engine/spec"
)

// keepEdits is how long it is remembered how somebody has edited a backend that is not found any more.
const keepEdits = time.Hour

// knownBackends are those that were found, by VIP.
type knownBackends map[string]map[netip.Addr]knownBackend

type knownBackend struct {
	Since   time.Time   // it was found
	Dropped time.Time   `json:",omitzero"` // it is not named any more, and drains
	Gone    time.Time   `json:",omitzero"` // it is not in the spec any more
	Weight  uint32      `json:",omitempty"`
	State   spec.State  `json:",omitempty"`
	Said    *spec.Found `json:",omitempty"` // by the source, of one that is dropped or gone and was edited
}

// note takes in who has come and who has gone from one spec to the next. It is false when nothing is new.
func (k knownBackends) note(before, after *spec.Spec, now time.Time) (news bool) {
	here := map[string]map[netip.Addr]bool{}
	if after != nil {
		for i := range after.VIPs {
			v := &after.VIPs[i]
			if v.From == nil {
				continue
			}
			here[v.Name] = map[netip.Addr]bool{}
			for _, b := range v.Backends {
				if !b.Found.Is {
					continue
				}
				here[v.Name][b.Address] = true
				if k[v.Name] == nil {
					k[v.Name] = map[netip.Addr]knownBackend{}
				}
				known, is := k[v.Name][b.Address]
				next := known.stay(is, b, before, v.Name, now)
				news = news || !is || next != known
				k[v.Name][b.Address] = next
			}
		}
	}
	for name, all := range k {
		for a, known := range all {
			switch {
			case here[name][a]:
			case known.Gone.IsZero():
				known.Gone = now.Round(0)
				all[a] = known.leave(before, name, a)
				news = true
			case now.Sub(known.Gone) >= keepEdits:
				delete(all, a)
				news = true
			}
		}
		if len(all) == 0 {
			delete(k, name)
		}
	}
	return news
}

// stay is a backend that is in the spec: since when it is found, or drains because it was dropped.
func (known knownBackend) stay(is bool, b spec.Backend, before *spec.Spec, vip string, now time.Time) knownBackend {
	switch fresh := !is || !known.Gone.IsZero(); {
	case b.Found.Dropped && (fresh || known.Dropped.IsZero()):
		known = known.leave(before, vip, b.Address)
		known.Dropped, known.Gone = now.Round(0), time.Time{}
	case b.Found.Dropped:
	case fresh:
		return knownBackend{Since: now.Round(0)}
	case !known.Dropped.IsZero():
		return knownBackend{Since: known.Since} // it never went
	}
	return known
}

// leave is a backend that is dropped or gone, with what somebody had made of it.
func (known knownBackend) leave(before *spec.Spec, vip string, a netip.Addr) knownBackend {
	if before == nil {
		return known
	}
	if v := before.VIP(vip); v != nil {
		if b := v.Backend(a); b != nil && b.Edited() {
			said := b.Found
			said.Dropped = false
			known.Weight, known.State, known.Said = b.Weight, b.State, &said
		}
	}
	return known
}

// edited is how a backend of a VIP was edited when it was dropped, or went not long ago.
func (k knownBackends) edited(vip string, now time.Time) func(netip.Addr) (spec.Backend, bool) {
	return func(a netip.Addr) (spec.Backend, bool) {
		known := k[vip][a]
		if known.Said == nil || !known.Gone.IsZero() && now.Sub(known.Gone) >= keepEdits {
			return spec.Backend{}, false
		}
		return spec.Backend{Address: a, Weight: known.Weight, State: known.State, Found: *known.Said}, true
	}
}

func foundFile(p Paths) string { return filepath.Join(p.State, "found.json") }

// readFound is since when backends are found. Who they are stands in the spec itself, so that is all that is lost without it.
func readFound(p Paths) (knownBackends, error) {
	k := knownBackends{}
	text, err := os.ReadFile(foundFile(p))
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return knownBackends{}, fmt.Errorf("since when backends are found is not known: %w", err)
	}
	return k, nil
}

func (o *owner) readFound() {
	known, err := readFound(o.options.Paths)
	if o.finding.known = known; err != nil {
		o.journal.add(time.Now(), "warn", "engine", err.Error())
	}
}

func (o *owner) writeFound() {
	text, err := json.Marshal(o.finding.known)
	if err == nil {
		err = disk.WriteSoon(foundFile(o.options.Paths), text)
	}
	if err != nil {
		o.log.Warn("store since when backends are found", "error", err)
	}
}
