package authz

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// optionNumber is the field number of both extensions, rule and service_rule.
const optionNumber = protoreflect.FieldNumber(417100233)

// methodRule returns the rule of a method, or nil if it has none.
func methodRule(md protoreflect.MethodDescriptor) (*authzv1.Rule, error) {
	rule := &authzv1.Rule{}
	found, err := readOption(md.Options(), authzv1.E_Rule.TypeDescriptor().FullName(), rule)
	if !found || err != nil {
		return nil, err
	}

	return rule, nil
}

// serviceRule returns the rule of a service, or nil if it has none.
func serviceRule(sd protoreflect.ServiceDescriptor) (*authzv1.ServiceRule, error) {
	rule := &authzv1.ServiceRule{}
	found, err := readOption(sd.Options(), authzv1.E_ServiceRule.TypeDescriptor().FullName(), rule)
	if !found || err != nil {
		return nil, err
	}

	return rule, nil
}

// readOption reads an extension into target by its wire form, which is the same
// whether the options hold it typed, dynamic or as unknown bytes.
func readOption(options protoreflect.ProtoMessage, name protoreflect.FullName, target proto.Message) (found bool, err error) {
	defer func() {
		// Reflection over the options of malformed descriptors can panic.
		if recovered := recover(); recovered != nil {
			found, err = true, fmt.Errorf("the options can't be read: %v", recovered)
		}
	}()
	if options == nil || !options.ProtoReflect().IsValid() {
		return false, nil
	}
	if err := foreignExtension(options, name); err != nil {
		return true, err
	}
	wire, err := proto.MarshalOptions{AllowPartial: true}.Marshal(options)
	if err != nil {
		return true, fmt.Errorf("the options can't be read: %w", err)
	}
	value, found, err := extensionBytes(wire)
	if err != nil {
		return true, err
	}
	if !found {
		return false, nil
	}
	if err := verifyWire(target.ProtoReflect().Descriptor(), value, ""); err != nil {
		return true, err
	}
	if err := proto.Unmarshal(value, target); err != nil {
		return true, fmt.Errorf("the rule's bytes are malformed: %w", err)
	}

	return true, nil
}

// foreignExtension refuses another extension under our number.
func foreignExtension(options protoreflect.ProtoMessage, name protoreflect.FullName) error {
	var err error
	options.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if fd.Number() == optionNumber && fd.FullName() != name {
			err = fmt.Errorf("option %s has the number of %s", fd.FullName(), name)
		}

		return err == nil
	})

	return err
}

// extensionBytes collects the bytes of the extension. A compiler may write it in
// several pieces, which merge by concatenation.
func extensionBytes(wire []byte) (value []byte, found bool, err error) {
	for len(wire) > 0 {
		number, kind, tag := protowire.ConsumeTag(wire)
		if tag < 0 {
			return nil, true, fmt.Errorf("the options are malformed: %w", protowire.ParseError(tag))
		}
		size := protowire.ConsumeFieldValue(number, kind, wire[tag:])
		if size < 0 {
			return nil, true, fmt.Errorf("the options are malformed: %w", protowire.ParseError(size))
		}
		if number == optionNumber {
			if kind != protowire.BytesType {
				return nil, true, errors.New("the rule isn't a message")
			}
			piece, _ := protowire.ConsumeBytes(wire[tag:])
			value, found = append(value, piece...), true
		}
		wire = wire[tag+size:]
	}

	return value, found, nil
}

// verifyWire refuses what proto.Unmarshal accepts silently: unknown fields, unknown
// enum numbers, and two values for a field that holds one. A rule that was compiled
// by a newer schema must not lose a restriction here.
func verifyWire(md protoreflect.MessageDescriptor, wire []byte, path string) error {
	nested := map[protoreflect.FieldNumber][]byte{}
	var order []protoreflect.FieldDescriptor
	chosen := map[protoreflect.FullName]protoreflect.FieldDescriptor{}
	seen := map[protoreflect.FieldNumber]bool{}
	elements := map[protoreflect.FieldNumber]int{}
	for len(wire) > 0 {
		number, kind, tag := protowire.ConsumeTag(wire)
		if tag < 0 {
			return fmt.Errorf("the rule's bytes are malformed: %w", protowire.ParseError(tag))
		}
		size := protowire.ConsumeFieldValue(number, kind, wire[tag:])
		if size < 0 {
			return fmt.Errorf("the rule's bytes are malformed: %w", protowire.ParseError(size))
		}
		raw := wire[tag : tag+size]
		wire = wire[tag+size:]
		fd := md.Fields().ByNumber(number)
		if fd == nil {
			return fmt.Errorf("%s has a field %d that this version doesn't know", orRule(path), number)
		}
		name := join(path, string(fd.Name()))
		if oneof := fd.ContainingOneof(); oneof != nil {
			if other := chosen[oneof.FullName()]; other != nil && other != fd {
				return fmt.Errorf("%s and %s can't both be set", join(path, string(other.Name())), name)
			}
			chosen[oneof.FullName()] = fd
		}
		if !fd.IsList() && fd.Message() == nil && seen[number] {
			return fmt.Errorf("%s is set twice", name)
		}
		seen[number] = true
		if err := verifyValue(fd, kind, raw, name); err != nil {
			return err
		}
		if fd.Message() == nil {
			continue
		}
		inner, _ := protowire.ConsumeBytes(raw)
		if fd.IsList() {
			element := name + "[" + strconv.Itoa(elements[number]) + "]"
			elements[number]++
			if err := verifyWire(fd.Message(), inner, element); err != nil {
				return err
			}

			continue
		}
		if !slices.Contains(order, fd) {
			order = append(order, fd)
		}
		nested[number] = append(nested[number], inner...)
	}
	for _, fd := range order {
		if err := verifyWire(fd.Message(), nested[fd.Number()], join(path, string(fd.Name()))); err != nil {
			return err
		}
	}

	return nil
}

// verifyValue checks the wire type and the numbers of enums.
func verifyValue(fd protoreflect.FieldDescriptor, kind protowire.Type, raw []byte, name string) error {
	want := protowire.VarintType
	if fd.Message() != nil || fd.Kind() == protoreflect.StringKind || fd.Kind() == protoreflect.BytesKind {
		want = protowire.BytesType
	}
	packed := fd.IsList() && want == protowire.VarintType && kind == protowire.BytesType
	if kind != want && !packed {
		return fmt.Errorf("%s has the wrong wire type", name)
	}
	if fd.Enum() == nil {
		return nil
	}
	numbers := raw
	if packed {
		numbers, _ = protowire.ConsumeBytes(raw)
	}
	for len(numbers) > 0 {
		number, size := protowire.ConsumeVarint(numbers)
		if size < 0 {
			return fmt.Errorf("%s is malformed: %w", name, protowire.ParseError(size))
		}
		if fd.Enum().Values().ByNumber(protoreflect.EnumNumber(int32(number))) == nil || number > 1<<31-1 {
			return fmt.Errorf("%s has the value %d that this version doesn't know", name, number)
		}
		numbers = numbers[size:]
	}

	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}

	return path + "." + name
}

func orRule(path string) string {
	if path == "" {
		return "the rule"
	}

	return path
}
