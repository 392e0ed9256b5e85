package authz

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

func kindsInput() protoreflect.MessageDescriptor {
	return (&docsv1.Kinds{}).ProtoReflect().Descriptor()
}

type claims map[string]any

func (claims) Issuer() string       { return "https://issuer" }
func (claims) IssuerName() string   { return "main" }
func (claims) Subject() string      { return "alice" }
func (claims) ClientID() string     { return "app" }
func (claims) HasScope(string) bool { return false }
func (claims) ACR() string          { return "" }
func (claims) AuthTime() time.Time  { return time.Time{} }
func (claims) IsService() bool      { return false }
func (claims) IsUser() bool         { return true }

func (c claims) Claim(path ...string) (any, bool) {
	value, ok := c[strings.Join(path, ".")]

	return value, ok
}

func renderAll(t *testing.T, text string, in role, message proto.Message, as screen) ([]string, status) {
	t.Helper()
	parsed, bad := parseTemplate(text, in, kindsInput())
	if bad != nil {
		t.Fatalf("%s: column %d: %s; %s", text, bad.column, bad.problem, bad.fix)
	}
	input := &input{
		principal: claims{"org": "acme", "team.id": json.Number("7"), "list": []any{"a"}, "flag": true, "bad": "a:b", "float": json.Number("1.5")},
		message:   message.ProtoReflect(), call: &Call{}, now: time.Now,
	}
	count := parsed.fanOut(input)
	if count == 0 {
		return nil, statusMissing
	}
	values := make([]string, 0, count)
	for i := range count {
		value, st, _ := parsed.render(nil, input, i, as)
		if st != statusOK {
			return nil, st
		}
		values = append(values, string(value))
	}

	return values, statusOK
}

const someUUID = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"

func TestTemplates(t *testing.T) {
	raw := []byte{0xf8, 0x1d, 0x4f, 0xae, 0x7d, 0xec, 0x11, 0xd0, 0xa7, 0x65, 0x00, 0xa0, 0xc9, 0x1e, 0x6b, 0xf6}
	for name, tc := range map[string]struct {
		text    string
		message *docsv1.Kinds
		want    string
		status  status
	}{
		"string":                           {"d:{text}", &docsv1.Kinds{Text: "a"}, "a", statusOK},
		"literal":                          {"platform:main", &docsv1.Kinds{}, "main", statusOK},
		"around literals":                  {"d:x-{text}-y", &docsv1.Kinds{Text: "a"}, "x-a-y", statusOK},
		"two with a literal":               {"d:{text}/{item.id}", &docsv1.Kinds{Text: "a", Item: &docsv1.Item{Id: "b"}}, "a/b", statusOK},
		"int32":                            {"d:{small}", &docsv1.Kinds{Small: -5}, "-5", statusOK},
		"int64":                            {"d:{large}", &docsv1.Kinds{Large: 1 << 62}, "4611686018427387904", statusOK},
		"uint32":                           {"d:{small_unsigned}", &docsv1.Kinds{SmallUnsigned: 4294967295}, "4294967295", statusOK},
		"fixed64":                          {"d:{large_unsigned}", &docsv1.Kinds{LargeUnsigned: 1<<64 - 1}, "18446744073709551615", statusOK},
		"enum by name":                     {"d:{color}", &docsv1.Kinds{Color: docsv1.Color_COLOR_RED}, "COLOR_RED", statusOK},
		"nested":                           {"d:{nested.nested.item.id}", &docsv1.Kinds{Nested: &docsv1.Kinds{Nested: &docsv1.Kinds{Item: &docsv1.Item{Id: "a"}}}}, "a", statusOK},
		"wrapped string":                   {"d:{wrapped_text}", &docsv1.Kinds{WrappedText: wrapperspb.String("a")}, "a", statusOK},
		"wrapped zero is a value":          {"d:{wrapped_large}", &docsv1.Kinds{WrappedLarge: wrapperspb.Int64(0)}, "0", statusOK},
		"zero with presence is a value":    {"d:{optional_large}", &docsv1.Kinds{OptionalLarge: proto.Int64(0)}, "0", statusOK},
		"oneof":                            {"d:{second}", &docsv1.Kinds{Choice: &docsv1.Kinds_Second{Second: "a"}}, "a", statusOK},
		"uuid of bytes":                    {"d:{raw|uuid}", &docsv1.Kinds{Raw: raw}, someUUID, statusOK},
		"uuid of text":                     {"d:{text|uuid}", &docsv1.Kinds{Text: strings.ToUpper(someUUID)}, someUUID, statusOK},
		"name":                             {"d:{text|name(organizations/*/folders/{})}", &docsv1.Kinds{Text: "organizations/acme/folders/a"}, "a", statusOK},
		"name captured before":             {"d:{text|name(organizations/{}/folders/*)}", &docsv1.Kinds{Text: "organizations/acme/folders/a"}, "acme", statusOK},
		"list":                             {"d:{texts[]}", &docsv1.Kinds{Texts: []string{"a", "b"}}, "a b", statusOK},
		"list of messages":                 {"d:{items[].id}", &docsv1.Kinds{Items: []*docsv1.Item{{Id: "a"}, {Id: "b"}}}, "a b", statusOK},
		"list of integers":                 {"d:{numbers[]}", &docsv1.Kinds{Numbers: []int64{3, 4}}, "3 4", statusOK},
		"list of a nested message":         {"d:{nested.texts[]}", &docsv1.Kinds{Nested: &docsv1.Kinds{Texts: []string{"a"}}}, "a", statusOK},
		"subject":                          {"d:{$sub}", &docsv1.Kinds{}, "alice", statusOK},
		"issuer":                           {"d:{$issuer}/{$sub}", &docsv1.Kinds{}, "main/alice", statusOK},
		"claim":                            {"d:{$claim.org}", &docsv1.Kinds{}, "acme", statusOK},
		"integer claim, nested":            {"d:{$claim.team.id}", &docsv1.Kinds{}, "7", statusOK},
		"unicode":                          {"d:{text}", &docsv1.Kinds{Text: "Zürich-東京"}, "Zürich-東京", statusOK},
		"row 57: unset string":             {"d:{text}", &docsv1.Kinds{}, "", statusMissing},
		"row 57: unset optional":           {"d:{optional_text}", &docsv1.Kinds{}, "", statusMissing},
		"row 57: empty optional":           {"d:{optional_text}", &docsv1.Kinds{OptionalText: proto.String("")}, "", statusMissing},
		"row 57: unset optional integer":   {"d:{optional_large}", &docsv1.Kinds{}, "", statusMissing},
		"row 57: default integer":          {"d:{large}", &docsv1.Kinds{}, "", statusMissing},
		"row 57: default unsigned":         {"d:{small_unsigned}", &docsv1.Kinds{}, "", statusMissing},
		"row 57: zero enum":                {"d:{color}", &docsv1.Kinds{}, "", statusMissing},
		"row 57: zero enum in a list":      {"d:{colors[]}", &docsv1.Kinds{Colors: []docsv1.Color{1, 0}}, "", statusMissing},
		"row 57: zero integer in a list":   {"d:{numbers[]}", &docsv1.Kinds{Numbers: []int64{0}}, "", statusMissing},
		"row 57: unset oneof":              {"d:{first}", &docsv1.Kinds{}, "", statusMissing},
		"row 57: other oneof":              {"d:{first}", &docsv1.Kinds{Choice: &docsv1.Kinds_Second{Second: "a"}}, "", statusMissing},
		"row 57: empty oneof":              {"d:{first}", &docsv1.Kinds{Choice: &docsv1.Kinds_First{}}, "", statusMissing},
		"row 57: unset message":            {"d:{item.id}", &docsv1.Kinds{}, "", statusMissing},
		"row 57: unset wrapper":            {"d:{wrapped_large}", &docsv1.Kinds{}, "", statusMissing},
		"row 57: unset bytes":              {"d:{raw|uuid}", &docsv1.Kinds{}, "", statusMissing},
		"row 57: nil uuid":                 {"d:{raw|uuid}", &docsv1.Kinds{Raw: make([]byte, 16)}, "", statusMissing},
		"row 56: empty list":               {"d:{texts[]}", &docsv1.Kinds{}, "", statusMissing},
		"row 56: list of an unset message": {"d:{nested.texts[]}", &docsv1.Kinds{}, "", statusMissing},
		"row 56: empty value in a list":    {"d:{texts[]}", &docsv1.Kinds{Texts: []string{"a", ""}}, "", statusMissing},
		"unknown enum number":              {"d:{color}", &docsv1.Kinds{Color: 77}, "", statusInvalid},
		"uuid of 15 bytes":                 {"d:{raw|uuid}", &docsv1.Kinds{Raw: raw[:15]}, "", statusInvalid},
		"uuid of other text":               {"d:{text|uuid}", &docsv1.Kinds{Text: "not-a-uuid"}, "", statusInvalid},
		"uuid with a letter too far":       {"d:{text|uuid}", &docsv1.Kinds{Text: "g" + someUUID[1:]}, "", statusInvalid},
		"name of another kind":             {"d:{text|name(folders/{})}", &docsv1.Kinds{Text: "documents/a"}, "", statusMissing},
		"name that is longer":              {"d:{text|name(folders/{})}", &docsv1.Kinds{Text: "folders/a/b"}, "", statusMissing},
		"name that is shorter":             {"d:{text|name(folders/{})}", &docsv1.Kinds{Text: "folders"}, "", statusMissing},
		"name with a trailing slash":       {"d:{text|name(folders/{})}", &docsv1.Kinds{Text: "folders/"}, "", statusMissing},
		"name with a leading slash":        {"d:{text|name(folders/{})}", &docsv1.Kinds{Text: "/folders/a"}, "", statusMissing},
		"name with an empty segment":       {"d:{text|name(organizations/*/folders/{})}", &docsv1.Kinds{Text: "organizations//folders/a"}, "", statusMissing},
		"name with a dash for any":         {"d:{text|name(organizations/*/folders/{})}", &docsv1.Kinds{Text: "organizations/-/folders/a"}, "", statusMissing},
		"name that captures a dash":        {"d:{text|name(folders/{})}", &docsv1.Kinds{Text: "folders/-"}, "", statusMissing},
		"name that captures a wildcard":    {"d:{text|name(folders/{})}", &docsv1.Kinds{Text: "folders/*"}, "", statusInvalid},
		"claim that is missing":            {"d:{$claim.nothing}", &docsv1.Kinds{}, "", statusForeign},
		"claim that is a list":             {"d:{$claim.list}", &docsv1.Kinds{}, "", statusForeign},
		"claim that is a boolean":          {"d:{$claim.flag}", &docsv1.Kinds{}, "", statusForeign},
		"claim that is a fraction":         {"d:{$claim.float}", &docsv1.Kinds{}, "", statusForeign},
		"claim with syntax":                {"d:{$claim.bad}", &docsv1.Kinds{}, "", statusForeign},
		"row 21a: client id of a user":     {"d:{$client_id}", &docsv1.Kinds{}, "", statusForeign},
		"row 55: holds what follows":       {"d:{text}/{item.id}", &docsv1.Kinds{Text: "a/b", Item: &docsv1.Item{Id: "c"}}, "", statusInvalid},
		"row 55: runs into what follows":   {"d:{text}--{item.id}", &docsv1.Kinds{Text: "a-", Item: &docsv1.Item{Id: "c"}}, "", statusInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			values, st := renderAll(t, tc.text, roleObject, tc.message, screenAsID)
			if got := strings.Join(values, " "); st != tc.status || got != tc.want {
				t.Errorf("got %q, status %d; want %q, status %d", got, st, tc.want, tc.status)
			}
		})
	}
}

func TestRow55Screening(t *testing.T) {
	for _, value := range []string{
		"*", ":", "#", "a:b", "a#b", "team:a#member", " ", "a b", " a", "a ", "\t", "a\n", "\r", "\x00", "a\x00b", "\x7f",
		"\u00a0", "\u2028", "\u200b", "\u202e", "\u0085", "\ufeff", "\xff", "a\xc3", "\xed\xa0\x80", strings.Repeat("a", maxValue+1),
	} {
		t.Run(fmt.Sprintf("row 55: %.20q", value), func(t *testing.T) {
			if st := screenID([]byte(value)); st != statusInvalid {
				t.Errorf("status %d, want invalid", st)
			}
		})
	}
	if screenID(nil) != statusMissing {
		t.Error("row 55: an empty value isn't missing")
	}
	for _, value := range []string{"a", "-", "**", "a*", "alice@example.com", "auth0|123", "a/b", "a.b", "ü", "東", strings.Repeat("a", maxValue)} {
		if screenID([]byte(value)) != statusOK {
			t.Errorf("row 55: %q is refused", value)
		}
	}
}

// FuzzTemplate: a template that parses renders something that reads back as one
// object of the literal type.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{"d:{text}", "d:x-{text}/{item.id}", "d:{texts[]}", "d:{text|name(a/*/{})}", "d:{raw|uuid}", "d:{$claim.a.b}", "d:}{", "d:{{}}", ":", "{", "d:{text|name(}"} {
		f.Add(text, "a", "b")
	}
	f.Fuzz(func(t *testing.T, text, one, two string) {
		for _, in := range []role{roleObject, roleSubject, roleConfiguredSubject, roleMatch, roleContext, roleRevision} {
			parsed, bad := parseTemplate(text, in, kindsInput())
			if bad != nil {
				if bad.column < -1 || bad.column > len(text) || bad.problem == "" || bad.fix == "" {
					t.Fatalf("%q: fault %+v", text, bad)
				}

				continue
			}
			input := &input{principal: claims{"a.b": one}, call: &Call{}, now: time.Now, message: (&docsv1.Kinds{
				Text: one, Item: &docsv1.Item{Id: two}, Texts: []string{one, two}, OptionalText: &two, Raw: []byte(one),
			}).ProtoReflect()}
			as := screenAsText
			if in.typed {
				as = screenAsID
			}
			for i := range parsed.fanOut(input) {
				value, st, _ := parsed.render(nil, input, i, as)
				if st != statusOK || !in.typed {
					continue
				}
				object := Object{Type: parsed.objectType, ID: string(value)}
				if back, ok := parseObject(object.String()); len(value) <= maxValue && (!ok || back != object) {
					t.Fatalf("%q renders %q, which reads back as %q", text, object, back)
				}
			}
		}
	})
}

// FuzzScreen: a value that passes can't be read as anything but one id, and two
// values can't give the same object in different ways.
func FuzzScreen(f *testing.F) {
	f.Add("a", "b", "a/", "b")
	f.Add("*", "#", ":", " ")
	f.Fuzz(func(t *testing.T, one, two, three, four string) {
		if screenID([]byte(one)) == statusOK && (one == "*" || strings.ContainsAny(one, ":# \t\r\n\x00") || one == "") {
			t.Fatalf("%q passes", one)
		}
		for _, text := range []string{"d:{text}/{item.id}", "d:{text}--{item.id}", "d:{text}aba{item.id}"} {
			parsed, bad := parseTemplate(text, roleObject, kindsInput())
			if bad != nil {
				t.Fatal(bad)
			}
			render := func(a, b string) (string, bool) {
				input := &input{message: (&docsv1.Kinds{Text: a, Item: &docsv1.Item{Id: b}}).ProtoReflect()}
				value, st, _ := parsed.render(nil, input, 0, screenAsID)

				return string(value), st == statusOK
			}
			x, okX := render(one, two)
			y, okY := render(three, four)
			if okX && okY && x == y && (one != three || two != four) {
				t.Fatalf("%s: (%q, %q) and (%q, %q) both name %q", text, one, two, three, four, x)
			}
		}
	})
}
