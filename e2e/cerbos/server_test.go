package cerbos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/usher-auth/usher/authz/authzen"
	"github.com/usher-auth/usher/authz/authztest"
)

// binary is Cerbos's server, which TestMain builds.
var binary string

func TestMain(m *testing.M) {
	// The go command keeps tools that it has built.
	path, err := exec.Command("go", "tool", "-modfile=server.mod", "-n", "cerbos").Output()
	if err != nil {
		if failed, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w\n%s", err, failed.Stderr)
		}
		panic(fmt.Sprintf("building Cerbos: %v", err))
	}
	binary = strings.TrimSpace(string(path))
	goleak.VerifyTestMain(m)
}

// start runs a server with policies, by their file's name, until the test ends.
func start(tb testing.TB, policies map[string]string, edit ...func(*authzen.Config)) *authzen.Engine {
	tb.Helper()
	// A socket's path is bounded by some hundred bytes, which tb.TempDir may exceed.
	folder, err := os.MkdirTemp("", "cerbos") //nolint:usetesting // see above
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(folder) })
	stored := filepath.Join(folder, "policies")
	if err := os.Mkdir(stored, 0o700); err != nil {
		tb.Fatal(err)
	}
	for name, policy := range policies {
		if err := os.WriteFile(filepath.Join(stored, name), []byte(policy), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	socket := filepath.Join(folder, "http")
	var log bytes.Buffer
	server := exec.Command(binary, "server", "--log-level=warn",
		"--set=server.httpListenAddr=unix:"+socket, "--set=server.grpcListenAddr=unix:"+filepath.Join(folder, "grpc"),
		"--set=storage.driver=disk", "--set=storage.disk.directory="+stored, "--set=storage.disk.watchForChanges=false",
		"--set=telemetry.disabled=true")
	server.Env = append(os.Environ(), "CERBOS_NO_TELEMETRY=1")
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	tb.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = server.Process.Kill()
			<-ended
		}
		if tb.Failed() {
			tb.Logf("Cerbos: %s", log.String())
		}
	})

	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	tb.Cleanup(transport.CloseIdleConnections)
	ready(tb, transport, ended, &log)

	config := authzen.Config{BaseURL: "http://localhost", HTTPClient: &http.Client{Transport: transport}, Timeout: 10 * time.Second}
	for _, f := range edit {
		f(&config)
	}
	engine, err := authzen.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = engine.Close() })

	return engine
}

// ready waits until the server serves.
func ready(tb testing.TB, transport http.RoundTripper, ended <-chan error, log fmt.Stringer) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/_cerbos/health", http.NoBody)
		if err != nil {
			tb.Fatal(err)
		}
		if response, err := transport.RoundTrip(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-ended:
			tb.Fatalf("Cerbos ended: %v\n%s", err, log)
		case <-ctx.Done():
			tb.Fatalf("Cerbos isn't ready\n%s", log)
		case <-tick.C:
		}
	}
}

// conditions are those of authztest.SuitePolicy in CEL. Cerbos's policies read no
// properties of actions and no context.
var conditions = map[string]string{
	"":           "true",
	"by_subject": `P.attr.department == "engineering"`,
	"described": `R.attr.text == "a,b" && R.attr.count == -7 && R.attr.ratio == 0.5 && R.attr.open == true && ` +
		`R.attr.tags == ["x", "y"] && R.attr.at == "2026-01-02T03:04:05Z" && ` +
		`R.attr.large == "1152921504606846976" && R.attr.size == "4611686018427387904"`,
}

// policies returns the policies that allow what the tuples say. The type of a subject
// is its role: Cerbos takes it for one where the subject has no roles.
func policies(tb testing.TB, tuples ...authztest.Tuple) map[string]string {
	tb.Helper()
	files := map[string]*strings.Builder{}
	for _, tuple := range append(tuples, authztest.MustTuples("document:none#none@none:none")...) {
		condition, known := conditions[tuple.Condition]
		if !known {
			tb.Fatalf("no condition %q", tuple.Condition)
		}
		name := tuple.Object.Type + ".yaml"
		if files[name] == nil {
			files[name] = &strings.Builder{}
			fmt.Fprintf(files[name], "apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  resource: %q\n  version: default\n  rules:\n", tuple.Object.Type)
		}
		fmt.Fprintf(files[name], "    - actions: [%q]\n      roles: [%q]\n      effect: EFFECT_ALLOW\n      condition:\n        match:\n          expr: |-\n            R.id == %q && P.id == %q && %s\n",
			tuple.Relation, tuple.Subject.Type, tuple.Object.ID, tuple.Subject.ID, condition)
	}
	out := map[string]string{}
	for name, text := range files {
		out[name] = text.String()
	}

	return out
}
