package redis

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startTime is how long redis-server may take to start.
const startTime = 10 * time.Second

// server is a redis-server on a free port of loopback.
type server struct {
	t       *testing.T
	path    string
	folder  string
	port    int
	process *exec.Cmd
	said    bytes.Buffer
}

// newServer starts a server. Without redis-server the test does not pass: it logs the
// reason and is counted as skipped.
func newServer(t *testing.T) *server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("NOTICE: redis-server is not on this machine, so this was not shown")
	}
	s := &server{t: t, path: path, folder: t.TempDir(), port: freePort(t)}
	s.start()
	t.Cleanup(s.kill)

	return s
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, text, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}

	return port
}

func (s *server) address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// start starts the process, and returns when it answers. What it keeps is lost with
// it: nothing is saved.
func (s *server) start() {
	s.t.Helper()
	s.said.Reset()
	s.process = exec.Command(s.path, "--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.folder)
	s.process.Stdout, s.process.Stderr = &s.said, &s.said
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: s.address(), ContextTimeoutEnabled: true, MaxRetries: -1})
	defer client.Close()
	ctx, cancel := context.WithTimeout(s.t.Context(), startTime)
	defer cancel()
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for client.Ping(ctx).Err() != nil {
		select {
		case <-retry.C:
		case <-ctx.Done():
			s.t.Fatalf("redis-server doesn't answer: %s", s.said.String())
		}
	}
}

// kill ends the process at once, as the kernel does when memory is short.
func (s *server) kill() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	s.process = nil
}

// pause stops the process from running; its connections stay.
func (s *server) pause(signal syscall.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		s.t.Fatal(fmt.Errorf("signal %v: %w", signal, err))
	}
}
