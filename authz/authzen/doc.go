// Package authzen answers usher's relation checks with any server that speaks
// the OpenID AuthZEN Authorization API 1.0: OpenFGA, Topaz, Cerbos, LumoAuth
// and more.
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
// A query becomes subject {type, id}, action {name: relation}, resource
// {type, id} and context. AuthZEN has no usersets: a query whose subject has a
// relation is refused.
//
// # What it costs
//
// One query is one evaluation. More are evaluations requests of at most 50
// ([Config] BatchSize) with execute_all semantics, or parallel single
// evaluations where the server has no such endpoint. An empty batch asks
// nothing: AuthZEN would read it as a single evaluation. At most Parallelism (32)
// requests are under way at once, over all callers, half of them for one caller.
//
// # Consistency
//
// AuthZEN has none: rules that ask for more than minimize-latency are refused
// at start.
//
// # Failure
//
// Only "decision": true under a 200 allows. A decision that is missing or is no
// boolean, more or fewer answers than questions, a member twice, anything but
// one JSON object is an error for all that the answer covers, never a grant.
// "decision": false allows nothing either; where its context carries an error
// (AuthZEN §7.2.1 "context.error") it is that error and not a denial. So is an
// error beside the decision, and an answer that names another subject, action or
// resource than was asked about is no answer. AuthZEN
// can't say that an answer lacks context, so [authz.EffectConditional] never
// comes back.
//
// Redirects are not followed. Answers are read up to 1 MiB, requests end after
// Timeout (3 s), 429 and 503 with Retry-After keep back the subject that they
// were about until then (at most 30 s), and every request once three subjects were
// told so with no other answer between them. 401 drops the token that was sent and tries once with
// another. Errors are [*authz.EngineError] and hold nothing of a body.
package authzen
