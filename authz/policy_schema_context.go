package authz

import (
	"encoding/base64"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz/internal/template"
	"github.com/usher-auth/usher/authz/schema"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// context judges the context of a check against the conditions that tuples within its
// reach may have. Nothing is judged if the schema doesn't tell all of them.
func (j *schemaJudge) context(values []*authzv1.ContextValue, c *asked, path string) {
	if !j.schema.Complete(c.of.Type, c.of.Relation) {
		return
	}
	var conditions []*schema.Condition
	for _, name := range j.schema.ConditionsOf(c.of.Type, c.of.Relation) {
		condition := j.schema.Condition(name)
		if condition == nil {
			return
		}
		conditions = append(conditions, condition)
	}
	given := map[string]bool{}
	for i, value := range values {
		given[value.GetName()] = true
		j.contextValue(value, conditions, c, path+index(i))
	}
	for _, condition := range conditions {
		var lacking []string
		for name := range condition.Parameters {
			if !given[name] {
				lacking = append(lacking, name)
			}
		}
		if len(lacking) == 0 {
			continue
		}
		slices.Sort(lacking)
		j.fail(FaultSchemaContextLacking, path, -1,
			"the rule gives no value for "+quotedAll(lacking)+" of condition "+quoted(condition.Name)+", which tuples that give "+quoted(c.of.Relation)+" of "+quoted(c.of.Type)+" may have",
			"give each in context, or write it into the tuples; a check without it is denied")
		j.reviewOnly()
	}
}

// contextValue judges one value of a context.
func (j *schemaJudge) contextValue(value *authzv1.ContextValue, conditions []*schema.Condition, c *asked, path string) {
	var types, names []string
	for _, condition := range conditions {
		for name, of := range condition.Parameters {
			names = append(names, name)
			if name == value.GetName() {
				types = append(types, of)
			}
		}
	}
	if len(types) == 0 {
		fix := "leave it out: no condition takes part in " + quoted(c.of.Relation) + " of " + quoted(c.of.Type)
		if len(names) > 0 {
			slices.Sort(names)
			fix = j.nearest.parameterNamed(slices.Compact(names), value.GetName())
		}
		j.fail(FaultSchemaContext, path+".name", -1,
			"no condition that tuples of "+quoted(c.of.Relation)+" of "+quoted(c.of.Type)+" may have takes "+quoted(value.GetName()), fix)
		j.reviewOnly() // engines ignore it

		return
	}
	var input protoreflect.MessageDescriptor
	if j.method.Descriptor != nil {
		input = j.method.Descriptor.Input()
	}
	t, bad := template.Parse(value.GetValue(), template.RoleContext, input)
	if bad != nil || slices.ContainsFunc(types, func(of string) bool { return fits(of, t) }) {
		return
	}
	form, list := t.Form()
	what := form.String()
	if t.IsLiteral() {
		what = "the string " + quoted(t.String())
	}
	if list {
		what = "a list whose elements are each " + what
	}
	slices.Sort(types)
	j.fail(FaultSchemaContext, path+".value", -1,
		"the value is "+what+", and the condition's parameter "+quoted(value.GetName())+" is of type "+strings.Join(slices.Compact(types), " or "), "write a value of that type, or change the condition")
}

// fits reports whether an engine may take the template's value for a parameter of the
// type. It is true if one of the engines takes some of the values: a number for an int,
// or text that may be one.
func fits(of string, t *template.Template) bool {
	name, element := parameterType(of)
	form, list := t.Form()
	if name == "list" && list {
		if element == "" {
			return true
		}
		name, _ = parameterType(element)

		return name != "list" && name != "map" && formFits(name, form, nil)
	}
	if list {
		return name == "any" || !slices.Contains(parameterTypes, name)
	}
	var literal *string
	if t.IsLiteral() {
		text := t.String()
		literal = &text
	}

	return formFits(name, form, literal)
}

// parameterTypes are the types that conditions of OpenFGA and caveats of SpiceDB have.
var parameterTypes = []string{"any", "bool", "bytes", "double", "duration", "int", "ipaddress", "list", "map", "string", "timestamp", "uint"}

// parameterType returns the type in lower case, and the type of its elements if it is
// written as in "list<int>".
func parameterType(of string) (name, element string) {
	name, element, _ = strings.Cut(strings.ToLower(strings.TrimSpace(of)), "<")
	name = strings.TrimPrefix(strings.TrimSpace(name), "type_name_")

	return name, strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(element), ">"))
}

func formFits(name string, form template.Form, literal *string) bool {
	if form == template.FormAny || name == "any" || !slices.Contains(parameterTypes, name) {
		return true
	}
	switch name {
	case "int", "uint", "double":
		switch form {
		case template.FormInteger, template.FormUnsigned, template.FormNumber:
			return true
		case template.FormText:
			return literal == nil || isNumeric(*literal, name)
		default:
			return false
		}
	case "bool":
		return form == template.FormFlag
	case "string":
		return form == template.FormText || form == template.FormTimestamp || form == template.FormDuration || form == template.FormAddress
	case "bytes":
		return form == template.FormText && (literal == nil || isBase64(*literal))
	case "duration":
		return form == template.FormDuration || form == template.FormText && (literal == nil || isDuration(*literal))
	case "timestamp":
		return form == template.FormTimestamp || form == template.FormText && (literal == nil || isTimestamp(*literal))
	case "ipaddress":
		return form == template.FormAddress || form == template.FormText && (literal == nil || isAddress(*literal))
	default: // a list or a map
		return false
	}
}

func isNumeric(text, of string) bool {
	const bits = 64
	number, _, err := big.ParseFloat(text, 10, bits, 0)

	return err == nil && (of == "double" || number.IsInt() && (of == "int" || number.Sign() >= 0))
}

func isBase64(text string) bool {
	_, err := base64.StdEncoding.DecodeString(text)

	return err == nil
}

func isDuration(text string) bool {
	_, err := time.ParseDuration(text)

	return err == nil
}

func isTimestamp(text string) bool {
	_, err := time.Parse(time.RFC3339, text)

	return err == nil
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)

	return err == nil
}

// nearest finds the names that a faulty name may be meant for.
type nearest struct {
	types []string
	// spent is how many names have been compared: beyond maxCompared none are, so that
	// the time of many faults is bounded.
	spent int
}

const (
	maxCompared = 1_000_000
	maxName     = 64
)

func (n *nearest) typeNamed(name string) string {
	return n.fix(name, n.types, "type", "the schema")
}

func (n *nearest) relationNamed(t *schema.Type, name string) string {
	const most = 1000
	names := make([]string, 0, min(len(t.Relations), most))
	for i := range t.Relations[:min(len(t.Relations), most)] {
		names = append(names, t.Relations[i].Name)
	}

	return n.fix(name, names, "relation", "it")
}

func (n *nearest) parameterNamed(names []string, name string) string {
	return n.fix(name, names, "parameter", "conditions")
}

// fix returns what to write in place of a name.
func (n *nearest) fix(name string, names []string, what, of string) string {
	if best := n.find(name, names); best != "" {
		return "write " + quoted(best) + ", or add the " + what + " to the model"
	}
	if len(names) == 0 {
		return "add the " + what + " to the model"
	}
	shown := make([]string, 0, maxListed)
	for _, known := range names[:min(len(names), maxListed)] {
		shown = append(shown, quoted(known))
	}
	has := " has "
	if of == "conditions" {
		has = " have "
	}
	if len(names) > maxListed {
		shown = append(shown, "and "+strconv.Itoa(len(names)-maxListed)+" more")
	}

	return of + has + strings.Join(shown, ", ") + "; write one of them, or add the " + what + " to the model"
}

// find returns the name that differs least from a faulty one, empty if none is near it.
func (n *nearest) find(name string, names []string) string {
	best, least := "", 1+min(len(name)/3+1, 3)
	for _, known := range names {
		if n.spent++; n.spent > maxCompared {
			break
		}
		if len(known) > maxName || len(name) > maxName || len(known)-len(name) >= least || len(name)-len(known) >= least {
			continue
		}
		if d := distance(name, known); d < least && d < max(len(name), len(known)) {
			best, least = known, d
		}
	}

	return best
}

// distance returns how many letters must be changed, added, left out or swapped with the
// next to make a of b.
func distance(a, b string) int {
	var rows [3][maxName + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for k := range len(b) + 1 {
		last[k] = k
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for k := 1; k <= len(b); k++ {
			changed := last[k-1]
			if a[i-1] != b[k-1] {
				changed++
			}
			row[k] = min(changed, last[k]+1, row[k-1]+1)
			if i > 1 && k > 1 && a[i-1] == b[k-2] && a[i-2] == b[k-1] {
				row[k] = min(row[k], before[k-2]+1)
			}
		}
		before, last, row = last, row, before
	}

	return last[len(b)]
}
