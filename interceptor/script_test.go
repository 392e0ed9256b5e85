package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/interceptor"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// scriptRules are the policies that scripts run under.
func scriptRules() map[string]*authzv1.Rule {
	hidden := func(rule *authzv1.Rule) *authzv1.Rule {
		rule.OnDeny = authzv1.OnDeny_ON_DENY_NOT_FOUND

		return rule
	}
	first := check("document:{value}")
	first.Stream = &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE}

	return map[string]*authzv1.Rule{
		"each": check("document:{value}"), "first": first, "authenticated": authenticated(), "handler": handlerDecides(),
		"each, hidden": hidden(check("document:{value}")), "handler, hidden": hidden(handlerDecides()),
		"each, rechecked": rechecked(check("document:{value}"), 10*time.Second),
		"all, hidden":     hidden(rechecked(check("document:{value}"), 10*time.Second)),
		"start, hidden":   hidden(rechecked(check("document:1"), 10*time.Second)),
	}
}

// play is one run of a random script under a policy.
type play struct {
	*world

	mu      sync.Mutex
	lines   []string
	checked bool  // a check of the handler's own was granted
	sent    bool  // a message went out
	refusal error // what the handler's stream was refused with
	header  metadata.MD
	trailer metadata.MD
	values  []string
	end     error
	ended   bool
	overran int
	reads   bool // the rule reads messages
	closed  bool // the caller has closed its side
}

func (p *play) logf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
}

// granted reports whether anything of the handler's may have reached the caller.
func (p *play) granted(policy string) bool {
	if strings.HasPrefix(policy, "handler") {
		p.mu.Lock()
		defer p.mu.Unlock()

		return p.checked
	}
	for _, event := range p.decided() {
		if event.Allowed() && event.Occasion != interceptor.OccasionRecheck {
			return true
		}
	}

	return false
}

// act does what the script has the handler do.
func (p *play) act(stream testpb.TestService_PingStreamServer, action string) {
	ctx, md := stream.Context(), metadata.Pairs("h-secret", "x")
	p.mu.Lock()
	before := p.refusal
	p.mu.Unlock()
	var err error
	switch action {
	case "SetHeader":
		err = stream.SetHeader(md)
	case "SendHeader":
		err = grpc.SendHeader(ctx, md)
	case "SetTrailer":
		stream.SetTrailer(metadata.Pairs("t-secret", "x"))
	case "grpc.SetTrailer":
		err = grpc.SetTrailer(ctx, metadata.Pairs("t-secret", "x"))
	case "compress":
		err = interceptor.SetSendCompressor(ctx, "identity")
	case "check":
		err = authz.CheckFromContext(ctx, "document:1", "viewer")
	case "Send":
		err = stream.Send(&testpb.PingStreamResponse{Value: "secret"})
	case "Recv":
		var got *testpb.PingStreamRequest
		got, err = stream.Recv()
		if got.GetValue() == "2" && p.reads {
			p.logf("FAULT: a refused message")
		}
	}
	p.logf("%s: %v", action, status.Code(err))
	var refused *interceptor.Error
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil && action == "check":
		p.checked = true
	case err == nil && action == "Send":
		p.sent = true
	}
	if action != "Send" && action != "Recv" {
		return
	}
	if before != nil && !errors.Is(err, before) {
		p.lines = append(p.lines, fmt.Sprintf("FAULT: the refusal %v became %v", before, err))
	}
	if errors.As(err, &refused) && p.refusal == nil {
		p.refusal = refused
	}
}

var scriptEndings = []string{"OK", "NOT_FOUND", "its own", "another's", "check's", "panic", "Goexit", "runs on"}

// finish ends the handler.
func (p *play) finish(stream testpb.TestService_PingStreamServer, ending string, another error) error {
	switch ending {
	case "NOT_FOUND":
		return status.Error(codes.NotFound, "document 7 is gone: secret")
	case "its own":
		return status.Error(codes.FailedPrecondition, "its own")
	case "another's":
		return another
	case "check's":
		return authz.CheckFromContext(stream.Context(), "document:2", "viewer")
	case "panic":
		panic("x")
	case "Goexit":
		runtime.Goexit()
	case "runs on":
		<-stream.Context().Done()
		time.Sleep(3 * time.Second)
		p.act(stream, "SetTrailer")
		p.act(stream, "Send")
	}

	return nil
}

// run plays the script, and checks what must hold after each of its steps.
func (p *play) run(t *testing.T, policy string, rule *authzv1.Rule, random *rand.Rand, another error) {
	t.Helper()
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	p.setToken(aliceToken, principal(t, "alice", time.Minute))
	ending, acts := scriptEndings[random.IntN(len(scriptEndings))], make(chan string, 100)
	set, handler, sends := byValue(), make(chan context.Context, 1), make(chan string, 100)
	sender := acts
	if random.IntN(2) == 0 {
		sender = sends // a goroutine of its own
	}
	set["PingStream"] = rule
	s := start(t, p.world, setupConfig{
		rules: set, inMemory: true, before: recovering(), config: func(c *parts) {
			c.Observer.HandlerOverran = func(_ context.Context, event interceptor.HandlerOverran) {
				p.mu.Lock()
				defer p.mu.Unlock()
				if p.overran++; event.Returned {
					p.overran -= 2
				}
			}
		},
		impl: &scripted{bidi: func(stream testpb.TestService_PingStreamServer) error {
			handler <- stream.Context()
			go func() {
				for action := range sends {
					p.act(stream, action)
				}
			}()
			for action := range acts {
				p.act(stream, action)
			}

			return p.finish(stream, ending, another)
		}},
	})
	ctx, cancel := context.WithCancel(patient(t, aliceToken))
	defer cancel()
	stream, err := s.PingStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	go p.receive(stream)
	for range 2 + random.IntN(9) {
		switch event := pick("act", "act", "act", "act", "act", "1", "1", "2", "close", "cancel", "down", "revoke", "wait", "expire"); event {
		case "act":
			sender <- pick("SetHeader", "SendHeader", "Send", "Send", "Send", "compress", "SetTrailer")
			acts <- pick("SetHeader", "SendHeader", "SetTrailer", "grpc.SetTrailer", "check", "Recv", "Recv", "Recv")
		default:
			p.logf("> %s", event)
			p.happen(stream, event, cancel)
		}
		synctest.Wait()
		p.hold(policy)
	}
	p.logf("> %s", ending)
	close(sends)
	close(acts)
	synctest.Wait()
	time.Sleep(2 * time.Minute) // the token's end
	cancel()
	time.Sleep(time.Minute)
	synctest.Wait()
	p.hold(policy)
	p.settled(policy, ending, another)
	select {
	case ctx := <-handler:
		if ctx.Err() == nil {
			p.logf("FAULT: the handler's context goes on")
		}
	default:
	}
}

// happen is what the world or the caller does.
func (p *play) happen(stream testpb.TestService_PingStreamClient, event string, cancel func()) {
	switch event {
	case "1", "2":
		if !p.closed {
			_ = stream.Send(&testpb.PingStreamRequest{Value: event})
		}
	case "close":
		p.closed = true
		_ = stream.CloseSend()
	case "cancel":
		cancel()
	case "down":
		p.failEngine(errors.New("down"))
	case "revoke":
		p.revoke("document:1#viewer@user:alice")
	case "wait":
		time.Sleep(11 * time.Second)
	case "expire":
		time.Sleep(2 * time.Minute)
	}
}

// receive is the caller.
func (p *play) receive(stream testpb.TestService_PingStreamClient) {
	header, _ := stream.Header()
	p.mu.Lock()
	p.header = header
	p.mu.Unlock()
	for {
		got, err := stream.Recv()
		p.mu.Lock()
		if err != nil {
			p.end, p.ended, p.trailer = err, true, stream.Trailer()
			delete(p.trailer, "content-type") // of an answer that is a trailer alone
			p.mu.Unlock()

			return
		}
		p.values = append(p.values, got.GetValue())
		p.mu.Unlock()
	}
}

// hold checks that nothing of the handler's reached the caller before a grant.
func (p *play) hold(policy string) {
	granted := p.granted(policy)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !granted && (len(p.values) > 0 || p.header.Get("h-secret") != nil || p.trailer.Get("t-secret") != nil) {
		p.lines = append(p.lines, fmt.Sprintf("FAULT: before a grant: %q %v %v", p.values, p.header, p.trailer))
	}
}

// settled checks what the caller was told in the end.
func (p *play) settled(policy, ending string, another error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fault := func(format string, args ...any) {
		p.lines = append(p.lines, "FAULT: "+fmt.Sprintf(format, args...))
	}
	if !p.ended || p.overran != 0 {
		fault("ended %v, %d handlers run on", p.ended, p.overran)
	}
	st := status.Convert(p.end)
	p.lines = append(p.lines, fmt.Sprintf("end: %v %q %s, %d messages, header %v, trailer %v", st.Code(), st.Message(), reasonOf(st),
		len(p.values), p.header.Get("h-secret"), p.trailer.Get("t-secret")))
	hides := strings.HasSuffix(policy, "hidden")
	withholds := hides || strings.HasPrefix(policy, "handler")
	refused := reasonOf(st) != "" || hides && st.Code() == codes.NotFound
	if withholds && refused && (p.trailer.Get("t-secret") != nil || !p.sent && p.header.Get("h-secret") != nil) {
		fault("with a refusal: %v %v", p.header, p.trailer)
	}
	if hides && st.Code() == codes.NotFound {
		want := status.New(codes.NotFound, "not found").Proto()
		if !proto.Equal(st.Proto(), want) || len(p.trailer) > 0 {
			fault("a NOT_FOUND that tells more: %v %v", st.Proto(), p.trailer)
		}
	}
	if own := status.Convert(p.refusal); p.refusal != nil && st.Code() != codes.Canceled && !proto.Equal(own.Proto(), st.Proto()) {
		fault("the handler was refused with %v, the caller with %v", own, st)
	}
	if ending == "another's" && status.Convert(another).Message() == st.Message() && p.trailer.Get("www-authenticate") != nil {
		fault("another call's challenge")
	}
}

// Whatever a handler, its caller and the world do, in whatever order.
func TestScripts(t *testing.T) {
	const scripts = 60
	another := anothersRefusal(t)
	for policy, rule := range scriptRules() {
		t.Run(policy, func(t *testing.T) {
			for seed := range uint64(scripts) {
				synctest.Test(t, func(t *testing.T) {
					p := &play{world: newWorld(t), reads: rule.GetCheck().GetObject() == "document:{value}"}
					p.run(t, policy, proto.CloneOf(rule), rand.New(rand.NewPCG(seed, uint64(len(policy)))), another)
					all := strings.Join(p.lines, "\n\t")
					if strings.Contains(all, "FAULT") {
						t.Errorf("seed %d:\n\t%s", seed, all)
					}
				})
			}
		})
	}
}

// anothersRefusal returns what refused another call.
func anothersRefusal(t *testing.T) error {
	t.Helper()
	auth := newInterceptor(t, newWorld(t), setupConfig{rules: byValue()})
	_, err := auth.Unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/" + service + "PingEmpty"}, nil)
	if status.Code(err) != codes.Unauthenticated {
		t.Fatal(err)
	}

	return err
}
