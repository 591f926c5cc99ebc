package datapath

import (
	"fmt"
	"os"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// memory is a map of the kernel's seen as a Go slice, one element a map element. What one side stores the other loads at
// once; elements are only ever read and written by aligned words.
type memory[T any] struct {
	all []T
	raw []byte
}

func mapMemory[T any](m *ebpf.Map, writable bool) (memory[T], error) {
	var element *T // a variable of the type itself would be allocated, and some are of a megabyte
	n := int(m.MaxEntries())
	if size := int(unsafe.Sizeof(*element)); size != int(m.ValueSize()) || size%8 != 0 {
		return memory[T]{}, fmt.Errorf("map memory: element of %d bytes, map has %d", size, m.ValueSize())
	}
	page := os.Getpagesize()
	length := (n*int(m.ValueSize()) + page - 1) / page * page
	prot := unix.PROT_READ
	if writable {
		prot |= unix.PROT_WRITE
	}
	raw, err := unix.Mmap(m.FD(), 0, length, prot, unix.MAP_SHARED)
	if err != nil {
		return memory[T]{}, fmt.Errorf("map memory: %w", err)
	}
	return memory[T]{all: unsafe.Slice((*T)(unsafe.Pointer(&raw[0])), n), raw: raw}, nil
}

func (m *memory[T]) unmap() {
	if m.raw != nil {
		_ = unix.Munmap(m.raw) // cannot fail on a whole mapping
		*m = memory[T]{}
	}
}
