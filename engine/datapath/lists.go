package datapath

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"hairpin/engine/spec"
)

// compiled is what the lists of a firewall come to: digests of the tables, by list and family.
type compiled struct {
	lists   spec.DropLists
	id      uint64
	serials []uint64 // of its files, when they were read
	digest  [4]uint64
}

// listID names lists by what is written in the spec, whatever the files say.
func listID(lists spec.DropLists) uint64 {
	text, err := json.Marshal(lists)
	if err != nil {
		panic(err) // prefixes and strings always have a text
	}
	sum := sha256.Sum256(text)
	return binary.BigEndian.Uint64(sum[:])
}

// tablesOf is a firewall in use that has tables of these lists, the active generation's before others.
func (k *Kernel) tablesOf(lists spec.DropLists) (f firewall, there bool) {
	id, active := listID(lists), k.settingsOf(int(k.Control().Active), stageFirewall)
	for i := range k.usedSettings(stageFirewall) {
		if k.firewalls.all[i].Lists == id && (!there || active[i]) {
			f, there = k.firewalls.all[i], true
		}
	}
	return f, there
}

// gather is everything that lists say, files included, by list and family.
func (k *Kernel) gather(lists spec.DropLists) (all [4][]prefix, err error) {
	for i, of := range []struct {
		inline []netip.Prefix
		files  []string
	}{{lists.Sources, lists.SourceFiles}, {lists.Destinations, lists.DestinationFiles}} {
		for _, p := range of.inline {
			family := 0
			if p.Addr().Is6() {
				family = 1
			}
			all[2*i+family] = append(all[2*i+family], prefixOf(p))
		}
		for _, name := range of.files {
			f := k.file(name)
			if f.loaded.IsZero() {
				return all, fmt.Errorf("drop: %s was not read", name)
			}
			all[2*i], all[2*i+1] = append(all[2*i], f.lists[0]...), append(all[2*i+1], f.lists[1]...)
		}
	}
	for i := range all {
		all[i] = disjoint(all[i])
	}
	return all, nil
}

// compile is what the lists of a stage come to, and everything they say unless that was known.
func (k *Kernel) compile(stage string, lists spec.DropLists) (c compiled, all *[4][]prefix, err error) {
	var serials []uint64
	for _, name := range lists.Files() {
		serials = append(serials, k.file(name).serial)
	}
	if c, known := k.compiled[stage]; known && c.lists.Equal(lists) && slices.Equal(c.serials, serials) {
		return c, nil, nil
	}
	said, err := k.gather(lists)
	if err != nil {
		return c, nil, err
	}
	c = compiled{lists: lists, id: listID(lists), serials: serials}
	for i := range said {
		c.digest[i] = digest(said[i])
	}
	if k.compiled == nil {
		k.compiled = map[string]compiled{}
	}
	k.compiled[stage] = c
	return c, &said, nil
}

// putTables is a firewall with the tables of these lists. Where a file cannot be read, tables of the same lists that are in
// use stay: an edit of something else must not fail for it.
func (k *Kernel) putTables(stage string, lists spec.DropLists) (firewall, error) {
	c, said, err := k.compile(stage, lists)
	if err != nil {
		if old, there := k.tablesOf(lists); there {
			old.Rules, old.Action, old.Counter = 0, [Rules]uint8{}, [Rules]uint16{}
			return old, nil
		}
		return firewall{}, err
	}
	f, held := firewall{Digest: c.digest, Lists: c.id}, k.heldTables()
	for i, table := range []*uint32{&f.Src4, &f.Src6, &f.Dst4, &f.Dst6} {
		if *table = held[c.digest[i]]; *table != 0 || c.digest[i] == 0 {
			continue
		}
		if said == nil {
			all, err := k.gather(lists)
			if err != nil {
				return firewall{}, err
			}
			said = &all
		}
		if *table, err = k.putTable(said[i], c.digest[i], held); err != nil {
			return firewall{}, err
		}
	}
	return f, nil
}

// Outdated tells whether a firewall of the active generation, which runs s, has other tables than its files say.
func (k *Kernel) Outdated(s *spec.Spec) bool {
	rows := k.rows.all[int(k.Control().Active)*Chains:]
	for _, w := range wantedChains(s) {
		n, err := k.number(w)
		if err != nil {
			continue
		}
		for i, p := range w.positions {
			named := s.Stage(p.Name)
			if named == nil || named.Kind != spec.Firewall {
				continue
			}
			c, _, err := k.compile(p.Name, named.Settings.(*spec.Policy).Drop)
			if at := rows[n].Settings[i+1]; err == nil && k.firewalls.all[at].Digest != c.digest {
				return true
			}
		}
	}
	return false
}
