package lab

import "time"

// pacer spreads events evenly over time, without catching up more than a tenth of a second.
type pacer struct {
	rate    int // a second
	begun   int64
	skipped uint64
}

// due is how many should begin now.
func (p *pacer) due(elapsed time.Duration) int {
	late := p.target(elapsed) - p.begun
	if most := int64(p.rate/10 + 1); late > most {
		p.skipped += uint64(late - most)
		p.begun += late - most
		late = most
	}
	return int(late)
}

func (p *pacer) target(elapsed time.Duration) int64 {
	return int64(elapsed.Seconds() * float64(p.rate))
}

// next is when the next one is due.
func (p *pacer) next() time.Duration {
	if p.rate == 0 {
		return MaxLoad
	}
	return time.Duration(float64(p.begun+1) / float64(p.rate) * float64(time.Second))
}
