package load

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
)

// Together returns the files of all sources. A lock file is an error: it has no messages.
func Together(sources []*Source) (authz.Resolver, error) {
	var all chosen
	for _, source := range sources {
		if source.Files == nil {
			return nil, fmt.Errorf("%s: a lock file has rules and no messages: give the .proto files or an image", source.Name)
		}
		source.Files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
			all = append(all, file)

			return true
		})
	}

	return all, nil
}
