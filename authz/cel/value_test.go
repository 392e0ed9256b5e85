package cel_test

import (
	"encoding/json"
	"math"
	"net/netip"

	"google.golang.org/protobuf/reflect/protoreflect"
)

func protoValue(value any) protoreflect.Value { return protoreflect.ValueOf(value) }

func number2(text string) json.Number { return json.Number(text) }

// noAddr is no address.
var noAddr netip.Addr

var nan = math.NaN()
