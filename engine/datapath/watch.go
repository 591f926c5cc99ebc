package datapath

// Watch has the stages measure what they cost one packet of 64, and count how clients fare, or nothing any more: those of
// the generations that may be seen by a packet, and of those that come. An engine that is killed meanwhile leaves it as it
// is to the next one.
func (k *Kernel) Watch(on bool) {
	k.watched = 0
	if on {
		k.watched = GenerationWatched
	}
	for g := range k.generations.all {
		flags := &k.generations.all[g].Flags
		if *flags&GenerationWatched != k.watched && (!on || *flags&GenerationLive != 0) {
			*flags ^= GenerationWatched
		}
	}
}

// Watched tells whether they do.
func (k *Kernel) Watched() bool { return k.watched != 0 }
