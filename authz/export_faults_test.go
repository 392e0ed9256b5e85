package authz

// Faults returns everything that is wrong with the rules of all services that the
// resolver gave, served or not; nil if nothing is.
func (a *Authorizer) Faults() error { return joinRuleErrors(a.faults) }
