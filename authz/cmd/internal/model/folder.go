package model

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Bounds of a model's files.
const (
	// MaxBytes is the size of a model, all its files together. Engines take far less: 256
	// KiB is OpenFGA's default, and 4 MiB is what a request to SpiceDB may hold.
	MaxBytes = 4 << 20
	// MaxDSL is the size of a model in OpenFGA's language, whose parser takes minutes for
	// more. With maxLine, the worst megabyte takes seconds.
	MaxDSL = 1 << 20
	// MaxFiles is the number of files of a model.
	MaxFiles = 1000
)

// folder is the folder of a model's file. Other files that the model includes are read in
// it alone: neither ".." nor a symbolic link leads out of it.
type folder struct {
	name string
	root *os.Root
	left int64 // bytes that may still be read
	read int   // files that were read
}

// openFolder opens the folder of a file. The caller closes it.
func openFolder(file string) (*folder, error) {
	name := filepath.Dir(file)
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fault(file, 0, 0, "%v", cause(err))
	}

	return &folder{name: name, root: root, left: MaxBytes}, nil
}

func (f *folder) Close() error { return f.root.Close() }

// path returns a file of the folder as messages name it.
func (f *folder) path(name string) string { return filepath.Join(f.name, name) }

// main reads the model's own file, which may be a symbolic link to anywhere.
func (f *folder) main(file string) (string, error) {
	return f.text(file, func() (fs.File, error) {
		return openRegular(file, os.Stat, func(n string) (fs.File, error) { return os.Open(n) }) //nolint:gosec // the file that the operator names
	})
}

// include reads a file that another one names, by its path within the folder.
func (f *folder) include(name string) (string, error) {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", fault(f.path(name), 0, 0, "the file isn't in the folder of the model")
	}

	return f.text(f.path(name), func() (fs.File, error) {
		return openRegular(filepath.FromSlash(name), f.root.Stat, func(n string) (fs.File, error) { return f.root.Open(n) })
	})
}

// openRegular opens a file unless it is a folder, a device or a pipe, which might never
// end or never begin.
func openRegular(name string, stat func(string) (fs.FileInfo, error), open func(string) (fs.File, error)) (fs.File, error) {
	info, err := stat(name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("is a folder, not a model")
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	case info.Size() > MaxBytes:
		return nil, fmt.Errorf("the file has %d bytes; a model has at most %d", info.Size(), MaxBytes)
	}

	return open(name)
}

// text reads a file within the bounds of the model, and checks that it is text.
func (f *folder) text(path string, open func() (fs.File, error)) (string, error) {
	if f.read++; f.read > MaxFiles {
		return "", fault(path, 0, 0, "the model has more than %d files", MaxFiles)
	}
	file, err := open()
	if err != nil {
		return "", fault(path, 0, 0, "%v", cause(err))
	}
	data, err := io.ReadAll(io.LimitReader(file, f.left+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return "", fault(path, 0, 0, "%v", cause(err))
	}
	if f.left -= int64(len(data)); f.left < 0 {
		return "", fault(path, 0, 0, "the model has more than %d bytes", MaxBytes)
	}

	return clean(path, data)
}

// cause returns the reason of a file's error without the path, which the fault names.
func cause(err error) error {
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return failed.Err
	}

	return err
}

// clean returns a file's text without a byte order mark and with "\n" at the end of each
// line. It refuses what is no text.
func clean(path string, data []byte) (string, error) {
	text := string(data)
	switch {
	case strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		return "", fault(path, 0, 0, "the file is UTF-16; save it as UTF-8")
	case strings.Contains(text, "\x00"):
		return "", fault(path, 0, 0, "the file is binary, not a model's text")
	}
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	if strings.TrimSpace(text) == "" {
		return "", fault(path, 0, 0, "the file is empty")
	}
	line, start := 1, 0
	for i, r := range text {
		switch {
		case r == '\n':
			line, start = line+1, i+1
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			return "", fault(path, line, utf8.RuneCountInString(text[start:i])+1, "the file isn't valid UTF-8")
		case r < ' ' && r != '\t', r == 0x7f:
			return "", fault(path, line, utf8.RuneCountInString(text[start:i])+1, "the file has a control character, %q", r)
		}
	}

	return text, nil
}

// below returns a folder within this one, with what is left of the bounds. The caller
// closes it.
func (f *folder) below(name string) (*folder, error) {
	root, err := f.root.OpenRoot(name)
	if err != nil {
		return nil, fault(f.path(name), 0, 0, "%v", cause(err))
	}

	return &folder{name: f.path(name), root: root, left: f.left, read: f.read}, nil
}
