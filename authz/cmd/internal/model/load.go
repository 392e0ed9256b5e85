package model

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/usher-auth/usher/authz/schema"
)

// Config configures [Load].
type Config struct {
	// Getenv reads the environment, from which the credentials of a live engine come.
	// Optional. Default os.Getenv.
	Getenv func(string) string
	// Timeout bounds the reading of a live engine's model. Optional. Default 10 s.
	Timeout time.Duration
}

// Load reads the model that ref names: a file by its suffix, or a live engine by its URL.
// An error joins one *[FileError] for each fault of the file, in the order of their places;
// SpiceDB's and YAML's parsers stop at the first.
func Load(ctx context.Context, ref string, cfg Config) (*schema.Schema, error) {
	if cfg.Getenv == nil {
		cfg.Getenv = os.Getenv
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	switch {
	case ref == "":
		return nil, errors.New("the schema's name is empty")
	case strings.Contains(ref, "://"):
		return loadLive(ctx, ref, cfg)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}

	return loadFile(ref)
}

// language is one of the languages that models are written in.
type language int

const (
	unknown language = iota
	openfgaDSL
	openfgaModules
	openfgaJSON
	spicedbSchema
	yamlFile // which one, its keys say
)

// languageOf returns the language of a file by its name.
func languageOf(name string) language {
	name = strings.ToLower(filepath.Base(name))
	switch ext := filepath.Ext(name); {
	case name == "fga.mod":
		return openfgaModules
	case ext == ".fga":
		return openfgaDSL
	case ext == ".json":
		return openfgaJSON
	case ext == ".zed":
		return spicedbSchema
	case ext == ".yaml", ext == ".yml":
		return yamlFile
	}

	return unknown
}

const languages = "a model is a file .fga, fga.mod, .json (OpenFGA), .zed (SpiceDB) or .yaml " +
	"(LumoAuth's namespaces, OpenFGA's store file, SpiceDB's validation file)"

func loadFile(file string) (*schema.Schema, error) {
	lang := languageOf(file)
	if lang == unknown {
		return nil, fault(file, 0, 0, "unknown kind of model; %s", languages)
	}
	dir, err := openFolder(file)
	if err != nil {
		return nil, err
	}
	s, err := loadText(dir, file, lang)
	if closed := dir.Close(); err == nil && closed != nil {
		return nil, fault(file, 0, 0, "%v", cause(closed))
	}

	return s, err
}

func loadText(dir *folder, file string, lang language) (*schema.Schema, error) {
	text, err := dir.main(file)
	if err != nil {
		return nil, err
	}
	if lang == yamlFile {
		return loadYAML(dir, file, text)
	}

	return parse(dir, source{file: file, text: text}, lang)
}

// source is the text of a model.
type source struct {
	file string
	text string
	// above is the number of lines above the text in its file, for a model within a YAML
	// file, or -1 if its lines aren't those of the file.
	above int
}

// line returns the line of the file that a line of the text is, zero if it isn't known.
func (s source) line(line int) int {
	if line <= 0 || s.above < 0 {
		return 0
	}

	return line + s.above
}

// parse returns the schema of a text that is in a language of its own. What its engine
// would refuse is a fault.
func parse(dir *folder, src source, lang language) (*schema.Schema, error) {
	s, err := parseAs(dir, src, lang)
	if err != nil {
		return nil, err
	}
	if err := refused(src, s, lang); err != nil {
		return nil, err
	}

	return s, nil
}

func parseAs(dir *folder, src source, lang language) (*schema.Schema, error) {
	switch lang {
	case openfgaDSL:
		return parseDSL(src)
	case openfgaModules:
		return parseModules(dir, src)
	case openfgaJSON:
		return parseJSON(src)
	case spicedbSchema:
		return parseZed(dir, src)
	case unknown, yamlFile:
	}

	return nil, fault(src.file, 0, 0, "unknown kind of model; %s", languages)
}
