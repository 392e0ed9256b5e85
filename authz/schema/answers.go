package schema

import "sync"

// maxAnswers bounds what a schema remembers of each kind of answer, in subjects, names or
// pairs.
const maxAnswers = 1 << 18

// answers are what a schema has been asked, to be asked again for each method.
type answers struct {
	holders    memo[int32, Holders]
	conditions memo[int32, reads]
	implies    memo[[2]int32, bool]
}

// memo remembers answers until it is full. It is safe for concurrent use; an answer may
// be computed twice.
type memo[K comparable, V any] struct {
	mu     sync.Mutex
	values map[K]V
	size   int
}

func (m *memo[K, V]) get(key K, compute func() (V, int)) V {
	m.mu.Lock()
	value, ok := m.values[key]
	m.mu.Unlock()
	if ok {
		return value
	}
	value, size := compute()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values == nil {
		m.values = map[K]V{}
	}
	if _, ok := m.values[key]; !ok && m.size+size < maxAnswers {
		m.values[key] = value
		m.size += size + 1
	}

	return value
}
