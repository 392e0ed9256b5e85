package bufplugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"buf.build/go/bufplugin/descriptor"
	"buf.build/go/bufplugin/option"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/cel"
	"github.com/usher-auth/usher/authz/cmd/internal/changes"
	"github.com/usher-auth/usher/authz/cmd/internal/model"
	"github.com/usher-auth/usher/authz/lint"
	"github.com/usher-auth/usher/authz/schema"
)

var errNotPrepared = errors.New("buf-plugin-usher: the request wasn't prepared")

// The options in buf.yaml.
const (
	optionSchema           = "schema"
	optionSubjectService   = "subject_service"
	optionSubjectUser      = "subject_user"
	optionIssuers          = "issuers"
	optionClaimPermissions = "claim_permissions"
	optionAccept           = "accept"
)

var optionNames = []string{optionAccept, optionClaimPermissions, optionIssuers, optionSchema, optionSubjectService, optionSubjectUser}

// options are what buf.yaml configures.
type options struct {
	source   lint.Source
	schema   *schema.Schema
	accepted *changes.Accepted
}

// readOptions reads the options. One that doesn't exist is an error, so that a typing
// error doesn't leave a check out.
func readOptions(ctx context.Context, given option.Options) (*options, error) {
	var errs []error
	given.Range(func(key string, _ any) {
		if !slices.Contains(optionNames, key) {
			errs = append(errs, fmt.Errorf("there is no option %q: it is one of %s", key, strings.Join(optionNames, ", ")))
		}
	})
	keep := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	text := func(key string) string {
		value, err := option.GetStringValue(given, key)
		keep(err)

		return value
	}
	read := &options{}
	read.source.Subjects = authz.Subjects{Service: text(optionSubjectService), User: text(optionSubjectUser)}
	var err error
	if read.source.Issuers, err = option.GetStringSliceValue(given, optionIssuers); err != nil {
		// buf takes a single word for what it is.
		one, wrong := option.GetStringValue(given, optionIssuers)
		if wrong != nil {
			keep(err)
		}
		read.source.Issuers = []string{one}
	}
	read.source.ClaimPermissions, err = option.GetBoolValue(given, optionClaimPermissions)
	keep(err)
	read.source.Expressions, err = cel.New(cel.Config{})
	keep(err)
	read.accepted, err = changes.ReadAccepted(text(optionAccept))
	keep(err)
	if ref := text(optionSchema); ref != "" {
		if read.schema, err = model.Load(ctx, ref, model.Config{}); err != nil {
			keep(fmt.Errorf("schema (a relative path is relative to buf's working directory): %w", err))
		}
	}

	return read, errors.Join(errs...)
}

// files are the files to be judged.
type files []protoreflect.FileDescriptor

// RangeFiles calls visit for each file, until it returns false.
func (f files) RangeFiles(visit func(protoreflect.FileDescriptor) bool) {
	for _, file := range f {
		if !visit(file) {
			return
		}
	}
}

// policy compiles the rules of files, without those that are only imported.
func (o *options) policy(given []descriptor.FileDescriptor) (policy *authz.Policy, err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			policy, err = nil, fmt.Errorf("a broken descriptor: %v", recovered)
		}
	}()
	var judged files
	for _, file := range given {
		if !file.IsImport() {
			judged = append(judged, file.ProtoreflectFileDescriptor())
		}
	}
	source := o.source
	source.Files = judged

	return lint.Compile(source)
}
