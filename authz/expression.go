package authz

import (
	"net/netip"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// ExpressionCompiler compiles the expressions of rules. Package authz/cel of module
// github.com/usher-auth/usher/authz/cel implements it for the Common Expression
// Language.
type ExpressionCompiler interface {
	// CompileExpression compiles the text of a rule of a method whose request is of
	// the type input. It does no I/O. An error should be an [*ExpressionError], or
	// several joined; any error is a fault of the rule.
	CompileExpression(text string, input protoreflect.MessageDescriptor) (Expression, error)
}

// Expression is a compiled expression. It must be safe for concurrent use.
type Expression interface {
	// Reads returns what the expression reads.
	Reads() ExpressionReads
	// Evaluate reports whether the expression is true. It does no I/O, and bounds its
	// own time and memory. If it returns an error, the condition is denied, and
	// [Observer.Decided] is told the error: it must not hold a token. Evaluate must
	// neither change nor keep the input or what it refers to.
	Evaluate(in *ExpressionInput) (bool, error)
}

// ExpressionReads is what an [Expression] reads. What it doesn't name may be absent
// from the expression's input.
type ExpressionReads struct {
	// Message is set if the expression reads the request.
	Message bool
	// Fields are the fields of the request that it reads, itself or within them. If
	// Message is set and Fields is empty, it may read every field.
	Fields []protoreflect.Name
	// Caller is set if it reads the caller, and ClaimsOrSubject if that includes
	// anything that two issuers may give to different callers: the subject, the
	// client id or claims. Where several issuers are trusted, a rule with such an
	// expression must name those whose word counts in access_token.issuers.
	Caller, ClaimsOrSubject bool
	// Peer is set if it reads the peer's address.
	Peer bool
	// Now is set if it reads the time.
	Now bool
}

// ExpressionInput is what an expression may read of one call.
type ExpressionInput struct {
	// Message is the request, nil unless [ExpressionReads.Message] is set.
	Message proto.Message
	// Principal is the caller.
	Principal Principal
	// PeerIP is the address of the peer; the zero value means that it isn't known.
	PeerIP netip.Addr
	// Now returns the time.
	Now func() time.Time
}

// ExpressionError is a fault of an expression's text.
type ExpressionError struct {
	// Column is the byte offset within the text, from zero, or -1 if the fault isn't
	// at one place.
	Column int
	// Problem says what is wrong.
	Problem string
	// Fix says what to do. Optional.
	Fix string
}

// Error returns the problem.
func (e *ExpressionError) Error() string { return e.Problem }
