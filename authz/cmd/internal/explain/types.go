package explain

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/usher-auth/usher/authz"
)

// types finds messages of the input, for google.protobuf.Any in a request.
type types struct{ files *protoregistry.Files }

// typesOf returns the types of files and of those that they import.
func typesOf(files authz.Resolver) types {
	t := types{files: &protoregistry.Files{}}
	var add func(protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if _, err := t.files.FindFileByPath(file.Path()); err == nil || file.IsPlaceholder() {
			return
		}
		// A file that doesn't fit is left out: its types aren't found.
		_ = t.files.RegisterFile(file)
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor)
		}
	}
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		add(file)

		return true
	})

	return t
}

// FindMessageByName returns a message type.
func (t types) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	found, err := t.files.FindDescriptorByName(name)
	if err != nil {
		return nil, protoregistry.NotFound
	}
	message, ok := found.(protoreflect.MessageDescriptor)
	if !ok {
		return nil, protoregistry.NotFound
	}

	return dynamicpb.NewMessageType(message), nil
}

// FindMessageByURL returns the message type of a type URL.
func (t types) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	return t.FindMessageByName(protoreflect.FullName(url[strings.LastIndexByte(url, '/')+1:]))
}

// FindExtensionByName finds none: rules read no extensions.
func (t types) FindExtensionByName(protoreflect.FullName) (protoreflect.ExtensionType, error) {
	return nil, protoregistry.NotFound
}

// FindExtensionByNumber finds none.
func (t types) FindExtensionByNumber(protoreflect.FullName, protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	return nil, protoregistry.NotFound
}
