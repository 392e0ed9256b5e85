// Package lumoauth answers usher's checks of relations, permissions and attributes with
// LumoAuth's authorization APIs.
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
// distinct query in it. At most [Config.Parallelism] (32) requests are under way at
// once, over all callers, and at most half of them for one caller, so that its slow
// queries don't keep others waiting. The API allows as few as 100 requests a minute
// for each token, so turn on authz's decision cache where a stale answer is
// tolerable; authz already shares one request among a caller's equal queries in
// flight.
//
// With [Config.Evaluations], every query goes to LumoAuth's AuthZEN endpoints
// instead, 50 to a request. It is a choice and not a fallback: LumoAuth doesn't
// promise that both give the same answers.
//
// # Permissions and attributes
//
// Both are AuthZEN evaluations with an explicit subject. LumoAuth's own endpoints for
// them are used only by choice ([Config.NativePermissions], [Config.NativeAttributes]):
// its documents disagree about how a request names a subject other than the token's
// own, and a server that ignores it answers about the token's, which is this server's
// own account. So a native answer counts only if it names the subject that was asked
// about, by user_id or subject; otherwise the error is EngineMisconfigured, and neither
// a grant nor a denial. A native request is about one subject and holds at most 100
// questions.
//
// Each API is asked by itself: a 429 from one doesn't hold back requests to another,
// since LumoAuth counts those for attributes apart (10,000 a minute). Relation checks
// and native permissions, which share a limit, hold back each other's.
//
// # Limits
//
// The relation check takes no context, and LumoAuth has no consistency token:
// queries with context are refused without Evaluations, and a rule that asks for
// more than minimize-latency is an error at start. Only relation checks take
// usersets as subjects (team:eng#member). The native endpoints can't limit a permission
// to an object, and take no properties of the subject or the action: such queries are
// EngineMisconfigured. In relation checks, types, ids and
// relations are at most 512 bytes each, without ':', '#', white space or control
// characters.
//
// # Failure
//
// Only "allowed": true under a 200 allows, and only if the answer is about what was
// asked. An error beside it, even under a 200, is that error, by its status, and
// neither a grant nor a denial. A 429 or 503 with Retry-After holds back requests
// about the same caller until then (at most 30 s), and all requests once three
// callers were told so with no other answer between them. A 401 drops the token
// that was sent and tries once more with another. A 403 (insufficient_permissions:
// the token lacks authz:check) is EngineRefused; a 400 (an unknown namespace) is
// EngineMisconfigured. Redirects are not followed, answers are read up to 1 MiB,
// and requests end after [Config.Timeout] (3 s). Errors are [*authz.EngineError]
// and hold nothing of a body.
//
// Package lumoauthtest is a server that implements this contract on any engine.
package lumoauth
