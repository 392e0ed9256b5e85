package demo

import (
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// answer is what a caller sees of a call's end: the gRPC code, usher's reason, and
// whether it is told how long to wait.
type answer struct {
	code   codes.Code
	reason string
	waits  bool
}

// answerOf reads the answer from an error, and how long to wait.
func answerOf(err error) (a answer, wait time.Duration) {
	a.code = status.Code(err)
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			a.reason = detail.GetReason()
		case *errdetails.RetryInfo:
			wait = detail.GetRetryDelay().AsDuration()
			a.waits = wait > 0
		}
	}
	return a, wait
}

// String is the answer in gRPC's spelling, as in
// "PERMISSION_DENIED RELATION_DENIED".
func (a answer) String() string {
	if a.reason == "" {
		return codeName(a.code)
	}
	return codeName(a.code) + " " + a.reason
}

// codeNames are the codes that the demo can meet, as the gRPC specification
// spells them.
var codeNames = map[codes.Code]string{
	codes.OK:                "OK",
	codes.Unauthenticated:   "UNAUTHENTICATED",
	codes.PermissionDenied:  "PERMISSION_DENIED",
	codes.NotFound:          "NOT_FOUND",
	codes.InvalidArgument:   "INVALID_ARGUMENT",
	codes.ResourceExhausted: "RESOURCE_EXHAUSTED",
	codes.Unavailable:       "UNAVAILABLE",
	codes.DeadlineExceeded:  "DEADLINE_EXCEEDED",
	codes.Internal:          "INTERNAL",
}

func codeName(code codes.Code) string {
	if name, ok := codeNames[code]; ok {
		return name
	}
	return code.String()
}
