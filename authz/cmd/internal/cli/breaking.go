package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/usher-auth/usher/authz/cmd/internal/changes"
	"github.com/usher-auth/usher/authz/cmd/internal/report"
	"github.com/usher-auth/usher/authz/lint"
)

const breakingSynopsis = `Usage: usher breaking --against OLD [flags] INPUT...

Compares the rules of INPUT with those of OLD, method by method, and finds those that
became looser or that can't be compared. Rules that became tighter are found with
--tighter only. OLD is what INPUT may be, or git:REF, the state of INPUT at a commit. If it
is a lock file and no flag says how the server is configured, it is as in the lock file.
Exit codes: 0 nothing found, 1 findings, 2 wrong flags or input.
`

var errNoAgainst = errors.New("--against is required: what are the rules compared with?")

// acceptFormat writes findings as lines for the file of --accept.
const acceptFormat report.Format = "accept"

// Breaking is the subcommand breaking.
func Breaking(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("breaking", flag.ContinueOnError)
	var c common
	c.register(flags)
	var oldRoots paths
	against := flags.String("against", "", "compare with `OLD`: a directory, image, descriptor set, lock file, or git:REF. Required")
	flags.Var(&oldRoots, "against-I", "look up OLD's imports in `DIRECTORY`, repeated for more. Default: OLD itself")
	tighter := flags.Bool("tighter", false, "find rules that became tighter, too")
	verbose := flags.Bool("verbose", false, "count the methods whose handler decides before and now, even if nothing is found")
	acceptPath := ""
	flags.Func("accept", "leave out the reviewed changes of `FILE`, which --format accept writes", set(&acceptPath))
	formatName := flags.String("format", "text", "write findings as `FORMAT`: text, json, github or accept")
	args, code, ok := parse(flags, args, breakingSynopsis, stdout, stderr)
	if !ok {
		return code
	}
	result, format, err := compare(ctx, &c, args, stdin, *against, oldRoots, acceptPath, *formatName, *tighter)
	if err != nil {
		return failed(stderr, "breaking", err)
	}
	write := result.report.Write
	switch format {
	case acceptFormat:
		write = result.writeAccepted
	case report.JSON:
		write = result.writeJSON
	case report.Text, report.GitHub:
	}
	if err := write(stdout, format); err != nil {
		return failed(stderr, "breaking", err)
	}
	for _, note := range result.notes(*verbose) {
		_, _ = fmt.Fprintln(stderr, "usher breaking:", note)
	}
	if len(result.report.Findings) == 0 {
		return Clean
	}

	return Found
}

// compared is what a comparison gave.
type compared struct {
	report  report.Report
	found   *changes.Found
	accepts string
}

func compare(
	ctx context.Context, c *common, args []string, stdin io.Reader, against string, oldRoots []string, acceptPath, formatName string, tighter bool,
) (result *compared, format report.Format, err error) {
	if format = report.Format(formatName); format != acceptFormat {
		if format, err = report.ParseFormat(formatName); err != nil {
			return nil, "", fmt.Errorf("%w or, for the file of --accept, accept", err)
		}
	}
	if against == "" {
		return nil, "", errNoAgainst
	}
	accepted, err := changes.ReadAccepted(acceptPath)
	if err != nil {
		return nil, "", fmt.Errorf("--accept: %w", err)
	}
	old, err := c.readOld(ctx, against, oldRoots, args, stdin)
	if err != nil {
		return nil, "", fmt.Errorf("--against: %w", err)
	}
	in, err := c.read(ctx, args, stdin)
	if err != nil {
		return nil, "", err
	}
	found := changes.Of(lint.Compare(old, in.policy, lint.CompareConfig{Schema: in.schema}), accepted, tighter)
	for i := range found.Findings {
		found.Findings[i].File = in.path(found.Findings[i].File)
	}

	return &compared{report: report.Report{Methods: len(in.policy.Methods), Findings: found.Findings}, found: found, accepts: acceptPath}, format, nil
}

// writeAccepted writes the findings as lines for the file of --accept.
func (r *compared) writeAccepted(w io.Writer, _ report.Format) error {
	var out strings.Builder
	for _, line := range r.found.Lines {
		out.WriteString(report.Printable(line))
		out.WriteByte('\n')
	}
	_, err := io.WriteString(w, out.String())

	return err
}

// writeJSON writes the findings and what isn't found as one document.
func (r *compared) writeJSON(w io.Writer, _ report.Format) error {
	document := struct {
		report.Report

		// Opaque are the methods whose handler decides in both versions.
		Opaque []string `json:"opaque"`
		// Tighter is how many methods became only tighter, if those aren't findings, and
		// Accepted how many changes were left out.
		Tighter  int `json:"tighter"`
		Accepted int `json:"accepted"`
	}{r.report, r.found.Opaque, r.found.Tighter, r.found.Accepted}
	document.Version = report.Version
	if document.Findings == nil {
		document.Findings = []lint.Finding{}
	}
	if document.Opaque == nil {
		document.Opaque = []string{}
	}

	return report.WriteJSON(w, document)
}

// notes are about what isn't found. The methods whose handler decides are the same in
// each run, so without a finding they are one only if asked for.
func (r *compared) notes(verbose bool) []string {
	var notes []string
	if n := len(r.found.Findings); n > 0 {
		notes = append(notes, fmt.Sprintf("%s in %s", count(n, "change"), count(r.report.Methods, "method")))
	}
	if n := r.found.Tighter; n > 0 {
		notes = append(notes, count(n, "method")+" became tighter, which --tighter shows")
	}
	if n := len(r.found.Opaque); n > 0 && (verbose || len(r.found.Findings) > 0) {
		notes = append(notes, count(n, "method")+" can't be compared, since the handler decides, before and now")
	}
	if n := r.found.Accepted; n > 0 {
		notes = append(notes, count(n, "change")+" accepted")
	}
	for _, line := range r.found.Unused {
		notes = append(notes, r.accepts+": no such change any more: "+report.Printable(line))
	}

	return notes
}
