// Package pages holds the repository's pages to the code: links lead somewhere,
// names exist, Go compiles as far as it is written, and every reason and every
// metric is explained. It has tests only.
package pages
