package schema

// Holders are the subjects that may have a relation, whatever tuples there are.
type Holders struct {
	// Subjects are types, and usersets that are subjects by themselves, sorted. None has a
	// Condition or Wildcard set.
	Subjects []Subject
	// Unknown is set if the schema doesn't tell all: others may have the relation, too.
	Unknown bool
}

// May reports whether a subject of the type may be one of the holders. The relation is
// empty for a single subject, and set for a userset.
func (h Holders) May(typeName, relation string) bool {
	for _, subject := range h.Subjects {
		if subject.Type == typeName && subject.Relation == relation {
			return true
		}
	}

	return h.Unknown
}

// Holders returns the subjects that may have a relation. It errs on the side of more: one
// that isn't among them can never have the relation, whatever tuples there are.
func (s *Schema) Holders(typeName, relation string) Holders { return Holders{Unknown: true} }

// Implies reports whether every subject that has relation a of an object also has
// relation b of it, by the schema alone: as the owner does who is a viewer by "viewer:
// [user] or owner". It errs on the side of false.
func (s *Schema) Implies(typeName, a, b string) bool { return a == b }

// ConditionsOf returns the names of the conditions that tuples may have which take part in
// a relation, sorted.
func (s *Schema) ConditionsOf(typeName, relation string) []string { return nil }

// Undefined returns the faults of the schema itself: references to types, relations and
// conditions that it doesn't define, at most 100, sorted.
func (s *Schema) Undefined() []error { return nil }
