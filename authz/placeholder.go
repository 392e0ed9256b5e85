package authz

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// parse reads the inside of a placeholder. Columns of faults are within it.
func (p *part) parse(text string, in role, input protoreflect.MessageDescriptor) *fault {
	name, format, formatted := strings.Cut(text, "|")
	p.name = name
	if formatted {
		var bad *fault
		if p.format, bad = parseFormatter(format); bad != nil {
			bad.column += len(name) + 1

			return bad
		}
	}
	if name == "" {
		return &fault{0, "the placeholder is empty", "name a field, or a source such as $sub"}
	}
	if strings.HasPrefix(name, "$") {
		return p.parseSource(name, in)
	}
	p.source = sourceField
	if !slices.Contains(in.sources, sourceField) {
		return &fault{0, in.what + " can't read the request", "use $sub, $client_id, $issuer or $claim.name"}
	}
	field, bad := resolveField(name, input)
	if bad != nil {
		return bad
	}
	p.field = field

	return field.checkType(p.format, in)
}

func (p *part) parseSource(name string, in role) *fault {
	head, rest, dotted := strings.Cut(name[1:], ".")
	switch {
	case name == "$sub":
		p.source = sourceSubject
	case name == "$client_id":
		p.source = sourceClientID
	case name == "$issuer":
		p.source = sourceIssuer
	case name == "$now":
		p.source = sourceNow
	case name == "$peer.ip":
		p.source = sourcePeerIP
	case head == "claim" && dotted:
		p.source = sourceClaim
		p.claim = strings.Split(rest, ".")
		if slices.Contains(p.claim, "") {
			return &fault{len("$claim."), "the claim's path has an empty member", "write it as $claim.name or $claim.name.member"}
		}
	case head == "metadata" && dotted:
		p.source = sourceMetadata
		p.key = rest
		if bad := badMetadataKey(rest); bad {
			return &fault{len("$metadata."), "the metadata key isn't lower-case letters, digits and _-.", "write it as gRPC sends it, in lower case"}
		}
	default:
		return &fault{0, "there is no source " + name, "use a field, $sub, $client_id, $issuer, $claim.name" + otherSources(in)}
	}
	if !slices.Contains(in.sources, p.source) {
		return &fault{0, name + " can't stand in " + in.what, sourceFix(p.source)}
	}
	if p.format.kind != formatNone && p.source != sourceSubject && p.source != sourceClientID && p.source != sourceClaim {
		return &fault{len(name), "the value of " + name + " has no formatter", "leave the formatter out"}
	}

	return nil
}

func badMetadataKey(key string) bool {
	return key == "" || strings.HasSuffix(key, "-bin") || strings.ContainsFunc(key, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
}

func otherSources(in role) string {
	if slices.Contains(in.sources, sourceNow) {
		return ", $peer.ip or $now"
	}
	if slices.Contains(in.sources, sourceMetadata) {
		return " or $metadata.key"
	}

	return ""
}

func sourceFix(refused source) string {
	switch refused {
	case sourceMetadata:
		return "the caller writes the metadata, so it can only stand in consistency.revision"
	case sourceNow, sourcePeerIP:
		return "it can only stand in a check's context"
	default:
		return "use a field of the request"
	}
}
