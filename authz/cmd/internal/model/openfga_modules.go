package model

import (
	"errors"
	"path/filepath"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"github.com/openfga/language/pkg/go/transformer"

	"github.com/usher-auth/usher/authz/schema"
)

// parseModules returns the schema of a modular model: what fga.mod names, put together.
// Its names have no lines, since a schema has one source and they are in several files.
func parseModules(dir *folder, src source) (*schema.Schema, error) {
	if _, err := parseYAML(src.file, src.text); err != nil {
		return nil, err
	}
	manifest, err := contained(src.file, func() (*transformer.ModFile, error) { return transformer.TransformModFile(src.text) })
	if err != nil {
		return nil, manifestFaults(src, err)
	}
	var (
		list    faults
		modules []transformer.ModuleFile
		size    int
	)
	for _, entry := range manifest.Contents.Value {
		module, err := readModule(dir, entry.Value)
		if err != nil {
			collect(&list, src.file, src.line(entry.Line+1), entry.Column+1, err)

			continue
		}
		if size += len(module.Contents); size > MaxDSL {
			return nil, fault(module.Name, 0, 0, "the modules have more than %d bytes", MaxDSL)
		}
		modules = append(modules, module)
	}
	if err := list.err(); err != nil {
		return nil, err
	}
	m, err := contained(src.file, func() (*openfgav1.AuthorizationModel, error) {
		return transformer.TransformModuleFilesToModel(modules, manifest.Schema.Value)
	})
	if err != nil {
		return nil, moduleFaults(src, err)
	}

	return openfgaSchema(src.file, m, nil)
}

// readModule reads a module, and checks its syntax and that it is one: the transformer
// tells no file of what is wrong in it.
func readModule(dir *folder, name string) (transformer.ModuleFile, error) {
	none := transformer.ModuleFile{}
	text, err := dir.include(name)
	if err != nil {
		return none, err
	}
	src := source{file: dir.path(filepath.FromSlash(name)), text: text}
	parsed, err := syntax(src)
	if err != nil {
		return none, err
	}
	if parsed.module == 0 {
		return none, fault(src.file, 1, 0, "the file is no module; its first line must be module NAME")
	}
	_, err = contained(src.file, func() (*openfgav1.AuthorizationModel, error) {
		m, _, err := transformer.TransformModularDSLToProto(text)

		return m, err
	})
	if err != nil {
		return none, dslFaults(src, err)
	}

	return transformer.ModuleFile{Name: src.file, Contents: text}, nil
}

// collect adds the faults that an error joins. One that names no place of its own gets
// the place given.
func collect(list *faults, file string, line, column int, err error) {
	var joined interface{ Unwrap() []error }
	var one *FileError
	switch {
	case errors.As(err, &one) && !errors.As(err, &joined):
		list.addf(one.File, one.Line, one.Column, "%s", one.Problem)
	case errors.As(err, &joined):
		for _, part := range joined.Unwrap() {
			collect(list, file, line, column, part)
		}
	default:
		list.addf(file, line, column, "%v", err)
	}
}

// manifestFaults returns the faults of fga.mod. The transformer counts from zero.
func manifestFaults(src source, err error) error {
	var (
		list faults
		all  *transformer.ModFileValidationMultipleError
	)
	if !errors.As(err, &all) {
		collect(&list, src.file, 0, 0, err)

		return list.err()
	}
	for _, one := range all.Errors {
		var at *transformer.ModFileValidationError
		switch {
		case errors.As(one, &at) && at.Line+at.Column > 0:
			list.addf(src.file, src.line(at.Line+1), at.Column+1, "%s", at.Msg)
		case at != nil:
			list.addf(src.file, 0, 0, "%s", at.Msg)
		default:
			list.addf(src.file, 0, 0, "%v", one)
		}
	}

	return list.err()
}

// moduleFaults returns what is wrong between modules, such as a type of two of them.
func moduleFaults(src source, err error) error {
	var (
		list faults
		all  *transformer.ModuleValidationMultipleError
	)
	if !errors.As(err, &all) {
		collect(&list, src.file, 0, 0, err)

		return list.err()
	}
	for _, one := range all.Errors {
		var at *transformer.ModuleTransformationSingleError
		switch {
		case errors.As(one, &at) && at.File != "":
			list.addf(at.File, at.Line.Start+1, at.Column.Start+1, "%s", at.Msg)
		case at != nil:
			list.addf(src.file, 0, 0, "%s", at.Msg)
		default:
			list.addf(src.file, 0, 0, "%v", one)
		}
	}

	return list.err()
}
