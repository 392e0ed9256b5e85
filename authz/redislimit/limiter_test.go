package redislimit_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/redislimit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers as Redis does, but to a script as a test says.
type server struct {
	listener net.Listener
	answer   func(command []string) string

	mu    sync.Mutex
	conns []net.Conn
	done  sync.WaitGroup
}

// serve starts a server whose answer to a script is as given, on loopback.
func serve(t *testing.T, answer func(command []string) string) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{listener: listener, answer: answer}
	s.done.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			s.done.Go(func() { s.talk(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		s.mu.Lock()
		for _, conn := range s.conns {
			_ = conn.Close()
		}
		s.mu.Unlock()
		s.done.Wait()
	})

	return listener.Addr().String()
}

func (s *server) talk(conn net.Conn) {
	in := bufio.NewReader(conn)
	for {
		command, err := readCommand(in)
		if err != nil {
			return
		}
		answer := "+OK\r\n"
		switch strings.ToUpper(command[0]) {
		case "HELLO":
			answer = "-ERR unknown command 'HELLO'\r\n"
		case "EVALSHA", "EVAL":
			answer = s.answer(command)
		}
		if answer == "" {
			_ = conn.Close()

			return
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

// readCommand reads an array of bulk strings, as clients send it.
func readCommand(in *bufio.Reader) ([]string, error) {
	number := func(kind string) (int, error) {
		line, err := in.ReadString('\n')
		if err != nil {
			return 0, err
		}
		text, ok := strings.CutPrefix(strings.TrimSpace(line), kind)
		if !ok {
			return 0, errors.New("not a command: " + line)
		}

		return strconv.Atoi(text)
	}
	n, err := number("*")
	if err != nil || n < 1 {
		return nil, errors.Join(err, errors.New("no command"))
	}
	command := make([]string, n)
	for i := range command {
		size, err := number("$")
		if err != nil {
			return nil, err
		}
		text := make([]byte, size+2)
		if _, err := io.ReadFull(in, text); err != nil {
			return nil, err
		}
		command[i] = string(text[:size])
	}

	return command, nil
}

// limiterAt returns a limiter of a server.
func limiterAt(t *testing.T, address string, timeout time.Duration) *redislimit.Limiter {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: address, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	limiter, err := redislimit.New(redislimit.Config{Client: client, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}

	return limiter
}

var (
	alice = authz.LimitKey{Method: "/docs.v1.DocumentService/GetDocument", Issuer: "main", Subject: "alice@example.com"}
	ten   = authz.Limit{Requests: 10, Per: time.Minute, Burst: 10}
)

// script is an answer of redis_rate's script.
func script(allowed, remaining int, retry, reset string) string {
	return fmt.Sprintf("*4\r\n:%d\r\n:%d\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", allowed, remaining, len(retry), retry, len(reset), reset)
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		wait   time.Duration
		fails  bool
	}{
		"counted":                              {script(1, 9, "-1", "6"), 0, false},
		"too often":                            {script(0, 0, "5.5", "60"), 5500 * time.Millisecond, false},
		"too often by next to nothing":         {script(0, 0, "0.0000001", "60"), time.Millisecond, false},
		"row 71: a wait below zero":            {script(0, 0, "-7", "60"), 0, true},
		"row 71: an endless wait":              {script(0, 0, "1e9", "60"), time.Minute, false},
		"row 71: a wait that is no number":     {script(0, 0, "soon", "60"), 0, true},
		"row 71: more than one counted":        {script(2, 9, "-1", "6"), 0, true},
		"row 71: less than none counted":       {script(-1, 9, "-1", "6"), 0, true},
		"row 71: too few values":               {"*2\r\n:1\r\n:9\r\n", 0, true},
		"row 71: values of another type":       {"*4\r\n$1\r\n1\r\n:9\r\n:1\r\n:1\r\n", 0, true},
		"row 71: no array":                     {"+OK\r\n", 0, true},
		"row 71: nil":                          {"$-1\r\n", 0, true},
		"row 71: an error":                     {"-NOAUTH Authentication required. a-secret\r\n", 0, true},
		"row 71: an error of another form":     {"-a-secret error\r\n", 0, true},
		"row 71: a script that can't run":      {"-OOM command not allowed a-secret\r\n", 0, true},
		"row 71: no protocol":                  {"HTTP/1.1 400 a-secret\r\n", 0, true},
		"row 71: a connection that is cut off": {"", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			limiter := limiterAt(t, serve(t, func([]string) string { return c.answer }), time.Second)
			wait, err := limiter.Take(t.Context(), alice, ten)
			if wait != c.wait || (err != nil) != c.fails {
				t.Errorf("got %v, %v", wait, err)
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "alice")) {
				t.Errorf("the error repeats what it was told: %v", err)
			}
		})
	}
}

// Row 71: a server that hangs costs no more than the timeout, or the caller's deadline.
func TestAServerThatHangs(t *testing.T) {
	release := make(chan struct{})
	address := serve(t, func([]string) string { <-release; return "" })
	defer close(release)
	for name, timeout := range map[string]time.Duration{"row 71: the timeout": 50 * time.Millisecond, "row 71: the caller's deadline": time.Hour} {
		t.Run(name, func(t *testing.T) {
			limiter := limiterAt(t, address, timeout)
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			start := time.Now()
			if wait, err := limiter.Take(ctx, alice, ten); wait != 0 || !errors.Is(err, context.DeadlineExceeded) && !errors.As(err, new(net.Error)) {
				t.Errorf("got %v, %v", wait, err)
			}
			if took, most := time.Since(start), min(timeout, 500*time.Millisecond)+2*time.Second; took > most {
				t.Errorf("it took %v, at most %v", took, most)
			}
		})
	}
}

// What is sent to Redis holds no name in clear, and tells callers apart.
func TestKeys(t *testing.T) {
	var mu sync.Mutex
	var sent []string
	limiter := limiterAt(t, serve(t, func(command []string) string {
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, strings.Join(command, " "))

		return script(1, 9, "-1", "6")
	}), 10*time.Second)
	keys := []authz.LimitKey{
		{Method: "/a.B/C"},
		{Method: "/a.B/C", Issuer: "main", Subject: "alice"},
		{Method: "/a.B/C", Issuer: "main", Client: "alice"},
		{Method: "/a.B/C", Issuer: "main", Subject: "alice", Service: true},
		{Method: "/a.B/C", Issuer: "mai", Subject: "nalice"},
		{Method: "/a.B/C", Issuer: "main", Subject: "alice" + strings.Repeat("x", 10_000)},
		{Method: "/a.B/Calice", Issuer: "main"},
	}
	seen := map[string]bool{}
	for i, key := range keys {
		if _, err := limiter.Take(t.Context(), key, ten); err != nil {
			t.Fatal(err)
		}
		command := sent[i]
		name := strings.Fields(command)[3]
		if seen[name] || !strings.HasPrefix(name, "rate:usher:") || len(name) != len("rate:usher:")+64 {
			t.Errorf("%+v: the key is %q", key, name)
		}
		seen[name] = true
		for _, name := range []string{"alice", "main", "a.B"} {
			if strings.Contains(command, name) {
				t.Errorf("%q is sent in clear: %s", name, command)
			}
		}
	}
	if _, err := limiter.Take(t.Context(), keys[1], ten); err != nil || sent[len(keys)] != sent[1] {
		t.Errorf("one key has two names: %q, %q, %v", sent[1], sent[len(keys)], err)
	}
}

// Limits that Redis's clock can't resolve count as the most that it can.
func TestLimitsBeyondRedissClock(t *testing.T) {
	for _, c := range []struct {
		limit authz.Limit
		sent  string // burst, rate, period in seconds, calls
	}{
		{ten, "10 10 60 1"},
		{authz.Limit{Requests: 1_000_000, Per: time.Millisecond, Burst: 7}, "7 1000 0.001 1"},
		{authz.Limit{Requests: 1_000_000, Per: 1500 * time.Microsecond, Burst: 7}, "7 1500 0.0015 1"},
		{authz.Limit{Requests: 1_000_000, Per: time.Second, Burst: 7}, "7 1000000 1 1"},
	} {
		var sent string
		limiter := limiterAt(t, serve(t, func(command []string) string {
			sent = strings.Join(command[4:], " ")

			return script(1, 9, "-1", "6")
		}), 10*time.Second)
		if _, err := limiter.Take(t.Context(), alice, c.limit); err != nil || sent != c.sent {
			t.Errorf("%+v: sent %q, want %q: %v", c.limit, sent, c.sent, err)
		}
	}
}

func TestConfigurationsThatCantBe(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", ContextTimeoutEnabled: true})
	defer client.Close()
	deaf := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer deaf.Close()
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	defer cluster.Close()
	for name, c := range map[string]struct {
		config redislimit.Config
		want   string
	}{
		"no client":                  {redislimit.Config{}, "Config.Client is nil"},
		"a nil client":               {redislimit.Config{Client: (*redis.Client)(nil)}, "Config.Client is nil"},
		"a nil cluster":              {redislimit.Config{Client: (*redis.ClusterClient)(nil)}, "Config.Client is nil"},
		"a nil ring":                 {redislimit.Config{Client: (*redis.Ring)(nil)}, "Config.Client is nil"},
		"a client without deadlines": {redislimit.Config{Client: deaf}, "set ContextTimeoutEnabled"},
		"a cluster without":          {redislimit.Config{Client: cluster}, "set ContextTimeoutEnabled"},
		"a negative timeout":         {redislimit.Config{Client: client, Timeout: -1}, "Config.Timeout is negative"},
		"a long prefix":              {redislimit.Config{Client: client, Prefix: strings.Repeat("x", 65)}, "Config.Prefix is longer than 64 bytes"},
		"a good one":                 {redislimit.Config{Client: client, Prefix: "shop:", Timeout: time.Second}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := redislimit.New(c.config)
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
