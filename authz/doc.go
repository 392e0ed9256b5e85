// Package authz decides gRPC calls by rules that are written in .proto files,
// beside the methods they guard:
//
//	rpc GetDocument(GetDocumentRequest) returns (Document) {
//	  option (.usher.authz.v1.rule) = { check: { object: "document:{document_id}" relation: "viewer" } };
//	}
//
// Servers use it through package interceptor. On its own:
//
//	authorizer, err := authz.New(authz.Config{
//		Engine:   engine,
//		Subjects: authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"},
//		Issuers:  authz.Issuers{"main"}, // the short names of those whose tokens are accepted
//		Rules:    []authz.MethodRule{authz.Health()},
//	})
//	…
//	err = authorizer.ValidateMethods("/docs.v1.DocumentService/GetDocument") // at start
//	decision, err := authorizer.Authorize(ctx, "/docs.v1.DocumentService/GetDocument", principal, request)
//
// # Guarantees
//
// New compiles the rules once, into an immutable set; finding a method's rule is
// one map lookup. Faults are reported all at once, each with file, method, path and
// column, and a faulty rule denies its method. Whatever isn't allowed is denied: a
// method without a rule, a rule that ran no check, an answer that is unknown or
// conditional. An engine that can't answer is unavailable, which is neither a
// denial nor a grant. There is no setting that fails open.
//
// A caller whose token doesn't prove that it belongs to a service or to a user is
// refused by every rule except a public one, and so is a caller of an issuer that
// isn't configured. With several issuers, or with issuers that aren't named, no
// template gives the callers of two issuers the same identity: see [Config].
//
// A rule sends the engine at most one batch. all_of is denied if any condition is
// denied, and any_of is allowed if any condition is allowed, whatever else failed:
// an error that doesn't decide the call doesn't choose its status. If several
// errors could decide, they rank from the one that asking again can't mend to the
// one that it may: a request that can't name its object (OBJECT_MISSING), then
// SUBJECT_INVALID, REVISION_INVALID, MISCONFIGURED and last ENGINE_UNAVAILABLE.
// all_of reports the first of these that occurs, any_of the last. Conditions that
// need no engine are decided first. In an all_of, a request at fault keeps the
// other checks from being asked, so that the status never depends on what is
// cached.
//
// # Templates
//
// An object is a literal type, a colon and an id with placeholders:
//
//	document:{document_id}            a field of the request
//	document:{doc.id}                 a field of a message in it
//	document:{ids[]}                  each value of a repeated field; all must pass
//	document:{id|uuid}                16 bytes or text of a UUID, in canonical form
//	folder:{parent|name(folders/{})}  the captured segment of a resource name
//	platform:main                     a literal
//
// {$sub}, {$client_id}, {$issuer} and {$claim.path} read the caller's token. If
// more than one issuer is trusted, a template that reads one of the others must
// hold {$issuer}, or the rule must name its one issuer in access_token.issuers. A
// context value or a property may also hold {$peer.ip} and {$now}; only
// consistency.revision may hold {$metadata.key}. A value that is put into an object or
// a subject can't be empty or "*", and can't hold ':', '#', white space, invisible
// characters, or the literal that follows its placeholder, so a value can't inject
// engine syntax.
//
// # Values
//
// A value of a context or of properties that is one placeholder alone keeps its
// type: a string, a boolean, a number, an enum by its name, a
// google.protobuf.Timestamp or Duration as the string of its JSON form, a claim as
// the token has it, and a repeated field, as in {tags[]} or {items[].name}, as a
// list. Any other template gives a string. A field without presence has its zero
// value, and an empty list is an empty list. An unset field, an empty string, a claim
// that the token lacks and an address that isn't known are missing: a check's context
// leaves them out, and an engine that needs them answers conditionally, which denies.
// The servers of permissions and attributes have no such answer, and a policy that
// refuses by a value would grant without it. There, a value that is missing fails the
// call, with OBJECT_MISSING if it is the request's and SUBJECT_INVALID if it is the
// token's or the address.
//
// {$now|second}, {$now|minute}, {$now|hour} and {$now|day} truncate the time, in UTC.
// Decisions that depend on a truncated time are cached; those that depend on {$now}
// aren't.
//
// A number that isn't finite, a string above 4 KiB (a list's strings together) and a
// list of more than [Config.MaxObjects] elements fail the call with OBJECT_MISSING and
// the field's path. A value of the token that can't be sent, such as a claim whose JSON
// is longer than 4 KiB, is denied with SUBJECT_INVALID. In both cases the engine isn't
// asked.
//
// # Rate limits
//
// A rule may bound how often its method is called, by each client, by each subject
// or by all callers together:
//
//	rate_limit: { requests: 100 per: { seconds: 60 } burst: 20 key: KEY_SUBJECT }
//
// A call counts once its token meets the rule, so strangers can't use up a caller's
// limit, and before any condition is decided, so a call beyond the limit costs the
// engine nothing. A call that the policy then denies has counted; one that the limit
// refuses has not. A stream counts once, when it is opened: its messages and rechecks
// don't, nor do the checks that a handler makes itself. The keys come from the
// verified token. A token without the claim that the key names counts by its other
// one, apart from all callers that have it.
//
// By default each process counts for itself, in memory that [Config.LimiterSize]
// bounds. [Config.Limiter] counts for several; while it gives no answer, the call is
// refused with LIMITER_UNAVAILABLE. Limits with the scope SCOPE_PROCESS don't ask it.
//
// # How a .proto finds usher/authz/v1/authz.proto
//
// It is a part of this Go module, under proto. With protoc:
//
//	protoc -I . -I "$(go list -m -f '{{.Dir}}' github.com/usher-auth/usher)/proto" …
//
// With buf, copy it into a folder that buf.yaml names as a module:
//
//	go run github.com/usher-auth/usher/proto/export third_party
//
// In buf.gen.yaml, let inputs name your own folder only, so that no code is
// generated for the copy. In managed mode, disable go_package for usher/authz/v1,
// so that your code doesn't import a package of that name in your own module.
//
// The generated Go is imported from this module. A second copy would register the
// same names twice, and the program would panic at start.
package authz
