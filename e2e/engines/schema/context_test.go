package schema

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// parameter is a type of a condition's parameter, with an expression that reads one named
// "x".
type parameter struct{ name, of, reads string }

// values are templates of a context, with the types that they are for.
var values = map[string]string{
	"Text": "{id}", "Part": "2{id}", "Integer": "{number}", "Unsigned": "{size}", "Ratio": "{ratio}", "Flag": "{flag}",
	"At": "{at}", "Lasts": "{lasts}", "Now": "{$now}", "Address": "{$peer.ip}", "Subject": "{$sub}", "Claim": "{$claim.tier}",
	"Texts": "{texts[]}", "Numbers": "{numbers[]}", "Flags": "{flags[]}", "Times": "{times[]}",
	"LiteralText": "main", "LiteralInteger": "42", "LiteralRatio": "1.5", "LiteralFlag": "true",
	"LiteralTime": "2024-01-01T00:00:00Z", "LiteralDuration": "90s", "LiteralAddress": "10.0.0.1",
	"LiteralNegative": "-1", "LiteralLarge": "9223372036854775808", "LiteralTooLarge": "18446744073709551616", "LiteralExponent": "1e3",
	"LiteralWhole": "2.0", "LiteralPlus": "+3", "LiteralHex": "0x1f", "LiteralUnderscore": "1_000", "LiteralInfinite": "Inf", "LiteralNaN": "NaN",
	"LiteralZoned": "2024-01-01T00:00:00.5+02:00", "LiteralDate": "2024-01-01", "LiteralComma": "2024-01-01T00:00:00,5Z", "LiteralLastYear": "9999-12-31T23:59:59-01:00",
	"LiteralNoTime": "-90s", "LiteralDays": "5d", "LiteralLong": "2562047h", "LiteralV6": "::1", "LiteralZone": "fe80::1%eth0", "LiteralNetwork": "10.0.0.0/8",
	"LiteralBytes": "aGVsbG8=", "LiteralUnpadded": "aGVsbG8", "LiteralURLBytes": "-_8=",
}

// texts are values of the text field, of the caller's sub and of the claim, of which each
// type takes one; some do only after the literal of Part.
var texts = []string{"main", "42", "1.5", "2024-01-01T00:00:00Z", "90s", "10.0.0.1", "aGVsbG8=", "024-01-01T00:00:00Z", "GVs"}

// A value of a context that usher refuses is one that the engine's condition can't take,
// whatever the request holds, and one that it accepts is one that the engine takes from
// some request.
func TestRulesAndEnginesAgreeOnContext(t *testing.T) {
	for name, test := range map[string]struct {
		start      func(*testing.T, []parameter) *target
		parameters []parameter
	}{
		"OpenFGA": {startOpenFGAWith, []parameter{
			{"bool", "bool", "x || !x"},
			{"string", "string", "x == x"},
			{"int", "int", "x < 1 || x >= 1"},
			{"uint", "uint", "x < uint(1) || x >= uint(1)"},
			{"double", "double", "x < 1.0 || x >= 1.0"},
			{"duration", "duration", "x == x"},
			{"timestamp", "timestamp", "x == x"},
			{"ipaddress", "ipaddress", `x.in_cidr("0.0.0.0/0") || !x.in_cidr("0.0.0.0/0")`},
			{"strings", "list<string>", "x == x"},
			{"ints", "list<int>", "x == x"},
			{"bools", "list<bool>", "x == x"},
			{"times", "list<timestamp>", "x == x"},
			{"map", "map<string>", "x == x"},
		}},
		"SpiceDB": {startSpiceDBWith, []parameter{
			{"anything", "any", "x == x"},
			{"bool", "bool", "x || !x"},
			{"string", "string", "x == x"},
			{"int", "int", "x < 1 || x >= 1"},
			{"uint", "uint", "x == x"},
			{"double", "double", "x < 1.0 || x >= 1.0"},
			{"bytes", "bytes", "x == x"},
			{"duration", "duration", "x == x"},
			{"timestamp", "timestamp", "x == x"},
			{"ipaddress", "ipaddress", `x.in_cidr("0.0.0.0/0") || !x.in_cidr("0.0.0.0/0")`},
			{"strings", "list<string>", "x == x"},
			{"ints", "list<int>", "x == x"},
			{"bools", "list<bool>", "x == x"},
			{"times", "list<timestamp>", "x == x"},
			{"map", "map<string>", "x == x"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			engine := test.start(t, test.parameters)
			rules := map[string]*authzv1.Rule{}
			for _, p := range test.parameters {
				engine.write(ctx, t, fmt.Sprintf("document:1#with_%s@user:alice[is_%s]", p.name, p.name))
				for value, template := range values {
					rules[p.name+"_"+value] = &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{
						Object: "document:1", Relation: "with_" + p.name, Subject: "user:alice", Context: []*authzv1.ContextValue{{Name: "x", Value: template}},
					}}}
				}
			}
			files, input := service(t, rules)
			a := authorizer(t, engine.asked(), files)
			model, err := engine.reader.ReadSchema(ctx)
			if err != nil {
				t.Fatal(err)
			}
			refuses := map[string]*authz.RuleError{}
			policy := a.Policy()
			for _, fault := range policy.ValidateSchema(model) {
				if fault.ID == authz.FaultSchemaContext {
					refuses[fault.Method] = fault
				}
			}
			var taken, refused []string
			for _, m := range policy.Methods {
				for _, fault := range m.Faults {
					t.Fatal(fault)
				}
				takes, last := takesSome(ctx, t, a, "/"+m.Method, input)
				switch fault := refuses[m.Method]; {
				case takes && fault != nil:
					t.Errorf("%s: the engine takes it: %v", m.Method, fault)
				case !takes && fault == nil:
					t.Errorf("%s: the engine takes no value: %v", m.Method, last)
				case takes:
					taken = append(taken, strings.TrimPrefix(m.Method, "t.S/"))
				default:
					refused = append(refused, strings.TrimPrefix(m.Method, "t.S/"))
				}
			}
			t.Logf("%d taken: %v\n%d refused: %v", len(taken), taken, len(refused), refused)
		})
	}
}

// takesSome reports whether the engine decides a call of the method for some request.
func takesSome(ctx context.Context, t *testing.T, a *authz.Authorizer, method string, input protoreflect.MessageDescriptor) (takes bool, last error) {
	t.Helper()
	claims := []any{true, int64(3), []any{"a"}, []any{int64(1)}, []any{true}, []any{"2024-01-01T00:00:00Z"}, map[string]any{"a": "b"}}
	for _, text := range texts {
		claims = append(claims, text)
	}
	for i := range max(len(texts), len(claims)) {
		request := dynamicpb.NewMessage(input)
		set := func(name string, value protoreflect.Value) {
			request.Set(input.Fields().ByName(protoreflect.Name(name)), value)
		}
		set("id", protoreflect.ValueOfString(texts[i%len(texts)]))
		set("number", protoreflect.ValueOfInt64(3))
		set("size", protoreflect.ValueOfUint32(3))
		set("ratio", protoreflect.ValueOfFloat64([]float64{2, 2.5}[i%2]))
		set("flag", protoreflect.ValueOfBool(true))
		set("at", protoreflect.ValueOfMessage(timestamppb.Now().ProtoReflect()))
		set("lasts", protoreflect.ValueOfMessage(durationpb.New(time.Second).ProtoReflect()))
		list := func(name string, value protoreflect.Value) {
			request.Mutable(input.Fields().ByName(protoreflect.Name(name))).List().Append(value)
		}
		list("texts", protoreflect.ValueOfString(texts[i%len(texts)]))
		list("numbers", protoreflect.ValueOfInt32(3))
		list("flags", protoreflect.ValueOfBool(true))
		list("times", protoreflect.ValueOfMessage(timestamppb.Now().ProtoReflect()))
		caller := authztest.User(texts[i%len(texts)], authztest.Claims{"tier": claims[i%len(claims)]})
		call := &authz.Call{Principal: caller, Message: request, PeerIP: netip.MustParseAddr("10.0.0.1")}
		_, err := a.Method(method).Authorize(ctx, call)
		var refused *authz.Error
		switch {
		case err == nil:
			return true, nil
		case !errors.As(err, &refused):
			t.Fatal(err)
		case refused.Reason == authz.ReasonRelationDenied && refused.Err == nil:
			return true, nil
		case !slices.Contains([]authz.Reason{authz.ReasonMisconfigured, authz.ReasonEngineUnavailable, authz.ReasonRelationDenied}, refused.Reason):
			t.Fatalf("%s: %v", method, err)
		}
		last = err
	}

	return false, last
}

func startSpiceDBWith(t *testing.T, parameters []parameter) *target {
	t.Helper()
	var relations, caveats strings.Builder
	for _, p := range parameters {
		fmt.Fprintf(&relations, "\trelation with_%s: user with is_%s\n", p.name, p.name)
		fmt.Fprintf(&caveats, "caveat is_%s(x %s) {\n\t%s\n}\n", p.name, p.of, p.reads)
	}

	return startSpiceDB(t, caveats.String()+"definition user {}\ndefinition service {}\ndefinition document {\n"+relations.String()+"}\n")
}

func startOpenFGAWith(t *testing.T, parameters []parameter) *target {
	t.Helper()
	var relations, conditions strings.Builder
	for _, p := range parameters {
		fmt.Fprintf(&relations, "    define with_%s: [user with is_%s]\n", p.name, p.name)
		fmt.Fprintf(&conditions, "condition is_%s(x: %s) {\n  %s\n}\n", p.name, p.of, p.reads)
	}

	return startOpenFGA(t, "model\n  schema 1.1\ntype user\ntype service\ntype document\n  relations\n"+relations.String()+conditions.String())
}
