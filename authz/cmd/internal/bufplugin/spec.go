// Package bufplugin is the plugin of buf that judges rules: buf lint finds mistakes in
// them, and buf breaking those that became looser.
//
//	check.Main(bufplugin.Spec())
package bufplugin

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"buf.build/go/bufplugin/check"
	"buf.build/go/bufplugin/info"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz/cmd/internal/changes"
	"github.com/usher-auth/usher/authz/cmd/internal/ids"
	"github.com/usher-auth/usher/authz/lint"
)

// Category is the category of all rules.
const Category = "USHER"

// Spec returns the plugin's rules: one for each id of findings.
func Spec() *check.Spec {
	spec := &check.Spec{
		Categories: []*check.CategorySpec{{ID: Category, Purpose: "Checks who may call the methods of gRPC services."}},
		Info: &info.Spec{
			Documentation: "Judges usher's rules of gRPC methods: mistakes in them, and rules that became looser.",
			SPDXLicenseID: "apache-2.0",
			LicenseURL:    "https://www.apache.org/licenses/LICENSE-2.0",
		},
		Before: before,
	}
	add := func(list []ids.ID, kind check.RuleType, findings func(*work) []lint.Finding) {
		for _, id := range list {
			categories := []string{Category}
			if id.Optional {
				// A category has all of its rules, and this one is asked for by its id.
				categories = nil
			}
			spec.Rules = append(spec.Rules, &check.RuleSpec{
				ID: id.Name, CategoryIDs: categories, Default: !id.Optional, Purpose: id.Purpose, Type: kind,
				Handler: check.RuleHandlerFunc(func(ctx context.Context, writer check.ResponseWriter, _ check.Request) error {
					w, ok := ctx.Value(workKey{}).(*work)
					if !ok {
						return errNotPrepared
					}
					for _, finding := range findings(w) {
						if finding.ID == id.Name {
							w.annotate(writer, finding)
						}
					}

					return nil
				}),
			})
		}
	}
	add(ids.Lint, check.RuleTypeLint, func(w *work) []lint.Finding { return w.mistakes() })
	add(ids.Breaking, check.RuleTypeBreaking, func(w *work) []lint.Finding { return w.changes() })

	return spec
}

type workKey struct{}

// work is what the rules of one request share: it is done once.
type work struct {
	request  check.Request
	mistakes func() []lint.Finding
	changes  func() []lint.Finding
}

func before(ctx context.Context, request check.Request) (context.Context, check.Request, error) {
	read, err := readOptions(ctx, request.Options())
	if err != nil {
		return nil, nil, fmt.Errorf("buf-plugin-usher: options in buf.yaml: %w", err)
	}
	w := &work{request: request}
	policy, err := read.policy(request.FileDescriptors())
	if err != nil {
		return nil, nil, fmt.Errorf("buf-plugin-usher: %w", err)
	}
	old, err := read.policy(request.AgainstFileDescriptors())
	if err != nil {
		return nil, nil, fmt.Errorf("buf-plugin-usher: what is compared with: %w", err)
	}
	w.mistakes = sync.OnceValue(func() []lint.Finding {
		return lint.Lint(policy, lint.Config{Schema: read.schema})
	})
	w.changes = sync.OnceValue(func() []lint.Finding {
		// Which of the ids are findings is buf's configuration.
		return changes.Of(lint.Compare(old, policy, lint.CompareConfig{Schema: read.schema}), read.accepted, true).Findings
	})

	return context.WithValue(ctx, workKey{}, w), request, nil
}

// annotate adds a finding at its place.
func (w *work) annotate(writer check.ResponseWriter, f lint.Finding) {
	text := f
	// buf shows the place and the id itself.
	text.File, text.ID = "", ""
	message := text.String()[len(": "):]
	options := []check.AddAnnotationOption{check.WithMessage(message)}
	if f.Descriptor != nil && f.Descriptor.ParentFile() != nil && w.has(f.Descriptor.ParentFile().Path()) {
		options = append(options, check.WithFileNameAndSourcePath(f.Descriptor.ParentFile().Path(), place(f)))
	} else if w.has(f.File) {
		options = append(options, check.WithFileName(f.File))
	}
	writer.AddAnnotation(options...)
}

func (w *work) has(file string) bool {
	for _, descriptor := range w.request.FileDescriptors() {
		if file != "" && descriptor.ProtoreflectFileDescriptor().Path() == file {
			return true
		}
	}

	return false
}

// place returns the source path of a finding. Findings about changes are at the rule, or
// at the method or service if it has none.
func place(f lint.Finding) protoreflect.SourcePath {
	if path := f.SourcePath(); path != nil {
		return path
	}
	locations := f.Descriptor.ParentFile().SourceLocations()
	location := locations.ByDescriptor(f.Descriptor)
	// The fields options of ServiceDescriptorProto and MethodDescriptorProto.
	options := int32(3)
	if _, ok := f.Descriptor.(protoreflect.MethodDescriptor); ok {
		options = 4
	}
	path := append(slices.Clone(location.Path), options, ruleNumber)
	if exact := locations.ByPath(path); exact.Path != nil {
		return exact.Path
	}

	return location.Path
}

// ruleNumber is the number of the options rule and service_rule.
const ruleNumber = 417100233
