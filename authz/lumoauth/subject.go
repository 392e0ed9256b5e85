package lumoauth

import (
	"errors"

	"github.com/usher-auth/usher/authz"
)

// userType is the type of the subjects that LumoAuth's user_id names.
const userType = "user"

// wireSubject is a subject as LumoAuth's native endpoints take and return it.
type wireSubject struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// nameSubject names the subject in a request to a native endpoint. LumoAuth's sources
// disagree about the member, so a user is named in both.
func nameSubject(body map[string]any, subject authz.Subject) {
	body["subject"] = wireSubject{subject.Type, subject.ID}
	if subject.Type == userType {
		body["user_id"] = subject.ID
	}
}

// about is what an answer of a native endpoint says of the subject that it is about.
type about uint8

const (
	// aboutUnknown is an answer that names no subject.
	aboutUnknown about = iota
	// aboutAsked is one that names the subject that was asked about.
	aboutAsked
	// aboutAnother is one that names another subject, or none that can be read.
	aboutAnother
)

// subjectOf compares the subject that an answer names with the one that was asked
// about. Every member that names one must name that one.
func subjectOf(object map[string]any, subject authz.Subject) about {
	said := aboutUnknown
	if id, present := object["user_id"]; present {
		if subject.Type != userType || id != subject.ID {
			return aboutAnother
		}
		said = aboutAsked
	}
	if whole, present := object["subject"]; present {
		if members, ok := whole.(map[string]any); ok {
			if members["type"] != subject.Type || members["id"] != subject.ID {
				return aboutAnother
			}
		} else if whole != subject.String() {
			return aboutAnother
		}
		said = aboutAsked
	}

	return said
}

// err returns the error for an answer that doesn't count, or nil. A server that
// ignores the subject of a request answers about the bearer, this server's own
// account: that is neither a grant nor a denial, but a setting that doesn't fit.
func (a about) err(setting string) error {
	var text string
	switch a {
	case aboutAsked:
		return nil
	case aboutUnknown:
		text = "the answer names no subject (user_id or subject)"
	case aboutAnother:
		text = "the answer names another subject than was asked about"
	default:
		text = "unknown"
	}

	return &authz.EngineError{Kind: authz.EngineMisconfigured, Err: errors.New(
		"lumoauth: " + text + ", so it may be about this server's own account: unset " + setting + " to ask by AuthZEN evaluations")}
}
