package demo

import (
	"bytes"
	"io"
	"sync"
)

// keptRecords bounds the records that wait to be shown, in bytes.
const keptRecords = 1 << 20

// records keeps audit records until they are shown, and shows those that come
// later at once. Safe for concurrent use.
type records struct {
	mu   sync.Mutex
	kept bytes.Buffer
	out  io.Writer
}

// Write takes one record.
func (r *records) Write(record []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.out != nil {
		return r.out.Write(record)
	}
	if r.kept.Len()+len(record) <= keptRecords {
		r.kept.Write(record)
	}
	return len(record), nil
}

// show prints what was kept, and from now on every record as it comes.
func (r *records) show(out io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out = out
	_, err := r.kept.WriteTo(out)
	return err
}

// shared makes a writer safe for concurrent use.
type shared struct {
	mu  sync.Mutex
	out io.Writer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}
