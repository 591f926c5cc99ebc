package filter

import (
	"math/rand/v2"
	"testing"

	"hairpin/engine/packet"
)

// TestParity: of broken frames, too, FieldsOf reads what the data path reads, and refuses those that it lets no stage see.
func TestParity(t *testing.T) {
	p, frames := newParse(t), corpus(t)
	r := rand.New(rand.NewPCG(5, 6))
	shown, refused := 0, 0
	for range 20000 {
		frame := append([]byte(nil), pick(r, frames)...)
		for range 1 + r.IntN(3) {
			frame[12+r.IntN(min(len(frame), 90)-12)] = pick(r, []byte{0, 1, 4, 6, 8, 17, 43, 44, 60, 0x45, 0x46, 0x60, 0x81, 0xff, byte(r.Uint32())})
		}
		frame = frame[:max(14, len(frame)-pick(r, []int{0, 0, 0, 1, 8, 30, 1000}))]
		verdict, scratch := p.run(t, frame)
		f, err := FieldsOf(frame)
		s, _ := packet.Parse(frame)
		if got := err == nil && f.family() != 0; got != (verdict == seen) {
			t.Fatalf("%x\n%v: the data path shows it to stages: %v; Go: %v", frame, s, verdict == seen, err)
		}
		if verdict != seen {
			refused++
			continue
		}
		shown++
		if problem := p.layout.differs(f, scratch); problem != "" {
			t.Fatalf("%x\n%v: %s", frame, s, problem)
		}
	}
	if shown < 5000 || refused < 2000 {
		t.Errorf("%d frames were shown to stages and %d were not: this test sees too little", shown, refused)
	}
}
