package template

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

func kindsInput() protoreflect.MessageDescriptor {
	return (&docsv1.Kinds{}).ProtoReflect().Descriptor()
}

type claims map[string]any

func (claims) IssuerName() string { return "main" }
func (claims) Subject() string    { return "alice" }
func (claims) ClientID() string   { return "app" }
func (claims) IsService() bool    { return false }

func (c claims) Claim(path ...string) (any, bool) {
	value, ok := c[strings.Join(path, ".")]

	return value, ok
}

func renderAll(t *testing.T, text string, in Role, message proto.Message) ([]string, Status) {
	t.Helper()
	parsed, bad := Parse(text, in, kindsInput())
	if bad != nil {
		t.Fatalf("%s: column %d: %s; %s", text, bad.Column, bad.Problem, bad.Fix)
	}
	input := &Input{
		Principal: claims{"org": "acme", "team.id": json.Number("7"), "list": []any{"a"}, "flag": true, "bad": "a:b", "float": json.Number("1.5")},
		Message:   message.ProtoReflect(), Now: time.Now,
	}
	count := parsed.Count(input)
	if count == 0 {
		return nil, StatusMissing
	}
	values := make([]string, 0, count)
	for i := range count {
		value, st, _ := parsed.Append(nil, input, i)
		if st != StatusOK {
			return nil, st
		}
		values = append(values, string(value))
	}

	return values, StatusOK
}

const someUUID = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"

func TestTemplates(t *testing.T) {
	raw := []byte{0xf8, 0x1d, 0x4f, 0xae, 0x7d, 0xec, 0x11, 0xd0, 0xa7, 0x65, 0x00, 0xa0, 0xc9, 0x1e, 0x6b, 0xf6}
	for name, tc := range map[string]struct {
		text    string
		message *docsv1.Kinds
		want    string
		status  Status
	}{
		"string":                           {"d:{text}", &docsv1.Kinds{Text: "a"}, "a", StatusOK},
		"literal":                          {"platform:main", &docsv1.Kinds{}, "main", StatusOK},
		"around literals":                  {"d:x-{text}-y", &docsv1.Kinds{Text: "a"}, "x-a-y", StatusOK},
		"two with a literal":               {"d:{text}/{item.id}", &docsv1.Kinds{Text: "a", Item: &docsv1.Item{Id: "b"}}, "a/b", StatusOK},
		"int32":                            {"d:{small}", &docsv1.Kinds{Small: -5}, "-5", StatusOK},
		"int64":                            {"d:{large}", &docsv1.Kinds{Large: 1 << 62}, "4611686018427387904", StatusOK},
		"uint32":                           {"d:{small_unsigned}", &docsv1.Kinds{SmallUnsigned: 4294967295}, "4294967295", StatusOK},
		"fixed64":                          {"d:{large_unsigned}", &docsv1.Kinds{LargeUnsigned: 1<<64 - 1}, "18446744073709551615", StatusOK},
		"enum by name":                     {"d:{color}", &docsv1.Kinds{Color: docsv1.Color_COLOR_RED}, "COLOR_RED", StatusOK},
		"nested":                           {"d:{nested.nested.item.id}", &docsv1.Kinds{Nested: &docsv1.Kinds{Nested: &docsv1.Kinds{Item: &docsv1.Item{Id: "a"}}}}, "a", StatusOK},
		"wrapped string":                   {"d:{wrapped_text}", &docsv1.Kinds{WrappedText: wrapperspb.String("a")}, "a", StatusOK},
		"wrapped zero is a value":          {"d:{wrapped_large}", &docsv1.Kinds{WrappedLarge: wrapperspb.Int64(0)}, "0", StatusOK},
		"zero with presence is a value":    {"d:{optional_large}", &docsv1.Kinds{OptionalLarge: proto.Int64(0)}, "0", StatusOK},
		"oneof":                            {"d:{second}", &docsv1.Kinds{Choice: &docsv1.Kinds_Second{Second: "a"}}, "a", StatusOK},
		"uuid of bytes":                    {"d:{raw|uuid}", &docsv1.Kinds{Raw: raw}, someUUID, StatusOK},
		"uuid of text":                     {"d:{text|uuid}", &docsv1.Kinds{Text: strings.ToUpper(someUUID)}, someUUID, StatusOK},
		"name":                             {"d:{text|name(organizations/*/folders/{})}", &docsv1.Kinds{Text: "organizations/acme/folders/a"}, "a", StatusOK},
		"name captured before":             {"d:{text|name(organizations/{}/folders/*)}", &docsv1.Kinds{Text: "organizations/acme/folders/a"}, "acme", StatusOK},
		"list":                             {"d:{texts[]}", &docsv1.Kinds{Texts: []string{"a", "b"}}, "a b", StatusOK},
		"list of messages":                 {"d:{items[].id}", &docsv1.Kinds{Items: []*docsv1.Item{{Id: "a"}, {Id: "b"}}}, "a b", StatusOK},
		"list of integers":                 {"d:{numbers[]}", &docsv1.Kinds{Numbers: []int64{3, 4}}, "3 4", StatusOK},
		"list of a nested message":         {"d:{nested.texts[]}", &docsv1.Kinds{Nested: &docsv1.Kinds{Texts: []string{"a"}}}, "a", StatusOK},
		"subject":                          {"d:{$sub}", &docsv1.Kinds{}, "alice", StatusOK},
		"issuer":                           {"d:{$issuer}/{$sub}", &docsv1.Kinds{}, "main/alice", StatusOK},
		"claim":                            {"d:{$claim.org}", &docsv1.Kinds{}, "acme", StatusOK},
		"integer claim, nested":            {"d:{$claim.team.id}", &docsv1.Kinds{}, "7", StatusOK},
		"unicode":                          {"d:{text}", &docsv1.Kinds{Text: "Zürich-東京"}, "Zürich-東京", StatusOK},
		"row 57: unset string":             {"d:{text}", &docsv1.Kinds{}, "", StatusMissing},
		"row 57: unset optional":           {"d:{optional_text}", &docsv1.Kinds{}, "", StatusMissing},
		"row 57: empty optional":           {"d:{optional_text}", &docsv1.Kinds{OptionalText: proto.String("")}, "", StatusMissing},
		"row 57: unset optional integer":   {"d:{optional_large}", &docsv1.Kinds{}, "", StatusMissing},
		"row 57: default integer":          {"d:{large}", &docsv1.Kinds{}, "", StatusMissing},
		"row 57: default unsigned":         {"d:{small_unsigned}", &docsv1.Kinds{}, "", StatusMissing},
		"row 57: zero enum":                {"d:{color}", &docsv1.Kinds{}, "", StatusMissing},
		"row 57: zero enum in a list":      {"d:{colors[]}", &docsv1.Kinds{Colors: []docsv1.Color{1, 0}}, "", StatusMissing},
		"row 57: zero integer in a list":   {"d:{numbers[]}", &docsv1.Kinds{Numbers: []int64{0}}, "", StatusMissing},
		"row 57: unset oneof":              {"d:{first}", &docsv1.Kinds{}, "", StatusMissing},
		"row 57: other oneof":              {"d:{first}", &docsv1.Kinds{Choice: &docsv1.Kinds_Second{Second: "a"}}, "", StatusMissing},
		"row 57: empty oneof":              {"d:{first}", &docsv1.Kinds{Choice: &docsv1.Kinds_First{}}, "", StatusMissing},
		"row 57: unset message":            {"d:{item.id}", &docsv1.Kinds{}, "", StatusMissing},
		"row 57: unset wrapper":            {"d:{wrapped_large}", &docsv1.Kinds{}, "", StatusMissing},
		"row 57: unset bytes":              {"d:{raw|uuid}", &docsv1.Kinds{}, "", StatusMissing},
		"row 57: nil uuid":                 {"d:{raw|uuid}", &docsv1.Kinds{Raw: make([]byte, 16)}, "", StatusMissing},
		"row 56: empty list":               {"d:{texts[]}", &docsv1.Kinds{}, "", StatusMissing},
		"row 56: list of an unset message": {"d:{nested.texts[]}", &docsv1.Kinds{}, "", StatusMissing},
		"row 56: empty value in a list":    {"d:{texts[]}", &docsv1.Kinds{Texts: []string{"a", ""}}, "", StatusMissing},
		"unknown enum number":              {"d:{color}", &docsv1.Kinds{Color: 77}, "", StatusInvalid},
		"uuid of 15 bytes":                 {"d:{raw|uuid}", &docsv1.Kinds{Raw: raw[:15]}, "", StatusInvalid},
		"uuid of other text":               {"d:{text|uuid}", &docsv1.Kinds{Text: "not-a-uuid"}, "", StatusInvalid},
		"uuid with a letter too far":       {"d:{text|uuid}", &docsv1.Kinds{Text: "g" + someUUID[1:]}, "", StatusInvalid},
		"name of another kind":             {"d:{text|name(folders/{})}", &docsv1.Kinds{Text: "documents/a"}, "", StatusMissing},
		"name that is longer":              {"d:{text|name(folders/{})}", &docsv1.Kinds{Text: "folders/a/b"}, "", StatusMissing},
		"name that is shorter":             {"d:{text|name(folders/{})}", &docsv1.Kinds{Text: "folders"}, "", StatusMissing},
		"name with a trailing slash":       {"d:{text|name(folders/{})}", &docsv1.Kinds{Text: "folders/"}, "", StatusMissing},
		"name with a leading slash":        {"d:{text|name(folders/{})}", &docsv1.Kinds{Text: "/folders/a"}, "", StatusMissing},
		"name with an empty segment":       {"d:{text|name(organizations/*/folders/{})}", &docsv1.Kinds{Text: "organizations//folders/a"}, "", StatusMissing},
		"name with a dash for any":         {"d:{text|name(organizations/*/folders/{})}", &docsv1.Kinds{Text: "organizations/-/folders/a"}, "", StatusMissing},
		"name that captures a dash":        {"d:{text|name(folders/{})}", &docsv1.Kinds{Text: "folders/-"}, "", StatusMissing},
		"name that captures a wildcard":    {"d:{text|name(folders/{})}", &docsv1.Kinds{Text: "folders/*"}, "", StatusInvalid},
		"claim that is missing":            {"d:{$claim.nothing}", &docsv1.Kinds{}, "", StatusForeign},
		"claim that is a list":             {"d:{$claim.list}", &docsv1.Kinds{}, "", StatusForeign},
		"claim that is a boolean":          {"d:{$claim.flag}", &docsv1.Kinds{}, "", StatusForeign},
		"claim that is a fraction":         {"d:{$claim.float}", &docsv1.Kinds{}, "", StatusForeign},
		"claim with syntax":                {"d:{$claim.bad}", &docsv1.Kinds{}, "", StatusForeign},
		"row 21a: client id of a user":     {"d:{$client_id}", &docsv1.Kinds{}, "", StatusForeign},
		"row 55: holds what follows":       {"d:{text}/{item.id}", &docsv1.Kinds{Text: "a/b", Item: &docsv1.Item{Id: "c"}}, "", StatusInvalid},
		"row 55: runs into what follows":   {"d:{text}--{item.id}", &docsv1.Kinds{Text: "a-", Item: &docsv1.Item{Id: "c"}}, "", StatusInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			values, st := renderAll(t, tc.text, RoleObject, tc.message)
			if got := strings.Join(values, " "); st != tc.status || got != tc.want {
				t.Errorf("got %q, status %d; want %q, status %d", got, st, tc.want, tc.status)
			}
		})
	}
}

func TestScreening(t *testing.T) {
	for _, value := range []string{
		"*", ":", "#", "a:b", "a#b", "team:a#member", " ", "a b", " a", "a ", "\t", "a\n", "\r", "\x00", "a\x00b", "\x7f",
		"\u00a0", "\u2028", "\u200b", "\u202e", "\u0085", "\ufeff", "\xff", "a\xc3", "\xed\xa0\x80", strings.Repeat("a", MaxValue+1),
	} {
		t.Run(fmt.Sprintf("row 55: %.20q", value), func(t *testing.T) {
			if st := screenID([]byte(value)); st != StatusInvalid {
				t.Errorf("status %d, want invalid", st)
			}
		})
	}
	if screenID(nil) != StatusMissing {
		t.Error("row 55: an empty value isn't missing")
	}
	for _, value := range []string{"a", "-", "**", "a*", "alice@example.com", "auth0|123", "a/b", "a.b", "ü", "東", strings.Repeat("a", MaxValue)} {
		if screenID([]byte(value)) != StatusOK {
			t.Errorf("row 55: %q is refused", value)
		}
	}
}

// FuzzTemplate tests that a template that parses renders a text that can be parsed
// as one object of the literal type.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{
		"d:{text}", "d:x-{text}/{item.id}", "d:{texts[]}", "d:{text|name(a/*/{})}", "d:{raw|uuid}", "d:{$claim.a.b}", "d:}{", "d:{{}}", ":", "{", "d:{text|name(}",
		"{texts[]}", "{items[].id}", "{texts[]|name(a/{})}", "x{texts[]}", "{items[].number}", "{ratio}", "{$claim.a.b}", "{$now|minute}", "{$now|week}", "{text|day}", "{$peer.ip} {$now|hour}",
	} {
		f.Add(text, "a", "b")
	}
	f.Fuzz(func(t *testing.T, text, one, two string) {
		for _, in := range []Role{RoleObject, RoleSubject, RoleConfiguredSubject, RoleMatch, RoleContext, RoleRevision} {
			parsed, bad := Parse(text, in, kindsInput())
			if bad != nil {
				if bad.Column < -1 || bad.Column > len(text) || bad.Problem == "" || bad.Fix == "" {
					t.Fatalf("%q: fault %+v", text, bad)
				}

				continue
			}
			input := &Input{Principal: claims{"a.b": one}, Now: time.Now, MaxList: 2, Message: (&docsv1.Kinds{
				Text: one, Item: &docsv1.Item{Id: two}, Texts: []string{one, two}, OptionalText: &two, Raw: []byte(one),
				Items: []*docsv1.Item{{Id: two}, {Id: one, Number: 1}}, Ratio: math.Float64frombits(uint64(len(one)) << 52),
			}).ProtoReflect()}
			if in.alone {
				checkValue(t, parsed, input)

				continue
			}
			for i := range parsed.Count(input) {
				value, st, _ := parsed.Append(nil, input, i)
				if st != StatusOK || !in.typed {
					continue
				}
				object := parsed.Type() + ":" + string(value)
				if objectType, id, ok := CutObject(object); len(value) <= MaxValue && (!ok || objectType != parsed.Type() || id != string(value)) {
					t.Fatalf("%q renders %q, which reads back as %q, %q", text, object, objectType, id)
				}
			}
		}
	})
}

// checkValue checks that a value is of a type that engines are promised, no longer than
// 4 KiB, and the same in a second call unless the template reads the time.
func checkValue(t *testing.T, parsed *Template, input *Input) {
	t.Helper()
	value, st, bad, _ := parsed.Value(input)
	if st != StatusOK {
		if bad == nil {
			t.Fatalf("%q: status %d of no part", parsed, st)
		}

		return
	}
	elements, isList := value.([]any)
	if !isList {
		elements = []any{value}
	}
	if len(elements) > max(input.MaxList, 1) {
		t.Fatalf("%q gives %d elements", parsed, len(elements))
	}
	size := 0
	for _, element := range elements {
		switch element := element.(type) {
		case string:
			if size += len(element); size > maxText || !utf8.ValidString(element) {
				t.Fatalf("%q gives %q", parsed, element)
			}
		case float64:
			if math.IsNaN(element) || math.IsInf(element, 0) {
				t.Fatalf("%q gives %v", parsed, element)
			}
		case bool, int64, uint64:
		default:
			t.Fatalf("%q gives a %T", parsed, element)
		}
	}
	if again, _, _, _ := parsed.Value(input); parsed.Reads(SourceNow) == nil && !reflect.DeepEqual(again, value) {
		t.Fatalf("%q gives %v, then %v", parsed, value, again)
	}
}

// FuzzScreen tests that a value that passes can only be read as one id, and that two
// values can't give the same object in different ways.
func FuzzScreen(f *testing.F) {
	f.Add("a", "b", "a/", "b")
	f.Add("*", "#", ":", " ")
	f.Fuzz(func(t *testing.T, one, two, three, four string) {
		if screenID([]byte(one)) == StatusOK && (one == "*" || strings.ContainsAny(one, ":# \t\r\n\x00") || one == "") {
			t.Fatalf("%q passes", one)
		}
		for _, text := range []string{"d:{text}/{item.id}", "d:{text}--{item.id}", "d:{text}aba{item.id}"} {
			parsed, bad := Parse(text, RoleObject, kindsInput())
			if bad != nil {
				t.Fatal(bad)
			}
			render := func(a, b string) (string, bool) {
				input := &Input{Message: (&docsv1.Kinds{Text: a, Item: &docsv1.Item{Id: b}}).ProtoReflect()}
				value, st, _ := parsed.Append(nil, input, 0)

				return string(value), st == StatusOK
			}
			x, okX := render(one, two)
			y, okY := render(three, four)
			if okX && okY && x == y && (one != three || two != four) {
				t.Fatalf("%s: (%q, %q) and (%q, %q) both name %q", text, one, two, three, four, x)
			}
		}
	})
}
