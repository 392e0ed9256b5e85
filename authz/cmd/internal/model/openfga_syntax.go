package model

import (
	"strings"

	"github.com/antlr4-go/antlr/v4"
	parser "github.com/openfga/language/pkg/go/gen"

	"github.com/usher-auth/usher/authz/schema"
)

// lines are where a model defines its names. A name that isn't in them has no line.
type lines struct {
	types      map[string]int
	relations  map[schema.Reference]int
	conditions map[string]int
	module     int // the line of the module's header, zero if there is none
}

// syntax parses a text of OpenFGA's language for its syntax alone: the transformer tells
// no lines of what it understood, and ends at the first error that it doesn't expect.
func syntax(src source) (*lines, error) {
	if len(src.text) > MaxDSL {
		return nil, fault(src.file, 0, 0, "the model has %d bytes; one in OpenFGA's language has at most %d", len(src.text), MaxDSL)
	}
	text := uncommented(src.text)
	if line := nestedDSL(text); line > 0 {
		return nil, fault(src.file, src.line(line), 0, "the brackets are nested deeper than %d", maxNesting)
	}
	if line := longLine(text); line > 0 {
		return nil, fault(src.file, src.line(line), 0, "the line or definition is longer than %d bytes", maxLine)
	}

	return contained(src.file, func() (*lines, error) {
		listener := &syntaxListener{src: src, found: lines{
			types: map[string]int{}, relations: map[schema.Reference]int{}, conditions: map[string]int{},
		}}
		lexer := parser.NewOpenFGALexer(antlr.NewInputStream(text))
		lexer.RemoveErrorListeners()
		lexer.AddErrorListener(listener)
		p := parser.NewOpenFGAParser(antlr.NewCommonTokenStream(lexer, antlr.TokenDefaultChannel))
		p.RemoveErrorListeners()
		p.AddErrorListener(listener)
		tree := p.Main()
		if err := listener.faults.err(); err != nil {
			return nil, err
		}
		antlr.ParseTreeWalkerDefault.Walk(listener, tree)

		return &listener.found, nil
	})
}

// maxLine bounds a line, and a definition of several lines such as a condition's. The
// parser's work on one expression grows with its square.
const maxLine = 32 << 10

func longLine(text string) int {
	length := 0
	for i, line := range strings.Split(text, "\n") {
		word, _, _ := strings.Cut(strings.TrimLeft(line, " \t"), " ")
		switch word {
		case "define", "type", "extend", "condition", "model", "module":
			length = 0
		}
		if length += len(line); length > maxLine {
			return i + 1
		}
	}

	return 0
}

// uncommented returns the text without comments, as the transformer removes them before
// it parses, so that both parse the same. Lines stay.
func uncommented(text string) string {
	list := strings.Split(text, "\n")
	for i, line := range list {
		if strings.HasPrefix(strings.TrimLeft(line, " "), "#") {
			list[i] = ""

			continue
		}
		line, _, _ = strings.Cut(line, " #")
		list[i] = strings.TrimRight(line, " ")
	}

	return strings.TrimRight(strings.Join(list, "\n"), "\n")
}

// nestedDSL returns the first line on which brackets are nested too deep for the parser,
// which descends by them, or zero. A line that begins a definition begins anew.
func nestedDSL(text string) int {
	depth := 0
	for i, line := range strings.Split(text, "\n") {
		word, _, _ := strings.Cut(strings.TrimLeft(line, " \t"), " ")
		switch word {
		case "define", "type", "extend", "condition", "model", "module":
			depth = 0
		}
		for _, r := range line {
			switch r {
			case '(', '[', '{':
				depth++
			case ')', ']', '}':
				depth = max(depth-1, 0)
			}
			if depth > maxNesting {
				return i + 1
			}
		}
	}

	return 0
}

// syntaxListener hears of errors while the parser runs, and of definitions afterwards.
type syntaxListener struct {
	*antlr.DefaultErrorListener
	parser.BaseOpenFGAParserListener

	src      source
	faults   faults
	found    lines
	typeName string
}

// SyntaxError records an error. Its line counts from one, its column from zero.
func (l *syntaxListener) SyntaxError(_ antlr.Recognizer, _ any, line, column int, problem string, _ antlr.RecognitionException) {
	l.faults.addf(l.src.file, l.src.line(line), column+1, "%s", problem)
}

// EnterModuleHeader records that the file is a module.
func (l *syntaxListener) EnterModuleHeader(ctx *parser.ModuleHeaderContext) {
	l.found.module = ctx.GetStart().GetLine()
}

// EnterTypeDef records a type's line, unless it is extended and defined elsewhere.
func (l *syntaxListener) EnterTypeDef(ctx *parser.TypeDefContext) {
	l.typeName = ctx.GetTypeName().GetText()
	if ctx.EXTEND() == nil {
		l.found.types[l.typeName] = l.src.line(ctx.GetTypeName().GetStart().GetLine())
	}
}

// EnterRelationDeclaration records a relation's line.
func (l *syntaxListener) EnterRelationDeclaration(ctx *parser.RelationDeclarationContext) {
	name := ctx.RelationName()
	l.found.relations[schema.Reference{Type: l.typeName, Relation: name.GetText()}] = l.src.line(name.GetStart().GetLine())
}

// EnterCondition records a condition's line.
func (l *syntaxListener) EnterCondition(ctx *parser.ConditionContext) {
	l.found.conditions[ctx.ConditionName().GetText()] = l.src.line(ctx.ConditionName().GetStart().GetLine())
}
