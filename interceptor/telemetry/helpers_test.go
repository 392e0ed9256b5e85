package telemetry_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
)

// encoder writes labels as name=value, separated by commas.
type encoder struct{}

var encoderID = attribute.NewEncoderID()

func (encoder) ID() attribute.EncoderID { return encoderID }

func (encoder) Encode(it attribute.Iterator) string {
	var all []string
	for it.Next() {
		a := it.Attribute()
		all = append(all, string(a.Key)+"="+a.Value.String())
	}

	return strings.Join(all, ",")
}

// run gives an example what a test has.
func run(example func(testing.TB)) {
	tb := &fakeTB{}
	defer func() {
		for _, cleanup := range slices.Backward(tb.cleanups) {
			cleanup()
		}
	}()
	example(tb)
}

type fakeTB struct {
	testing.TB

	cleanups []func()
}

func (*fakeTB) Helper()                   {}
func (*fakeTB) Context() context.Context  { return context.Background() }
func (tb *fakeTB) Cleanup(cleanup func()) { tb.cleanups = append(tb.cleanups, cleanup) }
