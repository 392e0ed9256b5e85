package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/usher-auth/usher/authz/schema"
)

// parseJSON returns the schema of an OpenFGA model in JSON: the model itself, or the
// answer of the API and the command line that holds it as authorization_model.
func parseJSON(src source) (*schema.Schema, error) {
	object, above, err := modelObject(src)
	if err != nil {
		return nil, err
	}
	m := &openfgav1.AuthorizationModel{}
	_, err = contained(src.file, func() (struct{}, error) {
		return struct{}{}, protojson.UnmarshalOptions{RecursionLimit: 4 * maxNesting}.Unmarshal(object, m)
	})
	if err != nil {
		if own, ok := errors.AsType[*FileError](err); ok {
			return nil, own
		}
		line, column, problem := protojsonPlace(err)
		if line > 0 {
			line += above
		}
		if line-above > 1 || above == 0 {
			return nil, fault(src.file, src.line(line), column, "%s", problem)
		}

		return nil, fault(src.file, src.line(line), 0, "%s", problem)
	}

	return openfgaSchema(src.file, m, nil)
}

// modelObject returns the text of the model's object, and the number of lines above it.
func modelObject(src source) ([]byte, int, error) {
	decoder := json.NewDecoder(strings.NewReader(src.text))
	fail := func(err error) ([]byte, int, error) {
		line := 1 + strings.Count(src.text[:min(int(decoder.InputOffset()), len(src.text))], "\n")
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			line = 1 + strings.Count(src.text[:min(max(int(syntax.Offset), 0), len(src.text))], "\n")
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the JSON ends early")
		}

		return nil, 0, fault(src.file, src.line(line), 0, "%v", err)
	}
	if first, err := decoder.Token(); err != nil || first != json.Delim('{') {
		if err == nil {
			err = errors.New("the JSON isn't an object")
		}

		return fail(err)
	}
	keys := map[string]bool{}
	var wrapped []byte
	above := 0
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return fail(err)
		}
		name := strings.ReplaceAll(strings.ToLower(fmt.Sprint(key)), "_", "")
		if keys[name] {
			return fail(fmt.Errorf("%q is in the JSON twice", key))
		}
		keys[name] = true
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return fail(err)
		}
		if name == "authorizationmodel" {
			wrapped = value
			above = strings.Count(src.text[:max(int(decoder.InputOffset())-len(value), 0)], "\n")
		}
	}
	if _, err := decoder.Token(); err != nil {
		return fail(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fail(errors.New("there is text after the JSON"))
	}

	switch {
	case wrapped != nil && len(keys) == 1 && bytes.HasPrefix(wrapped, []byte("{")):
		return wrapped, above, nil
	case wrapped != nil:
		return fail(errors.New("the JSON has more than an authorization_model"))
	case keys["authorizationmodels"]:
		return nil, 0, fault(src.file, 0, 0, "the JSON is a list of models; name one of them")
	case !keys["typedefinitions"]:
		return nil, 0, fault(src.file, 0, 0, "the JSON is no OpenFGA model: it has no type_definitions")
	}

	return []byte(src.text), 0, nil
}

var protojsonError = regexp.MustCompile(`^proto:\s*(?:syntax error )?\(line (\d+):(\d+)\):\s*(.*)$`)

// protojsonPlace returns the place and the text of protojson's error, which writes them
// with one or another white space, so that its text can't be relied on.
func protojsonPlace(err error) (line, column int, problem string) {
	text := strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\u00a0", " ")), " ")
	found := protojsonError.FindStringSubmatch(text)
	if found == nil {
		return 0, 0, strings.TrimPrefix(text, "proto: ")
	}
	line, lineErr := strconv.Atoi(found[1])
	column, columnErr := strconv.Atoi(found[2])
	if lineErr != nil || columnErr != nil {
		return 0, 0, text
	}

	return line, column, found[3]
}
