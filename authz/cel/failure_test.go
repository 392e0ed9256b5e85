package cel_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/cel"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

// secret is in each value of the call that an error might quote.
const secret = "s3cr3t"

func secretMessage() *docsv1.Kinds {
	return &docsv1.Kinds{
		Text: secret, Texts: []string{secret}, Labels: map[string]string{secret: secret}, Item: &docsv1.Item{Id: secret, Number: 271828},
		Items: []*docsv1.Item{{Id: secret}}, Large: 271828, Numbers: []int64{271828, 1 << 62}, Raw: []byte(secret + "\xff"), Ratio: 1e300,
	}
}

func secretInput() *authz.ExpressionInput {
	return input(secretMessage(), authztest.Claims{
		"s": secret, "list": []string{secret}, "object": map[string]any{secret: secret}, "number": 271828, "sub": secret, "acr": secret,
	})
}

// failing are expressions that can't be evaluated for the call of secretInput.
var failing = []struct{ text, problem string }{
	// row 70: an expression that reads what isn't there
	{"caller.claims.missing == 'a'", "the claim missing is missing"},
	{"caller.claims.missing != 'a'", "the claim missing is missing"},
	{"!(caller.claims.missing == 'a')", "the claim missing is missing"},
	{"caller.claims.object.x == 1", "the claim object.x is missing"},
	{"caller.claims.s.x == 1", "the claim s.x is missing"},
	{"has(caller.claims.missing.x)", "the claim missing is missing"},
	{"has(caller.claims.s.x)", "isn't an object"},
	{"caller.claims[request.text] == 1", "no such key"},
	{"caller.claims.object[request.text + 'x'] == 1", "no such key"},
	{"request.labels[request.text + 'x'] == ''", "no such key"},
	{"request.labels.other == ''", "no such key"},
	{"request.texts[7] == ''", "index is out of range"},
	{"request.texts[request.large] == ''", "index is out of range"},
	{"caller.claims.list[7] == ''", "index is out of range"},
	// row 70: an expression that fails at run time
	{"request.large / (request.large - request.large) == 1", "division by zero"},
	{"request.large % (request.large - request.large) == 1", "division by zero"},
	{"request.numbers[1] + request.numbers[1] > 0", "out of range"},
	{"request.numbers[1] * 4 > 0", "out of range"},
	{"int(request.ratio) > 0", "out of range"},
	{"timestamp('9999-12-31T00:00:00Z') + duration('48h') > now", "out of range"},
	{"duration('2562047h') + duration('2562047h') > duration('1s')", "out of range"},
	{"timestamp(request.text) < now", ""},
	{"duration(request.text) < duration('1s')", ""},
	{"int(request.text) == 1", ""},
	{"double(request.text) == 1.0", ""},
	{"bool(request.text)", ""},
	{"string(request.raw) == ''", ""},
	{"timestamp(request.numbers[1]) < now", ""},
	{"caller.claims.s < 1", "types"},
	{"caller.claims.s.inRange('10.0.0.0/8')", "types"},
	{"int(dyn(peer.ip)) == 1", "types"},
	{"timestamp(request.text).getHours('UTC') == 1", ""},
	{"caller.claims.s + 1 == 2", "types"},
	{"caller.claims.s && true", "types"},
	{"caller.claims.number && true", "types"},
	{"caller.claims.number.x == 1", "missing"},
	{"dyn(request.item).x == 1", ""},
	{"dyn(request.text).x == 1", "no such key"},
	{"caller.claims.list.exists(x, x > 1)", "types"},
	{"'x' in caller.claims.s", "types"},
	{"size(caller.claims.number) == 1", "types"},
	{"caller.claims.number.matches('a')", "types"},
	{"caller.claims.number.startsWith('a')", "types"},
}

func TestFailures(t *testing.T) {
	c := compiler(t, cel.Config{})
	for _, test := range failing {
		t.Run("row 70: "+test.text, func(t *testing.T) {
			e, err := c.CompileExpression(test.text, kinds)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				holds, err := e.Evaluate(secretInput())
				if err == nil || holds {
					t.Fatalf("%v, %v; want an error", holds, err)
				}
				wantProblem(t, err, test.problem)
				if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, secret) || strings.Contains(text, "271828") {
					t.Errorf("the error quotes a value: %s", text)
				}
				if errors.Unwrap(err) != nil {
					t.Errorf("the error wraps %v", errors.Unwrap(err))
				}
			}
		})
	}
}

func TestColumnOfAFailure(t *testing.T) {
	_, err := compile(t, "request.flag ||\n  caller.claims.missing == 1").Evaluate(input(&docsv1.Kinds{}))
	var evaluation *cel.EvaluationError
	if !errors.As(err, &evaluation) || evaluation.Column < 18 || evaluation.Column > 42 {
		t.Errorf("error %#v", err)
	}
	if want := fmt.Sprintf("cel: column %d: the claim missing is missing", evaluation.Column); evaluation.Error() != want {
		t.Errorf("%q; want %q", evaluation.Error(), want)
	}
}

// bare is a principal that can't list its scopes.
type bare struct{ authz.Principal }

type unclear struct{ authz.Principal }

func (unclear) IsService() bool { return true }
func (unclear) IsUser() bool    { return true }

type panicking struct{ authz.Principal }

func (panicking) Claim(...string) (any, bool) { panic(secret) }
func (panicking) Subject() string             { panic(errors.New(secret)) }

func TestWhatIsNotThere(t *testing.T) {
	ann := authztest.User("ann", authztest.Claims{"scope": "read"})
	for name, test := range map[string]struct {
		text    string
		change  func(*authz.ExpressionInput)
		problem string
	}{
		// row 69: the address is the connection's; one that isn't known denies
		"row 69: no address":             {"peer.ip.inRange('0.0.0.0/0')", func(in *authz.ExpressionInput) { in.PeerIP = noAddr }, "the peer's address isn't known"},
		"row 69: no address, negated":    {"!peer.ip.inRange('10.0.0.0/8')", func(in *authz.ExpressionInput) { in.PeerIP = noAddr }, "the peer's address isn't known"},
		"row 69: no address, as text":    {"string(peer.ip) != ''", func(in *authz.ExpressionInput) { in.PeerIP = noAddr }, "the peer's address isn't known"},
		"row 70: no message":             {"request.large != 5", func(in *authz.ExpressionInput) { in.Message = nil }, "there is no request"},
		"row 70: a nil message":          {"request.large != 5", func(in *authz.ExpressionInput) { in.Message = (*docsv1.Kinds)(nil) }, "there is no request"},
		"row 70: another message":        {"request.large != 5", func(in *authz.ExpressionInput) { in.Message = &docsv1.Item{} }, "isn't of the method's type"},
		"row 70: no caller":              {"caller.subject != 'x'", func(in *authz.ExpressionInput) { in.Principal = nil }, "there is no caller"},
		"row 70: no caller's claims":     {"caller.claims.a != 'x'", func(in *authz.ExpressionInput) { in.Principal = nil }, "there is no caller"},
		"row 70: no caller's scopes":     {"!('x' in caller.scopes)", func(in *authz.ExpressionInput) { in.Principal = nil }, "there is no caller"},
		"row 70: no time":                {"now != timestamp('2026-01-01T00:00:00Z')", func(in *authz.ExpressionInput) { in.Now = nil }, "the time isn't known"},
		"row 70: an unclear kind":        {"caller.kind != 'service'", func(in *authz.ExpressionInput) { in.Principal = unclear{ann} }, "kind is unclear"},
		"row 70: scopes can't be listed": {"size(caller.scopes) >= 0", func(in *authz.ExpressionInput) { in.Principal = bare{ann} }, "can't be listed"},
		"row 70: a claim panics":         {"caller.claims.a != 'x'", func(in *authz.ExpressionInput) { in.Principal = panicking{ann} }, "panicked"},
		"row 70: a member panics":        {"request.items.all(i, caller.subject != i.id)", func(in *authz.ExpressionInput) { in.Principal = panicking{ann} }, "panicked"},
	} {
		t.Run(name, func(t *testing.T) {
			e := compile(t, test.text)
			in := secretInput()
			test.change(in)
			holds, err := e.Evaluate(in)
			if holds {
				t.Error("it holds")
			}
			wantProblem(t, err, test.problem)
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the error quotes what panicked: %v", err)
			}
			// The next call isn't affected.
			if _, err := e.Evaluate(input(sample(), authztest.Claims{"a": 1})); err != nil {
				t.Errorf("the next call: %v", err)
			}
		})
	}
	in := input(nil)
	in.Principal = bare{ann}
	if holds, err := compile(t, "'read' in caller.scopes && !('write' in caller.scopes)").Evaluate(in); err != nil || !holds {
		t.Errorf("in over scopes that can't be listed: %v, %v; want true", holds, err)
	}
}

// costly are expressions whose cost depends on the request, and requests at their worst.
func costly() map[string]struct {
	text    string
	message proto.Message
} {
	type costs = struct {
		text    string
		message proto.Message
	}
	items := make([]*docsv1.Item, 1000)
	for i := range items {
		items[i] = &docsv1.Item{Id: "x", Number: int64(i + 1)}
	}
	many := make([]string, 3000)
	for i := range many {
		many[i] = "xx"
	}
	long := strings.Repeat("a", 60<<10)
	deep := &docsv1.Kinds{}
	for range 25 {
		deep = &docsv1.Kinds{Nested: deep, Text: strings.Repeat("t", 100)}
	}

	return map[string]costs{
		"members":       {"request.items.all(a, a.number > 0)", &docsv1.Kinds{Items: items}},
		"nested":        {"request.items.all(a, request.items.exists(b, b.number == a.number + 1))", &docsv1.Kinds{Items: items}},
		"search":        {"request.texts.all(a, !((a + 'y') in request.texts))", &docsv1.Kinds{Texts: many}},
		"concatenation": {"request.texts.map(a, request.text + a).size() > 0", &docsv1.Kinds{Texts: many, Text: strings.Repeat("b", 10<<10)}},
		"pattern":       {"request.texts.all(a, !request.text.matches('(a|b|c)*d{5}'))", &docsv1.Kinds{Texts: many, Text: strings.Repeat("a", 10<<10)}},
		"one pattern":   {"request.text.matches('(x+x+)+y')", &docsv1.Kinds{Text: strings.Repeat("x", 20<<10)}},
		"size":          {"request.texts.all(a, size(request.text) > 0)", &docsv1.Kinds{Texts: many[:100], Text: long}},
		"contains":      {"request.texts.all(a, !request.text.contains('aaaaaaaaaaaaaaaaaaaaaab'))", &docsv1.Kinds{Texts: many[:100], Text: long}},
		"numbers":       {"request.texts.all(a, int('0' + request.text) == 0)", &docsv1.Kinds{Texts: many[:100], Text: strings.Repeat("0", 60<<10)}},
		"equality":      {"request.texts.all(a, request.nested == request.nested)", &docsv1.Kinds{Texts: many, Nested: deep}},
		"lists":         {"request.numbers.all(a, request.items == request.items)", &docsv1.Kinds{Items: items, Numbers: make([]int64, 300)}},
		"claims":        {"request.texts.all(a, 'nobody' in caller.claims.groups || true)", &docsv1.Kinds{Texts: many}},
		"names":         {"request.texts.all(a, !((a + request.text) in caller.claims))", &docsv1.Kinds{Texts: many, Text: "x"}},
	}
}

// Row 70: an expression that costs too much is denied, and whatever the request holds
// an evaluation takes some milliseconds.
func TestWorstCases(t *testing.T) {
	c := compiler(t, cel.Config{})
	for name, test := range costly() {
		t.Run("row 70: "+name, func(t *testing.T) {
			e, err := c.CompileExpression(test.text, kinds)
			if err != nil {
				t.Fatal(err)
			}
			in := input(test.message)
			best := time.Hour
			for range 3 {
				start := time.Now()
				_, err = e.Evaluate(in)
				best = min(best, time.Since(start))
			}
			t.Logf("%v %v", best.Round(10*time.Microsecond), err)
			if best > 500*time.Millisecond { // some milliseconds without the race detector
				t.Errorf("it takes %v", best)
			}
		})
	}
	e := compile(t, costly()["nested"].text)
	_, err := e.Evaluate(input(costly()["nested"].message))
	wantProblem(t, err, "costs more than its limit")
}

// Row 70: an expression that reads too much of the request is denied, even where the
// result is turned around.
func TestTooMuchInput(t *testing.T) {
	nested := &docsv1.Kinds{}
	for range 100 {
		nested = &docsv1.Kinds{Nested: nested}
	}
	for text, message := range map[string]*docsv1.Kinds{
		"request.text.startsWith('a')":              {Text: strings.Repeat("a", 65<<10)},
		"!request.text.startsWith('a')":             {Text: strings.Repeat("a", 65<<10)},
		"request.text != 'a'":                       {Text: strings.Repeat("a", 65<<10)},
		"request.text == 'a' || request.text < 'b'": {Text: strings.Repeat("a", 65<<10)},
		"size(request.raw) > 0":                     {Raw: make([]byte, 65<<10)},
		"request.texts.size() > 0":                  {Texts: make([]string, 5000)},
		"request.labels != {}":                      {Labels: map[string]string{"a": strings.Repeat("a", 65<<10)}},
		"request.items.size() > 0":                  {Items: []*docsv1.Item{{Id: strings.Repeat("a", 65<<10)}}},
		"request != usher.test.docs.v1.Kinds{}":     {Text: strings.Repeat("a", 65<<10)},
	} {
		_, err := compile(t, text).Evaluate(input(message))
		wantProblem(t, err, "too large")
	}
	_, err := compile(t, "request != usher.test.docs.v1.Kinds{}").Evaluate(input(nested))
	wantProblem(t, err, "too deep")
	// A field that isn't read doesn't count.
	if holds, err := compile(t, "request.large == 0").Evaluate(input(&docsv1.Kinds{Text: strings.Repeat("a", 1<<20)})); err != nil || !holds {
		t.Errorf("%v, %v; want true", holds, err)
	}
	e, err := compiler(t, cel.Config{MaxInput: 100, MaxCost: 20}).CompileExpression("size(request.text) > 0", kinds)
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Evaluate(input(&docsv1.Kinds{Text: strings.Repeat("a", 85)}))
	wantProblem(t, err, "too large")
}

// One expression serves calls at once, failing ones among them.
func TestConcurrentCalls(t *testing.T) {
	c := compiler(t, cel.Config{})
	var texts []string
	for _, one := range failing {
		texts = append(texts, one.text)
	}
	texts = append(texts, holding...)
	for _, text := range texts {
		e, err := c.CompileExpression(text, kinds)
		if err != nil {
			t.Fatal(err)
		}
		want, wantErr := e.Evaluate(secretInput())
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for range 10 {
					holds, err := e.Evaluate(secretInput())
					if holds != want || fmt.Sprint(err) != fmt.Sprint(wantErr) {
						t.Errorf("%s: %v, %v; want %v, %v", text, holds, err, want, wantErr)

						return
					}
				}
			})
		}
		group.Wait()
	}
}
