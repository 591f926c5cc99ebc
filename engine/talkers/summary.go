// Package talkers finds who sends most in samples of packets, in memory that is bounded and with errors that are known: the
// Space-Saving summary (Metwally, Agrawal, El Abbadi: Efficient Computation of Frequent and Top-k Elements in Data Streams).
package talkers

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
)

// Estimate is how much there was of something.
type Estimate[K comparable] struct {
	Key  K
	Sum  float64 // of what the samples stand for
	Over float64 // at most so much of it is others': the summary had forgotten them
	Vary float64 // the variance of Sum, because only samples were seen
}

// Bound is how far Sum may be off: what is others', and three standard deviations, which 997 of 1000 samples keep.
func (e Estimate[K]) Bound() float64 { return e.Over + 3*math.Sqrt(e.Vary) }

// Summary counts at most so many keys. Whoever comes when all places are taken gets that of the least, and begins with its
// count: so no key's count is too small, and one that has more than 1 part in its places of everything is never missing.
type Summary[K comparable] struct {
	places int
	at     map[K]*place[K]
	least  leastFirst[K]
}

type place[K comparable] struct {
	Estimate[K]
	index int
}

// NewSummary has room for so many keys.
func NewSummary[K comparable](places int) *Summary[K] {
	return &Summary[K]{places: places, at: make(map[K]*place[K])}
}

// Add counts a sample: weight, which stands for oneIn times as much.
func (s *Summary[K]) Add(key K, weight float64, oneIn int) {
	n := float64(max(oneIn, 1))
	sum, vary := weight*n, weight*weight*n*(n-1)
	p := s.at[key]
	switch {
	case p != nil:
	case len(s.least) < s.places:
		p = &place[K]{Estimate: Estimate[K]{Key: key}}
		s.at[key] = p
		heap.Push(&s.least, p)
	default:
		p = s.least[0]
		delete(s.at, p.Key)
		s.at[key] = p
		p.Estimate = Estimate[K]{Key: key, Sum: p.Sum, Over: p.Sum, Vary: p.Vary}
	}
	p.Sum, p.Vary = p.Sum+sum, p.Vary+vary
	heap.Fix(&s.least, p.index)
}

// Of is the estimate of one key; of one that is not there, what it can have had at most is Over.
func (s *Summary[K]) Of(key K) Estimate[K] {
	if p := s.at[key]; p != nil {
		return p.Estimate
	}
	if len(s.least) < s.places {
		return Estimate[K]{Key: key}
	}
	return Estimate[K]{Key: key, Over: s.least[0].Sum}
}

// Top are those with the most, the first n, by what is surely theirs.
func (s *Summary[K]) Top(n int) []Estimate[K] {
	list := make([]Estimate[K], 0, len(s.least))
	for _, p := range s.least {
		list = append(list, p.Estimate)
	}
	return top(list, n)
}

func top[K comparable](list []Estimate[K], n int) []Estimate[K] {
	slices.SortFunc(list, func(a, b Estimate[K]) int { return cmp.Compare(b.Sum-b.Over, a.Sum-a.Over) })
	return list[:min(n, len(list))]
}

// leastFirst is a heap.
type leastFirst[K comparable] []*place[K]

func (h leastFirst[K]) Len() int           { return len(h) }
func (h leastFirst[K]) Less(i, j int) bool { return h[i].Sum < h[j].Sum }
func (h leastFirst[K]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *leastFirst[K]) Push(x any) {
	p := x.(*place[K])
	p.index = len(*h)
	*h = append(*h, p)
}

// Pop is never called: no place is given back.
func (h *leastFirst[K]) Pop() any { return nil }
