package authz

import (
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
)

const (
	// maxLive is how many sets of objects one stream that rechecks may name. Each
	// of them is asked about again at every interval. A set beyond the limit is
	// refused: if it were forgotten instead, its grant could be revoked unnoticed.
	maxLive = 1024
	// maxLiveBytes bounds the memory for these sets, in bytes.
	maxLiveBytes = 1 << 20
)

// liveObjects are what a stream was granted, and what its rechecks ask about again:
// one message for each set of objects.
type liveObjects struct {
	mu    sync.Mutex
	byKey map[string]*liveMessage
	bytes int
}

// liveMessage is a message that was granted.
type liveMessage struct {
	// message has only the fields that the rule reads.
	message proto.Message
	granted time.Time
}

// fresh reports whether the objects were granted less than the interval ago.
func (l *liveObjects) fresh(key string, interval time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	live, ok := l.byKey[key]

	return ok && time.Since(live.granted) < interval
}

// grant remembers that a message's objects were granted, unless there is no room
// for them.
func (l *liveObjects) grant(key string, excerpt proto.Message, at time.Time) *Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if live, ok := l.byKey[key]; ok {
		live.granted = at

		return nil
	}
	size := len(key) + proto.Size(excerpt)
	if len(l.byKey) >= maxLive || l.bytes+size > maxLiveBytes {
		return refusal(ReasonTooManyObjects, "the stream names more objects than its rechecks can ask about")
	}
	if l.byKey == nil {
		l.byKey = map[string]*liveMessage{}
	}
	l.byKey[key] = &liveMessage{message: excerpt, granted: at}
	l.bytes += size

	return nil
}

// renew records that objects were granted again.
func (l *liveObjects) renew(key string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if live, ok := l.byKey[key]; ok {
		live.granted = at
	}
}

// all returns what to ask about again.
func (l *liveObjects) all() map[string]proto.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	messages := make(map[string]proto.Message, len(l.byKey))
	for key, live := range l.byKey {
		messages[key] = live.message
	}

	return messages
}
