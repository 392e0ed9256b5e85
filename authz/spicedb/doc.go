// Package spicedb answers usher's relation checks with SpiceDB, over its v1
// gRPC API.
//
//	conn, err := grpc.NewClient("spicedb.internal:50051",
//		grpc.WithTransportCredentials(tlsCreds),
//		grpc.WithPerRPCCredentials(spicedb.PresharedKey(key)),
//		grpc.WithDefaultServiceConfig(spicedb.ServiceConfig)) // retries of reads, load balancing
//	…
//	engine, err := spicedb.New(spicedb.Config{Client: v1.NewPermissionsServiceClient(conn)})
//	…
//	authorizer, err := authz.New(authz.Config{Engine: engine, …})
//
// The connection belongs to its user: TLS, interceptors and metrics (such as
// otelgrpc's client handler) are set where it is dialed.
//
// # What it costs
//
// One query is one CheckPermission; more are CheckBulkPermissions requests of
// at most 1000 ([Config] BatchSize), of which the second and later ones run side by
// side (Parallelism) at the first one's snapshot. An empty batch asks
// nothing.
//
// # Consistency
//
// Every mode is SpiceDB's own: minimize_latency, which may be stale by the
// server's quantization window; at_least_as_fresh with a ZedToken, which is how
// to read one's own write; fully_consistent. [authz.Result] CheckedAt is the
// ZedToken that the answers are at. A ZedToken that SpiceDB refuses is
// EngineBadRevision: a caller can't open the circuit breaker with one.
//
// # Caveats
//
// A query's context becomes the caveat context. CONDITIONAL_PERMISSION is
// [authz.EffectConditional], with the names that SpiceDB misses in Missing: it
// is no grant.
//
// # Ids
//
// SpiceDB takes ids of letters, digits and the characters / _ | - = + only, up
// to 1024 bytes: no e-mail address, no URL. Anything else is refused before
// SpiceDB is asked. EncodeIDs encodes instead: every other byte, and "="
// itself, becomes "=" and two hexadecimal digits, so ann@example.com is
// ann=40example=2Ecom. The relationships must then be written with [EncodeID];
// [DecodeID] reverses it.
//
// Types (at most 128 bytes, with prefixes) and relations (3 to 64) are lower
// case letters, digits and underscores.
//
// # Failure
//
// Errors are [*authz.EngineError]. Transport failures, timeouts, throttling and
// server errors are EngineUnavailable; a refused key is EngineRefused; an unknown
// definition, permission or caveat, context of the wrong type and relationships
// nested too deep are EngineMisconfigured. A bulk reply whose pairs aren't the
// questions in their order is believed in no place. SpiceDB's message texts are
// not repeated.
package spicedb
