package spicedb

import (
	"errors"
	"fmt"
	"strings"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
)

// Limits of SpiceDB's API in bytes (authzed.api.v1 ObjectReference and
// SubjectReference).
const (
	maxID          = 1024
	maxType        = 128
	minRelation    = 3
	maxRelation    = 64
	minPrefixName  = 3
	maxPrefixName  = 63
	idPunctuation  = "/_|-=+"
	plainNoEscapes = "/_|-+"
)

// ValidateQuery refuses, without I/O, what SpiceDB would refuse: ids outside its
// grammar or limits and every wildcard (EngineBadRequest, EngineBadSubject), and
// types and relations outside its grammar (EngineMisconfigured).
func (e *Engine) ValidateQuery(q authz.Query) error {
	if e.encode {
		q.Object.ID, q.Subject.ID = EncodeID(q.Object.ID), EncodeID(q.Subject.ID)
	}

	return validate(q)
}

func validate(q authz.Query) error {
	switch {
	case !isType(q.Object.Type):
		return misnamed("object type", q.Object.Type)
	case !isRelation(q.Relation):
		return misnamed("relation", q.Relation)
	case !isType(q.Subject.Type):
		return misnamed("subject type", q.Subject.Type)
	case q.Subject.Relation != "" && !isRelation(q.Subject.Relation):
		return misnamed("subject relation", q.Subject.Relation)
	case !isID(q.Object.ID):
		return &authz.EngineError{Kind: authz.EngineBadRequest, Err: errors.New("spicedb: object id outside SpiceDB's grammar")}
	case !isID(q.Subject.ID):
		return &authz.EngineError{Kind: authz.EngineBadSubject, Err: errors.New("spicedb: subject id outside SpiceDB's grammar")}
	}

	return nil
}

func misnamed(what, name string) error {
	return &authz.EngineError{Kind: authz.EngineMisconfigured, Err: fmt.Errorf("spicedb: %s %q is outside SpiceDB's grammar", what, name)}
}

// isID matches ^[a-zA-Z0-9/_|\-=+]{1,}$ up to 1024 bytes. It refuses the wildcard.
func isID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		if !isAlphanumeric(id[i]) && strings.IndexByte(idPunctuation, id[i]) < 0 {
			return false
		}
	}

	return true
}

// isType matches ^([a-z][a-z0-9_]{1,61}[a-z0-9]/)*[a-z][a-z0-9_]{1,62}[a-z0-9]$ up
// to 128 bytes.
func isType(name string) bool {
	if len(name) > maxType {
		return false
	}
	for {
		prefix, rest, more := strings.Cut(name, "/")
		if !more {
			return isRelation(name)
		}
		if len(prefix) < minPrefixName || len(prefix) > maxPrefixName || !isRelation(prefix) {
			return false
		}
		name = rest
	}
}

// isRelation matches ^[a-z][a-z0-9_]{1,62}[a-z0-9]$.
func isRelation(name string) bool {
	if len(name) < minRelation || len(name) > maxRelation {
		return false
	}
	for i := range len(name) {
		b := name[i]
		switch {
		case b >= 'a' && b <= 'z':
		case b >= '0' && b <= '9' && i > 0:
		case b == '_' && i > 0 && i < len(name)-1:
		default:
			return false
		}
	}

	return true
}

func isAlphanumeric(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}

func isPlain(b byte) bool {
	return isAlphanumeric(b) || strings.IndexByte(plainNoEscapes, b) >= 0
}

// EncodeID encodes an id within SpiceDB's grammar, for [Config.EncodeIDs] and for
// the relationships that are written for it: every byte except letters, digits and
// / _ | - + becomes "=" and two upper-case hexadecimal digits. It is injective; an
// empty id stays empty. The wildcard "*" becomes "=2A", an id like any other.
func EncodeID(id string) string { return adapter.EncodeID(id, isPlain) }

// DecodeID reverses [EncodeID]. It refuses what EncodeID does not write.
func DecodeID(encoded string) (string, error) { return adapter.DecodeID(encoded, isPlain) }
