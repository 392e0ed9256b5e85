package model

import (
	"errors"
	"fmt"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"github.com/openfga/language/pkg/go/transformer"

	"github.com/usher-auth/usher/authz/schema"
)

// parseDSL returns the schema of a model in OpenFGA's language.
func parseDSL(src source) (*schema.Schema, error) {
	parsed, err := syntax(src)
	if err != nil {
		return nil, err
	}
	if parsed.module > 0 {
		return nil, fault(src.file, src.line(parsed.module), 0, "the file is a module of a modular model; name its fga.mod instead")
	}
	m, err := contained(src.file, func() (*openfgav1.AuthorizationModel, error) {
		return transformer.TransformDSLToProto(src.text)
	})
	if err != nil {
		return nil, dslFaults(src, err)
	}

	return openfgaSchema(src.file, m, parsed)
}

// dslFaults returns the faults that the transformer found in a text whose syntax is
// right, such as a relation that is defined twice.
func dslFaults(src source, err error) error {
	var (
		list  faults
		own   *FileError
		joint *transformer.OpenFgaDslSyntaxMultipleError
	)
	switch {
	case errors.As(err, &own):
		return own
	case !errors.As(err, &joint):
		return fault(src.file, 0, 0, "%v", err)
	}
	for _, one := range joint.Errors {
		dslFault(&list, src, one)
	}

	return list.err()
}

// dslFault adds one fault of the transformer, which tells its place in its text alone and
// counts from zero.
func dslFault(list *faults, src source, err error) {
	var line, column int
	text := err.Error()
	if n, scanErr := fmt.Sscanf(text, "syntax error at line=%d, column=%d:", &line, &column); scanErr != nil || n != 2 {
		list.addf(src.file, 0, 0, "%s", text)

		return
	}
	_, problem, _ := strings.Cut(text, ": ")
	list.addf(src.file, src.line(line+1), column+1, "%s", problem)
}
