package authz_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// overlay sets in a message what a later one sets.
func overlay(into, later protoreflect.Message) {
	later.Range(func(fd protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if fd.Message() != nil && !fd.IsList() && !fd.IsMap() {
			overlay(into.Mutable(fd).Message(), value.Message())
		} else {
			into.Set(fd, value)
		}

		return true
	})
}

// Row 66: whatever a later message of a stream sets, the engine would be asked the same
// about it as about the first message: with its object, its context and its properties.
func TestRandomLaterMessagesChangeNothing(t *testing.T) {
	var asked string
	engine := authz.EngineFunc(func(_ context.Context, batch authz.Batch) (authz.Result, error) {
		answers := make([]authz.Answer, len(batch.Queries))
		for i, query := range batch.Queries {
			asked += fmt.Sprintf("%v %v %#v %#v;", query, query.Relation, query.Context, query.Properties)
			answers[i].Effect = authz.EffectAllowed
		}

		return authz.Result{Answers: answers}, nil
	})
	sources := []string{
		"{text}", "{optional_ratio}", "{at}", "{lasts}", "{wrapped_ratio}", "{wrapped_flag}", "{nested.text}", "{nested.at}", "x-{nested.text}-{text}",
		"{nested.wrapped_ratio}", "{nested.optional_ratio}", "{nested.nested.lasts}",
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	passed := 0
	for range 300 {
		pick := func() []*authzv1.ContextValue {
			var values []*authzv1.ContextValue
			for i := range random.IntN(2) {
				values = append(values, &authzv1.ContextValue{Name: fmt.Sprint(i), Value: sources[random.IntN(len(sources))]})
			}

			return values
		}
		object := []string{"d:{text}", "d:{nested.text}", "d:{parts[].name}"}[random.IntN(3)]
		rule := &authzv1.Rule{Policy: &authzv1.Rule_Attributes{Attributes: &authzv1.Attributes{
			Action: "a", Resource: object, Context: pick(), SubjectProperties: pick(), ResourceProperties: pick(),
		}}, Stream: &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE}}
		if random.IntN(2) == 0 {
			rule.Policy = &authzv1.Rule_Check{Check: &authzv1.Check{Object: object, Relation: "r", Context: pick()}}
		}
		method := newAuthorizer(t, authz.Config{
			Engine: ways{engine, engine, engine}, Resolver: ruledOver(t, &docsv1.Values{}, nil, map[string]*authzv1.Rule{"StreamM": rule}),
		}).Method("/t.S/StreamM")
		if err := method.Err(); err != nil {
			t.Fatal(err)
		}
		random1 := func() *docsv1.Values {
			message := &docsv1.Values{}
			fill(random, message.ProtoReflect(), 3)
			message.ProtoReflect().SetUnknown(nil)

			return message
		}
		for range 20 {
			stream, first := method.NewStream(), random1()
			asked = ""
			if _, err := stream.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: first}); err != nil {
				continue
			}
			want := asked
			for range 20 {
				later := random1()
				if _, err := stream.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: later}); err != nil {
					continue
				}
				passed++
				both := proto.CloneOf(first)
				overlay(both.ProtoReflect(), later.ProtoReflect())
				asked = ""
				_, err := method.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: both})
				if err != nil || asked != want {
					t.Fatalf("after\n%v\npassed\n%v\nthe engine is asked\n%s\nand not\n%s\n(%v)\nby %v", first, later, asked, want, err, rule)
				}
			}
		}
	}
	if passed < 100 {
		t.Errorf("only %d later messages passed", passed)
	}
}
