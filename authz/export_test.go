package authz

import (
	"errors"

	"google.golang.org/protobuf/proto"
)

// FirstMessageOnly reports whether the rule holds later messages of a stream to what
// the first one names.
func (m *Method) FirstMessageOnly() bool { return m.first }

// Excerpt is what a stream remembers of a message.
func (m *Method) Excerpt(message proto.Message) (proto.Message, error) {
	excerpt, err := m.excerptOf(message)

	return excerpt, orNil(err)
}

// MessageKey is what a stream tells a message's objects apart by.
func (m *Method) MessageKey(message proto.Message) (string, error) {
	key, err := m.messageKey(message)

	return key, orNil(err)
}

func orNil(err *Error) error {
	if err == nil {
		return nil
	}

	return errors.Join(err)
}
