package cel

import (
	"errors"
	"net/netip"
	"reflect"
	"strconv"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

const (
	functionInRange = "inRange"
	overloadInRange = "ip_in_range_string"
)

// ipType is the type of peer.ip.
var ipType = types.NewOpaqueType("ip")

// ipValue is an address, without a zone, and IPv4 wherever it is mapped to IPv6.
type ipValue struct{ addr netip.Addr }

var errNotAnIP = errors.New("an address has no such conversion")

// ConvertToNative implements [ref.Val].
func (v ipValue) ConvertToNative(reflect.Type) (any, error) { return nil, errNotAnIP }

// ConvertToType implements [ref.Val].
func (v ipValue) ConvertToType(to ref.Type) ref.Val {
	switch to {
	case types.StringType:
		return types.String(v.addr.String())
	case types.TypeType:
		return ipType
	}

	return types.WrapErr(errNotAnIP)
}

// Equal implements [ref.Val].
func (v ipValue) Equal(other ref.Val) ref.Val {
	same, ok := other.(ipValue)

	return types.Bool(ok && same.addr == v.addr)
}

// Type implements [ref.Val].
func (v ipValue) Type() ref.Type { return ipType }

// Value implements [ref.Val].
func (v ipValue) Value() any { return v.addr }

// ipFunctions declares inRange, and string for addresses.
func ipFunctions() cel.EnvOption {
	return func(env *cel.Env) (*cel.Env, error) {
		inRange := cel.Function(functionInRange,
			cel.MemberOverload(overloadInRange, []*cel.Type{ipType, cel.StringType}, cel.BoolType, cel.BinaryBinding(inRange)))
		text := cel.Function("string",
			cel.Overload("ip_to_string", []*cel.Type{ipType}, cel.StringType, cel.UnaryBinding(func(value ref.Val) ref.Val {
				return value.ConvertToType(types.StringType)
			})))
		env, err := inRange(env)
		if err != nil {
			return nil, err
		}

		return text(env)
	}
}

func inRange(left, right ref.Val) ref.Val {
	addr, isIP := left.(ipValue)
	text, isText := right.(types.String)
	if !isIP || !isText {
		return types.MaybeNoSuchOverloadErr(left)
	}
	prefix, problem, _ := parseRange(string(text))
	if problem != "" {
		return fail("the range isn't valid") // the analysis refuses it
	}

	return types.Bool(prefix.Contains(addr.addr))
}

// parseRange returns the range of a text, or what is wrong with it and how to fix it.
func parseRange(text string) (prefix netip.Prefix, problem, fix string) {
	prefix, err := netip.ParsePrefix(text)
	quoted := strconv.Quote(text)
	if err != nil {
		if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
			return prefix, quoted + " is an address, not a range", "write " + netip.PrefixFrom(addr, addr.BitLen()).String()
		}

		return prefix, quoted + " isn't a range of addresses", "write a CIDR range, as in '10.0.0.0/8' or '2001:db8::/32'"
	}
	if prefix.Addr().Is4In6() {
		return prefix, quoted + " is a range of IPv4 addresses mapped to IPv6", "write it as IPv4: the peer's address is never a mapped one"
	}
	if prefix != prefix.Masked() {
		return prefix, quoted + " has bits set beyond its length", "write " + prefix.Masked().String()
	}

	return prefix, "", ""
}
