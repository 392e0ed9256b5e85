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
func TestPinnedStreamCannotSlipInAnotherObject(t *testing.T) {
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
		"row 66: the one element, without its text": {
			"document:{items[].id}", &docsv1.Kinds{Items: []*docsv1.Item{item("a", 0)}},
			&docsv1.Kinds{Items: []*docsv1.Item{item("", 5)}}, false,
		},
		"row 66: the one element, empty": {
			"document:{items[].id}", &docsv1.Kinds{Items: []*docsv1.Item{item("a", 0)}},
			&docsv1.Kinds{Items: []*docsv1.Item{{}}}, false,
		},
		"row 66: the one element, without its number": {
			"document:{items[].number}", &docsv1.Kinds{Items: []*docsv1.Item{item("", 1)}},
			&docsv1.Kinds{Items: []*docsv1.Item{item("x", 0)}}, false,
		},
		"row 66: all elements, empty": {
			"document:{items[].id}", &docsv1.Kinds{Items: []*docsv1.Item{item("a", 0), item("b", 0)}},
			&docsv1.Kinds{Items: []*docsv1.Item{{}, {}}}, false,
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
			err := laterThan(t, one(t, grantsAll(), "Stream", rule), c.first)(c.later)
			if want := map[bool]authz.Reason{false: authz.ReasonObjectMissing, true: ""}[c.pass]; reasonOf(err) != want {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

// A first message that another condition let through names what it names: nothing,
// or what can't be an object. Later ones are held to that too.
func TestPinnedToAFirstMessageThatNamesNothing(t *testing.T) {
	item := func(id string) *docsv1.Kinds { return &docsv1.Kinds{Items: []*docsv1.Item{{Id: id}}} }
	for name, c := range map[string]struct {
		object       string
		first, later *docsv1.Kinds
		pass         bool
	}{
		"unset, then unset":                {"document:{text}", &docsv1.Kinds{}, &docsv1.Kinds{Flag: true}, true},
		"unset, then an object":            {"document:{text}", &docsv1.Kinds{}, &docsv1.Kinds{Text: "a"}, false},
		"an empty element, then the same":  {"document:{items[].id}", item(""), item(""), true},
		"an empty element, then an object": {"document:{items[].id}", item(""), item("a"), false},
		"an empty element, then unset":     {"document:{items[].id}", item(""), &docsv1.Kinds{}, true},
		"a wildcard, then the same":        {"document:{text}", &docsv1.Kinds{Text: "*"}, &docsv1.Kinds{Text: "*"}, true},
		"a wildcard, then an object":       {"document:{text}", &docsv1.Kinds{Text: "*"}, &docsv1.Kinds{Text: "a"}, false},
		"no uuid, then the same":           {"document:{text|uuid}", &docsv1.Kinds{Text: "x"}, &docsv1.Kinds{Text: "x"}, true},
		"no uuid, then another":            {"document:{text|uuid}", &docsv1.Kinds{Text: "x"}, &docsv1.Kinds{Text: "y"}, false},
		"no uuid in bytes, then the same":  {"document:{raw|uuid}", &docsv1.Kinds{Raw: []byte("x")}, &docsv1.Kinds{Raw: []byte("x")}, true},
		"no uuid in bytes, then another":   {"document:{raw|uuid}", &docsv1.Kinds{Raw: []byte("x")}, &docsv1.Kinds{Raw: []byte("y")}, false},
		"an enum without a name":           {"document:{color}", &docsv1.Kinds{Color: 77}, &docsv1.Kinds{Color: 77}, true},
		"a zero in a list, then the same":  {"document:{numbers[]}", &docsv1.Kinds{Numbers: []int64{0}}, &docsv1.Kinds{Numbers: []int64{0}}, true},
		"a zero in a list, then another":   {"document:{numbers[]}", &docsv1.Kinds{Numbers: []int64{0}}, &docsv1.Kinds{Numbers: []int64{1}}, false},
		"an enum without a name, another":  {"document:{color}", &docsv1.Kinds{Color: 77}, &docsv1.Kinds{Color: 78}, false},
	} {
		t.Run("row 66: "+name, func(t *testing.T) {
			rule := ruleOf(t, "any(held unset)")
			rule.GetAnyOf().GetConditions()[1].GetCheck().Object = c.object
			rule.Stream = &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE}
			later := laterThan(t, one(t, newTuples(), "Stream", rule), c.first)
			if err := later(c.later); (err == nil) != c.pass {
				t.Errorf("got %v, pass should be %v", err, c.pass)
			}
		})
	}
}

// What isn't a message of the method names no object, so it isn't the first one's.
func TestLaterMessageOfAnotherType(t *testing.T) {
	rule := check("document:{text}", "viewer")
	rule.Stream = &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE}
	refuses := laterThan(t, one(t, grantsAll(), "Stream", rule), &docsv1.Kinds{Text: "1"})
	for name, later := range map[string]proto.Message{"none": nil, "another type": &docsv1.Item{Id: "1"}} {
		if err := refuses(later); err == nil {
			t.Errorf("row 66: %s passes", name)
		}
	}
}

// A rule's context may hold a value of any type, and the stream is pinned to it.
func TestPinnedContextOfEveryType(t *testing.T) {
	for field, c := range map[string]struct{ first, other *docsv1.Kinds }{
		"optional_text":  {&docsv1.Kinds{Text: "1", OptionalText: proto.String("a")}, &docsv1.Kinds{OptionalText: proto.String("b")}},
		"optional_large": {&docsv1.Kinds{Text: "1", OptionalLarge: proto.Int64(1)}, &docsv1.Kinds{OptionalLarge: proto.Int64(0)}},
	} {
		t.Run("row 66: context from "+field, func(t *testing.T) {
			rule := check("document:{text}", "viewer")
			rule.GetCheck().Context = []*authzv1.ContextValue{{Name: "value", Value: "{" + field + "}"}}
			rule.Stream = &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE}
			later := laterThan(t, one(t, grantsAll(), "Stream", rule), c.first)
			if err := later(c.first); err != nil {
				t.Errorf("the same is refused: %v", err)
			}
			if err := later(&docsv1.Kinds{}); err != nil {
				t.Errorf("unset is refused: %v", err)
			}
			if c.other != nil && later(c.other) == nil {
				t.Error("another value passes")
			}
		})
	}
}
