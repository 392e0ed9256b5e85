package demo

import "google.golang.org/grpc/codes"

// The three callers. To the engine they are service:reader, service:writer and
// service:stranger.
const (
	reader   = "reader"
	writer   = "writer"
	stranger = "stranger"
)

var services = []string{reader, writer, stranger}

// What a call may come to.
var (
	ok     = answer{code: codes.OK}
	denied = answer{code: codes.PermissionDenied, reason: "RELATION_DENIED"}
	hidden = answer{code: codes.NotFound}
	// limited is refused for now, and told how long to wait.
	limited = answer{code: codes.ResourceExhausted, reason: "RATE_LIMITED", waits: true}
	closed  = answer{code: codes.PermissionDenied, reason: "METHOD_DENIED"}
)

// expectation is what one caller must get: the answer, what decides it, and
// what comes back where that depends on the caller.
type expectation struct {
	answer answer
	by     string
	note   string
}

// method is one method of the service: its call, and what each caller must get.
type method struct {
	name string
	call call
	want map[string]expectation
}

// truth is what the rules of docs.proto and press.proto, the tokens' claims and the relationships of engine.People
// say, worked out by hand: nothing here comes from a run.
var truth = []method{
	{"GetServiceInfo", getServiceInfo, everyone(ok, "no decision")},
	{"WhoAmI", whoAmI, everyone(ok, "authenticated")},
	{"GetDocument", getDocument, map[string]expectation{
		reader:   {ok, "document:onboarding#viewer", ""},
		writer:   {ok, "document:onboarding#viewer", ""},
		stranger: {denied, "document:onboarding#viewer", ""},
	}},
	{"ListDocuments", listDocuments, map[string]expectation{
		reader:   {ok, "document:holidays#viewer +2", "3 documents"},
		writer:   {ok, "document:holidays#viewer +2", "3 documents"},
		stranger: {ok, "document:holidays#viewer +2", "1 document"},
	}},
	{"WatchDocument", watchDocument, map[string]expectation{
		reader:   {ok, "document:onboarding#viewer", ""},
		writer:   {ok, "document:onboarding#viewer", ""},
		stranger: {denied, "document:onboarding#viewer", ""},
	}},
	{"UpdateDocument", updateDocument, editors("document:onboarding#editor")},
	{"EditDocument", editDocument, editors("document:onboarding#editor")},
	{"MoveDocument", moveDocument, map[string]expectation{
		reader:   {denied, "document:vision#editor", ""},
		writer:   {ok, "document:vision#editor +2", ""},
		stranger: {denied, "document:vision#editor", ""},
	}},
	{"ImportDocuments", importDocuments, editors("folder:handbook#editor")},
	{"DeleteDocument", deleteDocument, map[string]expectation{
		reader:   {hidden, "document:scratch#owner", ""},
		writer:   {ok, "document:scratch#owner", ""},
		stranger: {hidden, "document:scratch#owner", ""},
	}},
	{"PurgeDocuments", purgeDocuments, everyone(closed, "deny")},
	{"GetStatistics", getStatistics, map[string]expectation{
		reader:   {ok, "permission statistics.read", ""},
		writer:   {denied, "permission statistics.read", ""},
		stranger: {denied, "permission statistics.read", ""},
	}},
	{"PublishDocument", publishDocument("internal"), map[string]expectation{
		reader:   {ok, "publish document:onboarding", ""},
		writer:   {ok, "publish document:onboarding", ""},
		stranger: {denied, "publish document:onboarding", ""},
	}},
	{"PublishDocument", publishDocument("public"), editors("publish document:onboarding")},
	{"OrderPrints", orderPrints(10), everyone(ok, "expression")},
	{"OrderPrints", orderPrints(500), editors("expression")},
	{"RequestReview", requestReview, everyone(ok, "document:holidays#viewer")},
	{"RequestReview", requestReview, everyone(limited, "rate limit")}, // a second time
}

func everyone(a answer, by string) map[string]expectation {
	return map[string]expectation{reader: {a, by, ""}, writer: {a, by, ""}, stranger: {a, by, ""}}
}

// editors lets only the writer in.
func editors(by string) map[string]expectation {
	return map[string]expectation{reader: {denied, by, ""}, writer: {ok, by, ""}, stranger: {denied, by, ""}}
}
