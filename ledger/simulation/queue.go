package simulation

import "time"

// maxOpen bounds how many stories are open at once, and with them memory: some 20 MiB.
const maxOpen = 1 << 16

// turn is when a story goes on. The order of the stories' beginnings decides between equal times.
type turn struct {
	due   time.Duration
	order int
	story story
}

func (t *turn) before(other *turn) bool {
	return t.due < other.due || t.due == other.due && t.order < other.order
}

// queue is a binary heap of turns, the soonest first. A story is in it once at most, so that its order is total.
type queue struct{ turns []turn }

func (q *queue) full() bool { return len(q.turns) >= maxOpen }

// soonest is the first turn, nil where there is none; it holds until the queue changes.
func (q *queue) soonest() *turn {
	if len(q.turns) == 0 {
		return nil
	}
	return &q.turns[0]
}

func (q *queue) push(t turn) {
	q.turns = append(q.turns, t)
	at := len(q.turns) - 1
	for at > 0 {
		parent := (at - 1) / 2
		if !t.before(&q.turns[parent]) {
			break
		}
		q.turns[at] = q.turns[parent]
		at = parent
	}
	q.turns[at] = t
}

func (q *queue) pop() turn {
	first, last := q.turns[0], q.turns[len(q.turns)-1]
	q.turns[len(q.turns)-1] = turn{} // lets go of the story
	q.turns = q.turns[:len(q.turns)-1]
	if len(q.turns) > 0 {
		q.sink(last)
	}
	return first
}

// sink puts a turn where it belongs, starting from the top, which is free.
func (q *queue) sink(t turn) {
	at := 0
	for {
		child := 2*at + 1
		if child >= len(q.turns) {
			break
		}
		if right := child + 1; right < len(q.turns) && q.turns[right].before(&q.turns[child]) {
			child = right
		}
		if !q.turns[child].before(&t) {
			break
		}
		q.turns[at] = q.turns[child]
		at = child
	}
	q.turns[at] = t
}
