// Package cel compiles the expressions of usher's rules, which are written in the
// Common Expression Language (https://cel.dev):
//
//	compiler, err := cel.New(cel.Config{})
//	…
//	authorizer, err := authz.New(authz.Config{Expressions: compiler, …})
//
// and in the .proto:
//
//	option (.usher.authz.v1.rule) = { expression: {
//		cel: "request.amount < 10000 && caller.claims.department == 'finance' && peer.ip.inRange('10.0.0.0/8')"
//	} };
//
// # Variables
//
// "request" is the method's message, with its types. "caller" has subject, client_id,
// issuer (the configured short name), kind ("service" or "user"), scopes, acr and
// claims. "peer" has ip, on which inRange('10.0.0.0/8') reports whether the address is
// within a range. "now" is the time of the evaluation, one for all of an expression.
// Neither caller, caller.claims nor peer can be used whole.
//
// # Guarantees
//
// An expression is parsed and type-checked when the rules are compiled; it must be
// boolean. It does no I/O and calls no function of the program's. Its work is bounded
// before the start, by an estimate, and at run time, by [Config.MaxCost] and
// [Config.MaxInput].
//
// # Failure
//
// A fault of the text is an [authz.ExpressionError] with the byte offset of the place.
// An evaluation that fails is an [*EvaluationError]: the condition is denied. Neither
// holds a value of the request or of a claim.
package cel
