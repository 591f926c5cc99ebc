package datapath

// Watch has the stages measure what they cost one packet of 64, and count how clients fare, or nothing any more: those of
// the generations that may be seen by a packet, and of those that come. An engine that is killed meanwhile leaves it as it
// is to the next one.
func (k *Kernel) Watch(on bool) { k.flag(GenerationWatched, on) }

// flag sets or clears a flag of the generations.
func (k *Kernel) flag(flag uint16, on bool) {
	k.watched &^= flag
	if on {
		k.watched |= flag
	}
	for g := range k.generations.all {
		flags := &k.generations.all[g].Flags
		if *flags&flag != k.watched&flag && (!on || *flags&GenerationLive != 0) {
			*flags ^= flag
		}
	}
}

// Watched tells whether they do.
func (k *Kernel) Watched() bool { return k.watched&GenerationWatched != 0 }
