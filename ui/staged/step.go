package staged

// Heavier is the next weight a step up: about a tenth, in round numbers, never above limit.
func Heavier(w, limit uint32) uint32 { return min(w+stride(w), limit) }

// Lighter is the next weight a step down, so that it undoes Heavier on the way. 0 takes no new flows.
func Lighter(w uint32) uint32 {
	if w == 0 {
		return 0
	}
	return w - min(w, stride(w-1))
}

// stride is the step at a weight: 1 below 10, 5 below 100, then a tenth of the power of ten.
func stride(w uint32) uint32 {
	switch {
	case w < 10:
		return 1
	case w < 100:
		return 5
	case w < 1000:
		return 10
	case w < 10000:
		return 100
	}
	return 1000
}
