package cel

import (
	"errors"
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

var errClaimsWhole = errors.New("the claims can't be used whole")

// claimsValue is the claims of the caller, for names that an expression computes. The
// analysis lets nothing but an index and a membership test reach it.
type claimsValue struct{ a *activation }

var _ traits.Mapper = claimsValue{}

// ConvertToNative implements [ref.Val].
func (c claimsValue) ConvertToNative(reflect.Type) (any, error) { return nil, errClaimsWhole }

// ConvertToType implements [ref.Val].
func (c claimsValue) ConvertToType(ref.Type) ref.Val { return types.WrapErr(errClaimsWhole) }

// Equal implements [ref.Val].
func (c claimsValue) Equal(ref.Val) ref.Val { return types.WrapErr(errClaimsWhole) }

// Type implements [ref.Val].
func (c claimsValue) Type() ref.Type { return types.MapType }

// Value implements [ref.Val].
func (c claimsValue) Value() any { return nil }

// Size implements [traits.Sizer].
func (c claimsValue) Size() ref.Val { return types.WrapErr(errClaimsWhole) }

// Iterator implements [traits.Iterable].
func (c claimsValue) Iterator() traits.Iterator { panic(errClaimsWhole) }

// Contains reports whether the token has a claim.
func (c claimsValue) Contains(name ref.Val) ref.Val {
	value, found := c.Find(name)
	if types.IsError(value) {
		return value
	}

	return types.Bool(found)
}

// Get returns a claim.
func (c claimsValue) Get(name ref.Val) ref.Val {
	value, found := c.Find(name)
	if value != nil || found {
		return value
	}

	return fail(problemKey)
}

// Find returns a claim and whether there is one. The second of two reads of a claim in
// an evaluation doesn't decode it again.
func (c claimsValue) Find(name ref.Val) (ref.Val, bool) {
	text, ok := name.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(name), false
	}
	if value, known := c.a.named[string(text)]; known {
		return value, value != nil
	}
	if c.a.named == nil {
		c.a.named = map[string]ref.Val{}
	}
	raw, found := c.a.in.Principal.Claim(string(text))
	if !found {
		c.a.named[string(text)] = nil

		return nil, false
	}
	value := c.a.expression.env.adapter.NativeToValue(raw)
	c.a.named[string(text)] = value

	return value, true
}
