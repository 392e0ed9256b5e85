package demo

import (
	"context"
	"fmt"
	"io"
	"time"
)

// callTimeout bounds one call of the table; on a slow machine the first one
// fetches a token and the keys as well.
const callTimeout = 20 * time.Second

// result is one row: what a call came to.
type result struct {
	service, method string
	want, got       expectation
	took, wait      time.Duration
}

// differs reports whether the call came to something else than the model says.
func (r result) differs() bool { return r.got != r.want }

// runTable makes every service call every method, one call after the other, and
// prints a row for each. It returns the rows.
func runTable(ctx context.Context, out io.Writer, w *world) []result {
	rows := make([]result, 0, len(truth)*len(services))
	fmt.Fprintf(out, "  %-15s %-8s %-15s %-33s %-27s %7s\n", "METHOD", "SERVICE", "EXPECTED", "GOT", "DECIDED BY", "TIME")
	for _, m := range truth {
		for _, name := range services {
			row := w.try(ctx, name, m)
			rows = append(rows, row)
			mark := " "
			if row.differs() {
				mark = "!"
			}
			fmt.Fprintf(out, "%s %-15s %-8s %-15s %-33s %-27s %7s\n",
				mark, row.method, row.service, row.want.short(), row.got.long(), row.decided(), milliseconds(row.took))
			if row.differs() {
				fmt.Fprintf(out, "! expected %s by %s\n", row.want.long(), row.want.by)
			}
		}
	}
	return rows
}

// try makes one call.
func (w *world) try(ctx context.Context, name string, m method) result {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	w.takeDecisions()
	start := time.Now()
	note, err := m.call(ctx, w.services[name])
	took := time.Since(start)
	got, wait := answerOf(err)
	return result{
		service: name, method: m.name, want: m.want[name], took: took, wait: wait,
		got: expectation{answer: got, by: decidedBy(w.takeDecisions()), note: note},
	}
}

// decided names what decided, and how long the caller is told to wait.
func (r result) decided() string {
	if r.wait == 0 {
		return r.got.by
	}
	return fmt.Sprintf("%s, wait %.0fs", r.got.by, r.wait.Seconds())
}

// short names what must come of a call: the reason says it all, where there is
// one.
func (e expectation) short() string {
	switch {
	case e.note != "":
		return codeName(e.answer.code) + ", " + e.note
	case e.answer.reason != "":
		return e.answer.reason
	}
	return codeName(e.answer.code)
}

func (e expectation) long() string {
	if e.note != "" {
		return e.answer.String() + ", " + e.note
	}
	return e.answer.String()
}

// showWatch prints what an operator has of the calls so far.
func (w *world) showWatch(ctx context.Context, out io.Writer) error {
	fmt.Fprintf(out, "\nAudit records:\n\n")
	if err := w.watch.records.show(out); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nMetrics:\n\n")
	return w.watch.printMetrics(ctx, out)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
}

// explain prints what the table shows, and reports whether every row is as the
// model says.
func explain(out io.Writer, w *world, rows []result) bool {
	different := 0
	for _, row := range rows {
		if row.differs() {
			different++
		}
	}
	fmt.Fprintf(out, `
reader is a member of team:docs, which may view folder:handbook and so what lies in it.
writer may edit folder:handbook and owns document:scratch; to move document:vision it
takes an editor of the document and of both folders. stranger was shown document:holidays
and nothing else: ListDocuments gives it that one. DeleteDocument doesn't tell a caller
that is denied whether the document exists; PurgeDocuments is closed to all;
GetServiceInfo is open.

GetStatistics takes a permission, which reader's token has. PublishDocument is decided by
attributes: reader may publish for the audience internal (the first three rows), and not
for public. OrderPrints is decided by an expression: 10 copies are for everyone, 500 only
for the department press, which writer's token names. RequestReview has a rate limit: one
call a minute for each client.

The rules are in proto/docs/v1, the relationships in demo/engine/tuples.go.

%d calls took %d requests for tokens and %d to the engine, which holds %d relationships.
`, len(rows), w.issuer.TokenRequests(), w.asked.Load(), w.engine.Tuples())
	if different > 0 {
		fmt.Fprintf(out, "%d of %d rows differ from what the model says.\n", different, len(rows))
		return false
	}
	fmt.Fprintf(out, "Every row is what the model says. (--audit shows why, decision by decision; --serve stays.)\n")
	return true
}
