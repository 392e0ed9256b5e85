package model

// maxNesting bounds the brackets of a text. Parsers descend by them, and one that descends
// a million times ends the process: no recover stops that.
const maxNesting = 64

// contained calls a parser of someone else's, and returns its panic as a fault of the
// file. The panic's value isn't told: it may hold anything.
func contained[T any](file string, parse func() (T, error)) (result T, err error) {
	defer func() {
		if recover() != nil {
			var none T
			result, err = none, fault(file, 0, 0, "the parser of this language failed; the model is malformed")
		}
	}()

	return parse()
}
