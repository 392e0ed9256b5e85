package model

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/usher-auth/usher/authz/schema"
)

// Bounds of a YAML file.
const (
	maxYAMLDepth = 32
	maxYAMLNodes = 500_000
)

// loadYAML returns the schema of a YAML file, whose keys say what it is.
func loadYAML(dir *folder, file, text string) (*schema.Schema, error) {
	root, err := parseYAML(file, text)
	if err != nil {
		return nil, err
	}
	keys := map[string]*yaml.Node{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		keys[root.Content[i].Value] = root.Content[i+1]
	}
	switch {
	case keys["namespaces"] != nil:
		return lumoauthSchema(file, root)
	case keys["contents"] != nil && filepath.Base(file) != "fga.mod":
		return nil, fault(file, 0, 0, "the modules of a modular model are named by a file fga.mod")
	case keys["model"] != nil && keys["model_file"] == nil:
		return inline(dir, file, text, keys["model"], openfgaDSL)
	case keys["model_file"] != nil && keys["model"] == nil:
		return referred(dir, file, keys["model_file"], openfgaDSL, openfgaModules, openfgaJSON)
	case keys["schema"] != nil && keys["schemaFile"] == nil:
		return inline(dir, file, text, keys["schema"], spicedbSchema)
	case keys["schemaFile"] != nil && keys["schema"] == nil:
		return referred(dir, file, keys["schemaFile"], spicedbSchema)
	}

	return nil, fault(file, 1, 1, "the file has no model: it needs one key of namespaces (LumoAuth), "+
		"model or model_file (OpenFGA), schema or schemaFile (SpiceDB)")
}

// inline returns the schema of a model that is a text within a YAML file.
func inline(dir *folder, file, text string, node *yaml.Node, lang language) (*schema.Schema, error) {
	if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!str" {
		return nil, fault(file, node.Line, node.Column, "the model isn't a text")
	}
	if strings.TrimSpace(node.Value) == "" {
		return nil, fault(file, node.Line, node.Column, "the model is empty")
	}
	src := source{file: file, text: node.Value, above: -1}
	if node.Style&yaml.LiteralStyle != 0 && lineIs(text, node.Line, node.Value) {
		src.above = node.Line
	}

	return parse(dir, src, lang)
}

// lineIs reports whether the first line of value is the line below the given one, which
// counts from one.
func lineIs(text string, line int, value string) bool {
	list := strings.SplitN(text, "\n", line+2)
	first, _, _ := strings.Cut(value, "\n")

	return len(list) > line && strings.TrimSpace(list[line]) == strings.TrimSpace(first)
}

// referred returns the schema of a file that a YAML file names.
func referred(dir *folder, file string, node *yaml.Node, langs ...language) (*schema.Schema, error) {
	if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!str" {
		return nil, fault(file, node.Line, node.Column, "the model's file isn't a text")
	}
	lang := languageOf(node.Value)
	allowed := false
	for _, one := range langs {
		allowed = allowed || one == lang
	}
	if !allowed {
		return nil, fault(file, node.Line, node.Column, "%q isn't a file of this engine's models", node.Value)
	}
	name := filepath.FromSlash(node.Value)
	if !filepath.IsLocal(name) {
		return nil, fault(file, node.Line, node.Column, "%q isn't in the folder of this file; name the model itself", node.Value)
	}
	text, err := dir.include(node.Value)
	if err != nil {
		return nil, err
	}
	below, err := dir.below(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	s, err := parse(below, source{file: dir.path(name), text: text}, lang)
	if closed := below.Close(); err == nil && closed != nil {
		return nil, fault(file, 0, 0, "%v", cause(closed))
	}

	return s, err
}

var yamlError = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\s*)?line (\d+): (.*)$`)

// parseYAML returns the mapping that a file consists of. It refuses what makes a YAML file
// read otherwise than it looks: anchors, aliases, tags, merges, keys that are there twice,
// and several documents.
func parseYAML(file, text string) (*yaml.Node, error) {
	document, err := contained(file, func() (*yaml.Node, error) {
		decoder := yaml.NewDecoder(strings.NewReader(text))
		var document, second yaml.Node
		if err := decoder.Decode(&document); err != nil {
			return nil, err
		}
		if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
			return nil, fault(file, second.Line, 0, "the file has more than one YAML document")
		}

		return &document, nil
	})
	if err != nil {
		return nil, yamlFault(file, err)
	}
	if document.Kind != yaml.DocumentNode || len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return nil, fault(file, 1, 1, "the YAML isn't a mapping")
	}
	var list faults
	nodes := 0
	checkYAML(&list, file, document.Content[0], 1, &nodes)

	return document.Content[0], list.err()
}

func yamlFault(file string, err error) error {
	var own *FileError
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, io.EOF):
		return fault(file, 1, 1, "the YAML is empty")
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if found := yamlError.FindStringSubmatch(text); found != nil {
		if line, err := strconv.Atoi(found[1]); err == nil {
			return fault(file, line, 0, "%s", found[2])
		}
	}

	return fault(file, 0, 0, "%s", strings.TrimPrefix(text, "yaml: "))
}

func checkYAML(list *faults, file string, node *yaml.Node, depth int, nodes *int) {
	if *nodes++; *nodes > maxYAMLNodes || depth > maxYAMLDepth {
		if *nodes <= maxYAMLNodes+1 {
			list.addf(file, node.Line, node.Column, "the YAML is deeper than %d, or has more than %d values", maxYAMLDepth, maxYAMLNodes)
		}

		return
	}
	refuse := func(what string) { list.addf(file, node.Line, node.Column, "%s isn't allowed here", what) }
	switch {
	case node.Kind == yaml.AliasNode:
		refuse("an alias")
	case node.Anchor != "":
		refuse("an anchor")
	case node.Style&yaml.TaggedStyle != 0:
		refuse(fmt.Sprintf("the tag %q", node.Tag))
	}
	if node.Kind == yaml.MappingNode {
		seen := make(map[string]int, len(node.Content)/2)
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			switch {
			case key.Kind != yaml.ScalarNode:
				list.addf(file, key.Line, key.Column, "a key isn't a text")
			case key.ShortTag() == "!!merge":
				list.addf(file, key.Line, key.Column, "a merge isn't allowed here")
			case seen[key.Value] > 0:
				list.addf(file, key.Line, key.Column, "%q is there twice, first on line %d", key.Value, seen[key.Value])
			default:
				seen[key.Value] = key.Line
			}
		}
	}
	for _, child := range node.Content {
		checkYAML(list, file, child, depth+1, nodes)
	}
}
