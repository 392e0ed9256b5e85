package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline bounds one test with its browser.
const deadline = 3 * time.Minute

// look is how a reader looks at the page.
type look struct {
	width, height int64
	dark, still   bool // still: without scripts
	hash          string
}

var desktop = look{width: 1440, height: 900}

// tab is a page in a browser, with all that the page did wrong.
type tab struct {
	t     *testing.T
	ctx   context.Context
	mutex sync.Mutex
	wrong []string
	// requests are the addresses that were asked for.
	requests []string
	// said is closed when the page has done something wrong.
	said chan struct{}
}

// newBrowser starts a browser. Without one the test fails.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found

			break
		}
	}
	if path == "" {
		t.Fatal("there is no chromium on this machine: install it, as by apt-get install chromium")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(deadline),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true), chromedp.Flag("hide-scrollbars", false))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // it refuses root otherwise
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline) // t.Context ends before the browser
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("the browser didn't end: %v", err)
		}
		end()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("%s doesn't start: %v", path, err)
	}

	return ctx
}

// open opens a page in a new tab of the browser.
func open(t *testing.T, browser context.Context, page string, as look) *tab {
	t.Helper()
	file := filepath.Join(t.TempDir(), "matrix.html")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(browser)
	b := &tab{t: t, ctx: ctx, said: make(chan struct{})}
	address := (&url.URL{Scheme: "file", Path: file, Fragment: as.hash}).String()
	scheme := "light"
	if as.dark {
		scheme = "dark"
	}
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error { return chromedp.Listen(ctx, b.hear) }))
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	call(b, runtime.Enable, cdp.Empty{})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: as.still})
	b.do(chromedp.EmulateViewport(as.width, as.height), chromedp.Navigate(address))
	t.Cleanup(func() {
		b.mutex.Lock()
		wrong, requests := slices.Clone(b.wrong), slices.Clone(b.requests)
		b.mutex.Unlock()
		cancel()
		if len(wrong) > 0 {
			t.Errorf("the page did what it must not:\n%s", strings.Join(wrong, "\n"))
		}
		for _, request := range requests {
			if before, _, _ := strings.Cut(address, "#"); request != before {
				t.Errorf("the page asked for %s", request)
			}
		}
	})

	return b
}

// hear keeps what the page does wrong: errors, refused styles and scripts, requests.
func (b *tab) hear(event any) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	before := len(b.wrong)
	defer func() {
		if before == 0 && len(b.wrong) > 0 {
			close(b.said)
		}
	}()
	switch event := event.(type) {
	case *runtime.EventExceptionThrown:
		b.wrong = append(b.wrong, event.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.wrong = append(b.wrong, fmt.Sprintf("console: %s", event.Type))
	case *log.EventEntryAdded:
		b.wrong = append(b.wrong, fmt.Sprintf("%s: %s", event.Entry.Level, event.Entry.Text))
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, event.Request.URL)
	}
}

// heard waits until the page has done something wrong, and forgives it.
func (b *tab) heard(ctx context.Context) error {
	select {
	case <-b.said:
	case <-ctx.Done():
		return ctx.Err()
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.wrong, b.requests, b.said = nil, nil, make(chan struct{})

	return nil
}

// print prints the page, as a file in PDF.
func (b *tab) print() []byte {
	b.t.Helper()
	pdf, err := chromedp.Run(b.ctx, chromedp.PrintToPDF())
	if err != nil {
		b.t.Fatal(err)
	}

	return pdf
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatalf("%s: %v", command.Method, err)
	}
}

// value returns what an expression is in the page.
func value[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}

	return v
}

// must waits until an expression is true in the page.
func (b *tab) must(expression string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(5*time.Second))); err != nil {
		b.t.Fatalf("never true: %s (%v); the page says %q", expression, err, value[string](b, "document.getElementById('count').textContent"))
	}
}

// picture leaves a picture of what is seen, if somebody wants to look.
func (b *tab) picture(name string) {
	b.t.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func click(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(chromedp.CSS(selector))
}
