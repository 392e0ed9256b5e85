package authz_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// Row 66: what a later message names must be what the first one named, however
// the name is hidden among values that look unset.
func TestRow66PinnedStreamCannotSlipInAnotherObject(t *testing.T) {
	zero := "00000000-0000-0000-0000-000000000000"
	item := func(id string, number int64) *docsv1.Item { return &docsv1.Item{Id: id, Number: number} }
	for name, c := range map[string]struct {
		object       string
		first, later *docsv1.Kinds
		pass         bool
	}{
		"row 66: an integer after a zero in a list": {
			"document:{numbers[]}", &docsv1.Kinds{Numbers: []int64{1}}, &docsv1.Kinds{Numbers: []int64{0, 666}}, false,
		},
		"row 66: an enum after an unspecified one": {
			"document:{colors[]}", &docsv1.Kinds{Colors: []docsv1.Color{docsv1.Color_COLOR_RED}},
			&docsv1.Kinds{Colors: []docsv1.Color{docsv1.Color_COLOR_UNSPECIFIED, docsv1.Color_COLOR_BLUE}}, false,
		},
		"row 66: an element after one whose number is unset": {
			"document:{items[].number}", &docsv1.Kinds{Items: []*docsv1.Item{item("", 1)}},
			&docsv1.Kinds{Items: []*docsv1.Item{item("x", 0), item("", 666)}}, false,
		},
		"row 66: an element after one whose text is empty": {
			"document:{items[].id}", &docsv1.Kinds{Items: []*docsv1.Item{item("a", 0)}},
			&docsv1.Kinds{Items: []*docsv1.Item{item("", 0), item("b", 0)}}, false,
		},
		"row 66: the nil UUID in bytes, which is no unset field": {
			"document:{raw|uuid}", &docsv1.Kinds{Raw: []byte("0123456789abcdef")}, &docsv1.Kinds{Raw: make([]byte, 16)}, false,
		},
		"row 66: the nil UUID in text, which is no unset field": {
			"document:{text|uuid}", &docsv1.Kinds{Text: "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}, &docsv1.Kinds{Text: zero}, false,
		},
		"row 66: text that is set to nothing": {
			"document:{optional_text}", &docsv1.Kinds{OptionalText: proto.String("a")}, &docsv1.Kinds{OptionalText: proto.String("")}, false,
		},
		"row 66: an integer that is set to zero": {
			"document:{wrapped_large}", &docsv1.Kinds{WrappedLarge: wrapperspb.Int64(1)}, &docsv1.Kinds{WrappedLarge: wrapperspb.Int64(0)}, false,
		},
		"row 66: another branch of a oneof that isn't read": {
			"document:{first}", &docsv1.Kinds{Choice: &docsv1.Kinds_First{First: "a"}}, &docsv1.Kinds{Choice: &docsv1.Kinds_Second{Second: "b"}}, true,
		},
		"row 66: one element more": {
			"document:{numbers[]}", &docsv1.Kinds{Numbers: []int64{1}}, &docsv1.Kinds{Numbers: []int64{1, 2}}, false,
		},
		"row 66: all elements in another order": {
			"document:{numbers[]}", &docsv1.Kinds{Numbers: []int64{1, 2}}, &docsv1.Kinds{Numbers: []int64{2, 1}}, false,
		},
		"row 66: an empty list is unset": {
			"document:{numbers[]}", &docsv1.Kinds{Numbers: []int64{1}}, &docsv1.Kinds{Text: "a chunk"}, true,
		},
		"row 66: the same": {
			"document:{numbers[]}", &docsv1.Kinds{Numbers: []int64{1, 2}}, &docsv1.Kinds{Numbers: []int64{1, 2}}, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			rule := check(c.object, "viewer")
			rule.Stream = &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE}
			pinned, err := one(t, newTuples(), "Stream", rule).Pin(c.first)
			if err != nil {
				t.Fatal(err)
			}
			err = pinned.Matches(c.later)
			if want := map[bool]authz.Reason{false: authz.ReasonObjectMissing, true: ""}[c.pass]; reasonOf(err) != want {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

// What isn't a message of the method names no object, so it isn't the first one's.
func TestRow66LaterMessageOfAnotherType(t *testing.T) {
	rule := check("document:{text}", "viewer")
	rule.Stream = &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE}
	pinned, err := one(t, newTuples(), "Stream", rule).Pin(&docsv1.Kinds{Text: "1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, later := range map[string]proto.Message{"none": nil, "another type": &docsv1.Item{Id: "1"}} {
		if err := pinned.Matches(later); err == nil {
			t.Errorf("row 66: %s passes", name)
		}
	}
}

// A rule's context may hold a value of any type, and the stream is pinned to it.
func TestRow66PinnedContextOfEveryType(t *testing.T) {
	for field, c := range map[string]struct{ first, other *docsv1.Kinds }{
		"flag":           {&docsv1.Kinds{Text: "1", Flag: true}, nil},
		"ratio":          {&docsv1.Kinds{Text: "1", Ratio: 0.5}, &docsv1.Kinds{Ratio: 0.25}},
		"small":          {&docsv1.Kinds{Text: "1", Small: 7}, &docsv1.Kinds{Small: 8}},
		"color":          {&docsv1.Kinds{Text: "1", Color: docsv1.Color_COLOR_RED}, &docsv1.Kinds{Color: docsv1.Color_COLOR_BLUE}},
		"optional_large": {&docsv1.Kinds{Text: "1", OptionalLarge: proto.Int64(1)}, &docsv1.Kinds{OptionalLarge: proto.Int64(0)}},
	} {
		t.Run("row 66: context from "+field, func(t *testing.T) {
			rule := check("document:{text}", "viewer")
			rule.GetCheck().Context = []*authzv1.ContextValue{{Name: "value", Value: "{" + field + "}"}}
			rule.Stream = &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE}
			pinned, err := one(t, newTuples(), "Stream", rule).Pin(c.first)
			if err != nil {
				t.Fatalf("the first message can't be pinned: %v", err)
			}
			if err := pinned.Matches(c.first); err != nil {
				t.Errorf("the same is refused: %v", err)
			}
			if err := pinned.Matches(&docsv1.Kinds{}); err != nil {
				t.Errorf("unset is refused: %v", err)
			}
			if c.other != nil && pinned.Matches(c.other) == nil {
				t.Error("another value passes")
			}
		})
	}
}
