// Package lumoauth answers usher's relation checks with LumoAuth's
// authorization API.
//
//	engine, err := lumoauth.New(lumoauth.Config{
//		Organization: "acme",
//		TokenSource:  creds, // usher's credentials with the authz:check scope, or APIKey
//	})
//	…
//	defer engine.Close()
//	authorizer, err := authz.New(authz.Config{Engine: engine, …})
//
// # What it costs
//
// LumoAuth's relation check has no bulk form: a batch is one request for each
// distinct query in it, at most Parallelism (32) under way over all callers, half of
// them for one caller, so that its slow queries don't keep others waiting. Its
// API allows as few as 100 requests a minute for each token, so turn authz's
// decision cache on where a stale answer is tolerable; authz already shares one
// request among equal queries of a caller in flight.
//
// With [Config] Evaluations every query goes to LumoAuth's AuthZEN endpoints
// instead, 50 to a request. That is a choice and no fallback: nothing promises
// that both answer alike.
//
// # Limits
//
// The relation check takes no context and LumoAuth has no consistency token:
// queries with context are refused without Evaluations, and rules that ask for
// more than minimize-latency are refused at start. Usersets as subjects
// (team:eng#member) are for relation checks only. Types, ids and relations are
// at most 512 bytes each, without ':', '#', white space or control characters.
//
// # Failure
//
// Only "allowed": true under a 200 allows, and only when what the answer says it
// is about is what was asked. An error beside it, under a 200 too, is that error,
// by its status, and neither a grant nor a denial. 429 and 503 with Retry-After
// keep back the subject that they were about until then (at most 30 s), and every
// request once three subjects were told so with no other answer between them; 401
// drops the token that was sent and tries
// once with another; 403 (insufficient_permissions: the token lacks
// authz:check) is EngineRefused; 400 (an unknown namespace) is
// EngineMisconfigured. Redirects are not followed, answers are read up to 1 MiB,
// requests end after Timeout (3 s). Errors are [*authz.EngineError] and hold
// nothing of a body.
//
// Package lumoauthtest is a server that speaks this contract in front of any
// engine.
package lumoauth
