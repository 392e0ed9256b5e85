package authz

// Subjects maps the kind of a caller's token to the subject that checks ask
// about, as templates over the token: "user:{$sub}", "service:{$client_id}",
// "{$issuer}" and "{$claim.path}". A kind without a template is refused with
// SUBJECT_UNMAPPED, by every rule but a public one and one that names the kind in
// access_token.kinds. With no template at all nobody is refused so, and a rule that
// asks about the caller is an error at start.
type Subjects struct {
	// Service is the subject of a service that acts for itself.
	Service string
	// User is the subject of a user. It may not hold {$client_id}: a user's token
	// must never get the rights of the client that it was minted through.
	User string
}
