package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
)

const (
	soakCallers  = 64
	soakLifetime = 5 * time.Second // of every token
	soakDefault  = 30 * time.Second
	// soakRotation leaves time for the first token under a key to reach every
	// server before the next key: a verifier asks once a second at most.
	soakRotation = 2 * soakLifetime
	// decisionTTL is the decision cache's, and so the documented delay of a
	// change; a call that is under way when it ends may take as long again.
	decisionTTL = time.Second
	settleTime  = 3 * decisionTTL
	// breakerTTL and the engine client's own backoff bound how long the engine is
	// missed after it is back.
	breakerTTL  = 500 * time.Millisecond
	recoverTime = 4 * time.Second

	// shortest is the shortest life of a token: the issuer's clock counts whole
	// seconds.
	shortest = soakLifetime - time.Second
	expired  = "Unauthenticated TOKEN_EXPIRED"

	wrongGrant   = "WRONG GRANT"
	wrongDenial  = "WRONG DENIAL"
	wrongMissing = "WRONG UNAVAILABLE"
)

// soak is one long run.
type soak struct {
	*system

	t      *testing.T
	ledger *ledger
	tally  *tally
}

// TestSoak lets 64 callers make unary calls and streams while the issuer's key
// rotates, the engine restarts, every token expires after five seconds and
// relations flip: no grant is ever wrong, and no denial after the documented
// delays. SOAKTIME is the test's length, for example 10m.
func TestSoak(t *testing.T) {
	length := soakDefault
	if text := os.Getenv("SOAKTIME"); text != "" {
		length = must(time.ParseDuration(text))(t)
	}
	s := newSoak(t, length+testTimeout)
	targets := []string{s.guard(s.soakVerifier(), s.soakGuard()), s.guard(s.soakVerifier(), s.soakGuard())}

	idle := runtime.NumGoroutine()

	// No deadline, which the server would see too, and a moment earlier.
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	time.AfterFunc(length, stop)
	var running sync.WaitGroup
	ids := []string{"editor", "editor-opaque", "stranger", "stranger-opaque", "flipper-0", "flipper-1", "flipper-2", "flipper-3"}
	for _, id := range ids {
		for _, target := range targets {
			docs := s.dial(id, target)
			for range soakCallers / len(ids) / len(targets) {
				running.Go(func() { s.caller(ctx, id, docs) })
			}
		}
	}
	for _, task := range []func(context.Context){s.rotate, s.restart, s.flip} {
		running.Go(func() { task(ctx) })
	}
	time.Sleep(min(length/4, 30*time.Second))
	heap := liveHeap()
	running.Go(func() { s.watchMemory(ctx) })
	<-ctx.Done()
	endHeap := liveHeap()
	running.Wait()
	left := settled(idle + leftover)

	t.Logf("%s, %d callers, %d token requests, goroutines %d before and %d after, live heap %d → %d KiB%s", length, soakCallers,
		s.issuer.TokenRequests(), idle, left, heap>>10, endHeap>>10, s.tally)
	for _, what := range s.tally.wrong {
		t.Error(what)
	}
	for _, what := range []string{"granted", "denied", "rotations", "restarts", "flips", "streams ended by their token"} {
		if s.tally.get(what) == 0 {
			t.Errorf("no %s: the run shows nothing", what)
		}
	}
	if left > idle+leftover {
		t.Errorf("goroutines: %d before, %d after all calls have ended", idle, left)
	}
	// Bounded by what is in flight, not by how long it ran.
	if endHeap > 2*heap+64<<20 {
		t.Errorf("live heap: %d KiB at a quarter, %d KiB at the end", heap>>10, endHeap>>10)
	}
}

func newSoak(t *testing.T, limit time.Duration) *soak {
	t.Helper()
	clients := []*client{
		{id: "editor", method: "private_key_jwt"},
		{id: "editor-opaque", method: "client_secret_basic", opaque: true},
		{id: "stranger", method: "client_secret_basic"},
		{id: "stranger-opaque", method: "private_key_jwt", opaque: true},
	}
	for i := range 4 {
		clients = append(clients, &client{id: fmt.Sprintf("flipper-%d", i), method: "client_secret_basic", opaque: i%2 == 1})
	}
	s := &soak{
		system: newSystemFor(t, limit, soakLifetime, clients...), t: t,
		tally: &tally{counts: map[string]int{}},
		ledger: &ledger{
			granted: map[string]bool{"editor": true, "editor-opaque": true}, changed: map[string]time.Time{},
			settle: settleTime, recover: recoverTime,
		},
	}
	s.allow("editor", "editor-opaque")
	return s
}

// soakLeeway is for the issuer's clock, which counts whole seconds.
const soakLeeway = time.Second

// soakVerifier takes JWTs and opaque tokens.
func (s *soak) soakVerifier() verify.Verifier {
	s.t.Helper()
	local := s.jwtConfig()
	local.Leeway = soakLeeway
	remote := s.introspectionConfig()
	remote.Leeway = soakLeeway
	j, i := must(verify.NewJWT(local))(s.t), must(verify.NewIntrospection(remote))(s.t)
	s.own(j)
	s.own(i)
	return must(verify.NewHybrid(verify.HybridConfig{JWT: j, Introspection: i}))(s.t)
}

func (s *soak) soakGuard() guardOptions {
	return guardOptions{
		cache:   authz.CacheConfig{Size: 1000, TTL: decisionTTL},
		breaker: authz.BreakerConfig{OpenFor: breakerTTL},
	}
}

// caller makes one call after the other, of a random kind; now and then it opens
// a stream that stays open until its token ends.
func (s *soak) caller(ctx context.Context, id string, docs docsv1.DocumentServiceClient) {
	names := []string{"unary", "server stream", "client stream", "bidi stream"}
	for ctx.Err() == nil {
		if rand.IntN(200) == 0 {
			s.watch(ctx, id, docs)
			continue
		}
		kind := names[rand.IntN(len(names))]
		after, token := s.ledger.before(id), s.fetched.oldest(id)
		err := soakCalls[kind](ctx, docs)
		if ctx.Err() != nil {
			return
		}
		s.judge(id, kind, err, token, after)
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
	}
}

// judge holds what a call came to against what is certain. The call's token was
// asked for at the given time, or later.
func (s *soak) judge(id, what string, err error, token time.Time, after func() (verdict, bool)) {
	age := time.Since(token)
	certain, mayMiss := after()
	got := reason(err)
	if opaque := s.clients[id].opaque; opaque && got == invalid {
		got = expired // the authorization server answers inactive, without the reason
	}
	switch got {
	case granted, "AlreadyExists": // the second is the handler's: it was let in
		s.tally.add("granted")
		if certain == mustDeny {
			s.tally.blame(wrongGrant, id+" "+what)
		}
	case denied:
		s.tally.add("denied")
		if certain == mustGrant {
			s.tally.blame(wrongDenial, id+" "+what)
		}
	case "Unavailable ENGINE_UNAVAILABLE":
		s.tally.add("unavailable")
		if !mayMiss {
			s.tally.blame(wrongMissing, id+" "+what)
		}
	case expired:
		// A busy machine can hold up a call, or a refresh, for what its token had left.
		if s.tally.add("calls that outlasted their token"); age < shortest {
			s.tally.blame(wrongDenial, fmt.Sprintf("%s %s: the token expired within %s", id, what, age))
		}
	default:
		s.tally.blame(wrongDenial, id+" "+what+": "+err.Error()+" ("+got+")")
	}
}

// watch keeps a stream open until it ends: with its token, at the latest.
func (s *soak) watch(ctx context.Context, id string, docs docsv1.DocumentServiceClient) {
	after, token, start := s.ledger.before(id), s.fetched.oldest(id), time.Now()
	stream, err := docs.WatchDocument(ctx, &docsv1.WatchDocumentRequest{DocumentId: "onboarding"})
	if err != nil {
		if ctx.Err() == nil {
			s.judge(id, "open stream", err, token, after)
		}
		return
	}
	messages := 0
	for err == nil {
		if _, err = stream.Recv(); err == nil {
			messages++
		}
	}
	switch {
	case ctx.Err() != nil:
	case messages > 0 && status.Code(err) == codes.Unauthenticated:
		s.tally.add("streams ended by their token")
		if open := time.Since(start); open > 2*soakLifetime {
			s.tally.blame(wrongGrant, fmt.Sprintf("%s: a stream outlived its token: open for %s", id, open))
		}
	case messages > 0: // a recheck, which is judged as of now
		s.tally.add("streams ended by a recheck")
	default:
		s.judge(id, "open stream", err, token, after)
	}
}

// rotate makes a new signing key now and then and stops publishing those whose
// tokens have expired.
func (s *soak) rotate(ctx context.Context) {
	var kids []string
	for pause(ctx, soakRotation) {
		kid, err := s.issuer.Rotate()
		if err != nil {
			s.t.Error(err)
			return
		}
		s.tally.add("rotations")
		if kids = append(kids, kid); len(kids) > 2 {
			s.issuer.Withdraw(kids[0])
			kids = kids[1:]
		}
	}
}

// restart stops the engine for a moment.
func (s *soak) restart(ctx context.Context) {
	for pause(ctx, 9*time.Second) {
		s.ledger.outage(s.engine.Down, func() { pause(ctx, 500*time.Millisecond) }, s.engine.Up)
		s.tally.add("restarts")
	}
}

// flip gives and takes relations, when the engine is there.
func (s *soak) flip(ctx context.Context) {
	on := map[string]bool{}
	for n := 0; pause(ctx, 2*time.Second); n++ {
		id := fmt.Sprintf("flipper-%d", n%4)
		on[id] = !on[id]
		s.ledger.change(id, on[id], func() {
			for !s.set(id, on[id]) && s.ctx.Err() == nil {
				time.Sleep(50 * time.Millisecond)
			}
		})
		s.tally.add("flips")
	}
}

// set writes a relation, and reports whether the engine has it. A write that
// fails because the relation is there already, since the answer to an earlier
// write was lost, counts as done.
func (s *soak) set(id string, on bool) bool {
	tuple := editorOf("handbook", id)
	change := s.engine.Delete
	if on {
		change = s.engine.Write
	}
	err := change(s.ctx, tuple)
	return err == nil || status.Code(err) != codes.Unavailable
}

// watchMemory prints a line a minute in a long run.
func (s *soak) watchMemory(ctx context.Context) {
	for pause(ctx, time.Minute) {
		s.t.Logf("goroutines %d, live heap %d KiB, granted %d, denied %d", runtime.NumGoroutine(),
			liveHeap()>>10, s.tally.get("granted"), s.tally.get("denied"))
	}
}

// leftover is how many goroutines the open connections of all parts may have.
const leftover = 400

// settled is the number of goroutines, once it is below the limit or has had the
// time to get there.
func settled(limit int) int {
	for end := time.Now().Add(testTimeout); ; time.Sleep(50 * time.Millisecond) {
		if n := runtime.NumGoroutine(); n <= limit || time.Now().After(end) {
			return n
		}
	}
}

// soakCalls are kinds that leave nothing behind, however often they are made.
var soakCalls = map[string]func(context.Context, docsv1.DocumentServiceClient) error{
	"unary": func(ctx context.Context, c docsv1.DocumentServiceClient) error { return kinds["unary"](ctx, c) },
	"server stream": func(ctx context.Context, c docsv1.DocumentServiceClient) error {
		return kinds["server stream"](ctx, c)
	},
	"client stream": func(ctx context.Context, c docsv1.DocumentServiceClient) error {
		stream, err := c.ImportDocuments(ctx)
		if err != nil {
			return err
		}
		_ = stream.Send(&docsv1.ImportDocumentsRequest{FolderId: "handbook", DocumentId: "onboarding"}) // CloseAndRecv returns the error
		_, err = stream.CloseAndRecv()
		return err
	},
	"bidi stream": func(ctx context.Context, c docsv1.DocumentServiceClient) error {
		stream, err := c.EditDocument(ctx)
		if err != nil {
			return err
		}
		for range 3 {
			if stream.Send(&docsv1.EditDocumentRequest{DocumentId: "onboarding"}) != nil {
				break
			}
			if _, err := stream.Recv(); err != nil {
				return err
			}
		}
		_ = stream.CloseSend()
		return end(stream)
	},
}

// pause waits, and reports whether to go on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func liveHeap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
