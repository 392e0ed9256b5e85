package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/trace"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/credentials/verify"
	"github.com/usher-auth/usher/interceptor"
)

// audit writes the audit records.
type audit struct {
	log      *slog.Logger
	sampling int
}

func newAudit(log *slog.Logger, sampling int) *audit {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}

	return &audit{log: log, sampling: sampling}
}

// The audit's messages.
const (
	messageDecision = "usher: decision"
	messageRule     = "usher: a linked service has a faulty rule"
	messageLate     = "usher: a handler runs on after its call"
	messagePanic    = "usher: contained a panic"
)

// check is one query in a record, without its context and properties, and without the
// context of its answer: they may hold personal data.
type check struct {
	Kind string `json:"kind"`
	// Object is empty if a permission isn't limited to one, or if the text that a
	// handler checked isn't an object; Err then quotes the text.
	Object string `json:"object,omitempty"`
	// One of the three is set, as the kind is.
	Relation   string `json:"relation,omitempty"`
	Permission string `json:"permission,omitempty"`
	Action     string `json:"action,omitempty"`
	Subject    string `json:"subject"`
	Effect     string `json:"effect"`
	Cached     bool   `json:"cached"`
	Err        string `json:"error,omitempty"`
}

// checkOf returns a query as it is recorded.
func checkOf(c *authz.Checked) check {
	recorded := check{
		Kind: c.Query.Kind.String(), Subject: c.Query.Subject.String(), Effect: c.Answer.Effect.String(), Cached: c.Cached,
	}
	switch c.Query.Kind {
	case authz.QueryRelation:
		recorded.Relation = c.Query.Relation
	case authz.QueryPermission:
		recorded.Permission = c.Query.Relation
	case authz.QueryAttributes:
		recorded.Action = c.Query.Relation
	}
	if c.Query.Object != (authz.Object{}) {
		recorded.Object = c.Query.Object.String()
	}
	if c.Answer.Err != nil {
		recorded.Err = c.Answer.Err.Error()
	}

	return recorded
}

// level returns the level of a decision's record, and reports whether it is recorded.
func (a *audit) level(ctx context.Context, allowed bool) (slog.Level, bool) {
	level := slog.LevelWarn
	if allowed {
		level = slog.LevelInfo
		//nolint:gosec // a sample needs no cryptographic randomness
		if a.sampling > 1 && rand.IntN(a.sampling) != 0 {
			return level, false
		}
	}

	return level, a.log.Enabled(ctx, level)
}

func (a *audit) decided(ctx context.Context, e interceptor.Decided) {
	level, recorded := a.level(ctx, e.Allowed())
	if !recorded {
		return
	}
	method := e.Method
	if !e.Known {
		method = printable(method)
	}
	attributes := make([]slog.Attr, 0, 16) //nolint:mnd // as many as a refusal has
	attributes = append(attributes,
		slog.Bool("allowed", e.Allowed()), slog.String("method", method), slog.String("occasion", e.Occasion.String()),
	)
	attributes = appendTrace(ctx, attributes)
	attributes = appendPrincipal(attributes, e.Principal)
	attributes = appendDecision(attributes, e.Decision)
	if !e.Allowed() {
		attributes = append(attributes, slog.String("code", e.Code.String()), slog.String("reason", string(e.Reason)), slog.String("decision_id", e.DecisionID))
	}
	if e.Err != nil {
		attributes = append(attributes, slog.String("cause", causeOf(e.Err)))
	}
	if e.Peer.IsValid() {
		attributes = append(attributes, slog.String("peer", e.Peer.String()))
	}
	if e.PeerIP.IsValid() && e.PeerIP != e.Peer.Addr() {
		attributes = append(attributes, slog.String("peer_ip", e.PeerIP.String()))
	}
	attributes = appendUnverified(attributes, e.Unverified)
	attributes = append(attributes, slog.Duration("duration", e.Duration))
	a.log.LogAttrs(ctx, level, messageDecision, attributes...)
}

// handlerDecided records a check or a filter that a handler made itself. A filter
// that was answered is a grant, even if it left nothing: the call goes on.
func (a *audit) handlerDecided(ctx context.Context, decision *authz.Decision) {
	level, recorded := a.level(ctx, decision.Allowed())
	if !recorded {
		return
	}
	principal, _ := verify.FromContext(ctx)
	attributes := []slog.Attr{
		slog.Bool("allowed", decision.Allowed()), slog.String("method", decision.Method()), slog.String("occasion", "handler"),
	}
	attributes = appendTrace(ctx, attributes)
	attributes = appendPrincipal(attributes, principal)
	attributes = appendDecision(attributes, decision)
	if !decision.Allowed() {
		attributes = append(attributes, slog.String("reason", string(decision.Reason())))
	}
	if err := decision.Err(); err != nil {
		attributes = append(attributes, slog.String("cause", causeOf(err)))
	}
	attributes = append(attributes, slog.Duration("duration", decision.Duration()))
	a.log.LogAttrs(ctx, level, messageDecision, attributes...)
}

func appendPrincipal(attributes []slog.Attr, p *verify.Principal) []slog.Attr {
	if p == nil {
		return attributes
	}

	return append(attributes, slog.Group("principal",
		slog.String("issuer", p.IssuerName()), slog.String("sub", p.Subject()), slog.String("client_id", p.ClientID()),
	))
}

// appendTrace appends the ID of the call's trace, if it has one.
func appendTrace(ctx context.Context, attributes []slog.Attr) []slog.Attr {
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		return append(attributes, slog.String("trace_id", span.TraceID().String()))
	}

	return attributes
}

// maxAudiences is how many audiences of a refused token are recorded.
const maxAudiences = 4

// appendUnverified appends the claims of a refused token as they were sent. Their
// group is named "unverified", since anyone can write such a token.
func appendUnverified(attributes []slog.Attr, said *verify.Unverified) []slog.Attr {
	if said == nil {
		return attributes
	}
	audiences := make([]string, min(len(said.Audiences), maxAudiences))
	for i := range audiences {
		audiences[i] = printable(said.Audiences[i])
	}

	return append(attributes, slog.Group("unverified",
		slog.String("issuer", printable(said.Issuer)), slog.String("sub", printable(said.Subject)),
		slog.String("client_id", printable(said.ClientID)), slog.Any("aud", audiences), slog.String("type", printable(said.Type)),
	))
}

// maxPrinted is the bound, in bytes, for a text that the caller chose.
const maxPrinted = 128

// printable returns the first maxPrinted bytes of a text. Characters that aren't
// printable are escaped as in Go source, so that the text can neither end a line of
// a log nor move a terminal's cursor.
func printable(text string) string {
	text = text[:min(len(text), maxPrinted)]
	if !strings.ContainsFunc(text, func(r rune) bool { return r == '\\' || r == utf8.RuneError || !strconv.IsPrint(r) }) {
		return text
	}
	quoted := strconv.Quote(text)

	return quoted[1 : len(quoted)-1]
}

func appendDecision(attributes []slog.Attr, decision *authz.Decision) []slog.Attr {
	if decision == nil {
		return attributes
	}
	attributes = append(attributes, slog.String("rule", decision.Rule()))
	if granted, of, filter := decision.Filter(); filter {
		attributes = append(attributes, slog.Group("filter", slog.Int("granted", granted), slog.Int("of", of)))
	}
	checked := decision.Checks()
	if len(checked) == 0 {
		return attributes
	}
	checks := make([]check, len(checked))
	for i := range checked {
		checks[i] = checkOf(&checked[i])
	}

	return append(attributes, slog.Any("checks", checks))
}

// causeOf returns the text of a cause. It appends the text that a *verify.Error
// wraps, since that error's own text leaves it out.
func causeOf(err error) string {
	var unverified *verify.Error
	if errors.As(err, &unverified) && unverified.Err != nil {
		return err.Error() + ": " + unverified.Err.Error()
	}

	return err.Error()
}

func (a *audit) ruleFault(fault *authz.RuleError) {
	a.log.Warn(messageRule, slog.String("fault", fault.Error()))
}

func (a *audit) handlerOverran(ctx context.Context, e interceptor.HandlerOverran) {
	attributes := appendTrace(ctx, appendPrincipal([]slog.Attr{slog.String("method", e.Method)}, e.Principal))
	if e.Err != nil {
		attributes = append(attributes, slog.String("ended_by", e.Err.Error()))
	}
	a.log.LogAttrs(ctx, slog.LevelWarn, messageLate, attributes...)
}

// panicked records where a panic happened. It doesn't record the panic's value,
// which may hold a secret.
func (a *audit) panicked(ctx context.Context, where, name string, stack []byte) {
	a.log.LogAttrs(ctx, slog.LevelError, messagePanic, appendTrace(ctx, []slog.Attr{
		slog.String("where", where), slog.String("name", name), slog.String("stack", string(stack)),
	})...)
}
