package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
)

// The limits of what is read; more is an error.
const (
	// MaxImage is the size in bytes of an image, after decompression.
	MaxImage = 256 << 20
	// MaxFile is the size in bytes of one .proto file.
	MaxFile = 4 << 20
	// MaxSources is the size in bytes of all .proto files together.
	MaxSources = 128 << 20
	// MaxFiles is the number of .proto files.
	MaxFiles = 20_000
	// MaxNesting is the depth of the braces and brackets of a .proto file.
	MaxNesting = 200
	// MaxNames is the size in bytes of the full names of all elements together.
	MaxNames = 256 << 20
	// maxErrors is how many errors of a compilation are returned.
	maxErrors = 20
)

// Config configures [Read].
type Config struct {
	// Inputs are paths of .proto files, of directories with .proto files, of images and
	// descriptor sets (binary or JSON, also compressed with gzip) and of lock files, or
	// "-" for Stdin. Required, unless Sources has files.
	Inputs []string
	// Roots are the directories in which imports are looked up, as protoc's -I. Optional.
	// Default: each directory of Inputs and, for .proto files, the working directory, or
	// the file's directory if it is outside of that.
	Roots []string
	// Sources are .proto files in memory, by the path that an import statement gives them.
	// All are read as if they were inputs, and hide files on disk. Optional.
	Sources map[string][]byte
	// Stdin is what "-" reads: an image, a descriptor set or a lock file. Optional.
	Stdin io.Reader
}

// Source is what one input gave, or all .proto inputs together.
type Source struct {
	// Name is the input, as it was given.
	Name string
	// Files has the files to be judged, without those that they merely import. Nil if
	// the input is a lock file.
	Files authz.Resolver
	// Lock is the policy of a lock file, nil if the input isn't one.
	Lock *authz.Policy

	paths map[string]string
}

// Path returns the path of a file of the source on disk, or the file's own name if it
// isn't known to be there.
func (s *Source) Path(file string) string {
	if path, ok := s.paths[file]; ok {
		return path
	}

	return file
}

// chosen are the files to be judged.
type chosen []protoreflect.FileDescriptor

// RangeFiles calls visit for each file, until it returns false.
func (c chosen) RangeFiles(visit func(protoreflect.FileDescriptor) bool) {
	for _, file := range c {
		if !visit(file) {
			return
		}
	}
}

var (
	errNoInput  = errors.New("no input: name .proto files, directories, or an image such as `buf build -o -` makes")
	errNoProtos = errors.New("no .proto file in it")
)

// Read reads all inputs. It returns one source for all .proto files, first, and one for
// each other input. An error joins what is wrong with each input.
func Read(ctx context.Context, config Config) ([]*Source, error) {
	if len(config.Inputs) == 0 && len(config.Sources) == 0 {
		return nil, errNoInput
	}
	var protos, others []string
	var errs []error
	for _, input := range config.Inputs {
		isProto := strings.HasSuffix(input, ".proto")
		if input != "-" {
			info, err := os.Stat(input)
			if err != nil {
				errs = append(errs, plain(err))

				continue
			}
			isProto = isProto || info.IsDir()
		}
		if isProto {
			protos = append(protos, input)
		} else {
			others = append(others, input)
		}
	}
	for _, root := range config.Roots {
		if info, err := os.Stat(root); err != nil {
			errs = append(errs, fmt.Errorf("-I: %w", plain(err)))
		} else if !info.IsDir() {
			errs = append(errs, fmt.Errorf("-I: %s: not a directory", root))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	var sources []*Source
	if len(protos) > 0 || len(config.Sources) > 0 {
		source, err := compileProtos(ctx, protos, &config)
		if err != nil {
			errs = append(errs, err)
		} else {
			sources = append(sources, source)
		}
	}
	for _, input := range others {
		source, err := readOther(input, &config)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", input, err))

			continue
		}
		sources = append(sources, source)
	}

	return sources, errors.Join(errs...)
}

// plain returns an error of the file system without the name of the system call.
func plain(err error) error {
	if failed, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Errorf("%s: %w", failed.Path, failed.Err)
	}

	return err
}

// onDisk finds files by their names in the roots.
func (s *Source) onDisk(roots []string) {
	s.paths = map[string]string{}
	s.Files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for _, root := range roots {
			path := filepath.Join(root, filepath.FromSlash(file.Path()))
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && filepath.IsLocal(file.Path()) {
				s.paths[file.Path()] = filepath.ToSlash(path)

				break
			}
		}

		return true
	})
}
