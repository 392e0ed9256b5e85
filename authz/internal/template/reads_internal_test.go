package template

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

func parsed(t *testing.T, text string, in Role) *Template {
	t.Helper()
	p, bad := Parse(text, in, kindsInput())
	if bad != nil {
		t.Fatalf("%s: %+v", text, bad)
	}

	return p
}

func TestTemplatesSayWhatTheyRead(t *testing.T) {
	for text, want := range map[string][]string{
		"d:x":                                nil,
		"d:{text}/{item.id}":                 {"{text}@2 string", "{item.id}@9 optional message, string"},
		"d:{$issuer}/{items[].id}":           {"{items[].id}@12 repeated message, string"},
		"d:{text|uuid}":                      {"{text|uuid}@2 string"},
		"d:{wrapped_text}":                   {"{wrapped_text}@2 optional message, string"},
		"d:{$sub}/{$claim.org}-{$client_id}": nil,
	} {
		var got []string
		for _, field := range parsed(t, text, RoleObject).Fields() {
			got = append(got, field.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s reads %q, want %q", text, got, want)
		}
	}
	both := parsed(t, "d:{$sub}/{$claim.act.sub}", RoleSubject)
	if p := both.Reads(SourceIssuer, SourceClaim); p == nil || p.Name() != "$claim.act.sub" || p.Fault("", "").Column != 9 {
		t.Errorf("got %v", p)
	}
	if both.Reads(SourceIssuer, SourceClientID) != nil {
		t.Error("a source is found that isn't read")
	}
	if p := both.ReadsClaim("azp", "act"); p == nil || p.Name() != "$claim.act.sub" {
		t.Errorf("got %v", p)
	}
	if both.ReadsClaim("azp", "su") != nil {
		t.Error("a claim is found that isn't read")
	}
}

func TestFanNamesItsField(t *testing.T) {
	if p := parsed(t, "d:{text}/{items[].id}", RoleObject).Fan(); p == nil || p.Path(1) != "items[1].id" || p.Path(-1) != "items.id" {
		t.Errorf("got %v", p)
	}
	if p := parsed(t, "d:{text}", RoleObject).Fan(); p != nil {
		t.Errorf("got %v", p)
	}
}

func TestIssuersThatDoNotFit(t *testing.T) {
	names := []string{"main", "a/b", "c:d"}
	for text, want := range map[string]string{"d:{$issuer}": "c:d", "d:{$issuer}/{$sub}": "a/b", "d:{$sub}": ""} {
		p, name := parsed(t, text, RoleSubject).RefusesIssuer(names)
		if name != want || (p == nil) != (want == "") {
			t.Errorf("%s refuses %q, want %q", text, name, want)
		}
	}
}

func TestFixedEnds(t *testing.T) {
	p := parsed(t, "d:a-{$issuer}/{$sub}-z", RoleSubject)
	if start, end := p.Fixed("main"); start != "a-main/" || end != "-z" {
		t.Errorf("got %q and %q", start, end)
	}
	if start, end := p.Fixed(""); start != "a-" || end != "-z" {
		t.Errorf("of an unknown issuer: got %q and %q", start, end)
	}
}

// A rule's warm decision appends, and a stream's later message is compared, without
// the heap.
func TestTemplatesThatStartWithTheIssuerAlike(t *testing.T) {
	const whole = "d:{$issuer}/{$sub}"
	for other, want := range map[string]bool{
		"d:{$issuer}/{$claim.org}":   true,
		"e:{$issuer}/{text}-x":       true,
		"d:{$issuer}/m/{$sub}":       false,
		"d:{$issuer}-{$sub}":         false,
		"d:x{$issuer}/{$sub}":        false,
		"d:{$issuer}":                false,
		"d:{$claim.org}/{$issuer}/x": false,
		"d:{$sub}":                   false,
		"d:x":                        false,
	} {
		if got := parsed(t, whole, RoleSubject).SameIssuerStart(parsed(t, other, RoleSubject)); got != want {
			t.Errorf("%s and %s: %v", whole, other, got)
		}
		if got := parsed(t, other, RoleSubject).SameIssuerStart(parsed(t, whole, RoleSubject)); got != want {
			t.Errorf("%s and %s: %v", other, whole, got)
		}
	}
	if one := parsed(t, "d:{$issuer}", RoleSubject); one.SameIssuerStart(one) {
		t.Error("nothing follows the issuer")
	}
}

func TestHotPathsAllocateNothing(t *testing.T) {
	in := Input{
		Principal: claims{},
		Message:   (&docsv1.Kinds{Text: "a/b", OptionalText: proto.String(someUUID), Item: &docsv1.Item{Id: someUUID}}).ProtoReflect(),
	}
	buf := make([]byte, 0, 256)
	for _, text := range []string{"d:{text}", "d:x-{optional_text|uuid}", "d:{item.id}/{$sub}", "d:{text|name(a/{})}"} {
		p := parsed(t, text, RoleObject)
		if n := testing.AllocsPerRun(100, func() {
			if got, st, _ := p.Append(buf, &in, 0); st != StatusOK || len(got) == 0 {
				t.Fatalf("%s: status %d", text, st)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", text, n)
		}
		field := p.Fields()[0]
		pinned, st := field.Pinned(in.Message)
		if st != StatusOK {
			t.Fatalf("%s: status %d", text, st)
		}
		if n := testing.AllocsPerRun(100, func() {
			if !field.Same(in.Message, pinned) {
				t.Fatalf("%s isn't the same", text)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations to compare", text, n)
		}
	}
}
