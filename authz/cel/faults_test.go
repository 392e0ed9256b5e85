package cel_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/cel"
)

// faultsOf returns the faults of an expression.
func faultsOf(t *testing.T, text string) []*authz.ExpressionError {
	t.Helper()
	e, err := compiler(t, cel.Config{}).CompileExpression(text, kinds)
	if err == nil || e != nil {
		t.Fatalf("%q compiles", text)
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	var faults []*authz.ExpressionError
	for _, one := range all {
		var fault *authz.ExpressionError
		if !errors.As(one, &fault) {
			t.Fatalf("%q: %v is a %T", text, one, one)
		}
		if strings.ContainsAny(fault.Problem, "\n\r\t") || fault.Problem == "" || len(fault.Problem) > 300 {
			t.Errorf("%q: problem %q", text, fault.Problem)
		}
		faults = append(faults, fault)
	}

	return faults
}

// An expression that doesn't compile, isn't boolean or costs too much is a fault at start.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		text    string
		column  int
		problem string
		fix     string
	}{
		{"", -1, "empty", ""},
		{"request.large", 0, "is of type int; it must be boolean", ""},
		{"caller.claims.admin", 0, "any type; it must be boolean", "== true"},
		{"'yes'", 0, "type string", ""},
		{"request.larg < 1", 7, "no field larg in ", "it has "},
		{"request.item.idd == ''", 12, "no field idd in ", "it has "},
		{"req.large < 1", 0, "there is no req", "request, caller, peer and now"},
		{"caller.subjekt == 'a'", 6, "caller has no such member", "subject, client_id"},
		{"caller == caller", 0, "caller has no such member, or is used whole", ""},
		{"has(caller.acr)", 4, "caller has no such member", ""},
		{"peer.port == 1", 0, "peer has no such member", "ip"},
		{"request.large < 'a'", 14, "< doesn't take (int, string)", "an enum is an int"},
		{"request.flag and request.flag", 13, "Syntax error", "&&, || and ! are and, or and not"},
		{"request.flag && request.text", 23, "is of type string; it must be of type bool", ""},
		{"unknown(request.text)", 7, "there is no unknown", ""},
		{"request.flag &&", 15, "yntax error", ""},
		{"request.flag & true", 13, "yntax error", ""},
		{"(request.flag", 13, "yntax error", ""},
		{"request.text == 'ä' && request.larg < 1", 31, "no field larg", ""}, // bytes, not characters
		{"request.flag &&\n\trequest.larg < 1", 24, "no field larg", ""},     // of the whole text
		{"\xff", -1, "UTF-8", ""},
		{strings.Repeat("x", 4097), -1, "4097 bytes; at most 4096", ""},
		{strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100), -2, "", ""},
		// addresses
		{"peer.ip.inRange('10.0.0.0/33')", 16, "isn't a range", "CIDR"},
		{"peer.ip.inRange('nonsense')", 16, "isn't a range", ""},
		{"peer.ip.inRange('10.0.0.1')", 16, "is an address, not a range", "10.0.0.1/32"},
		{"peer.ip.inRange('10.0.0.1/8')", 16, "bits set beyond", "10.0.0.0/8"},
		{"peer.ip.inRange('::ffff:10.0.0.0/104')", 16, "mapped", "IPv4"},
		{"peer.ip.inRange(request.text)", 15, "the range must be written literally", "quotes"},
		{"peer.ip == '10.0.0.1'", 8, "== doesn't take (ip, string)", ""},
		// patterns and time zones
		{"request.text.matches('(')", 21, "isn't a regular expression", "RE2"},
		{"request.text.matches('(?=a)')", 21, "isn't a regular expression", "RE2"},
		{"request.text.matches(request.text)", 20, "the pattern must be written literally", ""},
		{"request.text.matches('(a{40}){25}')", 21, "too large", ""},
		{"now.getHours('Nowhere/Town') == 1", 13, "isn't a time zone", "Europe/Berlin"},
		{"now.getHours('Local') == 1", 13, "isn't a time zone", ""},
		{"now.getHours('../../etc/passwd') == 1", 13, "isn't a time zone", ""},
		{"now.getHours('+25:00') == 1", 13, "isn't a time zone", ""},
		{"now.getHours(request.text) == 1", 12, "the time zone must be written literally", ""},
		{"now > timestamp('yesterday')", 16, "", ""},
		{"now > now + duration('1 year')", 21, "", ""},
		// what can't be used whole, or be hidden
		{"size(caller.claims) > 0", 11, "caller.claims can't be used whole", "name the claim"},
		{"caller.claims.exists(c, c == 'a')", 6, "caller.claims can't be used whole", ""},
		{"caller.claims == caller.claims", 6, "caller.claims can't be used whole", ""},
		{"dyn(caller.claims) == 1", 10, "caller.claims can't be used whole", ""},
		{"(request.flag ? caller.claims : {}).x == 1", 22, "caller.claims can't be used whole", ""},
		{"request.items.all(request, request.id == '')", 17, "hides the variable request", "otherwise"},
		{"request.items.all(now, now.id == '')", 17, "hides the variable now", ""},
		// what costs too much
		{"request.items.all(a, request.items.all(b, request.items.all(c, a.id == c.id)))", -1, "may cost", "MaxCost"},
		{"request.texts.all(a, request.texts.all(b, a + b != 'c' && b + a != 'd' && a + a != 'e'))", -1, "may cost", "MaxCost"},
		// what CEL has, and this doesn't
		{"request.?text.orValue('') == ''", -2, "", ""},
		{"request.items.all(i, j, i == 1)", -2, "", ""},
		{"request.text.lowerAscii() == ''", -2, "", ""},
		{"google.protobuf.Duration{seconds: 1} == 1", -2, "", ""},
	} {
		t.Run(fmt.Sprintf("row 70: %.60q", test.text), func(t *testing.T) {
			fault := faultsOf(t, test.text)[0]
			if test.column != -2 && fault.Column != test.column {
				t.Errorf("column %d; want %d: %s", fault.Column, test.column, fault.Problem)
			}
			if !strings.Contains(fault.Problem, test.problem) || !strings.Contains(fault.Fix, test.fix) {
				t.Errorf("%q; fix %q", fault.Problem, fault.Fix)
			}
		})
	}
}

// A field that there isn't is told with those that there are, where the request's fields
// alone tell its message.
func TestMissingFieldsAreToldWithThoseThatThereAre(t *testing.T) {
	const line, none = "it has sku, count", "write the name as the .proto has it"
	for text, want := range map[string]string{
		"request.amnt > 1": "it has amount, at, within, extra, detail, state, lines, value, rate, mask, empty, details",
		"request.amount > 0 && request.lines[0].amnt > 1": line,
		"has(request.lines[0].amnt)":                      line,
		"\n 'ä' == 'b' ||\n\trequest.lines[0].amnt > 1":   line,
		"request.lines.exists(l, l.amnt > 1)":             none,
		"request.lines.all(request, request.amnt > 1)":    none,
	} {
		_, err := compiler(t, cel.Config{}).CompileExpression(text, order(t))
		var fault *authz.ExpressionError
		if !errors.As(err, &fault) || !strings.HasPrefix(fault.Problem, "there is no field amnt") || fault.Fix != want || (want != none) != strings.Contains(fault.Problem, " in shop.v1.") {
			t.Errorf("%q: %+v", text, fault)
		}
	}
	for _, row := range []struct{ fields, bytes int }{{0, 1}, {13, 1}, {10_000, 30}, {3, 100_000}} {
		wide := &descriptorpb.DescriptorProto{Name: proto.String("Wide")}
		for i := range row.fields {
			wide.Field = append(wide.Field, &descriptorpb.FieldDescriptorProto{
				Name: proto.String(strings.Repeat("x", row.bytes) + strconv.Itoa(i)), Number: proto.Int32(int32(i + 1)),
				Type: descriptorpb.FieldDescriptorProto_TYPE_BOOL.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			})
		}
		file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{Name: proto.String("wide.proto"), Syntax: proto.String("proto3"), MessageType: []*descriptorpb.DescriptorProto{wide}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = compiler(t, cel.Config{}).CompileExpression("request.amnt", file.Messages().Get(0))
		var fault *authz.ExpressionError
		if !errors.As(err, &fault) || len(fault.Fix) > 500 || (row.fields == 0) != (fault.Fix == "the message has no fields") || (row.fields > 0) != strings.HasSuffix(fault.Fix, "…") {
			t.Errorf("%d fields: %+v", row.fields, fault)
		}
	}
}

func TestSeveralFaultsAtOnce(t *testing.T) {
	faults := faultsOf(t, "peer.ip.inRange('x') || request.text.matches('(') || now.getHours('Local') == 1")
	if len(faults) != 3 || faults[0].Column != 16 || faults[1].Column <= 16 || faults[2].Column <= faults[1].Column {
		t.Errorf("%d faults: %v", len(faults), faults)
	}
	faults = faultsOf(t, "request.a == 1 && request.b == 2 && foo")
	if len(faults) != 3 {
		t.Errorf("%d faults: %v", len(faults), faults)
	}
	if faults = faultsOf(t, strings.Repeat("x && ", 50)+"x"); len(faults) > 10 {
		t.Errorf("%d faults; want at most 10", len(faults))
	}
}

func TestConfigFaults(t *testing.T) {
	_, err := cel.New(cel.Config{MaxCost: 1 << 40, MaxInput: -1})
	if err == nil || !strings.Contains(err.Error(), "MaxCost") || !strings.Contains(err.Error(), "MaxInput") {
		t.Errorf("error %v", err)
	}
}
