package stats

// ring holds the newest values of a fixed number. As long as all are zero it takes no memory for them.
type ring[T comparable] struct {
	buf  []T
	size int32
	held int32 // values pushed, at most size
	next int32 // where the next one goes, once there is a buf
}

// push adds v, times over.
func (r *ring[T]) push(v T, times int) {
	times = min(times, int(r.size))
	if r.buf == nil {
		var zero T
		if v == zero {
			r.held = min(r.size, r.held+int32(times))
			return
		}
		r.buf, r.next = make([]T, r.size), r.held%r.size
	}
	for range times {
		r.buf[r.next] = v
		if r.next++; r.next == r.size {
			r.next = 0
		}
	}
	r.held = min(r.size, r.held+int32(times))
}

// each calls f with the newest n values, oldest first; with fewer while fewer are held.
func (r *ring[T]) each(n int, f func(T)) {
	n = max(0, min(n, int(r.held)))
	if r.buf == nil {
		var zero T
		for range n {
			f(zero)
		}
		return
	}
	at := int(r.next) - n
	if at < 0 {
		at += int(r.size)
	}
	for range n {
		f(r.buf[at])
		if at++; at == int(r.size) {
			at = 0
		}
	}
}
