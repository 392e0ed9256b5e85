// Package telemetry turns the hooks of usher's packages into OpenTelemetry
// metrics, attributes on the server's span, an audit record for each decision,
// and the principal on the finish line of go-grpc-middleware's logging.
//
// [New] makes the observers of all packages:
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
//	usher.authz.engine.combined        counter
//	usher.authz.checks                 counter        effect, cached
//	usher.authz.breaker.open           gauge          (1: open)
//	usher.credentials.fetch.duration   histogram, s   outcome
//	usher.credentials.invalidations    counter        reason
//	usher.handlers.abandoned           updowncounter
//	usher.panics                       counter        where
//
// Every label has a bounded set of values: no value comes from a token, and a method
// without a rule is "other".
//
// # Audit
//
// The record of a decision has the caller, the method, each object and relation that
// was checked, the effect, the reason, the duration, whether an answer came from the
// cache and, in a trace, the trace_id. All denials are recorded, and one in
// [Config.GrantSampling] of the grants.
//
// The record's occasion is what the decision was about: "call", "message", "recheck"
// or "end" as in [interceptor.Occasion], or "handler" for a check or a filter that a
// handler made itself. A filter that was answered is recorded as a grant; its group
// "filter" has the number of objects in "of", and how many were granted in "granted".
//
// A refusal's record also has the peer's address. The record of a refused token has
// a group "unverified" with the token's claims as they were sent: issuer, sub,
// client_id, aud and type, each cut to 128 bytes and escaped as in Go source. Anyone
// can write such a token.
package telemetry
