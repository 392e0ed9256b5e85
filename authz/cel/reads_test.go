package cel_test

import (
	"reflect"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/cel"
)

func fields(names ...protoreflect.Name) authz.ExpressionReads {
	return authz.ExpressionReads{Message: true, Fields: names}
}

func TestReads(t *testing.T) {
	for text, want := range map[string]authz.ExpressionReads{
		"true":              {},
		"1 < 2":             {},
		"request.large < 5": fields("large"),
		"request.item.id == request.text && request.item.number == 1":           fields("item", "text"),
		"has(request.nested.nested.text)":                                       fields("nested"),
		"request.items.all(i, i.id == '')":                                      fields("items"),
		"request.labels['a'] == 'b'":                                            fields("labels"),
		"dyn(request.item).id == ''":                                            fields("item"),
		"(request.flag ? request.item : request.items[0]).id == ''":             fields("flag", "item", "items"),
		"request.large < 5 || dyn(request).text == ''":                          {Message: true},
		"request == request":                                                    {Message: true},
		"[request].exists(r, r.flag)":                                           {Message: true},
		"caller.subject == 'a'":                                                 {Caller: true, ClaimsOrSubject: true},
		"caller.client_id == 'a'":                                               {Caller: true, ClaimsOrSubject: true},
		"caller.claims.a == 'a'":                                                {Caller: true, ClaimsOrSubject: true},
		"has(caller.claims.a)":                                                  {Caller: true, ClaimsOrSubject: true},
		"'a' in caller.claims":                                                  {Caller: true, ClaimsOrSubject: true},
		"caller.issuer == 'a'":                                                  {Caller: true},
		"caller.kind == 'user'":                                                 {Caller: true},
		"'a' in caller.scopes":                                                  {Caller: true},
		"caller.acr == 'mfa'":                                                   {Caller: true},
		"peer.ip.inRange('10.0.0.0/8')":                                         {Peer: true},
		"now > timestamp('2026-01-01T00:00:00Z')":                               {Now: true},
		"caller.acr == 'mfa' && now.getHours() < 18 && caller.issuer == 'corp'": {Caller: true, Now: true},
		"false && request.large < 5":                                            fields("large"),
		".request.large < 5":                                                    fields("large"),
		"[1].all(x, request.large < x)":                                         fields("large"),
	} {
		if got := compile(t, text).Reads(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v; want %+v", text, got, want)
		}
	}
	// What a caller does to the fields isn't seen by the next.
	e := compile(t, "request.large < 5")
	e.Reads().Fields[0] = "other"
	if got := e.Reads(); !reflect.DeepEqual(got, fields("large")) {
		t.Errorf("%+v", got)
	}
}

// What an expression doesn't name may be absent.
func TestWhatIsNotReadMayBeAbsent(t *testing.T) {
	for text, in := range map[string]*authz.ExpressionInput{
		"true":                          {},
		"request.large == 9999":         {Message: sample()},
		"caller.subject == 'ann'":       {Principal: input(nil).Principal},
		"peer.ip.inRange('10.0.0.0/8')": {PeerIP: input(nil).PeerIP},
		"now.getHours() == 15":          {Now: input(nil).Now},
	} {
		if holds, err := compile(t, text).Evaluate(in); err != nil || !holds {
			t.Errorf("%s: %v, %v; want true", text, holds, err)
		}
	}
}

// The cost is counted at run time unless it is certain.
func TestWhereTheCostIsCounted(t *testing.T) {
	for text, want := range map[string]bool{
		"request.large < 10000 && caller.claims.department == 'finance' && peer.ip.inRange('10.0.0.0/8')": false,
		"request.text == 'a' && 'x' in caller.scopes && caller.subject != ''":                             false,
		"has(caller.claims.a) && now.getHours('UTC') < 5":                                                 false,

		"request.text.matches('a')":           true,
		"request.items.all(i, i.number > 0)":  true,
		"'a' in caller.claims.groups":         true,
		"request.item == request.item":        true,
		"request == request":                  true,
		"size(request.text) > 0":              true,
		"int(request.text) == 1":              true,
		"request.text + request.text == 'aa'": true,
		"request.text in caller.claims":       true,
		"caller.claims.a == caller.claims.b":  true,
		"'a' in request.texts":                true,
	} {
		if got := cel.Counts(compile(t, text)); got != want {
			t.Errorf("%s: %v; want %v", text, got, want)
		}
	}
}
