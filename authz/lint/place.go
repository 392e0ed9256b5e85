package lint

import (
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// The numbers of descriptor.proto that lead to a rule.
const (
	methodOptions  = 4 // MethodDescriptorProto.options
	serviceOptions = 3 // ServiceDescriptorProto.options
	ruleOption     = 417100233
)

// The words that the paths of rules begin with.
const (
	pathRule    = "rule"
	pathService = "service_rule"
)

// SourcePath returns the place of the finding in the file of its Descriptor, as
// google.protobuf.SourceCodeInfo numbers it: of the part of the rule where the
// descriptors have its place, otherwise of the option, the method or the service. Nil if
// the Descriptor is nil, or the rule is in code and so in no file.
func (f Finding) SourcePath() protoreflect.SourcePath { return slices.Clone(f.at) }

// locate sets where a finding is: at the deepest part of its path that the descriptors
// have a place for. If whole is set, the finding is about the method, even if its path is
// in the service's rule.
func locate(f *Finding, m *authz.MethodPolicy, whole bool) {
	if m.Descriptor == nil {
		return
	}
	var d protoreflect.Descriptor = m.Descriptor
	inherited := f.Path == pathService || strings.HasPrefix(f.Path, pathService+".")
	if service := m.Descriptor.Parent(); inherited && !whole && service != nil {
		d = service
	}
	f.Descriptor = d
	file := d.ParentFile()
	if file == nil || f.File != "" && f.File != file.Path() {
		return // a rule in code
	}
	start := descriptorPath(d)
	path := start
	if !inherited || !whole {
		path = append(slices.Clone(start), rulePath(f.Path)...)
	}
	locations := file.SourceLocations()
	for n := len(path); n >= len(start); n-- {
		at := locations.ByPath(path[:n])
		if at.Path == nil {
			continue
		}
		f.at, f.Line, f.Column = path[:n], at.StartLine+1, at.StartColumn+1

		return
	}
	// Without source info the option is the place that readers know.
	f.at = path[:min(len(path), len(start)+2)]
}

// descriptorPath returns the path of a service or a method.
func descriptorPath(d protoreflect.Descriptor) protoreflect.SourcePath {
	if method, ok := d.(protoreflect.MethodDescriptor); ok {
		service := method.Parent()
		if service == nil {
			return nil
		}

		return protoreflect.SourcePath{6, int32(service.Index()), 2, int32(method.Index())}
	}

	return protoreflect.SourcePath{6, int32(d.Index())}
}

// rulePath returns the numbers of a path such as "rule.all_of.conditions[1].check", from
// the method or the service on. It ends where the path isn't one of a rule.
func rulePath(text string) protoreflect.SourcePath {
	head, rest, _ := strings.Cut(text, ".")
	path := protoreflect.SourcePath{methodOptions, ruleOption}
	message := (*authzv1.Rule)(nil).ProtoReflect().Descriptor()
	switch head {
	case pathRule:
	case pathService:
		path[0], message = serviceOptions, (*authzv1.ServiceRule)(nil).ProtoReflect().Descriptor()
	default:
		return nil
	}
	for rest != "" && message != nil {
		head, rest, _ = strings.Cut(rest, ".")
		name, index, indexed := strings.Cut(strings.TrimSuffix(head, "]"), "[")
		fd := message.Fields().ByName(protoreflect.Name(name))
		if fd == nil {
			break
		}
		path, message = append(path, int32(fd.Number())), fd.Message()
		if i, err := strconv.ParseInt(index, 10, 32); indexed && err == nil {
			path = append(path, int32(i))
		}
	}

	return path
}

// ignorePrefix begins the lines of comments that leave findings out.
const ignorePrefix = "buf:lint:ignore "

// ignored reports whether a comment leaves the finding out: one that leads the service or
// the method, or the option where compilers note its comment. It reads comments exactly as
// buf does, so that both tools agree.
func (f Finding) ignored() bool {
	if f.Descriptor == nil || f.at == nil {
		return false
	}
	locations := f.Descriptor.ParentFile().SourceLocations()
	const service = 2 // numbers in a service's path
	for n := service; n <= len(f.at); n++ {
		for line := range strings.Lines(locations.ByPath(f.at[:n]).LeadingComments) {
			if strings.HasPrefix(strings.TrimSpace(line), ignorePrefix+f.ID) {
				return true
			}
		}
	}

	return false
}
