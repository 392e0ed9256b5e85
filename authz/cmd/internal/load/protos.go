package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	usher "github.com/usher-auth/usher/proto"
)

// tree is where .proto files are found.
type tree struct {
	roots   []string
	sources map[string][]byte

	mu    sync.Mutex
	paths map[string]string // of files that were read from disk, by their names
	size  int64
	names int64 // bytes of full names, about
	reads int64 // bytes that are read to tell columns, about
}

// compileProtos compiles .proto files and those of directories.
func compileProtos(ctx context.Context, inputs []string, config *Config) (*Source, error) {
	t := &tree{roots: slices.Clone(config.Roots), sources: config.Sources, paths: map[string]string{}}
	names := slices.Collect(maps.Keys(config.Sources))
	guessed := len(config.Roots) == 0
	var found []string
	under := map[string]string{} // the root that a file has by default
	for _, input := range inputs {
		files, root, err := walk(input)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", input, err)
		}
		if found = append(found, files...); len(found) > MaxFiles {
			return nil, fmt.Errorf("%s: more than %d .proto files", input, MaxFiles)
		}
		for _, file := range files {
			under[file] = root
		}
		if guessed && !slices.Contains(t.roots, root) {
			t.roots = append(t.roots, root)
		}
	}
	for _, path := range found {
		name, err := t.name(path, under[path])
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	compiled, err := t.compile(ctx, names)
	if err != nil {
		return nil, err
	}
	set, imports, err := asSet(compiled)
	if err != nil {
		return nil, err
	}
	files, err := link(set, imports)
	if err != nil {
		return nil, err
	}
	label := strings.Join(inputs, " ")
	if label == "" {
		label = strings.Join(names, " ")
	}

	return &Source{Name: label, Files: files, paths: t.paths}, nil
}

// walk returns the .proto files of an input, and the root that it has by default.
func walk(input string) (files []string, root string, err error) {
	info, err := os.Stat(input)
	if err != nil {
		return nil, "", errors.Unwrap(err)
	}
	if !info.IsDir() {
		if filepath.IsLocal(input) {
			return []string{input}, ".", nil
		}

		return []string{input}, filepath.Dir(input), nil
	}
	// With a dot, a link to a directory is followed; links within one aren't.
	top := strings.TrimRight(input, string(filepath.Separator)) + string(filepath.Separator) + "."
	err = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return plain(err)
		}
		if entry.IsDir() && path != top && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !entry.IsDir() && strings.HasSuffix(path, ".proto") {
			if files = append(files, path); len(files) > MaxFiles {
				return fmt.Errorf("more than %d .proto files", MaxFiles)
			}
		}

		return nil
	})
	if err == nil && len(files) == 0 {
		err = errNoProtos
	}

	return files, input, err
}

// name returns the name that import statements have for a file: its path within the
// root that holds it. The input's default is what an error proposes as a root.
func (t *tree) name(path, root string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	best := ""
	for _, one := range t.roots {
		base, err := filepath.Abs(one)
		if err != nil {
			return "", err
		}
		relative, err := filepath.Rel(base, absolute)
		if err == nil && filepath.IsLocal(relative) && (best == "" || len(relative) < len(best)) {
			best = relative
		}
	}
	if best == "" {
		return "", fmt.Errorf("%s: in none of the directories of -I (%s): give the one that its imports begin in, too, as in -I %s", path, strings.Join(t.roots, ", "), root)
	}
	name := filepath.ToSlash(best)
	// The file that an import of this name finds must be this one.
	if _, hidden := t.sources[name]; hidden {
		return name, nil
	}
	first, _ := t.find(name)
	if mine, err := os.Stat(path); err == nil && first != "" {
		if other, err := os.Stat(first); err == nil && !os.SameFile(mine, other) {
			return "", fmt.Errorf("%s: hidden by %s, which has the same name %s in another directory of -I", path, first, name)
		}
	}

	return name, nil
}

// find returns the path of a file on disk, by its name.
func (t *tree) find(name string) (string, error) {
	if !fs.ValidPath(name) || !strings.HasSuffix(name, ".proto") {
		return "", fmt.Errorf("%q isn't a path of a .proto file within the directories of -I", name)
	}
	for _, root := range t.roots {
		path := filepath.Join(root, filepath.FromSlash(name))
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}

	return "", fmt.Errorf("there is no %s in %s", name, strings.Join(t.roots, ", "))
}

// FindFileByPath returns a file for the compiler. It is safe for concurrent use.
func (t *tree) FindFileByPath(name string) (protocompile.SearchResult, error) {
	if source, ok := t.sources[name]; ok {
		return t.source(name, "", source)
	}
	path, err := t.find(name)
	if err != nil {
		if source, embedded := usher.Files.ReadFile(name); embedded == nil {
			return protocompile.SearchResult{Source: bytes.NewReader(source)}, nil
		}
		if file := known(name); file != nil && !strings.HasPrefix(name, "google/protobuf/") {
			return protocompile.SearchResult{Desc: file}, nil
		}

		return protocompile.SearchResult{}, err
	}
	file, err := os.Open(path) //nolint:gosec // within the operator's own roots
	if err != nil {
		return protocompile.SearchResult{}, plain(err)
	}
	defer func() { _ = file.Close() }() // it was only read
	source, err := io.ReadAll(io.LimitReader(file, MaxFile+1))
	if err != nil {
		return protocompile.SearchResult{}, plain(err)
	}

	return t.source(name, path, source)
}

func (t *tree) source(name, path string, source []byte) (protocompile.SearchResult, error) {
	if len(source) > MaxFile {
		return protocompile.SearchResult{}, fmt.Errorf("%s: larger than %d MiB", name, MaxFile>>20)
	}
	names, line := measure(source)
	if line > 0 {
		return protocompile.SearchResult{}, fmt.Errorf("line %d: nested deeper than %d", line, MaxNesting)
	}
	reads := positions(source)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.size += int64(len(source)); t.size > MaxSources {
		return protocompile.SearchResult{}, fmt.Errorf("all files together are larger than %d MiB", MaxSources>>20)
	}
	if t.names += names; t.names > MaxNames {
		return protocompile.SearchResult{}, fmt.Errorf("full names are larger than %d MiB together", MaxNames>>20)
	}
	if t.reads += reads; t.reads > maxPositions {
		return protocompile.SearchResult{}, fmt.Errorf("%s: the lines are too long", name)
	}
	if path != "" {
		t.paths[name] = filepath.ToSlash(path)
	}

	return protocompile.SearchResult{Source: bytes.NewReader(source)}, nil
}

// compile compiles files by their names.
func (t *tree) compile(ctx context.Context, names []string) (linker.Files, error) {
	var mu sync.Mutex
	var problems []error
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(t),
		SourceInfoMode: protocompile.SourceInfoStandard | protocompile.SourceInfoExtraOptionLocations,
		Reporter: reporter.NewReporter(func(err reporter.ErrorWithPos) error {
			mu.Lock()
			defer mu.Unlock()
			if len(problems) >= maxErrors {
				return err
			}
			at := err.GetPosition()
			problems = append(problems, fmt.Errorf("%s:%d:%d: %w%s", t.path(at.Filename), at.Line, at.Col, err.Unwrap(), hint(err.Unwrap())))

			return nil
		}, nil),
	}
	files, err := compiler.Compile(ctx, names...)
	mu.Lock()
	defer mu.Unlock()
	switch {
	case len(problems) > 0:
		return nil, errors.Join(problems...)
	case err != nil:
		if broken, ok := errors.AsType[protocompile.PanicError](err); ok {
			return nil, fmt.Errorf("%s: the compiler failed: %v", t.path(broken.File), broken.Value)
		}

		return nil, err
	}

	return files, nil
}

// hint returns what to do about an option of rules that the compiler doesn't know: the
// import is missing, or the name is only nearly right.
func hint(err error) string {
	text := err.Error()
	_, name, ok := strings.Cut(text, "unknown extension ")
	if ok && strings.Contains(name, "rule") {
		return `; for rules, import "usher/authz/v1/authz.proto" and write option (.usher.authz.v1.rule), or (.usher.authz.v1.service_rule) for a service`
	}

	return ""
}

func (t *tree) path(name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if path, ok := t.paths[name]; ok {
		return path
	}

	return name
}

// asSet returns compiled files and all that they import, and the names of those that are
// only imported.
func asSet(files linker.Files) (*descriptorpb.FileDescriptorSet, map[string]bool, error) {
	set, imports := &descriptorpb.FileDescriptorSet{}, map[string]bool{}
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor) error
	add = func(file protoreflect.FileDescriptor) error {
		if seen[file.Path()] {
			return nil
		}
		seen[file.Path()] = true
		imports[file.Path()] = true
		for i := range file.Imports().Len() {
			imported := file.Imports().Get(i).FileDescriptor
			if result, ok := file.(linker.File); ok {
				if found := result.FindImportByPath(imported.Path()); found != nil {
					imported = found
				}
			}
			if err := add(imported); err != nil {
				return err
			}
		}
		var described *descriptorpb.FileDescriptorProto
		if result, ok := file.(linker.Result); ok {
			described = result.FileDescriptorProto()
		} else {
			described = protodesc.ToFileDescriptorProto(file)
		}
		read, err := normal(described)
		if err != nil {
			return fmt.Errorf("%s: %w", file.Path(), err)
		}
		set.File = append(set.File, read)

		return nil
	}
	for _, file := range files {
		if err := add(file); err != nil {
			return nil, nil, err
		}
	}
	for _, file := range files {
		delete(imports, file.Path())
	}

	return set, imports, nil
}
