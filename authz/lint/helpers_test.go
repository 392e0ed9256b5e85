package lint_test

import (
	"errors"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// both finds descriptors in the first registry that has them.
type both []*protoregistry.Files

func (b both) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	for _, files := range b {
		if file, err := files.FindFileByPath(path); !errors.Is(err, protoregistry.NotFound) {
			return file, err
		}
	}

	return nil, protoregistry.NotFound
}

func (b both) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	for _, files := range b {
		if d, err := files.FindDescriptorByName(name); !errors.Is(err, protoregistry.NotFound) {
			return d, err
		}
	}

	return nil, protoregistry.NotFound
}
