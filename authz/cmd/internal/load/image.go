package load

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/usher-auth/usher/authz/lint"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

var (
	errEmpty   = errors.New("empty: expected an image, a descriptor set or a lock file")
	errZstd    = errors.New("compressed with zstd, which isn't read: use gzip")
	errOther   = errors.New("not an image, a descriptor set, a lock file or a .proto file")
	errNoStdin = errors.New("there is no standard input")
)

// readOther reads an input that isn't a .proto file.
func readOther(input string, config *Config) (*Source, error) {
	data, err := readAll(input, config.Stdin, MaxImage)
	if err != nil {
		return nil, err
	}
	source := &Source{Name: input}
	trimmed := bytes.TrimLeft(data, " \t\r\n\ufeff")
	var set *descriptorpb.FileDescriptorSet
	var imports map[string]bool
	switch {
	case len(trimmed) == 0:
		return nil, errEmpty
	case bytes.HasPrefix(data, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return nil, errZstd
	case trimmed[0] == '{':
		var isSet bool
		if set, imports, isSet, err = jsonSet(trimmed); err == nil && !isSet {
			source.Lock, err = lint.ReadLock(data)
			if err != nil {
				return nil, fmt.Errorf("neither an image (it has no file) nor a lock file: %w", err)
			}

			return source, nil
		}
	default:
		set, imports, err = binarySet(data)
	}
	if err != nil {
		return nil, err
	}
	if source.Files, err = link(set, imports); err != nil {
		return nil, err
	}
	source.onDisk(config.Roots)

	return source, nil
}

// readAll reads a file or the standard input, decompressed, up to a limit in bytes.
func readAll(input string, stdin io.Reader, limit int64) ([]byte, error) {
	reader := stdin
	if input != "-" {
		file, err := os.Open(input) //nolint:gosec // the operator's own path
		if err != nil {
			return nil, errors.Unwrap(err)
		}
		defer func() { _ = file.Close() }() // it was only read
		reader = file
	}
	if reader == nil {
		return nil, errNoStdin
	}
	data, err := bounded(reader, limit)
	if err != nil || !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return data, err
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}

	return bounded(unzipped, limit)
}

func bounded(reader io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(reader, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("larger than %d MiB", limit>>20)
	}
	if failed, ok := errors.AsType[*os.PathError](err); ok {
		err = failed.Err
	}

	return data, err
}

// jsonSet reads an image or descriptor set in JSON. It reports whether the document is
// one: what has no files is none.
func jsonSet(data []byte) (set *descriptorpb.FileDescriptorSet, imports map[string]bool, isSet bool, err error) {
	if err := costOfJSON(data); err != nil {
		return nil, nil, true, err
	}
	var outline struct {
		File []struct {
			Name         string `json:"name"`
			BufExtension struct {
				IsImport bool `json:"isImport"`
			} `json:"bufExtension"`
			Service []jsonService `json:"service"`
		} `json:"file"`
	}
	if err := json.Unmarshal(data, &outline); err != nil {
		if at, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, nil, true, fmt.Errorf("line %d: %w", 1+bytes.Count(data[:min(int(at.Offset), len(data))], []byte("\n")), err)
		}

		return nil, nil, true, fmt.Errorf("not an image or a descriptor set in JSON: %w", err)
	}
	if outline.File == nil {
		return nil, nil, false, nil
	}
	imports = map[string]bool{}
	for _, file := range outline.File {
		if file.BufExtension.IsImport {
			imports[file.Name] = true
		}
		for _, service := range file.Service {
			if err := service.understood(); err != nil {
				return nil, nil, true, fmt.Errorf("%s: %w", file.Name, err)
			}
		}
	}
	set = &descriptorpb.FileDescriptorSet{}
	// buf's own fields and options that aren't linked here are no matter of rules.
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, set); err != nil {
		return nil, nil, true, fmt.Errorf("not an image or a descriptor set in JSON: %w", err)
	}

	return set, imports, true, nil
}

// jsonService is what a service in JSON says of its rules.
type jsonService struct {
	Name    string                     `json:"name"`
	Options map[string]json.RawMessage `json:"options"`
	Method  []struct {
		Name    string                     `json:"name"`
		Options map[string]json.RawMessage `json:"options"`
	} `json:"method"`
}

// understood returns an error for an option of usher that isn't known, or has a part that
// isn't: left out, it would make a rule look like another one.
func (s *jsonService) understood() error {
	if err := understood(s.Options, authzv1.E_ServiceRule, &authzv1.ServiceRule{}); err != nil {
		return fmt.Errorf("service %s: %w", s.Name, err)
	}
	for _, method := range s.Method {
		if err := understood(method.Options, authzv1.E_Rule, &authzv1.Rule{}); err != nil {
			return fmt.Errorf("method %s/%s: %w", s.Name, method.Name, err)
		}
	}

	return nil
}

func understood(options map[string]json.RawMessage, option protoreflect.ExtensionType, into proto.Message) error {
	name := "[" + string(option.TypeDescriptor().FullName()) + "]"
	for key, value := range options {
		switch {
		case key == name:
			if err := protojson.Unmarshal(value, into); err != nil {
				return fmt.Errorf("option %s: %w", name, err)
			}
		case strings.Contains(key, "usher.authz."):
			return fmt.Errorf("there is no option %q here", key)
		}
	}

	return nil
}

// binarySet reads an image or descriptor set.
func binarySet(data []byte) (*descriptorpb.FileDescriptorSet, map[string]bool, error) {
	set := &descriptorpb.FileDescriptorSet{}
	if err := costOfWire(data, set.ProtoReflect().Descriptor()); err != nil {
		return nil, nil, err
	}
	err := proto.Unmarshal(data, set)
	if err != nil || len(set.GetFile()) == 0 || len(set.ProtoReflect().GetUnknown()) > 0 {
		return nil, nil, errOther
	}
	imports := map[string]bool{}
	for _, file := range set.GetFile() {
		if isImport(file.ProtoReflect().GetUnknown()) {
			imports[file.GetName()] = true
		}
	}

	return set, imports, nil
}

// isImport reports whether buf marked a file as imported only: is_import (1) of
// buf_extension (8042) of buf.alpha.image.v1.ImageFile.
func isImport(unknown []byte) bool {
	marked := false
	for len(unknown) > 0 {
		number, kind, n := protowire.ConsumeTag(unknown)
		if n < 0 {
			return marked
		}
		unknown = unknown[n:]
		if number == 8042 && kind == protowire.BytesType {
			extension, _ := protowire.ConsumeBytes(unknown)
			for len(extension) > 0 {
				number, kind, n := protowire.ConsumeTag(extension)
				if n < 0 {
					break
				}
				extension = extension[n:]
				if number == 1 && kind == protowire.VarintType {
					value, _ := protowire.ConsumeVarint(extension)
					marked = value != 0
				}
				if n = protowire.ConsumeFieldValue(number, kind, extension); n < 0 {
					break
				}
				extension = extension[n:]
			}
		}
		if n = protowire.ConsumeFieldValue(number, kind, unknown); n < 0 {
			return marked
		}
		unknown = unknown[n:]
	}

	return marked
}
