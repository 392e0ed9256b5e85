package schema_test

import "testing"

// BenchmarkAskedAgain is what each further method that asks about a relation costs; First
// is the first one's cost with a schema of 1,000 types that lead to each other.
func BenchmarkAskedAgain(b *testing.B) {
	s := chain(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		s.Holders("t0", "owner")
		s.Implies("t0", "edit", "view")
	}
}

func BenchmarkFirst(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		s := chain(b, 1000)
		s.Holders("t0", "both")
		s.Implies("t0", "both", "view")
	}
}
