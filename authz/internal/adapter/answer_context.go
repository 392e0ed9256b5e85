package adapter

import (
	"encoding/json"
	"fmt"
)

const (
	// maxAnswerContext bounds the context of an answer that is kept, in bytes of JSON.
	// It goes to hooks, and audit logs bound their records.
	maxAnswerContext = 4 << 10
	// maxAnswerDepth bounds its nesting. Reasons by language (AuthZEN 1.0 §5.5) nest
	// two levels.
	maxAnswerDepth = 8
	// Dropped is the one member of an answer's context that was dropped. Its value says
	// why.
	Dropped = "usher_dropped"
)

// AnswerContext returns the context of an engine's answer as [authz.Answer] keeps it:
// what is above 4 KiB of JSON, or nests deeper than 8 levels, is replaced by a context
// whose only member is [Dropped]. An empty one is nil.
//
// [authz.Answer]: https://pkg.go.dev/github.com/usher-auth/usher/authz#Answer
func AnswerContext(context map[string]any) map[string]any {
	if len(context) == 0 {
		return nil
	}
	// The estimate is never above the size, and bounds what is marshalled.
	budget := maxAnswerContext
	if !fits(context, maxAnswerDepth, &budget) {
		if budget < 0 {
			return tooLarge()
		}

		return map[string]any{Dropped: fmt.Sprintf("nested deeper than %d levels", maxAnswerDepth)}
	}
	if encoded, err := json.Marshal(context); err != nil || len(encoded) > maxAnswerContext {
		return tooLarge()
	}

	return context
}

func tooLarge() map[string]any {
	return map[string]any{Dropped: fmt.Sprintf("more than %d bytes", maxAnswerContext)}
}

// fits reports whether a value nests at most depth levels, and subtracts from the
// budget what its JSON has at least.
func fits(value any, depth int, budget *int) bool {
	*budget--
	switch v := value.(type) {
	case map[string]any:
		if depth == 0 {
			return false
		}
		for name, member := range v {
			*budget -= len(name)
			if *budget < 0 || !fits(member, depth-1, budget) {
				return false
			}
		}
	case []any:
		if depth == 0 {
			return false
		}
		for _, item := range v {
			if *budget < 0 || !fits(item, depth-1, budget) {
				return false
			}
		}
	case string:
		*budget -= len(v)
	case json.Number:
		*budget -= len(v)
	}

	return *budget >= 0
}
