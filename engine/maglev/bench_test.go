package maglev

import (
	"fmt"
	"testing"
)

func BenchmarkBuild(b *testing.B) {
	weights := map[string]func(i int) uint32{
		"equal":    func(int) uint32 { return 100 },
		"weighted": func(i int) uint32 { return uint32(1 + i%100) },
		"steep":    func(i int) uint32 { return 1 << (31 - i%32) },
	}
	for _, row := range []struct {
		size, n int
		weights string
	}{
		{65537, 1000, "equal"}, {65537, 1000, "weighted"}, {65537, 1000, "steep"},
		{65537, 8, "equal"}, {65537, 8, "weighted"}, {65537, 8, "steep"},
		{4099, 12, "equal"}, {131071, 1000, "equal"},
	} {
		b.Run(fmt.Sprintf("slots=%d/backends=%d/%s", row.size, row.n, row.weights), func(b *testing.B) {
			entries := list(row.n)
			for i := range entries {
				entries[i].Weight = weights[row.weights](i)
			}
			ring := make([]uint16, row.size)
			var builder Builder
			b.ReportAllocs()
			for b.Loop() {
				if err := builder.Build(ring, entries); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCompare is what a preview and a switch of one VIP cost on top of its new ring.
func BenchmarkCompare(b *testing.B) {
	entries := list(100)
	old, same, larger := build(b, 65537, entries), build(b, 65537, entries[1:]), build(b, 131071, entries[1:])
	for name, ring := range map[string][]uint16{"same": same, "larger": larger} {
		b.Run("disruption/"+name, func(b *testing.B) {
			for b.Loop() {
				Disruption(old, ring)
			}
		})
		b.Run("marks/"+name, func(b *testing.B) {
			for b.Loop() {
				Marks(old, ring)
			}
		})
	}
}
