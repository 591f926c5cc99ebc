package lab

import "time"

// queue holds what is due later. All waits in one queue are equally long, so first in is first due.
type queue[T any] struct {
	items []timed[T]
	head  int
}

type timed[T any] struct {
	at   time.Duration
	what T
}

func (q *queue[T]) push(at time.Duration, what T) {
	if q.head > 64 && q.head > len(q.items)/2 {
		q.items = append(q.items[:0], q.items[q.head:]...)
		q.head = 0
	}
	q.items = append(q.items, timed[T]{at, what})
}

// due takes the first one out when its time has come.
func (q *queue[T]) due(now time.Duration) (what T, ok bool) {
	if q.head == len(q.items) || q.items[q.head].at > now {
		return what, false
	}
	what = q.items[q.head].what
	q.items[q.head] = timed[T]{}
	q.head++
	return what, true
}

// next is when the first one is due.
func (q *queue[T]) next() time.Duration {
	if q.head == len(q.items) {
		return MaxLoad
	}
	return q.items[q.head].at
}

// turns gives one after the other, round and round.
type turns[T any] struct {
	of   []T
	next int
}

// take is false when there are none.
func (t *turns[T]) take() (what T, ok bool) {
	if len(t.of) == 0 {
		return what, false
	}
	what = t.of[t.next%len(t.of)]
	t.next++
	return what, true
}
