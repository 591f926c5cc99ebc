package layer

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// maxBadLines bounds how many lines are skipped one by one; a file with more is skipped as a whole.
const maxBadLines = 20

// Decode fills doc from TOML and skips the lines that cannot be read; with a table's header go the lines below it. It
// returns the document without them, its lines where they were. strict skips fields that doc does not have, too. skip is
// told each line and what is wrong with it. An error means that nothing can be used.
func Decode(src []byte, doc any, strict bool, skip func(line int, what string)) ([]byte, error) {
	lines := bytes.Split(src, []byte("\n"))
	for range maxBadLines {
		text := bytes.Join(lines, []byte("\n"))
		dec := toml.NewDecoder(bytes.NewReader(text))
		if strict {
			dec.DisallowUnknownFields()
		}
		err := dec.Decode(doc)
		if err == nil {
			return text, nil
		}
		bad := locate(err)
		if len(bad) == 0 {
			return nil, unprefixed(err)
		}
		for _, b := range bad {
			if b.line < 1 || b.line > len(lines) || len(bytes.TrimSpace(lines[b.line-1])) == 0 {
				return nil, unprefixed(err)
			}
			if blank(lines, b.line-1) {
				b.what += ", its table is not read"
			}
			skip(b.line, b.what)
		}
	}
	return nil, fmt.Errorf("more than %d lines cannot be read", maxBadLines)
}

func unprefixed(err error) error { return errors.New(strings.TrimPrefix(err.Error(), "toml: ")) }

// blank empties a line, and those below a header: they would otherwise belong to the table above it.
func blank(lines [][]byte, i int) (header bool) {
	header = bytes.HasPrefix(bytes.TrimSpace(lines[i]), []byte("["))
	lines[i] = nil
	for i++; header && i < len(lines) && !bytes.HasPrefix(bytes.TrimSpace(lines[i]), []byte("[")); i++ {
		lines[i] = nil
	}
	return header
}

type badLine struct {
	line int
	what string
}

// locate says which lines an error of the decoder is about, in their order.
func locate(err error) []badLine {
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		var bad []badLine
		for _, e := range strict.Errors {
			row, _ := e.Position()
			bad = append(bad, badLine{row, "unknown key " + strings.Join(e.Key(), ".")})
		}
		slices.SortFunc(bad, func(a, b badLine) int { return a.line - b.line })
		return slices.CompactFunc(bad, func(a, b badLine) bool { return a.line == b.line })
	}
	if decode, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, _ := decode.Position()
		return []badLine{{row, strings.TrimPrefix(decode.Error(), "toml: ")}}
	}
	return nil
}
