// Package authz decides gRPC calls by rules that stand in .proto files, beside the
// methods they guard:
//
//	rpc GetDocument(GetDocumentRequest) returns (Document) {
//	  option (.usher.authz.v1.rule) = { check: { object: "document:{document_id}" relation: "viewer" } };
//	}
//
// Servers use it through the interceptor. On its own:
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
// Rules are compiled once, by New, into an immutable set; finding a method's rule
// is one read of a map. A fault is reported with file, method, path and column, all
// at once, and a faulty rule denies its method. What isn't allowed is denied: a
// method without a rule, a rule that ran no check, an answer that is unknown or
// conditional. An engine that can't answer is unavailable, never a denial and never
// a grant. There is no setting that fails open.
//
// A caller whose token doesn't prove that it is a service's or a user's is refused
// by every rule but a public one, and so is one of an issuer that isn't configured.
// With several issuers, or with issuers that aren't named, no template gives two
// issuers' callers one identity: see [Config].
//
// A rule sends the engine one batch at most. all_of with anything denied is denied,
// and any_of with anything allowed is allowed, whatever else failed: an error that
// doesn't decide doesn't choose the status. Where an error decides, any_of tells the
// one that may still become a grant, and all_of the one that can't: a request that
// can't name its object (OBJECT_MISSING), then SUBJECT_INVALID, REVISION_INVALID,
// MISCONFIGURED, and last ENGINE_UNAVAILABLE, which asking again may mend. What
// needs no engine is decided first. An all_of beside a request that is at fault
// doesn't ask it, so that the status never depends on what is cached.
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
// {$sub}, {$client_id}, {$issuer} and {$claim.path} read the caller's token. Where
// more than one issuer is trusted, a template that reads one of the others must hold
// {$issuer}, or the rule names its one issuer in access_token.issuers. A
// context value may also hold {$peer.ip} and {$now}; consistency.revision alone
// may hold {$metadata.key}. A value that is put into an object or subject can't be
// empty or "*", and can't hold ':', '#', white space, invisible characters, or the
// literal that follows its placeholder: no engine syntax can be injected.
//
// # How a .proto finds usher/authz/v1/authz.proto
//
// It ships in this Go module, under proto. With protoc:
//
//	protoc -I . -I "$(go list -m -f '{{.Dir}}' github.com/usher-auth/usher)/proto" …
//
// With buf, copy it into a folder that buf.yaml names as a module:
//
//	go run github.com/usher-auth/usher/proto/export third_party
//
// In buf.gen.yaml let inputs name your own folder only, so that the copy isn't
// generated, and in managed mode disable go_package for usher/authz/v1, so that
// your code doesn't import a package of that name in your own module.
//
// The generated Go is imported from this module. A second copy would register the
// same names twice, and the program would panic at start.
package authz
