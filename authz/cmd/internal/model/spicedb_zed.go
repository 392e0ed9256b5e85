package model

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/authzed/spicedb/pkg/schemadsl/compiler"
	"github.com/authzed/spicedb/pkg/schemadsl/input"
	"github.com/authzed/spicedb/pkg/schemadsl/lexer"

	"github.com/usher-auth/usher/authz/schema"
)

// maxOperators bounds the operators of one permission, by which SpiceDB's compiler
// descends, too.
const maxOperators = 1000

// parseZed returns the schema of a text in SpiceDB's language. Its imports are read in the
// folder of its file; with one, names have no lines, since a schema has one source.
func parseZed(dir *folder, src source) (*schema.Schema, error) {
	if err := nestedZed(src); err != nil {
		return nil, err
	}
	imports := &importFS{dir: dir} // without a folder there is no import
	compiled, err := contained(src.file, func() (*compiler.CompiledSchema, error) {
		return compiler.Compile(compiler.InputSchema{Source: input.Source(src.file), SchemaString: src.text},
			compiler.AllowUnprefixedObjectType(), compiler.SourceFS(imports))
	})
	if imports.err != nil {
		return nil, imports.err
	}
	if err != nil {
		return nil, zedFault(dir, src, err)
	}

	return contained(src.file, func() (*schema.Schema, error) {
		return spicedbSchemaOf(src, compiled, len(imports.files) == 0)
	})
}

// zedFault returns the compiler's error with its place. The compiler stops at the first.
func zedFault(dir *folder, src source, err error) error {
	if own, ok := errors.AsType[*FileError](err); ok {
		return own
	}
	var at compiler.WithContextError
	if !errors.As(err, &at) {
		return fault(src.file, 0, 0, "%v", err)
	}
	file, imported := src.file, string(at.Source) != src.file
	if imported && dir != nil {
		file = dir.path(string(at.Source))
	}
	line, column, placeErr := at.SourceRange.Start().LineAndColumn()
	switch {
	case line == 0 && column == 0 && strings.HasSuffix(at.BaseMessage, "found: TokenTypeError"):
		// There is no token after the last one, and the compiler takes that for the first.
		return fault(file, 0, 0, "the schema ends early, within a definition")
	case placeErr != nil:
		return fault(file, 0, 0, "%s", at.BaseMessage)
	case imported:
		return fault(file, line+1, column+1, "%s", at.BaseMessage)
	case src.above != 0:
		return fault(file, src.line(line+1), 0, "%s", at.BaseMessage)
	}

	return fault(file, line+1, column+1, "%s", at.BaseMessage)
}

// nestedZed refuses a text by which the compiler would descend too deep: brackets, types
// in angle brackets, and long expressions. It reads the tokens that the compiler reads.
func nestedZed(src source) error {
	lexed := lexer.NewFlaggableLexer(lexer.Lex(input.Source(src.file), src.text))
	defer lexed.Close()
	round, angle, operators := 0, 0, 0
	for {
		token := lexed.NextToken()
		switch token.Kind {
		case lexer.TokenTypeEOF, lexer.TokenTypeError:
			return nil
		case lexer.TokenTypeLeftParen, lexer.TokenTypeLeftBracket:
			round++
		case lexer.TokenTypeRightParen, lexer.TokenTypeRightBracket:
			round = max(round-1, 0)
		case lexer.TokenTypeLessThan:
			angle++
		case lexer.TokenTypeGreaterThan:
			angle = max(angle-1, 0)
		case lexer.TokenTypePlus, lexer.TokenTypeMinus, lexer.TokenTypeAnd, lexer.TokenTypeRightArrow, lexer.TokenTypePeriod:
			operators++
		case lexer.TokenTypeConditionalAnd, lexer.TokenTypeConditionalOr:
			angle = 0
		case lexer.TokenTypeEquals, lexer.TokenTypeColon, lexer.TokenTypeLeftBrace, lexer.TokenTypeRightBrace:
			round, angle, operators = 0, 0, 0
		default:
		}
		line := func() int {
			return src.line(1 + strings.Count(src.text[:min(int(token.Position), len(src.text))], "\n"))
		}
		if max(round, angle) > maxNesting {
			return fault(src.file, line(), 0, "the brackets are nested deeper than %d", maxNesting)
		}
		if operators > maxOperators {
			return fault(src.file, line(), 0, "the expression has more than %d operators", maxOperators)
		}
	}
}

// importFS is the folder as SpiceDB's compiler reads imports from it.
type importFS struct {
	dir   *folder
	files map[string]bool
	// err is the first error, which the compiler would tell without its type.
	err error
}

var _ fs.ReadFileFS = (*importFS)(nil)

// ReadFile reads an imported file within the bounds.
func (f *importFS) ReadFile(name string) ([]byte, error) {
	if f.files == nil {
		f.files = map[string]bool{}
	}
	f.files[name] = true
	if f.dir == nil {
		return nil, fs.ErrNotExist
	}
	text, err := f.dir.include(name)
	if err == nil {
		err = nestedZed(source{file: f.dir.path(name), text: text})
	}
	if err != nil && f.err == nil {
		f.err = err
	}

	return []byte(text), err
}

// Open isn't used: the compiler reads whole files.
func (f *importFS) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
}
