package cel_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/cel"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

// row 70: an expression that costs too much. Operations on claims choose their overload
// by the value, and messages are made of copies: both count by their size, too.
func TestCostOfWhatOnlyTheValuesShow(t *testing.T) {
	many := make([]any, 700)
	for i := range many {
		many[i] = fmt.Sprint("n", i)
	}
	caller := authztest.User("ann", authztest.Claims{"list": many, "long": strings.Repeat("a", 6000)})
	message := &docsv1.Kinds{}
	for i := range 1200 {
		message.Texts = append(message.Texts, fmt.Sprint("k", i))
		message.Numbers = append(message.Numbers, int64(i))
	}
	c := compiler(t, cel.Config{})
	for _, text := range []string{
		"request.texts.all(x, !(x in caller.claims.list))",
		"request.texts.all(x, caller.claims.long + x != 'a')",
		"request.texts.all(x, caller.claims.long < caller.claims.long + 'a')",
		"request.texts.all(x, size(caller.claims.long) > 1)",
		"request.texts.all(x, size(bytes(caller.claims.long)) > 1)",
		"request.texts.all(x, string(caller.claims.long) != 'a')",
		"request.texts.all(x, size(usher.test.docs.v1.Kinds{texts: request.texts, numbers: request.numbers}.texts) > 0)",
		"request.texts.all(x, usher.test.docs.v1.Kinds{texts: request.texts} != request)",
	} {
		e, err := c.CompileExpression(text, kinds)
		if err != nil {
			t.Errorf("%s: %v", text, err)

			continue
		}
		holds, err := e.Evaluate(&authz.ExpressionInput{Message: message, Principal: caller})
		if holds {
			t.Errorf("%s: it holds", text)
		}
		wantProblem(t, err, "costs more than its limit")
		if t.Failed() {
			t.Log(text)
		}
	}
	// What isn't large goes on.
	small := &authz.ExpressionInput{Message: sample(), Principal: authztest.User("ann", authztest.Claims{"list": []any{"x", "y"}, "long": "a"})}
	for _, text := range []string{
		"request.texts.all(x, x in caller.claims.list)",
		"request.texts.all(x, caller.claims.long + x != 'a')",
		"request.texts.all(x, usher.test.docs.v1.Kinds{texts: request.texts} != request)",
	} {
		if holds, err := compile(t, text).Evaluate(small); err != nil || !holds {
			t.Errorf("%s: %v, %v; want true", text, holds, err)
		}
	}
}
