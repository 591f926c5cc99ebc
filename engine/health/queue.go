package health

import "container/heap"

// queue are the probes that wait, the one that is due first in front.
type queue []*probe

// Len implements heap.Interface, as the others do.
func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *queue) Push(x any) {
	p := x.(*probe)
	p.place = len(*q)
	*q = append(*q, p)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	p := (*q)[last]
	(*q)[last], *q = nil, (*q)[:last]
	p.place = -1
	return p
}

func (q *queue) drop(p *probe) {
	if p.place >= 0 {
		heap.Remove(q, p.place)
	}
}
