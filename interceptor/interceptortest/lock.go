package interceptortest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
	"github.com/usher-auth/usher/interceptor"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

const (
	// updateVariable is the environment variable that makes Lock write its file.
	updateVariable = "USHER_UPDATE"
	// maxChanges is how many changes a failure lists.
	maxChanges = 100
)

// Lock fails the test if what the interceptor enforces for the methods that are registered
// on the server isn't what the committed file at path has: each method's rule after
// inheritance, rules in code, subjects and issuers, which no .proto shows. The failure
// lists the changes, and which calls they newly let pass or refuse, so that none of them
// is merged without review. Give it the interceptor as production has it. The path is
// relative to the test's package. Not in the file are the engine's schema, the URLs and
// keys of issuers, and the fields of requests: a field that a rule reads may get another
// type or meaning without a change here.
//
// To write the file, set USHER_UPDATE=1 and run the test again. Lock writes it nowhere
// else: not where the variable CI is set, as continuous integration sets it, so that no
// pipeline accepts its own change. A file that is missing, or can't be read, fails the
// test, too.
//
//	func TestRules(t *testing.T) {
//		interceptortest.Lock(t, auth, srv, "rules.lock.json")
//	}
func Lock(tb testing.TB, auth *interceptor.Interceptor, server interceptor.ServiceInfoProvider, path string) {
	tb.Helper()
	var methods []string
	for service, info := range server.GetServiceInfo() {
		for _, method := range info.Methods {
			methods = append(methods, service+"/"+method.Name)
		}
	}
	if len(methods) == 0 {
		tb.Fatal("interceptortest: Lock: the server has no method; call it after the last service is registered")
	}
	now := auth.Policy().Only(methods...)
	text, err := lint.WriteLock(now)
	if err != nil {
		tb.Fatalf("interceptortest: Lock: %v", err)
	}
	committed, err := os.ReadFile(path)
	how := fmt.Sprintf("run %s=1 go test -run '^%s$' in this package, and commit the file for review", updateVariable, tb.Name())
	switch update := os.Getenv(updateVariable); {
	case update != "" && update != "0":
		if ci := os.Getenv("CI"); ci != "" && ci != "0" && !strings.EqualFold(ci, "false") {
			tb.Fatalf("interceptortest: Lock: %s is set and so is CI: a pipeline must not accept a change of the rules; run it on your machine", updateVariable)
		}
		if bytes.Equal(committed, text) {
			return
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			tb.Fatalf("interceptortest: Lock: %v", err)
		}
		tb.Logf("interceptortest: Lock: wrote %s", path)

		return
	case errors.Is(err, fs.ErrNotExist):
		tb.Fatalf("interceptortest: Lock: %s doesn't exist; %s", path, how)
	case err != nil:
		tb.Fatalf("interceptortest: Lock: %v", err)
	}
	was, err := lint.ReadLock(committed)
	if err != nil {
		tb.Fatalf("interceptortest: Lock: %s: %v; %s", path, err, how)
	}
	if changes := changesOf(was, now); len(changes) > 0 {
		shown := changes[:min(len(changes), maxChanges)]
		if more := len(changes) - len(shown); more > 0 {
			shown = append(slices.Clone(shown), fmt.Sprintf("and %d more", more))
		}
		tb.Errorf("interceptortest: Lock: %s isn't what the server enforces:\n  %s\nif all of this is meant, %s", path, strings.Join(shown, "\n  "), how)
	}
}

// changesOf returns what differs between two policies, each on a line.
func changesOf(was, now *authz.Policy) []string {
	changes := slices.Concat(
		subjectChanges("Subjects", was.Subjects, now.Subjects), issuerChanges(was, now),
		valueChange("the issuers", fmt.Sprint(slices.Sorted(slices.Values(was.Issuers))), fmt.Sprint(slices.Sorted(slices.Values(now.Issuers)))),
		valueChange("permissions are the token's", strconv.FormatBool(was.ClaimPermissions), strconv.FormatBool(now.ClaimPermissions)),
	)
	judged := map[string]lint.Change{}
	for _, change := range lint.Compare(was, now, lint.CompareConfig{}).Changes {
		judged[change.Method] = change
	}
	for _, text := range witnesses(judged[""]) { // what all methods have in common
		changes = append(changes, "all methods: "+text)
	}
	before, after := byMethod(was), byMethod(now)
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		changes = append(changes, methodChanges(name, before[name], after[name], judged[name])...)
	}

	return changes
}

func byMethod(policy *authz.Policy) map[string]*authz.MethodPolicy {
	methods := map[string]*authz.MethodPolicy{}
	for i := range policy.Methods {
		methods[policy.Methods[i].Method] = &policy.Methods[i]
	}

	return methods
}

func valueChange(what, was, now string) []string {
	if was == now {
		return nil
	}

	return []string{what + ": was " + was + ", is " + now}
}

func subjectChanges(where string, was, now authz.Subjects) []string {
	return append(
		valueChange(where+".Service", strconv.Quote(was.Service), strconv.Quote(now.Service)),
		valueChange(where+".User", strconv.Quote(was.User), strconv.Quote(now.User))...)
}

func issuerChanges(was, now *authz.Policy) (changes []string) {
	issuers := maps.Clone(was.IssuerSubjects)
	if issuers == nil {
		issuers = map[string]authz.Subjects{}
	}
	maps.Copy(issuers, now.IssuerSubjects)
	for _, issuer := range slices.Sorted(maps.Keys(issuers)) {
		before, had := was.IssuerSubjects[issuer]
		after, has := now.IssuerSubjects[issuer]
		where := "IssuerSubjects[" + strconv.Quote(issuer) + "]"
		if had != has {
			changes = append(changes, valueChange(where, given(had), given(has))...)
		}
		changes = append(changes, subjectChanges(where, before, after)...)
	}

	return changes
}

func given(has bool) string {
	if has {
		return "set"
	}

	return "not set"
}

// methodChanges returns how a method's rule changed: the calls that are now treated
// differently, and the parts that differ.
func methodChanges(name string, was, now *authz.MethodPolicy, judged lint.Change) []string {
	var parts []string
	switch {
	case was == nil:
		parts = []string{"is new"}
	case now == nil:
		return []string{name + ": isn't registered any more"}
	default:
		parts = partChanges(was, now)
	}
	parts = append(parts, witnesses(judged)...)
	for i := range parts {
		parts[i] = name + ": " + parts[i]
	}

	return parts
}

// witnesses returns calls that are now treated differently.
func witnesses(judged lint.Change) []string {
	texts := make([]string, 0, len(judged.Differences))
	for _, difference := range judged.Differences {
		text := difference.Witness
		if verdict := difference.Verdict.String() + ": "; !strings.HasPrefix(text, verdict) {
			text = verdict + text
		}
		texts = append(texts, text)
	}

	return texts
}

// partChanges returns the parts of a method that differ.
func partChanges(was, now *authz.MethodPolicy) []string {
	var parts []string
	switch {
	case (was.Rule == nil) != (now.Rule == nil):
		parts = append(parts, valueChange("its rule", given(was.Rule != nil), given(now.Rule != nil))...)
	case !proto.Equal(was.Rule, now.Rule):
		parts = append(parts, "changed: "+strings.Join(fieldChanges(was.Rule, now.Rule), ", "))
	}
	parts = append(parts, valueChange("file", strconv.Quote(was.File), strconv.Quote(now.File))...)
	parts = append(parts, valueChange("streams of the client", strconv.FormatBool(was.ClientStreaming), strconv.FormatBool(now.ClientStreaming))...)
	parts = append(parts, valueChange("streams of the server", strconv.FormatBool(was.ServerStreaming), strconv.FormatBool(now.ServerStreaming))...)

	return append(parts, valueChange("inherits", fmt.Sprint(was.Inherited), fmt.Sprint(now.Inherited))...)
}

// fieldChanges returns the names of the parts in which two rules differ.
func fieldChanges(was, now *authzv1.Rule) []string {
	var names []string
	a, b := was.ProtoReflect(), now.ProtoReflect()
	fields := a.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if a.Has(fd) != b.Has(fd) || a.Has(fd) && !equalField(a, b, fd) {
			names = append(names, string(fd.Name()))
		}
	}

	return names
}

func equalField(a, b protoreflect.Message, fd protoreflect.FieldDescriptor) bool {
	return a.Get(fd).Equal(b.Get(fd))
}
