package spicedb

import (
	"errors"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/usher-auth/usher/authz"
)

// maxRevision bounds a ZedToken: SpiceDB's are under 200 bytes.
const maxRevision = 1024

func consistencyOf(c authz.Consistency) (*v1.Consistency, error) {
	switch c.Mode {
	case authz.ModeMinimizeLatency:
		return &v1.Consistency{Requirement: &v1.Consistency_MinimizeLatency{MinimizeLatency: true}}, nil
	case authz.ModeFullyConsistent:
		return &v1.Consistency{Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true}}, nil
	case authz.ModeAtLeastAsFresh:
		if !isToken(string(c.Revision)) {
			return nil, &authz.EngineError{Kind: authz.EngineBadRevision, Err: errors.New("spicedb: not a ZedToken")}
		}

		return &v1.Consistency{Requirement: &v1.Consistency_AtLeastAsFresh{AtLeastAsFresh: &v1.ZedToken{Token: string(c.Revision)}}}, nil
	default:
		return nil, &authz.EngineError{Kind: authz.EngineMisconfigured, Err: errors.New("spicedb: an unknown consistency mode")}
	}
}

// isToken allows the characters of base64 in both alphabets.
func isToken(s string) bool {
	if s == "" || len(s) > maxRevision {
		return false
	}
	for i := range len(s) {
		switch b := s[i]; {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '+', b == '/', b == '-', b == '_', b == '=':
		default:
			return false
		}
	}

	return true
}
