package verify

import (
	"github.com/usher-auth/usher/internal/endpoint"
	"github.com/usher-auth/usher/internal/quote"
)

// quoted quotes a value that an answer or a configuration holds, bounded, for
// the text of a cause.
func quoted(value string) string { return quote.Value(value) }

// quotedAll quotes each of some values.
func quotedAll(values []string) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = quoted(value)
	}
	return all
}

// place names an address for the text of a cause.
func place(address string) string {
	public, ok := endpoint.Public(address)
	if !ok {
		return "an address that is no URL"
	}
	return quoted(public)
}
