package authz_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// fill sets some of a message's fields to values of which several are odd.
func fill(random *rand.Rand, message protoreflect.Message, depth int) {
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if random.IntN(3) > 0 && message.Descriptor().FullName() == "usher.test.docs.v1.Values" || random.IntN(4) == 0 {
			continue
		}
		value := func() (protoreflect.Value, bool) {
			switch fd.Kind() {
			case protoreflect.StringKind:
				return protoreflect.ValueOfString([]string{"", "a", "b", "\x00c", "é", "d:e"}[random.IntN(6)]), true
			case protoreflect.BytesKind:
				return protoreflect.ValueOfBytes([]byte{}), true
			case protoreflect.BoolKind:
				return protoreflect.ValueOfBool(random.IntN(2) == 0), true
			case protoreflect.EnumKind:
				return protoreflect.ValueOfEnum(protoreflect.EnumNumber(random.IntN(4))), true
			case protoreflect.FloatKind:
				return protoreflect.ValueOfFloat32(float32(random.IntN(3))), true
			case protoreflect.DoubleKind:
				return protoreflect.ValueOfFloat64(float64(random.IntN(3))), true
			case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
				return protoreflect.ValueOfInt32(int32(random.IntN(3)) - 1), true
			case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
				return protoreflect.ValueOfInt64(int64(random.IntN(3)) - 1), true
			case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
				return protoreflect.ValueOfUint32(uint32(random.IntN(3))), true
			case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
				return protoreflect.ValueOfUint64(uint64(random.IntN(3))), true
			default:
				return protoreflect.Value{}, false
			}
		}
		switch {
		case fd.IsMap():
		case fd.IsList():
			list := message.Mutable(fd).List()
			for range random.IntN(3) {
				if v, scalar := value(); scalar {
					list.Append(v)
				} else {
					element := list.NewElement()
					if depth > 0 {
						fill(random, element.Message(), depth-1)
					}
					list.Append(element)
				}
			}
		default:
			if v, scalar := value(); scalar {
				message.Set(fd, v)
			} else if depth > 0 {
				fill(random, message.Mutable(fd).Message(), depth-1)
			}
		}
	}
	message.SetUnknown([]byte{0xf8, 0x7f, byte(random.IntN(100))}) // field 2047
}

// What a stream remembers of a message is asked about as the message was: every value,
// whether the message is generated or dynamic, and with fields that nobody knows. Two
// messages that a stream can't tell apart are asked about alike.
func TestRandomExcerptsAreAskedAboutAsTheirMessages(t *testing.T) {
	var asked string
	engine := authz.EngineFunc(func(_ context.Context, batch authz.Batch) (authz.Result, error) {
		for _, query := range batch.Queries {
			asked += fmt.Sprintf("%v %v %#v %#v;", query, query.Relation, query.Context, query.Properties)
		}

		return authz.Result{Answers: make([]authz.Answer, len(batch.Queries))}, nil
	})
	sources := []string{
		"{text}", "{single}", "{ratio}", "{optional_ratio}", "{at}", "{lasts}", "{wrapped_ratio}", "{wrapped_flag}", "{texts[]}", "{numbers[]}", "{unsigned[]}", "{singles[]}",
		"{ratios[]}", "{flags[]}", "{colors[]}", "{times[]}", "{durations[]}", "{wrapped_numbers[]}", "{parts[].name}", "{parts[].alias}", "{parts[].rank}", "{parts[].at}",
		"{parts[].values.text}", "{nested.text}", "{nested.at}", "{nested.parts[].rank}", "{nested.nested.flags[]}", "x-{nested.text}-{text}", "{nested.wrapped_ratio}", "{parts[].values.wrapped_flag}",
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	questions := 0
	for range 150 {
		pick := func() []*authzv1.ContextValue {
			var values []*authzv1.ContextValue
			for i := range random.IntN(3) {
				values = append(values, &authzv1.ContextValue{Name: fmt.Sprint(i), Value: sources[random.IntN(len(sources))]})
			}

			return values
		}
		object := []string{"d:1", "d:{text}", "d:{parts[].name}", "d:{colors[]}", "d:{nested.text}"}[random.IntN(5)]
		rule := &authzv1.Rule{Policy: &authzv1.Rule_Attributes{Attributes: &authzv1.Attributes{
			Action: "a", Resource: object, Context: pick(), SubjectProperties: pick(), ActionProperties: pick(), ResourceProperties: pick(),
		}}}
		if random.IntN(3) == 0 {
			rule.Policy = &authzv1.Rule_Check{Check: &authzv1.Check{Object: object, Relation: "r", Context: pick()}}
		}
		method := newAuthorizer(t, authz.Config{
			Engine: ways{engine, engine, engine}, Breaker: authz.BreakerConfig{Disabled: true},
			Resolver: ruledOver(t, &docsv1.Values{}, nil, map[string]*authzv1.Rule{"StreamM": rule}),
		}).Method("/t.S/StreamM")
		if err := method.Err(); err != nil {
			t.Fatal(err)
		}
		decide := func(message proto.Message) string {
			asked = ""
			_, err := method.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: message})

			return asked + fmt.Sprint(err)
		}
		byKey := map[string]string{}
		for range 60 {
			message := &docsv1.Values{}
			fill(random, message.ProtoReflect(), 3)
			want := decide(message)
			if asked != "" {
				questions++
			}
			wire, err := proto.Marshal(message)
			if err != nil {
				t.Fatal(err)
			}
			dynamic := dynamicpb.NewMessage(message.ProtoReflect().Descriptor())
			if err := proto.Unmarshal(wire, dynamic); err != nil {
				t.Fatal(err)
			}
			for name, of := range map[string]proto.Message{"generated": message, "dynamic": dynamic} {
				excerpt, err := method.Excerpt(of)
				if err != nil {
					t.Fatal(err)
				}
				if got := decide(excerpt); got != want {
					t.Fatalf("%s: the excerpt of\n%v\nis asked about as\n%s\nand not as\n%s\nby %v", name, message, got, want, rule)
				}
				key, err := method.MessageKey(of)
				if err != nil {
					t.Fatal(err)
				}
				if known, seen := byKey[key]; seen && known != want {
					t.Fatalf("%s: two messages have one key and are asked about as\n%s\nand\n%s", name, known, want)
				}
				byKey[key] = want
			}
		}
	}
	if questions < 100 {
		t.Errorf("only %d messages could be asked about", questions)
	}
}
