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
// The connection belongs to the caller of [New]: TLS, interceptors and metrics
// (such as otelgrpc's client handler) are set where it is dialed.
//
// # What it costs
//
// A single query is one CheckPermission. Several queries are CheckBulkPermissions
// requests of at most 1000 ([Config.BatchSize]). After the first request, the
// others run at once ([Config.Parallelism]), at the first one's snapshot. An empty
// batch sends nothing.
//
// # Consistency
//
// Each mode is SpiceDB's own: minimize_latency, which may be stale by the server's
// quantization window; at_least_as_fresh with a ZedToken, for a caller to read its
// own writes; and fully_consistent. CheckedAt of [authz.Result] is the ZedToken of
// the answers. A ZedToken that SpiceDB refuses is EngineBadRevision, so a caller
// can't open the circuit breaker with one.
//
// # Caveats
//
// A query's context becomes the caveat context. CONDITIONAL_PERMISSION becomes
// [authz.EffectConditional], which isn't a grant, with the names that SpiceDB lacks
// in Missing.
//
// # Ids
//
// SpiceDB takes only ids of letters, digits and the characters / _ | - = +, up to
// 1024 bytes: no e-mail address and no URL. Any other id is refused before SpiceDB
// is asked. With [Config.EncodeIDs], ids are encoded instead: every other byte, and
// "=" itself, becomes "=" and two hexadecimal digits, so ann@example.com becomes
// ann=40example=2Ecom. The relationships must then be written with [EncodeID];
// [DecodeID] reverses it.
//
// Types (at most 128 bytes, with prefixes) and relations (3 to 64 bytes) are
// lower-case letters, digits and underscores.
//
// # Schema
//
// [Engine.ReadSchema] reads what SpiceDB reflects of its schema, so that rules can be
// checked against it before the first call. It needs Config.SchemaClient.
//
// # Failure
//
// Errors are [*authz.EngineError]. Transport failures, timeouts, throttling and
// server errors are EngineUnavailable; a refused key is EngineRefused; an unknown
// definition, permission or caveat, context of the wrong type and relationships
// nested too deep are EngineMisconfigured. A bulk reply whose pairs don't match the
// questions in their order is refused as a whole. SpiceDB's message texts are not
// repeated.
package spicedb
