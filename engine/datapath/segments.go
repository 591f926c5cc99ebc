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

// loose is a segment that is not in its store: no packet finds it, and it is gone with the process.
type loose[T any] struct {
	m      *ebpf.Map
	id     ebpf.MapID
	memory memory[T]
}

func makeSegment[T any](pin string) (*loose[T], error) {
	var element *T
	m, err := ebpf.NewMap(plainArray(pin, unsafe.Sizeof(*element), 1))
	if err != nil {
		return nil, explain(err)
	}
	s := &loose[T]{m: m}
	if s.id, err = idOf(m); err == nil {
		s.memory, err = mapMemory[T](m, true)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *loose[T]) close() {
	s.memory.unmap()
	_ = s.m.Close()
}

func idOf(m *ebpf.Map) (ebpf.MapID, error) {
	info, err := m.Info()
	if err != nil {
		return 0, err
	}
	id, ok := info.ID()
	if !ok {
		return 0, errors.New("the kernel does not say which map it is")
	}
	return id, nil
}

// addSegment makes segment n of a store.
func addSegment[T any](k *Kernel, store, pin string, n int) (memory[T], error) {
	s, err := makeSegment[T](pin)
	if err != nil {
		return memory[T]{}, err
	}
	return enterSegment(k, store, pin, n, s)
}

// enterSegment makes s segment n of a store.
func enterSegment[T any](k *Kernel, store, pin string, n int, s *loose[T]) (memory[T], error) {
	err := s.m.Pin(k.pin("maps", pin))
	if err == nil {
		if err = k.putSegment(store, n, s.m, s.id); err != nil {
			_ = s.m.Unpin() // else the next start tries again
		}
	}
	if err != nil {
		s.close()
		return memory[T]{}, err
	}
	k.maps[pin] = s.m
	return s.memory, nil
}

// putSegment puts a segment into a store. The kernel does it at once, but answers when the last packet that may not have
// seen it has left, tens of milliseconds later. What follows is for packets that come later still, and goes on.
func (k *Kernel) putSegment(store string, n int, m *ebpf.Map, id ebpf.MapID) error {
	all, answer := k.maps[store], make(chan error, 1)
	k.answers.Go(func() { answer <- all.Put(uint32(n), m) })
	for !k.inStore(store, n, id) {
		select {
		case err := <-answer:
			return err
		default:
			runtime.Gosched()
		}
	}
	return nil
}

// inStore tells whether packets find a map as segment n.
func (k *Kernel) inStore(store string, n int, id ebpf.MapID) bool {
	var there uint32
	return k.maps[store].Lookup(uint32(n), &there) == nil && there == uint32(id)
}

// openSegments maps the segments of a store that are pinned, and are not mapped yet. One that was pinned but never put into the store, by a start
// that was killed, is put there now.
func openSegments[T any](k *Kernel, store string, pin func(n int) string, into []memory[T]) error {
	for n := range into {
		if into[n].all != nil {
			continue
		}
		m, err := ebpf.LoadPinnedMap(k.pin("maps", pin(n)), nil)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("segment %s: %w", pin(n), explain(err))
		}
		k.maps[pin(n)] = m
		if into[n], err = openSegment[T](k, store, n, m); err != nil {
			return fmt.Errorf("segment %s: %w", pin(n), err)
		}
	}
	return nil
}

func openSegment[T any](k *Kernel, store string, n int, m *ebpf.Map) (memory[T], error) {
	id, err := idOf(m)
	if err != nil {
		return memory[T]{}, err
	}
	if k.writable && !k.inStore(store, n, id) {
		if err := k.putSegment(store, n, m, id); err != nil {
			return memory[T]{}, err
		}
	}
	return mapMemory[T](m, k.writable)
}
