package demo

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const help = `Commands: engine down|up, issuer down|up, call, metrics, token, help, quit (or interrupt).
With the engine down, checks become UNAVAILABLE: never a grant, never a denial.
With the issuer down, callers go on until their tokens end.
`

// serve keeps the servers up and obeys commands until the context ends or one of
// them is quit. The end of the input doesn't end it, unless untilEOF: a server
// that is started in the background has no input.
func serve(ctx context.Context, in io.Reader, out io.Writer, w *world, untilEOF bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	folder, err := os.MkdirTemp("", "usher-quickstart-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	roots := filepath.Join(folder, "ca.pem")
	if err := os.WriteFile(roots, w.ca.PEM(), 0o600); err != nil {
		return err
	}
	if err := printCommands(ctx, out, w, roots); err != nil {
		return err
	}

	lines := readLines(ctx, in)
	for {
		select {
		case <-ctx.Done():
			return nil
		case line, more := <-lines:
			if !more {
				if untilEOF {
					return nil
				}
				lines = nil // never ready again
				continue
			}
			if line == "quit" {
				return nil
			}
			w.obey(ctx, out, line)
		}
	}
}

// printCommands prints what to try by hand, a token included.
func printCommands(ctx context.Context, out io.Writer, w *world, roots string) error {
	fmt.Fprintf(out, "\nServing. To try by hand (https://github.com/fullstorydev/grpcurl):\n\n")
	if err := w.printToken(ctx, out); err != nil {
		return err
	}
	const service = "docs.v1.DocumentService"
	for _, call := range []struct{ comment, data, method string }{
		{"reader may", `{"document_id": "onboarding"}`, "GetDocument"},
		{"reader may not", `{"document": {"id": "onboarding", "text": "mine"}}`, "UpdateDocument"},
		{"reader sees part of it", `{"folder_id": "handbook"}`, "ListDocuments"},
		{"a stream; the token's end or an interrupt ends it", `{"document_id": "onboarding"}`, "WatchDocument"},
	} {
		fmt.Fprintf(out, "# %s\ngrpcurl -cacert %s -H \"authorization: Bearer $TOKEN\" \\\n  -d '%s' %s %s/%s\n",
			call.comment, roots, call.data, w.addr, service, call.method)
	}
	fmt.Fprintf(out, "# no token; reflection wants one\ngrpcurl -cacert %s -reflect-header \"authorization: Bearer $TOKEN\" \\\n  %s %s/GetServiceInfo\n\n",
		roots, w.addr, service)
	_, err := fmt.Fprint(out, help)
	return err
}

// printToken prints reader's current token. It is of no use to anyone once this
// process has ended.
func (w *world) printToken(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	token, err := w.services[reader].Credentials.Token(ctx)
	if err != nil {
		return fmt.Errorf("a token for reader: %w", err)
	}
	fmt.Fprintf(out, "# reader's token; it ends at %s, and `token` prints a new one\nexport TOKEN=%s\n\n",
		token.Expiry.Format("15:04:05"), token.AccessToken)
	return nil
}

// obey carries out one command.
func (w *world) obey(ctx context.Context, out io.Writer, line string) {
	switch strings.Join(strings.Fields(line), " ") {
	case "":
		return
	case "engine down":
		w.engine.Down()
	case "engine up":
		w.engine.Up()
	case "issuer down":
		w.issuer.Down()
	case "issuer up":
		w.issuer.Up()
	case "call":
		w.callOnce(ctx, out)
		return
	case "metrics":
		if err := w.watch.printMetrics(ctx, out); err != nil {
			fmt.Fprintln(out, err)
		}
		return
	case "token":
		if err := w.printToken(ctx, out); err != nil {
			fmt.Fprintln(out, err)
		}
		return
	case "help":
		fmt.Fprint(out, help)
		return
	default:
		fmt.Fprintf(out, "unknown command %q\n%s", line, help)
		return
	}
	fmt.Fprintf(out, "%s: done\n", line)
}

// callOnce lets every service read one document and prints what came of it.
func (w *world) callOnce(ctx context.Context, out io.Writer) {
	for _, name := range services {
		row := w.try(ctx, name, method{name: "GetDocument", call: getDocument})
		fmt.Fprintf(out, "%s GetDocument: %s (%s)\n", name, row.got.answer, milliseconds(row.took))
	}
}

// readLines sends the lines of in until it or the context ends. A read can't be
// interrupted: the goroutine may outlive serve until the next line, or the
// process.
func readLines(ctx context.Context, in io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(in)
		for scanner.Scan() {
			select {
			case lines <- strings.TrimSpace(scanner.Text()):
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}
