package cel_test

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

// row 70: a caller can add fields that the method's type doesn't have to any message.
// The handler doesn't see them, so they must not make messages differ.
func TestFieldsThatTheTypeDoesNotHave(t *testing.T) {
	extra := protoreflect.RawFields(protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1))
	plain := &docsv1.Kinds{Item: &docsv1.Item{Id: "locked"}, Items: []*docsv1.Item{{Id: "locked"}}, Nested: &docsv1.Kinds{Item: &docsv1.Item{Id: "locked"}}}
	odd := proto.CloneOf(plain)
	for _, message := range []proto.Message{odd, odd.GetItem(), odd.GetItems()[0], odd.GetNested(), odd.GetNested().GetItem()} {
		message.ProtoReflect().SetUnknown(extra)
	}
	before := proto.CloneOf(odd)
	raw, err := proto.Marshal(odd)
	if err != nil {
		t.Fatal(err)
	}
	foreign := dynamicpb.NewMessage(plain.ProtoReflect().Descriptor())
	if err := proto.Unmarshal(raw, foreign); err != nil {
		t.Fatal(err)
	}
	const locked = "usher.test.docs.v1.Item{id: 'locked'}"
	for _, text := range []string{
		"request.item == " + locked,
		"request.items[0] == " + locked,
		"request.items == [" + locked + "]",
		"request.items.exists(i, i == " + locked + ")",
		locked + " in request.items",
		"request.nested.item == " + locked,
		"request.nested == usher.test.docs.v1.Kinds{item: " + locked + "}",
		"request == usher.test.docs.v1.Kinds{item: " + locked + ", items: [" + locked + "], nested: usher.test.docs.v1.Kinds{item: " + locked + "}}",
	} {
		e := compile(t, text)
		for _, message := range []proto.Message{plain, odd, foreign} {
			if holds, err := e.Evaluate(input(message)); err != nil || !holds {
				t.Errorf("%s of %v: %v, %v; want true", text, message, holds, err)
			}
		}
	}
	if !proto.Equal(odd, before) {
		t.Error("the request was changed")
	}
}
