package template

import (
	"encoding/json"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

const testMaxList = 3

// outcome is what Value returned, with the path of the field at fault.
type outcome struct {
	value any
	st    Status
	path  string
}

func valueOf(t *testing.T, text string, message proto.Message, token claims) outcome {
	t.Helper()
	parsed, fault := Parse(text, RoleContext, message.ProtoReflect().Descriptor())
	if fault != nil {
		t.Fatalf("%s: column %d: %s; %s", text, fault.Column, fault.Problem, fault.Fix)
	}
	if n := parsed.Count(&Input{}); n != 1 || parsed.Fan() != nil {
		t.Errorf("%s counts as %d objects", text, n)
	}
	in := &Input{
		Principal: token, Message: message.ProtoReflect(), MaxList: testMaxList,
		PeerIP: netip.MustParseAddr("192.0.2.1"), Now: func() time.Time { return time.Unix(0, 0) },
	}
	value, st, bad, element := parsed.Value(in)
	switch {
	case st == StatusOK:
		return outcome{value: value}
	case bad == nil:
		t.Fatalf("%s: status %d of no part", text, st)
	case bad.field == nil:
		return outcome{st: st, path: bad.Name()}
	}

	return outcome{st: st, path: bad.Path(element)}
}

func (o outcome) is(want outcome) bool {
	return o.st == want.st && (want.path == "" || o.path == want.path) && (o.st != StatusOK || reflect.DeepEqual(o.value, want.value))
}

func TestFieldsKeepTheirType(t *testing.T) {
	for name, tc := range map[string]struct {
		text    string
		message proto.Message
		want    outcome
	}{
		"string":                            {"{text}", &docsv1.Kinds{Text: "a:b #*"}, outcome{value: "a:b #*"}},
		"string in a text":                  {"x-{text}", &docsv1.Kinds{Text: "a"}, outcome{value: "x-a"}},
		"number in a text":                  {"x-{large}", &docsv1.Kinds{Large: 5}, outcome{value: "x-5"}},
		"int32":                             {"{small}", &docsv1.Kinds{Small: -5}, outcome{value: int64(-5)}},
		"int64":                             {"{large}", &docsv1.Kinds{Large: math.MinInt64}, outcome{value: int64(math.MinInt64)}},
		"uint32":                            {"{small_unsigned}", &docsv1.Kinds{SmallUnsigned: 7}, outcome{value: uint64(7)}},
		"fixed64":                           {"{large_unsigned}", &docsv1.Kinds{LargeUnsigned: math.MaxUint64}, outcome{value: uint64(math.MaxUint64)}},
		"enum by name":                      {"{color}", &docsv1.Kinds{Color: 1}, outcome{value: "COLOR_RED"}},
		"zero enum by name":                 {"{color}", &docsv1.Kinds{}, outcome{value: "COLOR_UNSPECIFIED"}},
		"zero number":                       {"{large}", &docsv1.Kinds{}, outcome{value: int64(0)}},
		"bool":                              {"{flag}", &docsv1.Kinds{Flag: true}, outcome{value: true}},
		"double":                            {"{ratio}", &docsv1.Values{Ratio: -0.25}, outcome{value: -0.25}},
		"float":                             {"{single}", &docsv1.Values{Single: 0.5}, outcome{value: 0.5}},
		"largest double":                    {"{ratio}", &docsv1.Values{Ratio: math.MaxFloat64}, outcome{value: math.MaxFloat64}},
		"wrapped double":                    {"{wrapped_ratio}", &docsv1.Values{WrappedRatio: wrapperspb.Double(0)}, outcome{value: 0.0}},
		"wrapped bool":                      {"{wrapped_flag}", &docsv1.Values{WrappedFlag: wrapperspb.Bool(false)}, outcome{value: false}},
		"wrapped string":                    {"{wrapped_text}", &docsv1.Kinds{WrappedText: wrapperspb.String("a")}, outcome{value: "a"}},
		"optional zero":                     {"{optional_ratio}", &docsv1.Values{OptionalRatio: proto.Float64(0)}, outcome{value: 0.0}},
		"nested":                            {"{nested.nested.ratio}", &docsv1.Values{Nested: &docsv1.Values{Nested: &docsv1.Values{Ratio: 1}}}, outcome{value: 1.0}},
		"uuid of bytes":                     {"{raw|uuid}", &docsv1.Kinds{Raw: []byte("0123456789abcdef")}, outcome{value: "30313233-3435-3637-3839-616263646566"}},
		"timestamp":                         {"{at}", &docsv1.Values{At: timestamppb.New(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))}, outcome{value: "2030-01-02T03:04:05Z"}},
		"timestamp's fraction":              {"{at}", &docsv1.Values{At: &timestamppb.Timestamp{Seconds: -1, Nanos: 500_000_000}}, outcome{value: "1969-12-31T23:59:59.500Z"}},
		"duration":                          {"{lasts}", &docsv1.Values{Lasts: durationpb.New(-1500 * time.Millisecond)}, outcome{value: "-1.500s"}},
		"zero timestamp":                    {"{at}", &docsv1.Values{At: &timestamppb.Timestamp{}}, outcome{value: "1970-01-01T00:00:00Z"}},
		"seconds of a timestamp":            {"{at.seconds}", &docsv1.Values{At: &timestamppb.Timestamp{Seconds: 5}}, outcome{value: int64(5)}},
		"missing string":                    {"{text}", &docsv1.Values{}, outcome{st: StatusMissing}},
		"missing optional":                  {"{optional_ratio}", &docsv1.Values{}, outcome{st: StatusMissing}},
		"missing wrapper":                   {"{wrapped_flag}", &docsv1.Values{}, outcome{st: StatusMissing}},
		"missing timestamp":                 {"{at}", &docsv1.Values{}, outcome{st: StatusMissing}},
		"missing message":                   {"{nested.at}", &docsv1.Values{}, outcome{st: StatusMissing}},
		"missing message of a number":       {"{nested.ratio}", &docsv1.Values{}, outcome{st: StatusMissing}},
		"row 69: NaN":                       {"{ratio}", &docsv1.Values{Ratio: math.NaN()}, outcome{st: StatusInvalid, path: "ratio"}},
		"row 69: infinity":                  {"{nested.ratio}", &docsv1.Values{Nested: &docsv1.Values{Ratio: math.Inf(-1)}}, outcome{st: StatusInvalid, path: "nested.ratio"}},
		"row 69: a float's NaN":             {"{single}", &docsv1.Values{Single: float32(math.NaN())}, outcome{st: StatusInvalid, path: "single"}},
		"row 69: a wrapped infinity":        {"{wrapped_ratio}", &docsv1.Values{WrappedRatio: wrapperspb.Double(math.Inf(1))}, outcome{st: StatusInvalid, path: "wrapped_ratio"}},
		"row 69: unknown enum number":       {"{color}", &docsv1.Kinds{Color: 77}, outcome{st: StatusInvalid, path: "color"}},
		"row 69: string of 4 KiB":           {"{text}", &docsv1.Kinds{Text: strings.Repeat("a", 4096)}, outcome{value: strings.Repeat("a", 4096)}},
		"row 69: string above 4 KiB":        {"{text}", &docsv1.Kinds{Text: strings.Repeat("a", 4097)}, outcome{st: StatusInvalid, path: "text"}},
		"row 69: text above 4 KiB":          {"x-{text}", &docsv1.Kinds{Text: strings.Repeat("a", 4095)}, outcome{st: StatusInvalid, path: "text"}},
		"row 69: invalid UTF-8":             {"{text}", &docsv1.Kinds{Text: "\xff"}, outcome{st: StatusInvalid, path: "text"}},
		"row 69: timestamp's year 10000":    {"{at}", &docsv1.Values{At: &timestamppb.Timestamp{Seconds: 253402300800}}, outcome{st: StatusInvalid, path: "at"}},
		"row 69: timestamp's negative nano": {"{at}", &docsv1.Values{At: &timestamppb.Timestamp{Nanos: -1}}, outcome{st: StatusInvalid, path: "at"}},
		"row 69: duration of mixed signs":   {"{lasts}", &docsv1.Values{Lasts: &durationpb.Duration{Seconds: 1, Nanos: -1}}, outcome{st: StatusInvalid, path: "lasts"}},
		"row 69: uuid that is none":         {"{text|uuid}", &docsv1.Kinds{Text: "x"}, outcome{st: StatusInvalid, path: "text"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := valueOf(t, tc.text, tc.message, nil); !got.is(tc.want) {
				t.Errorf("got %.100v, want %.100v", got, tc.want)
			}
		})
	}
}

func TestListsKeepTheirElementsTypes(t *testing.T) {
	at := &timestamppb.Timestamp{Seconds: 1}
	part := func(name string) *docsv1.ValuesPart { return &docsv1.ValuesPart{Name: name, At: at} }
	half := strings.Repeat("a", 2048)
	for name, tc := range map[string]struct {
		text    string
		message proto.Message
		want    outcome
	}{
		"strings":                         {"{texts[]}", &docsv1.Values{Texts: []string{"a,b", "", "a"}}, outcome{value: []any{"a,b", "", "a"}}},
		"one string":                      {"{texts[]}", &docsv1.Values{Texts: []string{"a"}}, outcome{value: []any{"a"}}},
		"an empty list":                   {"{texts[]}", &docsv1.Values{}, outcome{value: []any{}}},
		"integers":                        {"{numbers[]}", &docsv1.Values{Numbers: []int32{0, -1}}, outcome{value: []any{int64(0), int64(-1)}}},
		"unsigned":                        {"{unsigned[]}", &docsv1.Values{Unsigned: []uint64{math.MaxUint64}}, outcome{value: []any{uint64(math.MaxUint64)}}},
		"floats":                          {"{singles[]}", &docsv1.Values{Singles: []float32{0.5}}, outcome{value: []any{0.5}}},
		"doubles":                         {"{ratios[]}", &docsv1.Values{Ratios: []float64{0, 1e300}}, outcome{value: []any{0.0, 1e300}}},
		"booleans":                        {"{flags[]}", &docsv1.Values{Flags: []bool{true, false}}, outcome{value: []any{true, false}}},
		"enums by name":                   {"{colors[]}", &docsv1.Values{Colors: []docsv1.Color{2, 0}}, outcome{value: []any{"COLOR_BLUE", "COLOR_UNSPECIFIED"}}},
		"timestamps":                      {"{times[]}", &docsv1.Values{Times: []*timestamppb.Timestamp{at}}, outcome{value: []any{"1970-01-01T00:00:01Z"}}},
		"durations":                       {"{durations[]}", &docsv1.Values{Durations: []*durationpb.Duration{{Seconds: 3}}}, outcome{value: []any{"3s"}}},
		"wrapped":                         {"{wrapped_numbers[]}", &docsv1.Values{WrappedNumbers: []*wrapperspb.Int64Value{wrapperspb.Int64(0), wrapperspb.Int64(2)}}, outcome{value: []any{int64(0), int64(2)}}},
		"uuids":                           {"{raws[]|uuid}", &docsv1.Values{Raws: [][]byte{[]byte("0123456789abcdef")}}, outcome{value: []any{"30313233-3435-3637-3839-616263646566"}}},
		"names":                           {"{texts[]|name(folders/{})}", &docsv1.Values{Texts: []string{"folders/a", "folders/b"}}, outcome{value: []any{"a", "b"}}},
		"a field of messages":             {"{parts[].name}", &docsv1.Values{Parts: []*docsv1.ValuesPart{part("a"), part("")}}, outcome{value: []any{"a", ""}}},
		"zeros of messages":               {"{parts[].rank}", &docsv1.Values{Parts: []*docsv1.ValuesPart{{}, {Rank: 1}}}, outcome{value: []any{int64(0), int64(1)}}},
		"timestamps of messages":          {"{parts[].at}", &docsv1.Values{Parts: []*docsv1.ValuesPart{part("")}}, outcome{value: []any{"1970-01-01T00:00:01Z"}}},
		"deep in messages":                {"{parts[].values.nested.ratio}", &docsv1.Values{Parts: []*docsv1.ValuesPart{{Values: &docsv1.Values{Nested: &docsv1.Values{Ratio: 2}}}}}, outcome{value: []any{2.0}}},
		"of a nested message":             {"{nested.texts[]}", &docsv1.Values{Nested: &docsv1.Values{Texts: []string{"a"}}}, outcome{value: []any{"a"}}},
		"empty, of a nested message":      {"{nested.texts[]}", &docsv1.Values{Nested: &docsv1.Values{}}, outcome{value: []any{}}},
		"of an unset message":             {"{nested.texts[]}", &docsv1.Values{}, outcome{st: StatusMissing}},
		"at the limit":                    {"{flags[]}", &docsv1.Values{Flags: make([]bool, testMaxList)}, outcome{value: []any{false, false, false}}},
		"strings of 4 KiB":                {"{texts[]}", &docsv1.Values{Texts: []string{half, half}}, outcome{value: []any{half, half}}},
		"row 69: a list that is too long": {"{flags[]}", &docsv1.Values{Flags: make([]bool, testMaxList+1)}, outcome{st: StatusInvalid, path: "flags"}},
		"row 69: messages that are too many": {
			"{parts[].name}", &docsv1.Values{Parts: make([]*docsv1.ValuesPart, testMaxList+1)}, outcome{st: StatusInvalid, path: "parts.name"},
		},
		"row 69: strings above 4 KiB":       {"{texts[]}", &docsv1.Values{Texts: []string{half, half, "a"}}, outcome{st: StatusInvalid, path: "texts"}},
		"row 69: one string above 4 KiB":    {"{texts[]}", &docsv1.Values{Texts: []string{"a", half + half + "a"}}, outcome{st: StatusInvalid, path: "texts[1]"}},
		"row 69: invalid UTF-8 in a list":   {"{texts[]}", &docsv1.Values{Texts: []string{"a", "\xff"}}, outcome{st: StatusInvalid, path: "texts[1]"}},
		"row 69: NaN in a list":             {"{ratios[]}", &docsv1.Values{Ratios: []float64{1, math.NaN()}}, outcome{st: StatusInvalid, path: "ratios[1]"}},
		"row 69: unknown enum in a list":    {"{colors[]}", &docsv1.Values{Colors: []docsv1.Color{77}}, outcome{st: StatusInvalid, path: "colors[0]"}},
		"row 69: time beyond the calendar":  {"{times[]}", &docsv1.Values{Times: []*timestamppb.Timestamp{at, {Seconds: math.MaxInt64}}}, outcome{st: StatusInvalid, path: "times[1]"}},
		"row 69: an element without it":     {"{parts[].alias}", &docsv1.Values{Parts: []*docsv1.ValuesPart{{Alias: proto.String("")}, {}}}, outcome{st: StatusInvalid, path: "parts[1].alias"}},
		"row 69: an element without a time": {"{parts[].at}", &docsv1.Values{Parts: []*docsv1.ValuesPart{{}}}, outcome{st: StatusInvalid, path: "parts[0].at"}},
		"row 69: a name of another kind":    {"{texts[]|name(folders/{})}", &docsv1.Values{Texts: []string{"folders/a", "projects/b"}}, outcome{st: StatusInvalid, path: "texts[1]"}},
		"row 69: the nil UUID in a list":    {"{raws[]|uuid}", &docsv1.Values{Raws: [][]byte{make([]byte, 16)}}, outcome{st: StatusInvalid, path: "raws[0]"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := valueOf(t, tc.text, tc.message, nil); !got.is(tc.want) {
				t.Errorf("got %.100v, want %.100v", got, tc.want)
			}
		})
	}
	t.Run("row 69: no list without a limit", func(t *testing.T) {
		parsed, _ := Parse("{texts[]}", RoleContext, (&docsv1.Values{}).ProtoReflect().Descriptor())
		if _, st, _, _ := parsed.Value(&Input{Message: (&docsv1.Values{Texts: []string{"a"}}).ProtoReflect()}); st != StatusInvalid {
			t.Errorf("status %d", st)
		}
	})
}

// A rule may be compiled from a descriptor set, whose well-known types are its own.
func TestValuesOfADynamicMessage(t *testing.T) {
	set := &descriptorpb.FileDescriptorSet{}
	var add func(file protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor)
		}
		if !slices.ContainsFunc(set.GetFile(), func(other *descriptorpb.FileDescriptorProto) bool { return other.GetName() == file.Path() }) {
			set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
		}
	}
	add(docsv1.File_usher_test_docs_v1_values_proto)
	files, err := protodesc.NewFiles(set)
	if err != nil {
		t.Fatal(err)
	}
	found, err := files.FindDescriptorByName((&docsv1.Values{}).ProtoReflect().Descriptor().FullName())
	if err != nil {
		t.Fatal(err)
	}
	wire, err := proto.Marshal(&docsv1.Values{
		At: &timestamppb.Timestamp{Seconds: 1}, Durations: []*durationpb.Duration{{Nanos: -5}}, Colors: []docsv1.Color{1}, WrappedNumbers: []*wrapperspb.Int64Value{wrapperspb.Int64(3)},
		Parts: []*docsv1.ValuesPart{{Name: "a", At: &timestamppb.Timestamp{}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	descriptor, _ := found.(protoreflect.MessageDescriptor)
	message := dynamicpb.NewMessage(descriptor)
	if err := proto.Unmarshal(wire, message); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]any{
		"{at}": "1970-01-01T00:00:01Z", "{durations[]}": []any{"-0.000000005s"}, "{colors[]}": []any{"COLOR_RED"}, "{wrapped_numbers[]}": []any{int64(3)},
		"{parts[].at}": []any{"1970-01-01T00:00:00Z"}, "{texts[]}": []any{}, "{parts[].name}": []any{"a"},
	} {
		if got := valueOf(t, text, message, nil); !got.is(outcome{value: want}) {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestTokenValuesInAContext(t *testing.T) {
	long := strings.Repeat("a", 4095)
	deep := func(n int) any {
		value := any("x")
		for range n {
			value = []any{value}
		}

		return value
	}
	cycle := map[string]any{}
	cycle["a"] = cycle
	for name, tc := range map[string]struct {
		text  string
		token claims
		want  outcome
	}{
		"text":                             {"{$claim.a}", claims{"a": "x"}, outcome{value: "x"}},
		"number":                           {"{$claim.a}", claims{"a": json.Number("1.50")}, outcome{value: json.Number("1.50")}},
		"list":                             {"{$claim.a}", claims{"a": []any{"x", true, nil}}, outcome{value: []any{"x", true, nil}}},
		"object":                           {"{$claim.a}", claims{"a": map[string]any{"b": []any{}}}, outcome{value: map[string]any{"b": []any{}}}},
		"in a text":                        {"x-{$claim.a}", claims{"a": "b"}, outcome{value: "x-b"}},
		"of another principal":             {"{$claim.a}", claims{"a": []string{"x"}}, outcome{value: []string{"x"}}},
		"15 deep":                          {"{$claim.a}", claims{"a": deep(15)}, outcome{value: deep(15)}},
		"missing":                          {"{$claim.a}", claims{}, outcome{st: StatusMissing}},
		"null":                             {"{$claim.a}", claims{"a": nil}, outcome{st: StatusMissing}},
		"missing in a text":                {"x-{$claim.a}", claims{}, outcome{st: StatusMissing}},
		"empty in a text":                  {"x-{$claim.a}", claims{"a": ""}, outcome{st: StatusMissing}},
		"name of another kind":             {"{$claim.a|name(folders/{})}", claims{"a": "projects/b"}, outcome{st: StatusMissing}},
		"client id of a user":              {"{$client_id}", claims{}, outcome{st: StatusMissing}},
		"row 69: text above 4 KiB":         {"{$claim.a}", claims{"a": long}, outcome{st: StatusForeign, path: "$claim.a"}},
		"row 69: list above 4 KiB":         {"{$claim.a}", claims{"a": []any{long[:4091], "b"}}, outcome{st: StatusForeign}},
		"row 69: long list of nothing":     {"{$claim.a}", claims{"a": make([]any, 1025)}, outcome{st: StatusForeign}},
		"row 69: object above 4 KiB":       {"{$claim.a}", claims{"a": map[string]any{long: true}}, outcome{st: StatusForeign}},
		"row 69: number beyond floats":     {"{$claim.a}", claims{"a": []any{json.Number("1e999")}}, outcome{st: StatusForeign}},
		"row 69: long number":              {"{$claim.a}", claims{"a": json.Number(strings.Repeat("1", 4097))}, outcome{st: StatusForeign}},
		"row 69: invalid UTF-8":            {"{$claim.a}", claims{"a": []any{"\xff"}}, outcome{st: StatusForeign}},
		"row 69: invalid UTF-8 in a name":  {"{$claim.a}", claims{"a": map[string]any{"\xff": true}}, outcome{st: StatusForeign}},
		"row 69: 16 deep":                  {"{$claim.a}", claims{"a": deep(16)}, outcome{st: StatusForeign}},
		"row 69: endless":                  {"{$claim.a}", claims{"a": cycle}, outcome{st: StatusForeign}},
		"row 69: NaN":                      {"{$claim.a}", claims{"a": math.NaN()}, outcome{st: StatusForeign}},
		"row 69: no JSON":                  {"{$claim.a}", claims{"a": make(chan int)}, outcome{st: StatusForeign}},
		"row 69: foreign type above 4 KiB": {"{$claim.a}", claims{"a": []string{long}}, outcome{st: StatusForeign}},
		"row 69: text that grows":          {"xx-{$claim.a}", claims{"a": long}, outcome{st: StatusForeign, path: "$claim.a"}},
		"row 69: a list in a text":         {"x-{$claim.a}", claims{"a": []any{"b"}}, outcome{st: StatusForeign, path: "$claim.a"}},
		"row 69: a fraction in a text":     {"x-{$claim.a}", claims{"a": json.Number("1.5")}, outcome{st: StatusForeign}},
		"row 69: no uuid":                  {"{$claim.a|uuid}", claims{"a": "x"}, outcome{st: StatusForeign}},
		"row 69: runs into what follows":   {"{$claim.a}/{$sub}", claims{"a": "a/b"}, outcome{st: StatusForeign, path: "$claim.a"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := valueOf(t, tc.text, &docsv1.Kinds{}, tc.token); !got.is(tc.want) {
				t.Errorf("got %.100v, want %.100v", got, tc.want)
			}
		})
	}
}

func TestContextTemplatesThatAreFaults(t *testing.T) {
	for text, want := range map[string]struct {
		column       int
		problem, fix string
	}{
		"x-{texts[]}":              {2, "{texts[]} is a list", "leave out the text"},
		"{texts[]} ":               {0, "{texts[]} is a list", ""},
		"{$sub}/{parts[].name}":    {7, "{parts[].name} is a list", ""},
		"{parts[].values.texts[]}": {16, "fan out once only", ""},
		"x {at}":                   {3, "isn't one value", "leave out the text"},
		"{lasts} long":             {1, "isn't one value", "leave out the text"},
		"x {wrapped_flag}":         {3, "can't be text", ""},
		"{nested}":                 {1, "isn't one value", "go on to one of its fields"},
		"{parts[]}":                {1, "isn't one value", "go on to one of its fields"},
		"{raws[]}":                 {1, "has no text of its own", "|uuid"},
		"{wrapped_raw}":            {1, "has no text of its own", "|uuid"},
		"{texts}":                  {1, "is repeated", "texts[]"},
		"{ratio|uuid}":             {1, "|uuid takes", ""},
		"{at|uuid}":                {1, "|uuid takes", ""},
		"{times[]|name(a/{})}":     {1, "|name takes", ""},
		strings.Repeat("a", 4097):  {-1, "longer than 4096 bytes", ""},
	} {
		_, bad := Parse(text, RoleContext, (&docsv1.Values{}).ProtoReflect().Descriptor())
		switch {
		case bad == nil:
			t.Errorf("%.40s is no fault", text)
		case bad.Column != want.column || !strings.Contains(bad.Problem, want.problem) || !strings.Contains(bad.Fix, want.fix):
			t.Errorf("%.40s: got %+v", text, *bad)
		}
	}
	if _, bad := Parse(strings.Repeat("a", 4096), RoleContext, nil); bad != nil {
		t.Errorf("a literal of 4 KiB: %+v", *bad)
	}
	for text, in := range map[string]Role{"{at}": RoleMatch, "d:{at}": RoleObject, "d:{ratio}": RoleObject, "{ratios[]}": RoleMatch, "d:{texts[]}": RoleSubject, "{texts[]}": RoleRevision} {
		if _, bad := Parse(text, in, (&docsv1.Values{}).ProtoReflect().Descriptor()); bad == nil {
			t.Errorf("%s is no fault in %s", text, in.what)
		}
	}
}

// FuzzTimes tests that a time has the text that protojson gives it, or none.
func FuzzTimes(f *testing.F) {
	for _, seconds := range []int64{0, 1, -1, minTimestamp, minTimestamp - 1, maxTimestamp, maxTimestamp + 1, maxDuration, -maxDuration, maxDuration + 1, math.MaxInt64, math.MinInt64} {
		for _, nanos := range []int32{0, 1, -1, 500_000_000, 123_000, maxNanos, maxNanos + 1, -maxNanos, math.MinInt32} {
			f.Add(seconds, nanos)
		}
	}
	values := (&docsv1.Values{}).ProtoReflect().Descriptor()
	at, _ := Parse("{at}", RoleContext, values)
	lasts, _ := Parse("{lasts}", RoleContext, values)
	f.Fuzz(func(t *testing.T, seconds int64, nanos int32) {
		message := &docsv1.Values{At: &timestamppb.Timestamp{Seconds: seconds, Nanos: nanos}, Lasts: &durationpb.Duration{Seconds: seconds, Nanos: nanos}}
		for parsed, inner := range map[*Template]proto.Message{at: message.GetAt(), lasts: message.GetLasts()} {
			wire, err := protojson.Marshal(inner)
			value, st, _, _ := parsed.Value(&Input{Message: message.ProtoReflect()})
			if (st == StatusOK) != (err == nil) || err == nil && `"`+value.(string)+`"` != string(wire) {
				t.Errorf("%s of %d s %d ns: got %v, status %d; protojson has %s, %v", parsed, seconds, nanos, value, st, wire, err)
			}
		}
	})
}
