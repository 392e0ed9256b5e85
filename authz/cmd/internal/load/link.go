package load

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	_ "google.golang.org/genproto/googleapis/api/annotations" // files that many .proto files import
	_ "google.golang.org/protobuf/types/known/anypb"
	_ "google.golang.org/protobuf/types/known/apipb"
	_ "google.golang.org/protobuf/types/known/durationpb"
	_ "google.golang.org/protobuf/types/known/emptypb"
	_ "google.golang.org/protobuf/types/known/fieldmaskpb"
	_ "google.golang.org/protobuf/types/known/sourcecontextpb"
	_ "google.golang.org/protobuf/types/known/structpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
	_ "google.golang.org/protobuf/types/known/typepb"
	_ "google.golang.org/protobuf/types/known/wrapperspb"

	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// link makes descriptors of a set, and chooses those that aren't merely imported. Files of
// common imports that the set lacks are taken from this program.
func link(set *descriptorpb.FileDescriptorSet, imports map[string]bool) (files chosen, err error) {
	// A descriptor that is broken in a way that protodesc doesn't expect is an error, too.
	defer func() {
		if recovered := recover(); recovered != nil {
			files, err = nil, fmt.Errorf("a broken descriptor: %v", recovered)
		}
	}()
	if err := bounds(set); err != nil {
		return nil, err
	}
	if err := twice(set); err != nil {
		return nil, err
	}
	complete := &descriptorpb.FileDescriptorSet{File: set.GetFile()[:len(set.GetFile()):len(set.GetFile())]}
	if err := addMissing(complete); err != nil {
		return nil, err
	}
	registry, err := protodesc.NewFiles(complete)
	if err != nil {
		return nil, fmt.Errorf("a broken descriptor: %w", err)
	}
	for _, file := range set.GetFile() {
		if imports[file.GetName()] {
			continue
		}
		descriptor, err := registry.FindFileByPath(file.GetName())
		if err != nil {
			return nil, fmt.Errorf("a broken descriptor: %w", err)
		}
		files = append(files, descriptor)
	}

	return files, nil
}

// twice returns an error for a file or service that the set has twice.
func twice(set *descriptorpb.FileDescriptorSet) error {
	var errs []error
	seen, services := map[string]bool{}, map[string]string{}
	for _, file := range set.GetFile() {
		if seen[file.GetName()] {
			errs = append(errs, fmt.Errorf("file %s is in it twice", file.GetName()))

			continue
		}
		seen[file.GetName()] = true
		for _, service := range file.GetService() {
			name := strings.TrimPrefix(file.GetPackage()+"."+service.GetName(), ".")
			if other, ok := services[name]; ok {
				errs = append(errs, fmt.Errorf("service %s is in %s and in %s", name, other, file.GetName()))
			}
			services[name] = file.GetName()
		}
		if len(errs) >= maxErrors {
			break
		}
	}

	return errors.Join(errs...)
}

// addMissing adds files that the set imports and lacks, if this program knows them.
func addMissing(set *descriptorpb.FileDescriptorSet) error {
	has := map[string]bool{}
	for _, file := range set.GetFile() {
		has[file.GetName()] = true
	}
	// Files that are added may lack others.
	for pending := set.GetFile(); len(pending) > 0; pending = pending[1:] {
		for _, name := range pending[0].GetDependency() {
			if has[name] {
				continue
			}
			file := known(name)
			if file == nil {
				return fmt.Errorf("%s imports %s, which isn't in it: build it with its imports (protoc --include_imports)", pending[0].GetName(), name)
			}
			has[name] = true
			added := protodesc.ToFileDescriptorProto(file)
			set.File, pending = append(set.File, added), append(slices.Clip(pending), added)
		}
	}

	return nil
}

// known returns a file that this program is linked with and that others import: usher's,
// the well-known types, and annotations of Google's APIs. Nil if it isn't one.
func known(name string) protoreflect.FileDescriptor {
	if name != authzv1.File_usher_authz_v1_authz_proto.Path() &&
		!strings.HasPrefix(name, "google/protobuf/") && !strings.HasPrefix(name, "google/api/") {
		return nil
	}
	file, err := protoregistry.GlobalFiles.FindFileByPath(name)
	if err != nil {
		return nil
	}

	return file
}

// normal returns a file as it comes from the wire, with the options that are known here.
func normal(file *descriptorpb.FileDescriptorProto) (*descriptorpb.FileDescriptorProto, error) {
	data, err := proto.Marshal(file)
	if err != nil {
		return nil, err
	}
	read := &descriptorpb.FileDescriptorProto{}

	return read, proto.Unmarshal(data, read)
}
