package template

import (
	"encoding/json"
	"math"
	"unicode/utf8"
)

// maxNesting is how deep lists and objects of a claim may nest in a context.
const maxNesting = 15

// claimValue returns a claim as the token has it. One whose JSON is longer than 4 KiB,
// escapes not counted, can't be used.
func claimValue(principal Principal, path []string) (any, Status) {
	claim, ok := principal.Claim(path...)
	if !ok || claim == nil {
		return nil, StatusMissing
	}
	room := maxText
	if !fits(claim, &room, maxNesting) {
		return nil, StatusForeign
	}

	return claim, StatusOK
}

// fits reports whether a claim can be sent as context, and takes its size from room.
func fits(value any, room *int, depth int) bool {
	var size int
	switch value := value.(type) {
	case nil:
		size = len("null")
	case bool:
		size = len("false")
	case string:
		if !utf8.ValidString(value) {
			return false
		}
		size = len(value) + len(`""`)
	case json.Number:
		if _, err := value.Float64(); err != nil { // engines have no larger numbers
			return false
		}
		size = len(value)
	case float64:
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return false
		}
		size = 1
	case []any:
		return depth > 0 && fitsList(value, room, depth-1)
	case map[string]any:
		return depth > 0 && fitsObject(value, room, depth-1)
	default: // of a Principal that isn't the verifier's
		text, err := json.Marshal(value)
		if err != nil {
			return false
		}
		size = len(text)
	}
	*room -= size

	return *room >= 0
}

func fitsList(values []any, room *int, depth int) bool {
	*room -= len("[]")
	for _, value := range values {
		*room -= len(",")
		if !fits(value, room, depth) {
			return false
		}
	}

	return *room >= 0
}

func fitsObject(values map[string]any, room *int, depth int) bool {
	*room -= len("{}")
	for name, value := range values {
		*room -= len(`"":,`) + len(name)
		if !utf8.ValidString(name) || !fits(value, room, depth) {
			return false
		}
	}

	return *room >= 0
}

// absent reports whether the caller's token or the connection has no value for the
// placeholder, rather than one that can't be used.
func (p *Part) absent(in *Input) bool {
	if p.source == SourceClaim {
		claim, ok := in.Principal.Claim(p.claim...)
		if !ok || claim == nil {
			return true
		}
		if _, isText := claimText(in.Principal, p.claim); !isText {
			return false
		}
	}
	_, st := p.render(nil, in, 0)

	return st == StatusMissing
}
