// Package telemetry turns the hooks of usher's packages into OpenTelemetry
// metrics, attributes on the server's span, an audit record for each decision,
// and the principal on the finish line of go-grpc-middleware's logging.
//
// One call makes the observers of all packages:
//
//	tel, err := telemetry.New(telemetry.Config{Audit: slog.Default()})
//	creds, err := credentials.New(credentials.Config{…, Observer: tel.Credentials})
//	verifier, err := verify.NewJWT(verify.JWTConfig{…, Observer: tel.Verify})
//	authorizer, err := authz.New(authz.Config{…, Observer: tel.Authz})
//	auth, err := interceptor.New(interceptor.Config{…, Observer: tel.Interceptor})
//
// # Metrics
//
//	usher.verify.duration              histogram, s   outcome, source, issuer
//	usher.verify.keys.fetches          counter        outcome, issuer
//	usher.verify.keys.age              gauge, s       issuer
//	usher.verify.introspect.duration   histogram, s   outcome, issuer
//	usher.decision.duration            histogram, s   outcome, reason, occasion, rpc.method
//	usher.authz.engine.duration        histogram, s   outcome
//	usher.authz.checks                 counter        effect, cached
//	usher.authz.breaker.open           gauge          (1: open)
//	usher.credentials.fetch.duration   histogram, s   outcome
//	usher.credentials.invalidations    counter        reason
//	usher.handlers.abandoned           updowncounter
//	usher.panics                       counter        where
//
// Every label has a bounded set of values: none comes from a token, and a method
// that has no rule is "other".
//
// # Audit
//
// A decision's record says who, which method, which object and relation, the
// effect, why, how long it took, what came from the cache and, in a trace, the
// trace_id. Denials are all recorded; of grants, one in [Config.GrantSampling].
//
// Its occasion is what the decision was about: "call", "message", "recheck" and "end"
// as in [interceptor.Occasion], and "handler" for a check or a filter that a handler
// made itself. A filter that was answered is a grant, with the group "filter": it was
// of so many objects, and so many are granted.
//
// A refusal's record also has the peer's address. That of a refused token has a
// group "unverified", of what the token said of itself: issuer, sub, client_id, aud
// and type, each cut to 128 bytes and escaped as in Go source. Anyone can write
// such a token.
package telemetry
