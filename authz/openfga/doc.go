// Package openfga answers usher's relation checks with an OpenFGA store, over
// OpenFGA's own gRPC API.
//
//	conn, err := grpc.NewClient("fga.internal:8081",
//		grpc.WithTransportCredentials(tlsCreds),
//		grpc.WithPerRPCCredentials(openfga.PresharedKey(key)), // or creds.DialOptions()... of usher's credentials
//		grpc.WithDefaultServiceConfig(openfga.ServiceConfig))  // retries of reads, load balancing
//	…
//	engine, err := openfga.New(openfga.Config{Client: openfgav1.NewOpenFGAServiceClient(conn), StoreID: storeID, ModelID: modelID})
//	…
//	err = engine.Ready(ctx) // optional: the store answers and the model is there
//	authorizer, err := authz.New(authz.Config{Engine: engine, …})
//
// # What it costs
//
// A single query is one Check. Several queries are BatchCheck requests of at most
// 50 ([Config.BatchSize]), of which 4 run at once ([Config.Parallelism]). An empty
// batch sends nothing. [Embedded] calls an in-process server without a connection.
//
// # Consistency
//
// OpenFGA has no consistency token. Minimize-latency asks for its default,
// which may be as stale as the server's check cache (off unless configured).
// At-least-as-fresh and fully-consistent both ask for HIGHER_CONSISTENCY,
// which skips that cache and so is at least as fresh as any revision; the
// revision itself is not sent. [authz.Result] CheckedAt stays empty.
//
// # The model
//
// Every request names a model id, so that a model written later never changes a
// running server's decisions halfway. [Config.ModelID] sets it; without it, the
// store's newest model is read at the first check and kept for the life of the
// Engine.
//
// [Engine.ReadSchema] reads that model as a schema, so that rules can be checked against
// it before the first call, and [Schema] converts a model from a file.
//
// # Conditions and contextual tuples
//
// A query's context becomes the request's context. OpenFGA reports a condition
// whose parameters are missing as a validation error without a code of its own, so
// the adapter reads the model to recognize it: if a condition within reach of the
// relation declares parameters that the query doesn't have, the answer is
// [authz.EffectConditional], with those names in Missing. Names that the stored
// tuple supplies may be among them.
//
// Contextual tuples come from code only ([Config.ContextualTuples]), never from a
// request.
//
// # Limits
//
// The adapter refuses, before OpenFGA is asked: types above 254 and relations above
// 50 characters, objects ("type:id") above 256, users above 512, the characters
// ':', '#', '@' (types and relations) and white space, wildcards, and context of a
// type that JSON doesn't have; once the model is read, also types and relations
// that it doesn't define.
//
// # Failure
//
// Errors are [*authz.EngineError]. Transport failures, timeouts, throttling and
// server errors are EngineUnavailable; a refused key or token is EngineRefused;
// an unknown store, model, type or relation is EngineMisconfigured. An answer
// that is missing, or a reply that doesn't fit its request, is never a grant.
// The engine's message texts are not repeated: they quote tuples.
package openfga
