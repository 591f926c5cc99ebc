package bench

import (
	"fmt"
	"io"
	"math/rand/v2"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// line is a cache line that says which one to read next.
type line struct {
	next *line
	_    [56]byte
}

// printMemory says how long a read takes that depends on the one before, in tables of these sizes: what a path costs
// beyond the caches is a matter of the machine, and of who else is on it.
func printMemory(w io.Writer) error {
	fmt.Fprint(w, "random read:")
	for _, kib := range []int{256, 1024, 2048, 4096, 16384} {
		ns, err := chase(kib << 10)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "  %d KiB %.1f ns", kib, ns)
	}
	fmt.Fprintln(w)
	return nil
}

// chase is the least time of one step through a table, in ns, with pages of 4 KiB as maps have them.
func chase(size int) (float64, error) {
	raw, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	defer func() { _ = unix.Munmap(raw) }() // cannot fail on a whole mapping
	table := unsafe.Slice((*line)(unsafe.Pointer(&raw[0])), size/int(unsafe.Sizeof(line{})))
	order := rand.New(rand.NewPCG(1, 2)).Perm(len(table))
	for i, n := range order {
		table[n].next = &table[order[(i+1)%len(order)]]
	}
	const steps = 100_000
	least, at := time.Hour, &table[0]
	for range 20 {
		began := time.Now()
		for range steps {
			at = at.next
		}
		least = min(least, time.Since(began))
	}
	if at == nil {
		return 0, fmt.Errorf("read memory: the table has no end")
	}
	return float64(least) / steps, nil
}
