package authz

// Subjects maps the kind of a caller's token to the subject that checks ask
// about, as templates over the token: "user:{$sub}", "service:{$client_id}",
// "{$issuer}" and "{$claim.path}". A kind without a template is refused with
// SUBJECT_UNMAPPED, by every rule but a public one and one that names the kind in
// access_token.kinds. With no template at all nobody is refused so, and a rule that
// asks about the caller is an error at start. A token whose kind is unclear is
// refused in each of these cases.
//
// A template that reads {$sub}, {$client_id} or {$claim.path} must hold {$issuer}
// too, unless [Config] names exactly one issuer whose tokens it is for.
//
// Two templates that could give two callers one subject are an error: of two
// issuers, and of a service and a user of one issuer, as a client named alice would
// be the user alice by "user:{$client_id}" beside "user:{$sub}".
type Subjects struct {
	// Service is the subject of a service that acts for itself.
	Service string
	// User is the subject of a user. It may hold neither {$client_id} nor a claim
	// that says the same (client_id, azp, cid, appid), nor the actor (act): a user's
	// token must never get the rights of the client that it was minted through.
	User string
}
