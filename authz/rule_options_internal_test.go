package authz

import (
	"context"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// withBytes are options that hold the extension as unknown bytes.
func withBytes(value []byte) *descriptorpb.MethodOptions {
	options := &descriptorpb.MethodOptions{}
	options.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, optionNumber, protowire.BytesType), value))

	return options
}

func field(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

func number(number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), value)
}

func readBytes(value []byte) (*authzv1.Rule, error) {
	rule := &authzv1.Rule{}
	_, err := readOption(withBytes(value), authzv1.E_Rule.TypeDescriptor().FullName(), rule)

	return rule, err
}

func TestRuleBytes(t *testing.T) {
	check := field(3, append(field(1, []byte("document:{id}")), field(2, []byte("viewer"))...))
	for name, tc := range map[string]struct {
		wire []byte
		want string // empty: accepted
	}{
		"a rule":                             {check, ""},
		"a rule in pieces":                   {append(field(3, field(1, []byte("document:{id}"))), field(3, field(2, []byte("viewer")))...), ""},
		"truncated":                          {check[:len(check)-3], "the rule's bytes are malformed: unexpected EOF"},
		"garbage":                            {[]byte{0xff, 0xff, 0xff, 0xff}, "the rule's bytes are malformed: unexpected EOF"},
		"group":                              {[]byte{0x0b}, "the rule's bytes are malformed: unexpected EOF"},
		"unknown field":                      {append(slices.Clip(check), number(99, 1)...), "the rule has a field 99 that this version doesn't know"},
		"reserved field":                     {append(slices.Clip(check), field(16, nil)...), "the rule has a field 16 that this version doesn't know"},
		"unknown field inside":               {field(3, field(6, nil)), "check has a field 6 that this version doesn't know"},
		"unknown enum number":                {append(slices.Clip(check), number(14, 7)...), "on_deny has the value 7 that this version doesn't know"},
		"enum number beyond 32 bits":         {append(slices.Clip(check), number(14, 1<<32|2)...), "on_deny has the value 4294967298 that this version doesn't know"},
		"unknown enum number inside a list":  {field(11, field(5, []byte{1, 9})), "access_token.kinds has the value 9 that this version doesn't know"},
		"two policies":                       {append(field(1, nil), check...), "public and check can't both be set"},
		"two policies, the strict one first": {append(slices.Clip(check), field(1, nil)...), "check and public can't both be set"},
		"scalar set twice":                   {field(3, append(field(2, []byte("viewer")), field(2, []byte("owner"))...)), "check.relation is set twice"},
		"scalar set twice in two pieces":     {append(field(3, field(2, []byte("viewer"))), field(3, field(2, []byte("owner")))...), "check.relation is set twice"},
		"wrong wire type":                    {number(3, 1), "check has the wrong wire type"},
		"unknown field in a condition":       {field(5, field(1, field(99, nil))), "all_of.conditions[0] has a field 99 that this version doesn't know"},
		"two conditions in one":              {field(5, field(1, append(field(1, nil), field(3, nil)...))), "all_of.conditions[0].check and all_of.conditions[0].has_scope can't both be set"},
		"invalid UTF-8":                      {field(3, field(2, []byte{0xff})), "the rule's bytes are malformed: string field contains invalid UTF-8"},
	} {
		t.Run("row 54: "+name, func(t *testing.T) {
			_, err := readBytes(tc.wire)
			got := ""
			if err != nil {
				got = plain(err.Error())
			}
			if got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
	t.Run("row 54: the extension isn't a message", func(t *testing.T) {
		options := &descriptorpb.MethodOptions{}
		options.ProtoReflect().SetUnknown(number(optionNumber, 1))
		if _, err := readOption(options, "usher.authz.v1.rule", &authzv1.Rule{}); err == nil {
			t.Error("accepted")
		}
	})
	t.Run("row 54: the options themselves are malformed", func(t *testing.T) {
		options := &descriptorpb.MethodOptions{}
		options.ProtoReflect().SetUnknown(protoreflect.RawFields{0xff})
		if found, err := readOption(options, "usher.authz.v1.rule", &authzv1.Rule{}); err == nil && found {
			t.Error("accepted")
		}
	})
	t.Run("row 54: reflection that panics is reported", func(t *testing.T) {
		if found, err := readOption(panicking{}, "usher.authz.v1.rule", &authzv1.Rule{}); err == nil || !found {
			t.Error("a panic was taken for no rule")
		}
	})
}

// plain undoes the two kinds of space that protobuf's errors alternate between.
func plain(text string) string {
	out := []rune(text)
	for i, r := range out {
		if r == '\u00a0' {
			out[i] = ' '
		}
	}
	text = string(out)
	for _, prefix := range []string{"proto: "} {
		for i := 0; i+len(prefix) <= len(text); i++ {
			if text[i:i+len(prefix)] == prefix {
				return plain(text[:i] + text[i+len(prefix):])
			}
		}
	}

	return text
}

type panicking struct{ protoreflect.ProtoMessage }

func (panicking) ProtoReflect() protoreflect.Message { panic("malformed") }

func TestForeignExtensionUnderOurNumber(t *testing.T) {
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("foreign.proto"), Package: proto.String("foreign"), Syntax: proto.String("proto2"),
		Dependency: []string{"google/protobuf/descriptor.proto"},
		Extension: []*descriptorpb.FieldDescriptorProto{{
			Name: proto.String("theirs"), Number: proto.Int32(int32(optionNumber)), Extendee: proto.String(".google.protobuf.MethodOptions"),
			Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}},
	}, protoFiles{})
	if err != nil {
		t.Fatal(err)
	}
	options := &descriptorpb.MethodOptions{}
	proto.SetExtension(options, dynamicpb.NewExtensionType(file.Extensions().Get(0)), "text")
	if _, err := readOption(options, "usher.authz.v1.rule", &authzv1.Rule{}); err == nil {
		t.Error("another extension under our number was taken for a rule")
	}
}

// protoFiles resolves descriptor.proto alone.
type protoFiles struct{}

func (protoFiles) FindFileByPath(string) (protoreflect.FileDescriptor, error) {
	return descriptorpb.File_google_protobuf_descriptor_proto, nil
}

func (protoFiles) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	return descriptorpb.File_google_protobuf_descriptor_proto.Messages().ByName(name.Name()), nil
}

// FuzzRuleBytes: whatever the bytes, reading and compiling them ends in a rule or
// an error, and what was accepted reads back the same.
func FuzzRuleBytes(f *testing.F) {
	f.Add(field(3, append(field(1, []byte("document:{text}")), field(2, []byte("viewer"))...)))
	f.Add(field(5, field(1, field(3, field(1, []byte("scope"))))))
	f.Add(field(11, field(5, []byte{1, 2})))
	f.Add([]byte{0x0b, 0x0c})
	denier := EngineFunc(func(_ context.Context, batch Batch) (Result, error) {
		return Result{Answers: make([]Answer, len(batch.Queries))}, nil
	})
	authorizer, err := New(Config{Engine: freshEngine{denier}, Subjects: Subjects{User: "user:{$sub}"}, Issuers: Issuers{"i"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		rule, err := readBytes(wire)
		if err != nil {
			return
		}
		again, err := proto.Marshal(rule)
		if err != nil {
			t.Fatal(err)
		}
		back, err := readBytes(again)
		if err != nil {
			t.Fatalf("accepted, written and refused: %v", err)
		}
		if !proto.Equal(rule, back) {
			t.Fatal("accepted, written and read as another rule")
		}
		if len(rule.ProtoReflect().GetUnknown()) > 0 {
			t.Fatal("unknown fields were accepted")
		}
		method := authorizer.compileMethod(kindsMethod(t), &site{}, rule, nil)
		message := &docsv1.Kinds{Text: "a", Texts: []string{"b"}}
		decision, err := method.Authorize(t.Context(), &Call{Principal: propertyCaller{}, Message: message})
		if decision.Allowed() != (err == nil) || method.Err() != nil && err == nil {
			t.Fatalf("%v, %v, %v", decision, err, method.Err())
		}
	})
}
