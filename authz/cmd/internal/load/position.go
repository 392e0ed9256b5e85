package load

// The compiler reads a line from its beginning to tell the column of each of its tokens, so
// that one long line of 4 MiB takes hours. What it reads is measured before it does.

// maxPositions bounds the bytes that are read for that in all files together: some seconds,
// and more than 128 MiB of lines of usual length.
const maxPositions = 4 << 30

// positions returns the bytes that are read to tell the column of each token of a file,
// about.
func positions(source []byte) int64 {
	var all, tokens, length int64
	word := false
	for _, c := range source {
		if c == '\n' {
			all += tokens * length / 2
			tokens, length, word = 0, 0, false

			continue
		}
		length++
		switch {
		case c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c >= 0x80:
			if !word {
				tokens++
			}
			word = true
		case c == ' ' || c == '\t' || c == '\r':
			word = false
		default:
			word = false
			tokens++
		}
	}

	return all + tokens*length/2
}
