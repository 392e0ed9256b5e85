package verify

import (
	"github.com/usher-auth/usher/internal/endpoint"
	"github.com/usher-auth/usher/internal/quote"
)

// quoted returns a value of an answer or a configuration, quoted and bounded,
// for the text of a cause.
func quoted(value string) string { return quote.Value(value) }

// quotedAll returns the values, each quoted.
func quotedAll(values []string) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = quoted(value)
	}
	return all
}

// place returns the public part of an address, quoted, for the text of a cause.
func place(address string) string {
	public, ok := endpoint.Public(address)
	if !ok {
		return "an address that is no URL"
	}
	return quoted(public)
}
