package wire

import (
	"runtime"
	"syscall"
)

// What a client says to the server process.
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
