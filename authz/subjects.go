package authz

// Subjects maps the kind of a caller's token to the subject that checks ask about.
// The subjects are templates over the token: "user:{$sub}", "service:{$client_id}",
// "{$issuer}" and "{$claim.path}". A token of a kind without a template is refused
// with SUBJECT_UNMAPPED, by every rule except a public one and one that names the
// kind in access_token.kinds. If there is no template at all, no token is refused
// so, and a rule that asks about the caller is an error at start. A token whose
// kind is unclear is refused in each of these cases.
//
// A template that reads {$sub}, {$client_id} or {$claim.path} must hold {$issuer}
// too, unless [Config] names exactly one issuer whose tokens it is for.
//
// Two templates that could give two callers one subject are an error. The callers
// may be of two issuers, or a service and a user of one issuer: with
// "user:{$client_id}" beside "user:{$sub}", a client named alice would be the user
// alice.
type Subjects struct {
	// Service is the subject of a service that acts for itself.
	Service string
	// User is the subject of a user. It may not hold {$client_id}, a claim that has
	// the same meaning (client_id, clientId, azp, cid, appid), or the actor (act):
	// a user's token must never get the rights of the client that it was minted
	// through.
	User string
}
