package fleet

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

const (
	// issuerVariable makes this program an issuer instead of a test: it is
	// started again as the process that is killed.
	issuerVariable = "USHER_FLEET_ISSUER"
	// parallel tests are not for the processor: most of the time they wait for
	// an outage to end.
	parallel = "16"
)

func TestMain(m *testing.M) {
	if os.Getenv(issuerVariable) != "" {
		os.Exit(serveIssuer(os.Stdin, os.Stdout, os.Stderr))
	}
	flag.Parse()
	if err := flag.Set("test.parallel", parallel); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := nodeModules.remove(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}))
}
