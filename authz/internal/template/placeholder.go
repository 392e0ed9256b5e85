package template

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// parse reads the inside of a placeholder. Columns of faults are within it.
func (p *Part) parse(text string, in Role, input protoreflect.MessageDescriptor) *Fault {
	name, format, formatted := strings.Cut(text, "|")
	p.name = name
	if formatted {
		var bad *Fault
		if p.format, bad = parseFormatter(format); bad != nil {
			bad.Column += len(name) + 1
			if name == "$now" {
				bad.Fix = truncateFix
			}

			return bad
		}
	}
	if p.format.kind == formatTruncated && name != "$now" {
		return &Fault{len(name), "|" + format + " is for {$now}, the time of the call", "leave |" + format + " out"}
	}
	if name == "" {
		return &Fault{0, "the placeholder is empty", "name a field, or a source such as $sub"}
	}
	if strings.HasPrefix(name, "$") {
		return p.parseSource(name, in)
	}
	p.source = sourceField
	if !slices.Contains(in.sources, sourceField) {
		return &Fault{0, in.what + " can't read the request", "use $sub, $client_id, $issuer or $claim.name"}
	}
	field, bad := resolveField(name, input)
	if bad != nil {
		return bad
	}
	p.field = field

	return field.checkType(p.format, in)
}

func (p *Part) parseSource(name string, in Role) *Fault {
	head, rest, dotted := strings.Cut(name[1:], ".")
	switch {
	case name == "$sub":
		p.source = SourceSubject
	case name == "$client_id":
		p.source = SourceClientID
	case name == "$issuer":
		p.source = SourceIssuer
	case name == "$now":
		p.source = SourceNow
	case name == "$peer.ip":
		p.source = SourcePeerIP
	case head == "claim" && dotted:
		p.source = SourceClaim
		p.claim = strings.Split(rest, ".")
		if slices.Contains(p.claim, "") {
			return &Fault{len("$claim."), "the claim's path has an empty member", "write it as $claim.name or $claim.name.member"}
		}
	case head == "metadata" && dotted:
		p.source = SourceMetadata
		p.key = rest
		if bad := badMetadataKey(rest); bad {
			return &Fault{len("$metadata."), "the metadata key isn't lower-case letters, digits and _-.", "write it as gRPC sends it, in lower case"}
		}
	default:
		return &Fault{0, "there is no source " + name, "use a field, $sub, $client_id, $issuer, $claim.name" + otherSources(in)}
	}
	if !slices.Contains(in.sources, p.source) {
		return &Fault{0, name + " can't stand in " + in.what, sourceFix(p.source)}
	}
	if p.source == SourceNow && p.format.kind != formatNone && p.format.kind != formatTruncated {
		return &Fault{len(name), "$now has no formatter |" + p.format.text, truncateFix}
	}
	if p.format.kind != formatNone && p.source != SourceNow && p.source != SourceSubject && p.source != SourceClientID && p.source != SourceClaim {
		return &Fault{len(name), "the value of " + name + " has no formatter", "leave the formatter out"}
	}

	return nil
}

func badMetadataKey(key string) bool {
	return key == "" || strings.HasSuffix(key, "-bin") || strings.ContainsFunc(key, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
}

func otherSources(in Role) string {
	if slices.Contains(in.sources, SourceNow) {
		return ", $peer.ip or $now"
	}
	if slices.Contains(in.sources, SourceMetadata) {
		return " or $metadata.key"
	}

	return ""
}

func sourceFix(refused Source) string {
	switch refused {
	case SourceMetadata:
		return "the caller writes the metadata, so it can only stand in consistency.revision"
	case SourceNow, SourcePeerIP:
		return "it can only stand in a context or a property"
	default:
		return "use a field of the request"
	}
}
