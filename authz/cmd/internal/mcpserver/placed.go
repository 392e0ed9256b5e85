package mcpserver

import (
	"context"
	"reflect"
	"strconv"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/usher-auth/usher/authz/cmd/internal/explain"
)

// placed tells a client whose arguments of explain have a property of the caller beside it
// where that belongs. The refusal by the tool's schema names only the property.
func placed(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, request mcp.Request) (mcp.Result, error) {
		result, err := next(ctx, method, request)
		call, isCall := request.(*mcp.CallToolRequest)
		refused, isResult := result.(*mcp.CallToolResult)
		if err != nil || !isCall || !isResult || refused == nil || !refused.IsError || call.Params.Name != "explain" || len(refused.Content) == 0 {
			return result, err
		}
		text, ok := refused.Content[0].(*mcp.TextContent)
		if !ok {
			return result, err
		}
		_, unexpected, ok := strings.Cut(text.Text, "unexpected additional properties ")
		if !ok {
			return result, err
		}
		for _, name := range callersOwn {
			if strings.Contains(unexpected, strconv.Quote(name)) {
				text.Text += "; " + name + ` belongs in caller, as in "caller": {"as": "user:alice"}`

				break
			}
		}

		return result, err
	}
}

// callersOwn are the properties of a caller.
var callersOwn = func() []string {
	var names []string
	for field := range reflect.TypeFor[explain.Caller]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}

	return names
}()
