package authz

import "github.com/usher-auth/usher/authz/schema"

// ValidateSchema returns what in the rules doesn't fit the engine's schema, sorted: types,
// relations, kinds of callers and context that can't work there. Methods with other
// faults, or without a rule, aren't judged.
func (p *Policy) ValidateSchema(s *schema.Schema) []*RuleError { return nil }
