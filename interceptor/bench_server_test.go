package interceptor_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// Benchmarks of throughput run the server in a process of its own: this test
// binary, told by these variables what to be.
const (
	envServer = "USHER_BENCH_SERVER"
	envTLS    = "USHER_BENCH_TLS"
)

// The kinds of server that are compared. Plain is the baseline (c) of the goals:
// the same call with the same bearer, and no interceptor; its twin is the A/A
// control.
const (
	serverPlain   = "plain"
	serverTwin    = "twin"
	serverGuarded = "guarded"
	serverFirst   = "first-message"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv(envServer); kind != "" {
		if err := serveBench(kind, os.Getenv(envTLS) != ""); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// benchOptions returns the options of a kind of server, and a token that it knows.
func benchOptions(kind string) ([]grpc.ServerOption, *warm, error) {
	set := byValue()
	if kind == serverFirst {
		for _, name := range []string{"PingClientStream", "PingStream"} {
			set[name].Stream = &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE}
		}
	}
	w, err := newWarm(set)
	if err != nil {
		return nil, nil, err
	}
	if kind == serverPlain || kind == serverTwin {
		return nil, w, nil
	}

	return w.auth.ServerOptions(), w, nil
}

// serveBench is the server process. It says on a line where it listens, with
// which token and certificate it may be called; to each line that it is told, it
// answers with the CPU time it has used; at the end of its input it ends.
func serveBench(kind string, withTLS bool) error {
	options, w, err := benchOptions(kind)
	if err != nil {
		return err
	}
	defer w.close()
	certificate := "-"
	if withTLS {
		own := newCertificate(panicTB{})
		certificate = base64.StdEncoding.EncodeToString(own.Certificate[0])
		options = append(options, grpc.Creds(credentials.NewServerTLSFromCert(&own)))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer(options...)
	testpb.RegisterTestServiceServer(server, &scripted{unary: echo})
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	fmt.Println(listener.Addr(), w.token, certificate)
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		var used syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
			return err
		}
		fmt.Println(used.Utime.Nano() + used.Stime.Nano())
	}

	return nil
}

// panicTB is a testing.TB for a process without a test.
type panicTB struct{ testing.TB }

func (panicTB) Helper()           {}
func (panicTB) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// process is a server process and how to reach it.
type process struct {
	addr, token string
	certificate []byte // nil: without TLS
	cpu         func() int64
}

func startProcess(b *testing.B, kind string, withTLS bool) *process {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), envServer+"="+kind)
	if withTLS {
		cmd.Env = append(cmd.Env, envTLS+"=1")
	}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	output := bufio.NewReader(stdout)
	line := func() string {
		text, err := output.ReadString('\n')
		if err != nil {
			b.Fatal("the server process is gone: ", err)
		}

		return strings.TrimSpace(text)
	}
	p := &process{cpu: func() int64 {
		if _, err := fmt.Fprintln(stdin, "cpu"); err != nil {
			b.Fatal(err)
		}
		used, err := strconv.ParseInt(line(), 10, 64)
		if err != nil {
			b.Fatal(err)
		}

		return used
	}}
	fields := strings.Fields(line())
	p.addr, p.token = fields[0], fields[1]
	if withTLS {
		if p.certificate, err = base64.StdEncoding.DecodeString(fields[2]); err != nil {
			b.Fatal(err)
		}
	}

	return p
}
