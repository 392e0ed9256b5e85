// Package goals measures the two gRPC adapters against their engines' own
// clients, and counts what reaches an engine.
package goals
