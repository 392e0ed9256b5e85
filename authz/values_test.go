package authz_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// A truncated time is part of the cached query: equal until the next unit begins.
func TestTruncatedTimeIsCached(t *testing.T) {
	start := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string][]int{ // requests after calls at 0 s, 10 s, 54.9 s, 55 s, 56 s and a day
		"{$now}":          {1, 2, 3, 4, 5, 6},
		"{$now|second}":   {1, 2, 3, 4, 5, 6},
		"{$now|minute}":   {1, 1, 1, 2, 2, 3},
		"{$now|hour}":     {1, 1, 1, 1, 1, 2},
		"{$now|day}":      {1, 1, 1, 1, 1, 2},
		"x {$now|minute}": {1, 1, 1, 2, 2, 3},
	} {
		rule := check("document:{text}", "viewer")
		rule.GetCheck().Context = []*authzv1.ContextValue{{Name: "now", Value: value}}
		engine := newTuples("document:a#viewer@user:alice")
		now := start
		authorizer := newAuthorizer(t, authz.Config{
			Engine: engine, Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": rule}), Now: func() time.Time { return now },
			Cache: authz.CacheConfig{Size: 10, TTL: time.Hour},
		})
		for i, after := range []time.Duration{0, 10 * time.Second, 54*time.Second + 900*time.Millisecond, 55 * time.Second, 56 * time.Second, 24 * time.Hour} {
			now = start.Add(after)
			if _, err := authorizer.Authorize(t.Context(), "/t.S/M", user("alice"), &docsv1.Kinds{Text: "a"}); err != nil {
				t.Fatal(err)
			}
			if engine.requests() != want[i] {
				t.Errorf("%s after %v: %d requests, want %d", value, after, engine.requests(), want[i])
			}
		}
	}
}

// valuesMethod compiles a rule over Values that checks document:{text}, with the
// context's values by name.
func valuesMethod(t *testing.T, config authz.Config, name, object string, context map[string]string) *authz.Method {
	t.Helper()
	rule := check(object, "viewer")
	for value, text := range context {
		rule.GetCheck().Context = append(rule.GetCheck().Context, &authzv1.ContextValue{Name: value, Value: text})
	}
	if strings.HasPrefix(name, "Stream") {
		rule.Stream = &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE}
	}
	config.Resolver = ruledOver(t, &docsv1.Values{}, nil, map[string]*authzv1.Rule{name: rule})

	return newAuthorizer(t, config).Method("/t.S/" + name)
}

func TestListsInAContext(t *testing.T) {
	engine := newTuples("document:x#viewer@user:alice", "document:y#viewer@user:alice")
	method := valuesMethod(t, authz.Config{Engine: engine, MaxObjects: 3, Cache: authz.CacheConfig{Size: 10, TTL: time.Hour}}, "M", "document:{texts[]}",
		map[string]string{"numbers": "{numbers[]}", "names": "{parts[].name}", "at": "{at}"})
	if err := method.Err(); err != nil {
		t.Fatal(err)
	}
	authorize := func(message *docsv1.Values) error {
		_, err := method.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: message})

		return err
	}
	// The lists are of other lengths than the one that the object fans out over.
	full := &docsv1.Values{
		Texts: []string{"x", "y"}, Numbers: []int32{7}, At: &timestamppb.Timestamp{Seconds: 1},
		Parts: []*docsv1.ValuesPart{{Name: "a"}, {Name: "b"}, {Name: "a"}},
	}
	if err := authorize(full); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"numbers": []any{int64(7)}, "names": []any{"a", "b", "a"}, "at": "1970-01-01T00:00:01Z"}
	for i, query := range engine.batches[0].Queries {
		if query.Object.ID != full.GetTexts()[i] || !reflect.DeepEqual(query.Context, want) {
			t.Errorf("got %v with %v", query, query.Context)
		}
	}
	if len(engine.batches[0].Queries) != 2 {
		t.Errorf("got %v", engine.batches)
	}
	empty := &docsv1.Values{Texts: []string{"x"}}
	if err := authorize(empty); err != nil {
		t.Fatal(err)
	}
	if got := engine.batches[1].Queries[0].Context; !reflect.DeepEqual(got, map[string]any{"numbers": []any{}, "names": []any{}}) {
		t.Errorf("got %v of empty lists", got)
	}
	asked := engine.requests()
	if err := authorize(full); err != nil || engine.requests() != asked {
		t.Errorf("%v; an equal context was asked again", err)
	}
	for name, c := range map[string]struct {
		change func(*docsv1.Values)
		field  string
	}{
		"row 69: a list above MaxObjects":       {func(v *docsv1.Values) { v.Numbers = make([]int32, 4) }, "numbers"},
		"row 69: strings above 4 KiB":           {func(v *docsv1.Values) { v.Parts[1].Name = strings.Repeat("a", 4096) }, "parts.name"},
		"row 69: a string above 4 KiB":          {func(v *docsv1.Values) { v.Parts[1].Name = strings.Repeat("a", 4097) }, "parts[1].name"},
		"row 69: a time that doesn't exist":     {func(v *docsv1.Values) { v.At.Nanos = -1 }, "at"},
		"row 69: invalid text in a list's part": {func(v *docsv1.Values) { v.Parts[2].Name = "\xff" }, "parts[2].name"},
	} {
		t.Run(name, func(t *testing.T) {
			message := proto.CloneOf(full)
			c.change(message)
			err := authorize(message)
			var refused *authz.Error
			if !errors.As(err, &refused) || refused.Reason != authz.ReasonObjectMissing || refused.Field != c.field {
				t.Errorf("got %v of field %q", err, refused.Field)
			}
			if engine.requests() != asked {
				t.Error("the engine was asked")
			}
		})
	}
}

func TestNumbersOfAContextAreFinite(t *testing.T) {
	engine := newTuples("document:x#viewer@user:alice")
	method := valuesMethod(t, authz.Config{Engine: engine}, "M", "document:x", map[string]string{"ratio": "{ratio}", "ratios": "{ratios[]}"})
	for field, message := range map[string]*docsv1.Values{
		"ratio":     {Ratio: math.NaN()},
		"ratios[1]": {Ratios: []float64{1, math.Inf(1)}},
	} {
		_, err := method.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: message})
		var refused *authz.Error
		if !errors.As(err, &refused) || refused.Reason != authz.ReasonObjectMissing || refused.Field != field || engine.requests() > 0 {
			t.Errorf("row 69: %s: got %v, %d requests", field, err, engine.requests())
		}
	}
}

// A value of the token that can't be used is the caller's fault, and isn't left out.
func TestTokenValuesThatCannotBeSent(t *testing.T) {
	for name, c := range map[string]struct {
		value   string
		claim   any
		message *docsv1.Values
		want    authz.Reason
	}{
		"a claim that fits":             {"{$claim.level}", strings.Repeat("a", 4000), &docsv1.Values{Text: "x"}, ""},
		"no claim":                      {"{$claim.level}", nil, &docsv1.Values{Text: "x"}, ""},
		"row 69: a claim above 4 KiB":   {"{$claim.level}", strings.Repeat("a", 5000), &docsv1.Values{Text: "x"}, authz.ReasonSubjectInvalid},
		"row 69: a list above 4 KiB":    {"{$claim.level}", make([]any, 5000), &docsv1.Values{Text: "x"}, authz.ReasonSubjectInvalid},
		"row 69: a list in a text":      {"x-{$claim.level}", []any{"a"}, &docsv1.Values{Text: "x"}, authz.ReasonSubjectInvalid},
		"row 69: the request's own too": {"{$claim.level}", strings.Repeat("a", 5000), &docsv1.Values{}, authz.ReasonObjectMissing},
	} {
		t.Run(name, func(t *testing.T) {
			engine := newTuples("document:x#viewer@user:alice")
			method := valuesMethod(t, authz.Config{Engine: engine}, "M", "document:{text}", map[string]string{"level": c.value})
			alice := user("alice")
			alice.claims = map[string]any{"level": c.claim}
			_, err := method.Authorize(t.Context(), &authz.Call{Principal: alice, Message: c.message})
			if reasonOf(err) != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if c.want == "" {
				return
			}
			if engine.requests() > 0 {
				t.Error("the engine was asked")
			}
			if c.want == authz.ReasonSubjectInvalid && !strings.Contains(errors.Unwrap(err).Error(), "{$claim.level} that it gives") || strings.Contains(err.Error(), "aaaa") {
				t.Errorf("got %v, %v", err, errors.Unwrap(err))
			}
		})
	}
}

func TestPinnedTimes(t *testing.T) {
	method := valuesMethod(t, authz.Config{Engine: grantsAll()}, "Stream", "document:{text}", map[string]string{"at": "{at}", "lasts": "{nested.lasts}"})
	if err := method.Err(); err != nil || !method.FirstMessageOnly() {
		t.Fatalf("%v, first message only: %v", err, method.FirstMessageOnly())
	}
	at := func(seconds int64, nanos int32) *docsv1.Values {
		return &docsv1.Values{At: &timestamppb.Timestamp{Seconds: seconds, Nanos: nanos}, Nested: &docsv1.Values{Lasts: &durationpb.Duration{Seconds: 1}}}
	}
	first := at(1, 1)
	first.Text = "x"
	later := laterThan(t, method, first)
	for name, c := range map[string]struct {
		message *docsv1.Values
		pass    bool
	}{
		"row 66: unset":            {&docsv1.Values{}, true},
		"row 66: the same":         {at(1, 1), true},
		"row 66: another fraction": {at(1, 2), false},
		"row 66: zero":             {at(0, 0), false},
		"row 66: no time":          {at(1, -1), false},
		"row 66: another duration": {&docsv1.Values{Nested: &docsv1.Values{Lasts: &durationpb.Duration{}}}, false},
	} {
		if err := later(c.message); (err == nil) != c.pass {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Whether a later message's empty list is another one or unset can't be told.
func TestListsCannotBePinned(t *testing.T) {
	for _, value := range []string{"{texts[]}", "{nested.texts[]}", "{parts[].at}", "{wrapped_numbers[]}"} {
		err := valuesMethod(t, authz.Config{Engine: grantsAll()}, "Stream", "document:{text}", map[string]string{"v": value}).Err()
		if err == nil || !strings.Contains(err.Error(), "can't be told from unset") {
			t.Errorf("row 66: %s: %v", value, err)
		}
	}
}

func TestExcerptOfListsAndTimes(t *testing.T) {
	rule := check("document:{text}", "viewer")
	for i, value := range []string{"{parts[].at}", "{times[].seconds}", "{times[]}", "{nested.at}", "{durations[]}", "{wrapped_numbers[]}", "{raws[]|uuid}", "{parts[].name}"} {
		rule.GetCheck().Context = append(rule.GetCheck().Context, &authzv1.ContextValue{Name: fmt.Sprint("v", i), Value: value})
	}
	authorizer := newAuthorizer(t, authz.Config{Engine: grantsAll(), Resolver: ruledOver(t, &docsv1.Values{}, nil, map[string]*authzv1.Rule{"Stream": rule})})
	method := authorizer.Method("/t.S/Stream")
	if err := method.Err(); err != nil {
		t.Fatal(err)
	}
	time := func(seconds int64) *timestamppb.Timestamp { return &timestamppb.Timestamp{Seconds: seconds, Nanos: 7} }
	want := &docsv1.Values{
		Text: "x", Parts: []*docsv1.ValuesPart{{At: time(1)}, {Name: "a"}, {At: time(0), Name: "b"}},
		Times: []*timestamppb.Timestamp{time(1), {}, time(2)}, Nested: &docsv1.Values{At: &timestamppb.Timestamp{}},
		Durations:      []*durationpb.Duration{{Seconds: -1, Nanos: -1}},
		WrappedNumbers: []*wrapperspb.Int64Value{wrapperspb.Int64(0), wrapperspb.Int64(4)}, Raws: [][]byte{[]byte("0123456789abcdef")},
	}
	message := proto.CloneOf(want)
	message.Texts, message.Parts[0].Rank, message.Nested.Text = []string{"y"}, 9, "y"
	// What isn't read of a time isn't kept either.
	message.GetTimes()[0].ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 99, protowire.BytesType), strings.Repeat("z", 1000)))
	got, err := method.Excerpt(message)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	message.Times[2].Seconds, message.Nested.At.Nanos, message.Parts[0].At.Seconds = 99, 99, 99
	if !proto.Equal(got, want) {
		t.Error("the excerpt shares memory with the message")
	}
	same, err := method.MessageKey(want)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*docsv1.Values){
		"a fraction": func(v *docsv1.Values) { v.Times[0].Nanos = 8 }, "no time": func(v *docsv1.Values) { v.Nested.At = nil },
		"one more": func(v *docsv1.Values) { v.Durations = append(v.Durations, &durationpb.Duration{}) },
	} {
		changed := proto.CloneOf(want)
		change(changed)
		if key, err := method.MessageKey(changed); err != nil || key == same {
			t.Errorf("%s: the keys are the same, %v", name, err)
		}
	}
}

// attributesEngine allows every evaluation, and records them.
type attributesEngine struct{ *tuples }

func (e attributesEngine) EvaluateAttributes(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	if _, err := e.Check(ctx, batch); err != nil {
		return authz.Result{}, err
	}
	answers := make([]authz.Answer, len(batch.Queries))
	for i := range answers {
		answers[i].Effect = authz.EffectAllowed
	}

	return authz.Result{Answers: answers}, nil
}

// Properties are values as those of a context are.
func TestValuesOfProperties(t *testing.T) {
	values := func(pairs ...string) []*authzv1.ContextValue {
		var list []*authzv1.ContextValue
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, &authzv1.ContextValue{Name: pairs[i], Value: pairs[i+1]})
		}

		return list
	}
	compiled := func(engine authz.Engine, rule *authzv1.Attributes, now func() time.Time) *authz.Method {
		return newAuthorizer(t, authz.Config{
			Engine: engine, Now: now, Cache: authz.CacheConfig{Size: 10, TTL: time.Hour}, MaxObjects: 3,
			Resolver: ruledOver(t, &docsv1.Values{}, nil, map[string]*authzv1.Rule{"M": {Policy: &authzv1.Rule_Attributes{Attributes: rule}}}),
		}).Method("/t.S/M")
	}
	rule := &authzv1.Attributes{
		Action: "edit", Resource: "document:{text}", ResourceProperties: values("tags", "{texts[]}", "at", "{at}"),
		SubjectProperties: values("level", "{$claim.level}"), ActionProperties: values("day", "{$now|day}"), Context: values("tags", "{numbers[]}"),
	}
	engine := attributesEngine{newTuples()}
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	method := compiled(engine, rule, func() time.Time { return now })
	alice := user("alice")
	alice.claims = map[string]any{"level": []any{"a"}}
	call := &authz.Call{Principal: alice, Message: &docsv1.Values{Text: "x", Texts: []string{"a", "b"}, Numbers: []int32{1}, At: &timestamppb.Timestamp{Seconds: 1}}}
	for range 2 {
		if _, err := method.Authorize(t.Context(), call); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
	}
	want := &authz.Properties{
		Subject: map[string]any{"level": []any{"a"}}, Action: map[string]any{"day": "2030-01-02T00:00:00Z"}, Resource: map[string]any{"tags": []any{"a", "b"}, "at": "1970-01-01T00:00:01Z"},
	}
	if engine.requests() != 1 {
		t.Fatalf("%d requests of one day", engine.requests())
	}
	if got := engine.batches[0].Queries[0]; !reflect.DeepEqual(got.Properties, want) || !reflect.DeepEqual(got.Context, map[string]any{"tags": []any{int64(1)}}) {
		t.Errorf("got %v and %v", got.Properties, got.Context)
	}
	for name, c := range map[string]struct {
		claim   any
		message *docsv1.Values
		want    authz.Reason
		field   string
	}{
		"row 69: a list above MaxObjects": {"a", &docsv1.Values{Text: "x", Texts: make([]string, 4), At: &timestamppb.Timestamp{}}, authz.ReasonObjectMissing, "texts"},
		"row 69: no such time":            {"a", &docsv1.Values{Text: "x", At: &timestamppb.Timestamp{Nanos: -1}}, authz.ReasonObjectMissing, "at"},
		"row 69: a claim above 4 KiB":     {strings.Repeat("a", 5000), &docsv1.Values{Text: "x", At: &timestamppb.Timestamp{}}, authz.ReasonSubjectInvalid, ""},
		"row 69: both":                    {strings.Repeat("a", 5000), &docsv1.Values{Text: "x", At: &timestamppb.Timestamp{Nanos: -1}}, authz.ReasonObjectMissing, "at"},
	} {
		alice := user("alice")
		alice.claims = map[string]any{"level": c.claim}
		_, err := method.Authorize(t.Context(), &authz.Call{Principal: alice, Message: c.message})
		var refused *authz.Error
		if !errors.As(err, &refused) || refused.Reason != c.want || refused.Field != c.field || engine.requests() != 1 {
			t.Errorf("%s: got %v, %d requests", name, err, engine.requests())
		}
	}
	t.Run("the time as it is isn't cached", func(t *testing.T) {
		engine := attributesEngine{newTuples()}
		method := compiled(engine, &authzv1.Attributes{Action: "edit", Resource: "document:{text}", ActionProperties: values("now", "{$now}")}, nil)
		for range 2 {
			if _, err := method.Authorize(t.Context(), call); err != nil {
				t.Fatal(err)
			}
		}
		if engine.requests() != 2 {
			t.Errorf("%d requests", engine.requests())
		}
	})
	t.Run("a fault names the property", func(t *testing.T) {
		err := compiled(engine, &authzv1.Attributes{Action: "edit", Resource: "document:{text}", ResourceProperties: values("a", "x", "b", "{$metadata.x}")}, nil).Err()
		if err == nil || !strings.Contains(err.Error(), "resource_properties[1].value") || !strings.Contains(err.Error(), "in a property") {
			t.Errorf("got %v", err)
		}
	})
}
