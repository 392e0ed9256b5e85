package cel_test

import (
	"math"
	"net/netip"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/cel"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

func unmarshalText(text string, message proto.Message) error {
	return prototext.Unmarshal([]byte(text), message)
}

func sample() *docsv1.Kinds {
	return &docsv1.Kinds{
		Text: "räd", OptionalText: proto.String(""), Small: -7, Large: 9999, SmallUnsigned: 7, LargeUnsigned: math.MaxUint64,
		Color: docsv1.Color_COLOR_RED, Raw: []byte("raw"), Flag: true, Ratio: 0.25, Item: &docsv1.Item{Id: "i", Number: 5},
		Items: []*docsv1.Item{{Id: "a", Number: 1}, {Id: "b", Number: 2}}, Texts: []string{"x", "y"},
		Labels: map[string]string{"team": "blue"}, WrappedText: wrapperspb.String("w"), Choice: &docsv1.Kinds_First{First: "one"},
		Numbers: []int64{1, 2, 3}, Colors: []docsv1.Color{docsv1.Color_COLOR_BLUE}, Nested: &docsv1.Kinds{Text: "deep", Nested: &docsv1.Kinds{Large: 42}},
	}
}

// holding are expressions that hold for a call with sample.
var holding = []string{
	// the issue's
	"request.large < 10000 && caller.claims.department == 'finance' && peer.ip.inRange('10.0.0.0/8')",
	// fields
	"request.text == 'räd'", "'räd' == request.text", "request.text != 'red'", "size(request.text) == 3", "request.text.startsWith('r')",
	"request.text < 's'", "request.text >= 'räd'", "'a' < request.text", "'z' >= request.text", "request.text + 'x' == 'rädx'",
	"request.small == -7", "request.small < 0", "-8 < request.small", "request.small > -7.5",
	"request.large <= 9999", "request.large > 9998", "9999 == request.large", "request.large + 1 == 10000", "dyn(request.large) == 9999.0",
	"request.small_unsigned == 7u", "request.small_unsigned >= 7u", "request.small_unsigned <= 7", "request.small_unsigned < 8",
	"request.large_unsigned == 18446744073709551615u", "request.large_unsigned > 1",
	"request.color == usher.test.docs.v1.Color.COLOR_RED", "request.color == 1", "request.color != usher.test.docs.v1.Color.COLOR_BLUE",
	"request.color in [usher.test.docs.v1.Color.COLOR_RED, usher.test.docs.v1.Color.COLOR_BLUE]",
	"request.raw == b'raw'", "size(request.raw) == 3", "request.flag", "request.flag == true", "request.flag != false", "!(request.flag == false)",
	"request.ratio == 0.25", "request.ratio < 0.5", "0.1 <= request.ratio", "request.ratio < 1",
	"request.item.id == 'i'", "request.item.number == 5", "request.item == usher.test.docs.v1.Item{id: 'i', number: 5}",
	"request.nested.text == 'deep'", "request.nested.nested.large == 42", "request.nested.nested.nested.nested.large == 0",
	"request.items.exists(i, i.id == 'b')", "request.items.all(i, i.number > 0)", "request.items[0].id == 'a'", "size(request.items) == 2",
	"request.items.map(i, i.number) == [1, 2]", "request.items.filter(i, i.number > 1).size() == 1", "request.items.exists_one(i, i.number == 1)",
	"'x' in request.texts", "!('z' in request.texts)", "request.texts[1] == 'y'", "request.labels.team == 'blue'", "request.labels['team'] == 'blue'",
	"'team' in request.labels", "has(request.labels.team)", "!has(request.labels.other)", "request.labels.all(k, k == 'team')",
	"request.numbers == [1, 2, 3]", "2 in request.numbers", "request.colors[0] == usher.test.docs.v1.Color.COLOR_BLUE",
	"request.wrapped_text == 'w'", "request.wrapped_large == null", "request.wrapped_text != null",
	"has(request.optional_text)", "!has(request.optional_large)", "request.optional_large == 0", "has(request.first)", "!has(request.second)", "request.first == 'one'",
	"has(request.nested.nested)", "!has(request.nested.nested.nested)", "!has(request.nested.nested.nested.nested.item)", "has(request.text)",
	"request == request", "request.item != request.items[0]", ".request.flag", "type(request.large) == int",
	"dyn(request.item).id == 'i'", "(request.flag ? request.item : request.items[0]).id == 'i'", "{'a': request.large}['a'] == 9999",
	// caller
	"caller.subject == 'ann'", "caller.client_id == 'test-client'", "caller.issuer == 'test'", "caller.kind == 'user'", "caller.acr == 'mfa'",
	"'documents.read' in caller.scopes", "!('documents' in caller.scopes)", "caller.scopes.exists(s, s.endsWith('.write'))", "size(caller.scopes) == 2",
	"caller.subject < 'b'", "'a' < caller.subject", "caller.subject != 'bob'", "caller.subject in ['ann', 'bob']",
	"caller.claims.level == 3", "caller.claims.level >= 3", "3 <= caller.claims.level", "caller.claims.level < 4u", "caller.claims.level == 3.0", "caller.claims.level + 1 == 4",
	"caller.claims.ratio == 0.5", "caller.claims.ratio < 1", "caller.claims.admin == true", "caller.claims.admin && true",
	"caller.claims.large == 9007199254740993", "caller.claims.large != 9007199254740992",
	"'staff' in caller.claims.groups", "caller.claims.groups[0] == 'staff'", "caller.claims.groups.exists(g, g == 'finance')", "size(caller.claims.groups) == 2",
	"caller.claims.realm.tier == 'gold'", "caller.claims['realm']['tier'] == 'gold'", "'editor' in caller.claims.realm.roles", "caller.claims.realm == {'roles': ['editor'], 'tier': 'gold'}",
	"caller.claims['https://example.com/unit'] == 'blue'", "has(caller.claims.department)", "!has(caller.claims.other)", "has(caller.claims.realm.tier)", "!has(caller.claims.realm.other)",
	"'department' in caller.claims", "!('other' in caller.claims)", "caller.claims[request.labels.team + ''] == 1 || true", "caller.claims['depart' + 'ment'] == 'finance'",
	"caller.claims.department != 3", "caller.claims.level != 'finance'", "request.labels.team in caller.claims || true",
	"request.items.all(i, caller.claims.level == 3 && caller.subject == 'ann' && peer.ip.inRange('10.0.0.0/8') && request.large > i.number)",
	"has(caller.claims.other) ? caller.claims.other == 1 : true", "caller.claims.other == 1 || true", "!(caller.claims.other == 1 && false)",
	// peer and now
	"peer.ip.inRange('10.1.2.3/32')", "!peer.ip.inRange('192.168.0.0/16')", "!peer.ip.inRange('::/0')", "peer.ip.inRange('0.0.0.0/0')", "string(peer.ip) == '10.1.2.3'", "peer.ip == peer.ip",
	"now.getHours() == 15", "now.getHours('Europe/Berlin') == 16", "now.getHours('+05:30') == 20", "now.getMinutes('+05:30') == 34", "now.getHours('-01:00') == 14", "now.getDayOfWeek() == 3",
	"now.getDayOfWeek('UTC') == 3", "now.getFullYear('UTC') == 2026", "now.getMonth('UTC') == 10", "now.getDate('UTC') == 25", "now.getDayOfMonth('UTC') == 24", "now.getDayOfYear('UTC') == 328",
	"now.getSeconds('UTC') == 5", "now.getMilliseconds('UTC') == 6", "now > timestamp('2026-01-01T00:00:00Z')", "now - duration('1h') < now", "now == now",
	"request.text.matches('^r.d$')", "matches(request.text, 'ä')", "!request.text.matches('x{3}')",
	"true", "1 < 2", "[1, 2].exists(x, x == 2)",
	// within a condition and a list
	"(request.large == 9999 ? peer.ip : peer.ip).inRange('10.0.0.0/8')", "(peer.ip.inRange('10.0.0.0/8') ? 1 : 2) == 1", "(request.text.matches('r') ? 1 : 2) == 1",
	"('documents.read' in caller.scopes ? 1 : 2) == 1", "(now.getHours('UTC') == 15 ? 1 : 2) == 1", "[now.getHours('UTC')][0] == 15", "peer.ip in [peer.ip]",
	"string(dyn(peer.ip)) == '10.1.2.3'", "dyn(peer.ip) != '10.1.2.3'", "type(peer.ip) == type(peer.ip)", "!(caller.claims.level in caller.scopes)", "(caller.claims.level == 3 ? request.item : request.items[0]).number == 5",
	// several lines, and a comment
	"request.flag // as it must be\n  && caller.kind == 'user'",
}

func TestExpressionsThatHold(t *testing.T) {
	c := compiler(t, cel.Config{})
	for _, text := range holding {
		e, err := c.CompileExpression(text, kinds)
		if err != nil {
			t.Errorf("%s: %v", text, err)

			continue
		}
		for range 2 { // the second with a used activation
			if holds, err := e.Evaluate(input(sample())); err != nil || !holds {
				t.Errorf("%s: %v, %v; want true", text, holds, err)
			}
		}
		negated, err := c.CompileExpression("!("+strings.ReplaceAll(text, "// as it must be", "")+")", kinds)
		if err != nil {
			t.Errorf("not %s: %v", text, err)

			continue
		}
		if holds, err := negated.Evaluate(input(sample())); err != nil || holds {
			t.Errorf("not %s: %v, %v; want false", text, holds, err)
		}
	}
}

// An unset field has CEL's default value, and has() decides presence.
func TestUnsetFields(t *testing.T) {
	for _, text := range []string{
		"request.text == ''", "request.small == 0", "request.large_unsigned == 0u", "request.ratio == 0.0", "!request.flag", "request.raw == b''",
		"request.color == usher.test.docs.v1.Color.COLOR_UNSPECIFIED", "request.item.id == ''", "request.nested.nested.item.number == 0",
		"size(request.items) == 0", "!request.items.exists(i, true)", "request.items.all(i, false)", "size(request.labels) == 0", "request.wrapped_text == null",
		"!has(request.text)", "!has(request.item)", "!has(request.items)", "!has(request.labels)", "!has(request.first)", "!has(request.optional_text)",
		"request.item == usher.test.docs.v1.Item{}",
	} {
		if holds, err := compile(t, text).Evaluate(input(&docsv1.Kinds{})); err != nil || !holds {
			t.Errorf("%s: %v, %v; want true", text, holds, err)
		}
	}
}

func TestDescriptorsThatAreNotLinked(t *testing.T) {
	c := compiler(t, cel.Config{})
	of := order(t)
	detail, err := anypb.New(&docsv1.Item{Id: "i", Number: 7})
	if err != nil {
		t.Fatal(err)
	}
	message := dynamic(t, of, `
		amount: 5 at { seconds: 1000 } within { seconds: 60 } state: STATE_OPEN rate: 0.5
		extra { fields { key: "n" value { number_value: 2 } } fields { key: "l" value { list_value { values { string_value: "x" } } } } }
		lines { sku: "a" count: 1 } lines { sku: "b" count: 2 } value { bool_value: true } mask { paths: "a" } empty {}`)
	dynamicAny := message.Mutable(of.Fields().ByName("detail")).Message()
	dynamicAny.Set(dynamicAny.Descriptor().Fields().ByName("type_url"), protoValue(detail.GetTypeUrl()))
	dynamicAny.Set(dynamicAny.Descriptor().Fields().ByName("value"), protoValue(detail.GetValue()))

	for _, text := range []string{
		"request.amount == 5", "request.at == timestamp('1970-01-01T00:16:40Z')", "request.at < now", "request.within == duration('1m')", "request.within < duration('61s')",
		"request.state == shop.v1.State.STATE_OPEN", "request.extra.n == 2.0", "request.extra.n < 3", "request.extra.l[0] == 'x'", "has(request.extra.n)", "!has(request.extra.m)",
		"request.lines.all(l, l.count > 0 && l.sku != '')", "request.lines[1].sku == 'b'", "request.value == true", "request.rate == 0.5", "0.4 < request.rate",
		"request.lines == request.lines", "request.lines[0] == shop.v1.Line{sku: 'a', count: 1}", "has(request.detail)",
		"request.mask.paths == ['a']", "'a' in request.mask.paths", "has(request.empty)", "request.empty == google.protobuf.Empty{}", "!has(request.empty) || true",
	} {
		e, err := c.CompileExpression(text, of)
		if err != nil {
			t.Errorf("%s: %v", text, err)

			continue
		}
		if holds, err := e.Evaluate(input(message)); err != nil || !holds {
			t.Errorf("%s: %v, %v; want true", text, holds, err)
		}
		// Another copy of the same descriptors.
		raw, err := proto.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		other := dynamicpb.NewMessage(order(t))
		if err := proto.Unmarshal(raw, other); err != nil {
			t.Fatal(err)
		}
		if holds, err := e.Evaluate(input(other)); err != nil || !holds {
			t.Errorf("another copy: %s: %v, %v; want true", text, holds, err)
		}
	}
	// A type that the request's file doesn't import isn't known within an Any.
	e, err := c.CompileExpression("request.detail.number == 7", of)
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Evaluate(input(message))
	wantProblem(t, err, "")
	// A message of another type.
	if _, err = e.Evaluate(input(sample())); err == nil {
		t.Error("a message of another type is taken")
	}
}

func TestAnyOfAKnownType(t *testing.T) {
	of := order(t)
	message := dynamicpb.NewMessage(of)
	dynamicAny := message.Mutable(of.Fields().ByName("detail")).Message()
	dynamicAny.Set(dynamicAny.Descriptor().Fields().ByName("type_url"), protoValue("type.googleapis.com/google.protobuf.StringValue"))
	raw, err := proto.Marshal(wrapperspb.String("hello"))
	if err != nil {
		t.Fatal(err)
	}
	dynamicAny.Set(dynamicAny.Descriptor().Fields().ByName("value"), protoValue(raw))
	e, err := compiler(t, cel.Config{}).CompileExpression("request.detail == 'hello'", of)
	if err != nil {
		t.Fatal(err)
	}
	if holds, err := e.Evaluate(input(message)); err != nil || !holds {
		t.Errorf("%v, %v; want true", holds, err)
	}
	// One within another, many times.
	for range 200 {
		outer, err := anypb.New(&anypb.Any{TypeUrl: dynamicAny.Get(dynamicAny.Descriptor().Fields().ByName("type_url")).String(), Value: dynamicAny.Get(dynamicAny.Descriptor().Fields().ByName("value")).Bytes()})
		if err != nil {
			t.Fatal(err)
		}
		dynamicAny.Set(dynamicAny.Descriptor().Fields().ByName("type_url"), protoValue(outer.GetTypeUrl()))
		dynamicAny.Set(dynamicAny.Descriptor().Fields().ByName("value"), protoValue(outer.GetValue()))
	}
	if _, err = e.Evaluate(input(message)); err == nil {
		t.Error("an Any of 8 KiB is read")
	}
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "11.0.0.1": false, "2001:db8::1": false, "fe80::1%eth0": false,
	} {
		in := input(sample())
		in.PeerIP = netip.MustParseAddr(address)
		if holds, err := compile(t, "peer.ip.inRange('10.0.0.0/8')").Evaluate(in); err != nil || holds != want {
			t.Errorf("%s: %v, %v; want %v", address, holds, err, want)
		}
	}
	in := input(sample())
	in.PeerIP = netip.MustParseAddr("fe80::1%eth0")
	if holds, err := compile(t, "peer.ip.inRange('fe80::/10') && string(peer.ip) == 'fe80::1'").Evaluate(in); err != nil || !holds {
		t.Errorf("with a zone: %v, %v; want true", holds, err)
	}
}

func TestServices(t *testing.T) {
	in := input(sample())
	in.Principal = authztest.Service("billing")
	if holds, err := compile(t, "caller.kind == 'service' && caller.client_id == 'billing'").Evaluate(in); err != nil || !holds {
		t.Errorf("%v, %v; want true", holds, err)
	}
}

func TestNumbersOfClaims(t *testing.T) {
	for number, texts := range map[string][]string{
		"9223372036854775807":  {"caller.claims.n == 9223372036854775807"},
		"18446744073709551615": {"caller.claims.n == 18446744073709551615u", "caller.claims.n > 1"},
		"-1":                   {"caller.claims.n == -1", "caller.claims.n < 0u"},
		"1e3":                  {"caller.claims.n == 1000", "caller.claims.n == 1000.0"},
		"2.50":                 {"caller.claims.n == 2.5", "caller.claims.n > 2"},
	} {
		for _, text := range texts {
			if holds, err := compile(t, text).Evaluate(input(nil, authztest.Claims{"n": number2(number)})); err != nil || !holds {
				t.Errorf("%s: %s: %v, %v; want true", number, text, holds, err)
			}
		}
	}
	for _, number := range []string{"18446744073709551616", "-9223372036854775809", "1e400", "9007199254740992.0", "1e20"} {
		_, err := compile(t, "caller.claims.n > 1").Evaluate(input(nil, authztest.Claims{"n": number2(number)}))
		wantProblem(t, err, "too large to be exact")
		if _, err = compile(t, "caller.claims.n == 1 || 1 in [caller.claims.n]").Evaluate(input(nil, authztest.Claims{"n": number2(number)})); err == nil {
			t.Errorf("%s is taken", number)
		}
	}
}

func TestEvaluateTwiceWithOthers(t *testing.T) {
	e := compile(t, "caller.subject + request.text == 'annräd' && caller.claims[request.text] == 1")
	for i := range 3 {
		in := input(sample(), authztest.Claims{"räd": i})
		if holds, err := e.Evaluate(in); err != nil || holds != (i == 1) {
			t.Errorf("%d: %v, %v", i, holds, err)
		}
	}
}

// Requests of types that CEL has values of its own for.
func TestWellKnownRequests(t *testing.T) {
	c := compiler(t, cel.Config{})
	fields, err := structpb.NewStruct(map[string]any{"a": "b", "n": 2})
	if err != nil {
		t.Fatal(err)
	}
	for text, message := range map[string]proto.Message{
		"caller.subject == 'ann'":              &emptypb.Empty{},
		"request == google.protobuf.Empty{}":   &emptypb.Empty{},
		"request.a == 'b' && request.n == 2.0": fields,
		"has(request.a) && !has(request.c)":    fields,
		"request == 'x'":                       wrapperspb.String("x"),
		"request < now":                        timestamppb.New(now.Add(-1)),
		"'a' in request.paths":                 &fieldmaskpb.FieldMask{Paths: []string{"a"}},
	} {
		e, err := c.CompileExpression(text, message.ProtoReflect().Descriptor())
		if err != nil {
			t.Errorf("%s: %v", text, err)

			continue
		}
		if holds, err := e.Evaluate(input(message)); err != nil || !holds {
			t.Errorf("%s: %v, %v; want true", text, holds, err)
		}
	}
}
