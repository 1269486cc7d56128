package pipeline

// fifo is a first-in, first-out queue that doesn't shrink. Its zero value is empty.
type fifo[T any] struct {
	ring []T // a power of two of places
	head int
	n    int
}

func (q *fifo[T]) push(x T) {
	if q.n == len(q.ring) {
		grown := make([]T, max(2*q.n, 64))
		copied := copy(grown, q.ring[q.head:])
		copy(grown[copied:], q.ring[:q.head])
		q.ring, q.head = grown, 0
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = x
	q.n++
}

// at returns the element that is n pops away.
func (q *fifo[T]) at(n int) *T { return &q.ring[(q.head+n)&(len(q.ring)-1)] }

func (q *fifo[T]) pop() T {
	var none T
	x := q.ring[q.head]
	q.ring[q.head] = none
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return x
}
