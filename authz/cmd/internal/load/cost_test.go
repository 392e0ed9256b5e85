package load

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/usher-auth/usher/authz"
)

func TestAnImageOfManyEmptyElementsIsRefusedBeforeItIsDecoded(t *testing.T) {
	const n = 10 << 20 // 20 MiB, which would take some GiB
	empty := func(number protowire.Number) []byte {
		return bytes.Repeat(protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), nil), n)
	}
	within := func(number protowire.Number, content []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), content)
	}
	for name, data := range map[string][]byte{
		"files":      empty(1),
		"messages":   within(1, empty(4)),
		"fields":     within(1, within(4, empty(2))),
		"conditions": within(1, within(6, within(2, within(4, within(417100233, within(6, empty(1))))))),
	} {
		t.Run(name, func(t *testing.T) {
			input := folder(t, map[string]string{"image.gz": string(zip(t, data))}) + "/image.gz"
			if _, err := Read(t.Context(), Config{Inputs: []string{input}}); !errors.Is(err, errCost) {
				t.Error(err)
			}
		})
	}
	objects := `{"file":[{}` + strings.Repeat(",{}", n) + `]}`
	if _, err := Read(t.Context(), Config{Inputs: []string{"-"}, Stdin: strings.NewReader(objects)}); !errors.Is(err, errCost) {
		t.Error(err)
	}
}

const jsonImage = `{"file":[{"name":"a.proto","package":"a","syntax":"proto3","dependency":["usher/authz/v1/authz.proto"],
"messageType":[{"name":"M"}],"service":[{"name":"S","options":{"[usher.authz.v1.service_rule]":{"default":{"authenticated":{}}}},
"method":[{"name":"G","inputType":".a.M","outputType":".a.M","options":{"[usher.authz.v1.rule]":{"deny":{"reason":"closed"}}}}]}]}]}`

// A part that is left out would make a rule look like another one.
func TestAnImageInJSONWithAnUnknownPartOfARuleIsRefused(t *testing.T) {
	for name, row := range map[string]struct{ old, new, want string }{
		"as it is":               {"", "", ""},
		"a part of a rule":       {`"deny":{"reason":"closed"}`, `"authenticated":{},"later":{}`, "method S/G"},
		"a part of a default":    {`"authenticated":{}`, `"authenticated":{"later":1}`, "service S"},
		"an option of a method":  {"v1.rule]", "v1.rules]", "method S/G"},
		"an option of a service": {"v1.service_rule]", "v2.service_rule]", "service S"},
		"another option":         {`"options":{"[usher.authz.v1.rule]"`, `"options":{"[acme.owner]":"x","[usher.authz.v1.rule]"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(jsonImage, row.old, row.new, 1)
			_, err := Read(t.Context(), Config{Inputs: []string{"-"}, Stdin: strings.NewReader(text)})
			if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
				t.Error(err)
			}
		})
	}
}

func TestABinaryImageWithAnUnknownPartOfARuleHasAFault(t *testing.T) {
	set := image(t, map[string]string{"docs.proto": docs})
	file := set.GetFile()[len(set.GetFile())-1]
	data, err := proto.Marshal(file.GetService()[0].GetMethod()[0].GetOptions())
	if err != nil {
		t.Fatal(err)
	}
	_, _, tag := protowire.ConsumeTag(data)
	rule, _ := protowire.ConsumeBytes(data[tag:])
	rule = protowire.AppendVarint(protowire.AppendTag(bytes.Clone(rule), 999, protowire.VarintType), 1)
	options := &descriptorpb.MethodOptions{}
	if err := proto.Unmarshal(protowire.AppendBytes(bytes.Clone(data[:tag]), rule), options); err != nil {
		t.Fatal(err)
	}
	file.GetService()[0].GetMethod()[0].Options = options
	policy, _, err := read(t, Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(encode(t, set))})
	if err != nil || len(policy.Methods) != 1 || len(policy.Methods[0].Faults) == 0 && !hasFault(policy) {
		t.Errorf("%v %+v", err, policy)
	}
}

func hasFault(policy *authz.Policy) bool { return len(policy.Faults) > 0 }

func TestAnImportReadsNoFileThatIsNoProto(t *testing.T) {
	root := folder(t, map[string]string{".env": "KEY=0xfake1\n", "a.proto": "syntax = \"proto3\";\nimport \".env\";\nservice S {}\n"})
	if _, err := Read(t.Context(), Config{Inputs: []string{root}}); err == nil || strings.Contains(err.Error(), "fake") || !strings.Contains(err.Error(), "isn't a path of a .proto file") {
		t.Error(err)
	}
}
