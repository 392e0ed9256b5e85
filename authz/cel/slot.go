package cel

import (
	"strconv"

	"cel.dev/cel-go/common/types"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
)

// slotKind is what a slot holds.
type slotKind uint8

const (
	slotMessage  slotKind = iota // the request itself
	slotField                    // a field of the request
	slotHasField                 // whether the request has a field
	slotClaim
	slotHasClaim
	slotClaims // the claims, by names that the expression computes
	slotSubject
	slotClientID
	slotIssuer
	slotKindOf
	slotScopes
	slotACR
	slotIP
	slotNow
)

// slot is one thing of the call that an expression reads. It is read once in an
// evaluation, when it is first needed.
type slot struct {
	kind slotKind
	// fields are the path to a field, from the request.
	fields []protoreflect.FieldDescriptor
	// last reads the last field as CEL does.
	last *types.FieldType
	// path is the path to a claim.
	path []string
	// key tells slots apart.
	key string
}

// variables are the slots of what an expression reads by one name.
var variables = map[string]slotKind{
	varRequest: slotMessage, varSubject: slotSubject, varClientID: slotClientID, varIssuer: slotIssuer,
	varKind: slotKindOf, varScopes: slotScopes, varACR: slotACR, varClaims: slotClaims, varIP: slotIP, varNow: slotNow,
}

// slotName is the name under which an expression reads a slot. No text of a rule can
// have it.
func slotName(at int) string { return "@" + strconv.Itoa(at) }

// slotIndex returns the slot of a name.
func slotIndex(name string) (int, bool) {
	if len(name) < 2 || name[0] != '@' || name[1] < '0' || name[1] > '9' {
		return 0, false
	}
	at := 0
	for _, digit := range []byte(name[1:]) {
		if digit < '0' || digit > '9' || at > maxNodes {
			return 0, false
		}
		at = at*10 + int(digit-'0')
	}

	return at, true
}

// withField returns the slot of a field within the message of a slot.
func (s *slot) withField(field protoreflect.FieldDescriptor, last *types.FieldType, presence bool) slot {
	made := slot{kind: slotField, last: last, key: s.key + "." + string(field.Name())}
	made.fields = append(append(made.fields, s.fields...), field)
	if presence {
		made.kind, made.key = slotHasField, "has "+made.key
	}

	return made
}

// withName returns the slot of a member of a claim.
func (s *slot) withName(name string, presence bool) slot {
	made := slot{kind: slotClaim, key: s.key + "." + strconv.Quote(name)}
	made.path = append(append(made.path, s.path...), name)
	if presence {
		made.kind, made.key = slotHasClaim, "has "+made.key
	}

	return made
}

// composite reports whether the slot holds more than one value.
func (s *slot) composite() bool {
	switch s.kind {
	case slotMessage:
		return true
	case slotField:
		field := s.fields[len(s.fields)-1]

		return field.Cardinality() == protoreflect.Repeated || field.Message() != nil
	default:
		return false
	}
}

// readsOf returns what slots read.
func readsOf(slots []slot) authz.ExpressionReads {
	var reads authz.ExpressionReads
	whole := false
	seen := map[protoreflect.Name]bool{}
	for i := range slots {
		s := &slots[i]
		switch s.kind {
		case slotMessage:
			reads.Message, whole = true, true
		case slotField, slotHasField:
			reads.Message = true
			if name := s.fields[0].Name(); !seen[name] {
				seen[name] = true
				reads.Fields = append(reads.Fields, name)
			}
		case slotClaim, slotHasClaim, slotClaims, slotSubject, slotClientID:
			reads.Caller, reads.ClaimsOrSubject = true, true
		case slotIssuer:
			reads.Caller = true
		case slotKindOf, slotScopes, slotACR:
			reads.Caller = true
		case slotIP:
			reads.Peer = true
		case slotNow:
			reads.Now = true
		}
	}
	if whole {
		reads.Fields = nil
	}

	return reads
}
