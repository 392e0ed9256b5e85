package lint

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

//go:embed page/matrix.html.tmpl
var pageTemplate string

//go:embed page/matrix.css
var pageStyle string

//go:embed page/matrix.js
var pageScript string

var page = template.Must(template.New("").Parse(pageTemplate))

// pagePolicy lets the page load nothing at all. Its own style and script are named by
// their hashes, so that nothing else runs, whatever a rule's text is.
var pagePolicy = "default-src 'none'; style-src " + hash(pageStyle) + "; script-src " + hash(pageScript) + "; base-uri 'none'; form-action 'none'"

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))

	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// HTML writes the matrix as one page, which loads nothing: a searchable table with
// filters, whose rows open. Without scripts it is a table of everything. Each method has
// a link of its own, "#pkg.Service/Method". Texts of rules are escaped and shown without
// characters that aren't seen.
func (m *Matrix) HTML(w io.Writer) error {
	out := bufio.NewWriterSize(w, 64<<10)
	head := &pageHead{
		Policy: pagePolicy,
		Style:  template.CSS(pageStyle), //nolint:gosec // it is this package's own
		Title:  visible(m.Title), Summary: plural(m.Counts.Methods, "method") + " of " + plural(m.Counts.Services, "service"),
		Count: plural(m.Counts.Methods, "method"), Schema: visible(m.Schema), Faulty: m.Counts.Faulty, Changed: m.Counts.Changed,
	}
	m.describe(head)
	m.choices(head)
	if err := page.ExecuteTemplate(out, "head", head); err != nil {
		return err
	}
	ids := map[string]int{}
	for i := range m.Methods {
		ids[m.Methods[i].Method]++
	}
	for _, rows := range m.services() {
		if err := page.ExecuteTemplate(out, "section", m.section(rows, ids)); err != nil {
			return err
		}
	}
	script := struct{ Script template.JS }{template.JS(pageScript)} //nolint:gosec // it is this package's own
	if err := page.ExecuteTemplate(out, "foot", script); err != nil {
		return err
	}

	return out.Flush()
}

// pageHead is what the page has above the rows.
type pageHead struct {
	Policy, Count          string
	Style                  template.CSS
	Title, Summary, Schema string
	Faults                 []string
	Removed                []pageRemoved
	Access                 []pageOption
	Faulty, Changed        int
	Selects                []pageSelect
}

type pageRemoved struct {
	Method string
	Lines  []string
}

type pageSelect struct {
	Name, Label, All string
	Options          []pageOption
}

type pageOption struct {
	Value, Label string
	Count        int
}

func (m *Matrix) describe(head *pageHead) {
	for i := range m.Servers {
		for _, f := range m.Servers[i].Faults {
			head.Faults = append(head.Faults, visible(f.text()))
		}
	}
	for i := range m.Removed {
		head.Removed = append(head.Removed, pageRemoved{visible(m.Removed[i].Method), m.Removed[i].lines()})
	}
}

// choices are the filters of the page. One without a choice is left out.
func (m *Matrix) choices(head *pageHead) {
	c := &m.Counts
	for _, of := range []pageOption{
		{AccessPublic, "Public", c.Public},
		{AccessAuthenticated, "Any caller", c.Authenticated},
		{AccessCondition, "Condition", c.Condition},
		{AccessHandler, "Handler", c.Handler},
		{AccessDenied, "Denied", c.Denied},
	} {
		if of.Count > 0 {
			head.Access = append(head.Access, of)
		}
	}
	servers, services, policies, who := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range m.Methods {
		row := &m.Methods[i]
		servers[row.Server], services[row.Service] = true, true
		if row.Policy != "" {
			policies[row.Policy] = true
		}
		for _, subject := range row.Who {
			who[subject] = true
		}
	}
	for _, of := range []struct {
		name, label, all string
		values           map[string]bool
	}{
		{"server", "Server", "All servers", servers},
		{"service", "Service", "All services", services},
		{"policy", "Policy", "All policies", policies},
		{"who", "Held by", "Held by any", who},
	} {
		if len(of.values) < 2 {
			continue
		}
		s := pageSelect{Name: of.name, Label: of.label, All: of.all}
		for _, value := range slices.Sorted(maps.Keys(of.values)) {
			label := visible(value)
			if of.name == "who" {
				label = "Held by " + label
			}
			s.Options = append(s.Options, pageOption{Value: visible(value), Label: label})
		}
		head.Selects = append(head.Selects, s)
	}
}

// pageSection is one service.
type pageSection struct {
	Server, Service, Size string
	Held                  bool
	Rows                  []pageRow
}

// pageRow is one method.
type pageRow struct {
	ID, Access, Policy, Who, Changed, Name, Tag, Mark, Reason string

	Faulty      bool
	Link        template.URL
	Words, Held spans
	Brief, All  []detail
	Changes     []string
	Faults      []string
	Condition   *pageCondition
	Refusals    []MatrixRefusal
}

// pageCondition is a condition: a group with its parts, or one by itself.
type pageCondition struct {
	Group       string
	Parts       []*pageCondition
	Words, Held spans
}

func (m *Matrix) section(rows []MatrixMethod, ids map[string]int) *pageSection {
	s := &pageSection{
		Server: visible(rows[0].Server), Service: visible(rows[0].Service), Size: plural(len(rows), "method"), Held: m.Schema != "",
	}
	server := slices.IndexFunc(m.Servers, func(server MatrixServer) bool { return server.Name == rows[0].Server })
	for i := range rows {
		s.Rows = append(s.Rows, rows[i].page(&m.Servers[server], ids))
	}

	return s
}

func (m *MatrixMethod) page(server *MatrixServer, ids map[string]int) pageRow {
	id := visible(m.Method)
	if ids[m.Method] > 1 {
		id = visible(m.Server) + "/" + id
	}
	row := pageRow{
		ID: id, Access: m.Access, Policy: m.Policy, Name: visible(m.Name), Tag: m.Access, Mark: m.mark(),
		Reason: visible(m.Reason), Faulty: m.faulty(), Words: m.words().shown(), Held: m.holders().shown(), Refusals: m.Refusals,
		Link:      template.URL((&url.URL{Fragment: id}).String()), //nolint:gosec // a fragment, escaped
		Condition: m.Condition.page(),
	}
	if row.Faulty {
		row.Tag = "fault"
	}
	who := m.Who
	if m.WhoUnknown {
		who = append(slices.Clone(who), "?")
	}
	row.Who = visible(strings.Join(who, " "))
	if m.Change != nil {
		row.Changed, row.Changes = m.Change.Verdict, m.Change.lines()
	}
	for _, f := range m.Faults {
		row.Faults = append(row.Faults, visible(f.text()))
	}
	for _, d := range m.details() {
		d.Spans = d.Spans.shown()
		row.All = append(row.All, d)
		d.Label = strings.ToLower(d.Label)
		row.Brief = append(row.Brief, d)
	}
	row.All = m.pageDetails(server, row.All)

	return row
}

// pageDetails are the details with those that have their defaults.
func (m *MatrixMethod) pageDetails(server *MatrixServer, brief []detail) []detail {
	var all []detail
	say := func(label string, inherited bool, build func(s *spans)) {
		d := detail{Label: label, Inherited: inherited}
		build(&d.Spans)
		d.Spans = d.Spans.shown()
		all = append(all, d)
	}
	if m.Policy != "" {
		say("Policy", m.inherits("policy"), func(s *spans) { s.code(m.Policy) })
	}
	if m.Condition != nil {
		say("Reads", false, func(s *spans) {
			switch {
			case slices.Contains(m.Reads, readsAny):
				s.say("any field of the request")
			case len(m.Reads) == 0:
				s.say("nothing of the request")
			default:
				s.list(m.Reads, ", ")
			}
		})
	}
	if len(m.Admits) > 0 && (m.Token == nil || len(m.Token.Kinds) == 0) {
		say("Callers", false, func(s *spans) { s.list(m.Admits, " or ") })
	}
	all = append(all, brief...)
	if m.Freshness != nil && m.Freshness.Mode == "minimize_latency" {
		say("Freshness", m.inherits("consistency.mode"), func(s *spans) { s.say("the fastest answer") })
	}
	if m.OnDeny != "NOT_FOUND" && (m.Access == AccessCondition || m.Access == AccessHandler) {
		say("If denied", m.inherits("on_deny"), func(s *spans) { s.code(m.OnDeny) })
	}
	if m.Condition != nil {
		for _, kind := range m.Admits {
			subject := server.Subjects.User
			if kind == "service" {
				subject = server.Subjects.Service
			}
			if subject != "" {
				say("A "+kind+" is", false, func(s *spans) { s.code(subject) })
			}
		}
	}
	if m.File != "" {
		say("Written in", false, func(s *spans) {
			at := m.File
			if m.Line > 0 {
				at += ":" + strconv.Itoa(m.Line)
			}
			s.code(at)
		})
	}

	return all
}

func (c *MatrixCondition) page() *pageCondition {
	if c == nil {
		return nil
	}
	p := &pageCondition{}
	if c.Kind != kindAllOf && c.Kind != kindAnyOf {
		p.Words = c.words(false).shown()
		if h := c.Holders; h != nil {
			one := MatrixMethod{Who: h.Subjects, WhoUnknown: h.Unknown, Condition: &MatrixCondition{Holders: h}}
			p.Held = one.holders()
			if len(h.Conditions) > 0 {
				p.Held.say("; a tuple may have the condition ")
				p.Held.list(h.Conditions, " or ")
			}
			p.Held = p.Held.shown()
		}

		return p
	}
	p.Group = "all of"
	if c.Kind == kindAnyOf {
		p.Group = "any of"
	}
	for i := range c.Conditions {
		p.Parts = append(p.Parts, c.Conditions[i].page())
	}

	return p
}
