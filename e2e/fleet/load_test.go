package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"
)

const (
	granted = "OK"
	denied  = "PermissionDenied RELATION_DENIED"
	// callTimeout is how long a call may take, also on a busy machine. It counts
	// when calls wait for a token.
	callTimeout = 5 * time.Second
	// pace is the time between two calls of one caller.
	pace = 200 * time.Millisecond
)

// call is one call and what came of it.
type call struct {
	caller     string
	start, end time.Time
	got        string
	err        error
}

// load is what callers do beside each other: each makes one call after the
// other, at its pace, and every one is recorded. Safe for concurrent use.
type load struct {
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex
	calls []call
	trips []trip
	first map[string]chan struct{} // closed at a caller's first success
}

func (w *world) newLoad() *load {
	ctx, stop := context.WithCancel(w.ctx)
	l := &load{ctx: ctx, stop: stop, first: map[string]chan struct{}{}}
	w.t.Cleanup(func() { l.end() })
	return l
}

// caller starts one caller. The returned channel is closed at its first success.
func (l *load) caller(name string, docs docsv1.DocumentServiceClient) <-chan struct{} {
	first := make(chan struct{})
	l.mu.Lock()
	l.first[name] = first
	l.mu.Unlock()
	l.running.Go(func() {
		ticker := time.NewTicker(pace)
		defer ticker.Stop()
		for {
			start := time.Now()
			err := get(l.ctx, docs)
			if l.ctx.Err() != nil {
				return
			}
			l.record(call{caller: name, start: start, end: time.Now(), got: reason(err), err: err})
			select {
			case <-l.ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})
	return first
}

// trip is a call without a token: what the machine takes for any call.
type trip struct {
	end  time.Time
	took time.Duration
}

// control starts a caller without a token.
func (l *load) control(docs docsv1.DocumentServiceClient) {
	l.running.Go(func() {
		for pause(l.ctx, pace) {
			start := time.Now()
			_, err := docs.GetServiceInfo(l.ctx, &docsv1.GetServiceInfoRequest{})
			if err != nil {
				continue // the end
			}
			l.mu.Lock()
			l.trips = append(l.trips, trip{time.Now(), time.Since(start)})
			l.mu.Unlock()
		}
	})
}

// slowest is how long a call without a token has taken since.
func (l *load) slowest(since time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var slowest time.Duration
	for _, t := range l.trips {
		if t.end.After(since) {
			slowest = max(slowest, t.took)
		}
	}
	return slowest
}

func (l *load) record(c call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
	if first := l.first[c.caller]; first != nil && c.got == granted {
		close(first)
		l.first[c.caller] = nil
	}
}

// end stops the callers and returns their calls, in the order of their starts.
func (l *load) end() []call {
	l.stop()
	l.running.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.SortFunc(l.calls, func(a, b call) int { return a.start.Compare(b.start) })
	return l.calls
}

// get reads the document that viewers may read.
func get(ctx context.Context, docs docsv1.DocumentServiceClient, opts ...grpc.CallOption) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := docs.GetDocument(ctx, &docsv1.GetDocumentRequest{DocumentId: "onboarding"}, opts...)
	return err
}

// reason is usher's reason in an error, with its code: "OK" if there is none.
func reason(err error) string {
	text := status.Code(err).String()
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			text += " " + info.GetReason()
		}
	}
	return text
}

// retryAfter is the RetryInfo of an error.
func retryAfter(err error) (wait time.Duration, ok bool) {
	for _, detail := range status.Convert(err).Details() {
		if info, is := detail.(*errdetails.RetryInfo); is {
			return info.GetRetryDelay().AsDuration(), true
		}
	}
	return 0, false
}

// pause waits, and reports whether to go on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// tally counts calls by what came of them.
type tally map[string]int

func count(calls []call) tally {
	counts := tally{}
	for _, c := range calls {
		counts[c.got]++
	}
	return counts
}

func (t tally) String() string {
	parts := make([]string, 0, len(t))
	for _, got := range slices.Sorted(maps.Keys(t)) {
		parts = append(parts, fmt.Sprintf("%s %d", got, t[got]))
	}
	return strings.Join(parts, ", ")
}
