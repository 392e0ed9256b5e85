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
//	usher.authz.engine.duration        histogram, s   kind, outcome
//	usher.authz.engine.combined        counter
//	usher.authz.checks                 counter        kind, effect, cached
//	usher.authz.breaker.open           gauge          kind (1: open)
//	usher.credentials.fetch.duration   histogram, s   outcome
//	usher.credentials.invalidations    counter        reason
//	usher.handlers.abandoned           updowncounter
//	usher.panics                       counter        where
//
// Every label has a bounded set of values: no value comes from a token or a request,
// and a method without a rule is "other". The kind is "relation", "permission" or
// "attributes", as in [authz.QueryKind].
//
// # Spans
//
// The server's span gets the verdict: usher.allowed, usher.occasion, usher.rule,
// usher.issuer, usher.subject and usher.client_id; in usher.asked what was asked for,
// such as "relation viewer" or "permission documents.edit", the first 8 of them; and
// for a refusal usher.reason and usher.decision_id.
//
// # Audit
//
// The record of a decision has the caller, the method, each query with its effect and
// whether the answer came from the cache, the reason, the duration and, in a trace, the
// trace_id. A query has its kind, its object and subject, and by its kind the member
// relation, permission or action. The values that a rule gives the engine (contexts and
// properties) aren't recorded, since they may be personal data; nor is what an engine
// adds to its answer. All denials are recorded, and one in
// [Config.GrantSampling] of the grants.
//
// The record's occasion is what the decision was about: "call", "message", "recheck"
// or "end" as in [interceptor.Occasion], or "handler" for a check or a filter that a
// handler made itself. A filter that was answered is recorded as a grant; its group
// "filter" has the number of objects in "of", and how many were granted in "granted".
//
// A refusal's record also has the connection's address and port, "peer". The
// address that rules read as peer.ip is in "peer_ip" where it is another one, as
// behind a proxy (see [interceptor.Config.TrustedProxies]); a grant's record has it
// if the method's rule reads the connection. The record of a refused token has
// a group "unverified" with the token's claims as they were sent: issuer, sub,
// client_id, aud and type, each cut to 128 bytes and escaped as in Go source. Anyone
// can write such a token.
package telemetry
