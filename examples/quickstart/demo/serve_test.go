package demo

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// console drives a running --serve through its standard input and output.
type console struct {
	t     *testing.T
	in    *os.File
	lines chan string
	done  chan int
}

func startConsole(t *testing.T, args ...string) *console {
	t.Helper()
	ctx := deadline(t)
	inRead, inWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := &console{t: t, in: inWrite, lines: make(chan string, 1000), done: make(chan int, 1)}
	go func() {
		code := Run(ctx, append([]string{"--serve"}, args...), inRead, outWrite, outWrite)
		outWrite.Close()
		c.done <- code
	}()
	go func() {
		defer close(c.lines)
		scanner := bufio.NewScanner(outRead)
		for scanner.Scan() {
			c.lines <- scanner.Text()
		}
		outRead.Close()
	}()
	t.Cleanup(func() { inWrite.Close(); inRead.Close() })
	return c
}

// say sends a command; an empty one sends nothing.
func (c *console) say(command string) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, command); err != nil {
		c.t.Fatal(err)
	}
}

// wait reads until a line that starts with prefix.
func (c *console) wait(prefix string) string {
	c.t.Helper()
	var seen []string
	timeout := time.After(testTimeout)
	for {
		select {
		case line, more := <-c.lines:
			if !more {
				c.t.Fatalf("the output ended before %q:\n%s", prefix, strings.Join(seen, "\n"))
			}
			if strings.HasPrefix(line, prefix) {
				return line
			}
			seen = append(seen, line)
		case <-timeout:
			c.t.Fatalf("no line starts with %q:\n%s", prefix, strings.Join(seen, "\n"))
		}
	}
}

// call asks every service to call once and returns their answers.
func (c *console) call() map[string]string {
	c.t.Helper()
	c.say("call")
	answers := map[string]string{}
	for _, name := range services {
		line := c.wait(name + " GetDocument: ")
		answer, _, _ := strings.Cut(strings.TrimPrefix(line, name+" GetDocument: "), " (")
		answers[name] = answer
	}
	return answers
}

// until calls until every service gets what it should.
func (c *console) until(want map[string]string) {
	c.t.Helper()
	end := time.Now().Add(testTimeout)
	for {
		got := c.call()
		if fmt.Sprint(got) == fmt.Sprint(want) {
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func (c *console) exit() int {
	c.t.Helper()
	for {
		select {
		case code := <-c.done:
			return code
		case <-time.After(testTimeout):
			c.t.Fatal("never ended")
		}
	}
}

func TestServeObeysItsInput(t *testing.T) {
	c := startConsole(t)
	if line := c.wait("export TOKEN="); strings.Count(line, ".") != 2 {
		t.Errorf("not a JWT: %s", line)
	}
	c.wait("grpcurl -cacert ")
	c.wait("With the issuer down")

	normal := map[string]string{reader: "OK", writer: "OK", stranger: "PERMISSION_DENIED RELATION_DENIED"}
	if got := c.call(); fmt.Sprint(got) != fmt.Sprint(normal) {
		t.Fatalf("at first %v", got)
	}
	c.say("engine down")
	c.wait("engine down: done")
	unavailable := "UNAVAILABLE ENGINE_UNAVAILABLE"
	for range 3 { // from the first call on: never a grant, never a denial
		for name, got := range c.call() {
			if got != unavailable {
				t.Errorf("engine down: %s got %s", name, got)
			}
		}
	}
	c.say("engine up")
	c.until(normal)
	c.say("issuer down")
	c.wait("issuer down: done")
	for range 3 {
		if got := c.call(); fmt.Sprint(got) != fmt.Sprint(normal) {
			t.Errorf("issuer down, tokens alive: %v", got)
		}
	}
	c.say("issuer up")
	c.say("nonsense")
	c.wait(`unknown command "nonsense"`)
	c.say("quit")
	if code := c.exit(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestServeIssuerDownUntilTokensEnd(t *testing.T) {
	c := startConsole(t, "--token-lifetime", "5s", "--until-eof")
	c.wait("With the issuer down")
	c.say("issuer down")
	c.wait("issuer down: done")
	unavailable := map[string]string{reader: "UNAVAILABLE", writer: "UNAVAILABLE", stranger: "UNAVAILABLE"}
	c.until(unavailable)
	c.say("issuer up")
	c.until(map[string]string{reader: "OK", writer: "OK", stranger: "PERMISSION_DENIED RELATION_DENIED"})
	c.in.Close()
	if code := c.exit(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestServeOutlivesItsInput(t *testing.T) {
	ctx, interrupt := context.WithCancel(deadline(t))
	done := make(chan int, 1)
	outRead, outWrite := io.Pipe()
	go func() {
		done <- Run(ctx, []string{"--serve"}, strings.NewReader(""), outWrite, outWrite)
		outWrite.Close()
	}()
	scanner := bufio.NewScanner(outRead)
	for scanner.Scan() && !strings.HasPrefix(scanner.Text(), "With the issuer down") {
	}
	select {
	case code := <-done:
		t.Fatalf("ended with its input: exit %d", code)
	case <-time.After(200 * time.Millisecond):
	}
	interrupt()
	go io.Copy(io.Discard, outRead)
	if code := <-done; code != 0 {
		t.Errorf("exit %d", code)
	}
}
