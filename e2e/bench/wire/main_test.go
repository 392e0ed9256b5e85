package wire

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
)

// childEnv holds the world of a server process; a process without it is a client.
const childEnv = "USHER_BENCH_SERVER"

// TestMain is the main function of both processes.
func TestMain(m *testing.M) {
	config := os.Getenv(childEnv)
	if config == "" {
		code := m.Run()
		stopShared()
		os.Exit(code)
	}
	if err := serveParent(config); err != nil {
		fmt.Fprintln(os.Stderr, "the server process:", err)
		os.Exit(1)
	}
}

// hello is the first line that the server process writes.
type hello struct {
	// Addresses are where the sides are served: by name and "tls" or "plain".
	Addresses map[string]string `json:"addresses"`
	// Certificate is the server's, in DER.
	Certificate []byte `json:"certificate"`
}

// usage is what a process has used since it began.
type usage struct {
	// CPU is processor time in nanoseconds, the kernel's on its behalf included.
	CPU int64 `json:"cpu"`
	// Mallocs is the number of objects allocated.
	Mallocs uint64 `json:"mallocs"`
}

// serveParent serves every side until the standard input ends. Each line of it
// is answered with the usage; before that, garbage is collected, so that no
// window pays for another's.
func serveParent(config string) error {
	var w world
	if err := json.Unmarshal([]byte(config), &w); err != nil {
		return err
	}
	s, err := newServers(w, false)
	if err != nil {
		return err
	}
	defer s.close()
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(s.hello()); err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		used, err := ownUsage(in.Text() == collectFirst)
		if err != nil {
			return err
		}
		if err := out.Encode(used); err != nil {
			return err
		}
	}
	return nil
}

// The messages from a client to the server process.
const (
	collectFirst = "collect"
	justReport   = "report"
)

// ownUsage reads what this process has used.
func ownUsage(collect bool) (usage, error) {
	if collect {
		runtime.GC()
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	var times syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &times); err != nil {
		return usage{}, err
	}
	return usage{CPU: times.Utime.Nano() + times.Stime.Nano(), Mallocs: memory.Mallocs}, nil
}
