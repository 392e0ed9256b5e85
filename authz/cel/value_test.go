package cel_test

import (
	"encoding/json"

	"google.golang.org/protobuf/reflect/protoreflect"
)

func protoValue(value any) protoreflect.Value { return protoreflect.ValueOf(value) }

func number2(text string) json.Number { return json.Number(text) }
