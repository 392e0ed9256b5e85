package authz_test

import (
	"context"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

func TestPinnedObjects(t *testing.T) {
	first := func(object string) *authzv1.Rule {
		rule := check(object, "viewer")
		rule.Stream = &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE}

		return rule
	}
	for name, tc := range map[string]struct {
		object       string
		first, later *docsv1.Kinds
		want         bool
	}{
		"row 66: unset later":                   {"d:{text}", &docsv1.Kinds{Text: "a"}, &docsv1.Kinds{}, true},
		"row 66: the same later":                {"d:{text}", &docsv1.Kinds{Text: "a"}, &docsv1.Kinds{Text: "a", Flag: true}, true},
		"row 66: another later":                 {"d:{text}", &docsv1.Kinds{Text: "a"}, &docsv1.Kinds{Text: "b"}, false},
		"row 66: set to nothing, with presence": {"d:{optional_text}", &docsv1.Kinds{OptionalText: proto.String("a")}, &docsv1.Kinds{OptionalText: proto.String("")}, false},
		"row 66: a name of another kind":        {"d:{text|name(folders/{})}", &docsv1.Kinds{Text: "folders/a"}, &docsv1.Kinds{Text: "projects/b"}, false},
		"row 66: the same uuid, other case":     {"d:{text|uuid}", &docsv1.Kinds{Text: "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"}, &docsv1.Kinds{Text: "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6"}, true},
		"row 66: fewer of a list":               {"d:{texts[]}", &docsv1.Kinds{Texts: []string{"a", "b"}}, &docsv1.Kinds{Texts: []string{"a"}}, false},
		"row 66: one more of a list":            {"d:{texts[]}", &docsv1.Kinds{Texts: []string{"a"}}, &docsv1.Kinds{Texts: []string{"a", "b"}}, false},
		"row 66: the same list":                 {"d:{texts[]}", &docsv1.Kinds{Texts: []string{"a", "b"}}, &docsv1.Kinds{Texts: []string{"a", "b"}}, true},
		"row 66: a hole in a list":              {"d:{texts[]}", &docsv1.Kinds{Texts: []string{"a", "b"}}, &docsv1.Kinds{Texts: []string{"a", ""}}, false},
		"row 66: a list of nothing":             {"d:{texts[]}", &docsv1.Kinds{Texts: []string{"a"}}, &docsv1.Kinds{Texts: []string{""}}, false},
		"row 66: another oneof":                 {"d:{first}", &docsv1.Kinds{Choice: &docsv1.Kinds_First{First: "a"}}, &docsv1.Kinds{Choice: &docsv1.Kinds_First{First: "b"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			method := one(t, grantsAll(), "Stream", first(tc.object))
			if !method.FirstMessageOnly() {
				t.Fatal("the rule says first message")
			}
			later := laterThan(t, method, tc.first)
			if err := later(tc.later); (err == nil) != tc.want {
				t.Errorf("got %v, want %v", err, tc.want)
			} else if err != nil && reasonOf(err) != authz.ReasonObjectMissing {
				t.Errorf("got %v", err)
			}
		})
	}
}

// grantsAll is an engine that allows everything.
func grantsAll() authz.Engine {
	return authz.EngineFunc(func(_ context.Context, batch authz.Batch) (authz.Result, error) {
		answers := make([]authz.Answer, len(batch.Queries))
		for i := range answers {
			answers[i].Effect = authz.EffectAllowed
		}

		return authz.Result{Answers: answers}, nil
	})
}

// laterThan begins a stream with the first message, and returns what decides about
// later ones.
func laterThan(t *testing.T, method *authz.Method, first proto.Message) func(proto.Message) error {
	t.Helper()
	stream := method.NewStream()
	decision, err := stream.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: first})
	if err != nil || decision.Remembered() {
		t.Fatalf("the first message: %v, %v", decision, err)
	}

	return func(later proto.Message) error {
		decision, err := stream.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: later})
		if decision.Allowed() != (err == nil) || decision.Remembered() != (err == nil) {
			t.Errorf("%v with %v", decision, err)
		}

		return err
	}
}
