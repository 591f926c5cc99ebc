package datapath

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
)

// A store is an array of maps that grows by a segment, a map with one element, without loading a program. Segments are
// pinned, and never taken out: the kernel waits for every packet before it empties a slot.

// addSegment makes segment n of a store.
func addSegment[T any](k *Kernel, store, pin string, n int) (memory[T], error) {
	var element *T
	m, err := ebpf.NewMap(plainArray(pin, unsafe.Sizeof(*element), 1))
	if err != nil {
		return memory[T]{}, explain(err)
	}
	k.maps[pin] = m
	if err := m.Pin(k.pin("maps", pin)); err != nil {
		return memory[T]{}, err
	}
	if err := k.putSegment(store, n, m); err != nil {
		return memory[T]{}, err
	}
	return mapMemory[T](m, true)
}

// putSegment puts a segment into a store. The kernel does it at once, but answers when the last packet that may not have
// seen it has left, tens of milliseconds later. What follows is for packets that come later still, and goes on.
func (k *Kernel) putSegment(store string, n int, m *ebpf.Map) error {
	all, answer := k.maps[store], make(chan error, 1)
	k.answers.Go(func() { answer <- all.Put(uint32(n), m) })
	for !k.inStore(store, n, m) {
		select {
		case err := <-answer:
			return err
		default:
			runtime.Gosched()
		}
	}
	return nil
}

// inStore tells whether packets find m as segment n.
func (k *Kernel) inStore(store string, n int, m *ebpf.Map) bool {
	info, err := m.Info()
	if err != nil {
		return false
	}
	own, _ := info.ID()
	var there uint32
	return k.maps[store].Lookup(uint32(n), &there) == nil && there == uint32(own)
}

// openSegments maps the segments of a store that are pinned. One that was pinned but never put into the store, by a start
// that was killed, is put there now.
func openSegments[T any](k *Kernel, store string, pin func(n int) string, into []memory[T]) error {
	for n := range into {
		name := pin(n)
		m, err := ebpf.LoadPinnedMap(k.pin("maps", name), nil)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("segment %s: %w", name, explain(err))
		}
		k.maps[name] = m
		if k.writable && !k.inStore(store, n, m) {
			if err := k.putSegment(store, n, m); err != nil {
				return fmt.Errorf("segment %s: %w", name, err)
			}
		}
		if into[n], err = mapMemory[T](m, k.writable); err != nil {
			return fmt.Errorf("segment %s: %w", name, err)
		}
	}
	return nil
}
