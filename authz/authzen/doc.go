// Package authzen answers usher's checks of relations, permissions and attributes with
// any server that speaks the OpenID AuthZEN Authorization API 1.0: OpenFGA, Topaz,
// Cerbos, LumoAuth and more.
//
//	engine, err := authzen.New(authzen.Config{
//		BaseURL:     "https://pdp.example.com",
//		TokenSource: creds, // usher's credentials, or APIKey
//	})
//	…
//	defer engine.Close()
//	err = engine.Ready(ctx) // optional: discovery, where it was asked for
//	authorizer, err := authz.New(authz.Config{Engine: engine, …})
//
// A query becomes subject {type, id}, action {name: relation}, resource {type, id}
// and context. AuthZEN has no usersets: a query whose subject has a relation is
// refused.
//
// A permission is an action of that name on the object that the rule names, or on
// [Config.PermissionResource]. A query by attributes has the rule's properties of
// subject, action and resource, besides those of [Config.Properties]; a property that
// both give is an error. Numbers, booleans and lists stay what they are in JSON, but
// integers beyond ±2^53 are decimal strings. The server takes all three kinds of
// queries for evaluations: which actions are relations, permissions or neither is its
// policy's.
//
// # What it costs
//
// A single query is one evaluation. Several queries are evaluations requests of at
// most 50 ([Config.BatchSize]) with execute_all semantics, or parallel single
// evaluations if the server has no such endpoint. An empty batch sends nothing,
// since AuthZEN would read it as a single evaluation. Queries that say different things
// of one subject id or of one resource (another type, other properties) are never in
// the same request, since Cerbos 0.50 would answer all of them as the first. At most [Config.Parallelism]
// (32) requests are under way at once, over all callers, at most half of them for
// one caller.
//
// Cerbos 0.50 refuses evaluations of which one has no context: set
// [Config.SingleOnly] for it unless each rule has one.
//
// # Consistency
//
// AuthZEN has no consistency modes: a rule that asks for more than minimize-latency
// is an error at start.
//
// # Failure
//
// Only "decision": true under a 200 allows. A decision that is missing or isn't a
// boolean, more or fewer answers than questions, a duplicate member, or a body that
// isn't exactly one JSON object is an error for all queries that the answer covers,
// never a grant. "decision": false allows nothing either; if its context holds an
// error (AuthZEN §7.2.1 "context.error"), the result is that error and not a
// denial. The same holds for an error beside the decision. An answer that names
// another subject, action or resource than was asked about is not an answer.
// AuthZEN can't express that an answer lacks context, so the engine never returns
// [authz.EffectConditional]. The context of an answer is its Context, for hooks: above
// 4 KiB, or nested deeper than 8 levels, it is replaced by one with the member
// usher_dropped alone, which says why.
//
// Redirects are not followed. Answers are read up to 1 MiB, and requests end after
// [Config.Timeout] (3 s). A 429 or 503 with Retry-After holds back requests about
// the same caller until then (at most 30 s), and all requests once three callers
// were told so with no other answer between them. A 401 drops the token that was
// sent and tries once more with another. Errors are [*authz.EngineError] and hold
// nothing of a body.
package authzen
