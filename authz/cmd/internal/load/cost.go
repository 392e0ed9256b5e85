package load

import (
	"bytes"
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// An empty message takes two bytes of an image and some hundred bytes of memory, and a file
// that is compressed may hold millions of them for each of its kilobytes. So what an image
// takes is estimated before it is decoded.
const (
	// maxCost bounds the memory in bytes that an image may need when it is decoded, about.
	maxCost = 2 << 30
	// costOfMessage and costOfField are what a message and another field take, about.
	costOfMessage = 256
	costOfField   = 24
	// maxWireDepth is how deep messages are looked into; decoding refuses what is deeper.
	maxWireDepth = 10_000
)

var errCost = errors.New("it has too many elements")

// costOfJSON returns an error if a document in JSON has too many objects.
func costOfJSON(data []byte) error {
	if int64(bytes.Count(data, []byte("{")))*2*costOfMessage > maxCost {
		return errCost
	}

	return nil
}

// costOfWire returns an error if a message on the wire has too many elements. A malformed
// one is left to the decoder.
func costOfWire(data []byte, of protoreflect.MessageDescriptor) error {
	if wireCost(data, of, 1, 0) > maxCost {
		return errCost
	}

	return nil
}

// wireCost returns cost and what the fields of a message take, or more than maxCost.
func wireCost(data []byte, of protoreflect.MessageDescriptor, depth int, cost int64) int64 {
	for len(data) > 0 && cost <= maxCost {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return cost
		}
		size := protowire.ConsumeFieldValue(number, kind, data[n:])
		if size < 0 {
			return cost
		}
		value := data[n : n+size]
		data = data[n+size:]
		if kind != protowire.BytesType {
			cost += costOfField

			continue
		}
		content, _ := protowire.ConsumeBytes(value)
		message := messageOf(of, number)
		if message == nil || depth >= maxWireDepth {
			cost += costOfField + 4*int64(len(content)) // packed numbers take most

			continue
		}
		cost = wireCost(content, message, depth+1, cost+costOfMessage)
	}

	return cost
}

// messageOf returns the message of a field or of a known extension, nil if it has none.
func messageOf(of protoreflect.MessageDescriptor, number protowire.Number) protoreflect.MessageDescriptor {
	if field := of.Fields().ByNumber(number); field != nil {
		return field.Message()
	}
	if !of.ExtensionRanges().Has(number) {
		return nil
	}
	if extension, err := protoregistry.GlobalTypes.FindExtensionByNumber(of.FullName(), number); err == nil {
		return extension.TypeDescriptor().Message()
	}

	return nil
}
