package demo

import (
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// answer is what a caller sees of a call's end: the gRPC code and usher's
// reason.
type answer struct {
	code   codes.Code
	reason string
}

// answerOf reads both from an error.
func answerOf(err error) answer {
	a := answer{code: status.Code(err)}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			a.reason = info.GetReason()
		}
	}
	return a
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
	codes.OK:               "OK",
	codes.Unauthenticated:  "UNAUTHENTICATED",
	codes.PermissionDenied: "PERMISSION_DENIED",
	codes.NotFound:         "NOT_FOUND",
	codes.InvalidArgument:  "INVALID_ARGUMENT",
	codes.Unavailable:      "UNAVAILABLE",
	codes.DeadlineExceeded: "DEADLINE_EXCEEDED",
	codes.Internal:         "INTERNAL",
}

func codeName(code codes.Code) string {
	if name, ok := codeNames[code]; ok {
		return name
	}
	return code.String()
}
