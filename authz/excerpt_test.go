package authz_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// What a stream remembers of a message is what the rule reads of it, so that a
// caller can't fill the memory with the rest.
func TestExcerptHoldsWhatTheRuleReadsAndNoMore(t *testing.T) {
	rule := &authzv1.Rule{
		Policy: &authzv1.Rule_AllOf{AllOf: &authzv1.AllOf{Conditions: []*authzv1.Condition{
			{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{Object: "document:{items[].id}", Relation: "viewer"}}},
			{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{Object: "folder:{items[].number}", Relation: "viewer"}}},
			{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{
				Object: "document:{nested.item.id}-{raw|uuid}", Relation: "viewer",
				Context: []*authzv1.ContextValue{{Name: "a", Value: "{wrapped_text}"}, {Name: "b", Value: "{optional_large}"}},
			}}},
			{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{Object: "folder:{numbers[]}", Relation: "viewer"}}},
		}}},
		Consistency: &authzv1.Consistency{Mode: authzv1.Mode_MODE_AT_LEAST_AS_FRESH, Revision: "{second}"},
	}
	engine := newTuples()
	engine.modes = []authz.Mode{authz.ModeMinimizeLatency, authz.ModeAtLeastAsFresh, authz.ModeFullyConsistent}
	method := one(t, engine, "Stream", rule)
	want := &docsv1.Kinds{
		Items:       []*docsv1.Item{{Id: "1", Number: 1}, {Id: "2", Number: 2}},
		Nested:      &docsv1.Kinds{Item: &docsv1.Item{Id: "3"}},
		Raw:         []byte("0123456789abcdef"),
		WrappedText: wrapperspb.String(""), OptionalLarge: proto.Int64(0), Numbers: []int64{0, 4},
		Choice: &docsv1.Kinds_Second{Second: "token"},
	}
	message := proto.CloneOf(want)
	message.Text, message.Labels = strings.Repeat("x", 1<<20), map[string]string{"a": "b"}
	message.Nested.Text, message.Nested.Item.Number = strings.Repeat("y", 1<<20), 9
	got, err := method.Excerpt(message)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	message.Raw[0] = 'z'
	if !proto.Equal(got, want) {
		t.Error("the excerpt shares memory with the message")
	}
	key := func(change func(*docsv1.Kinds)) string {
		t.Helper()
		changed := proto.CloneOf(want)
		change(changed)
		text, err := method.MessageKey(changed)
		if err != nil {
			t.Fatal(err)
		}

		return text
	}
	same := key(func(*docsv1.Kinds) {})
	for name, change := range map[string]func(*docsv1.Kinds){
		"an id": func(k *docsv1.Kinds) { k.Items[0].Id = "9" }, "one more": func(k *docsv1.Kinds) { k.Numbers = append(k.Numbers, 0) },
		"moved":        func(k *docsv1.Kinds) { k.Items[0].Id, k.Items[1].Id = "12", "" },
		"an empty one": func(k *docsv1.Kinds) { k.WrappedText = nil }, "a zero": func(k *docsv1.Kinds) { k.OptionalLarge = nil },
	} {
		if key(change) == same {
			t.Errorf("%s: the keys are the same", name)
		}
	}
	if key(func(k *docsv1.Kinds) { k.Text = "other"; k.Choice = nil }) != same {
		t.Error("the key depends on what names no object")
	}
}
