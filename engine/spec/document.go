package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// MaxBytes is the size of the largest document that is read: enough for MaxBackends, a line each.
const MaxBytes = 4 << 20

// document is the root node of the one YAML document in data, or nil with a fault that says why there is none.
func document(data []byte, f *faults) *yaml.Node {
	if len(data) > MaxBytes {
		f.misread(nil, 0, "%d bytes are too many for a spec: at most %d", len(data), MaxBytes)
		return nil
	}
	if line, c := unprintable(data); line > 0 {
		f.misread(nil, line, "not a text: %s: save it as UTF-8, with spaces to indent", c)
		return nil
	}
	stream := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := decode(stream, &doc); {
	case errors.Is(err, io.EOF):
		doc.Content = []*yaml.Node{{Tag: "!!null"}}
	case err != nil:
		syntax(err, data, f)
		return nil
	}
	switch err := decode(stream, &second); {
	case err == nil:
		f.misread(nil, second.Line, "a second document begins: a spec is one, so move this one to a file of its own")
		return nil
	case !errors.Is(err, io.EOF):
		syntax(err, data, f)
		return nil
	}
	if root := doc.Content[0]; root.Tag != "!!null" {
		return root
	}
	f.misread(nil, 1, "empty: a spec begins with version: %d", Version)
	return nil
}

// decode reads the next document. The YAML package reports what it does not expect of itself by a panic; a document
// must not end the process that reads it.
func decode(stream *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("yaml: the parser gave up: %v", p)
		}
	}()
	return stream.Decode(n)
}

// unprintable is the line of the first character that no text has, and what it is; 0 when there is none.
func unprintable(data []byte) (line int, what string) {
	line = 1
	for rest := data; len(rest) > 0; {
		c, size := utf8.DecodeRune(rest)
		switch {
		case c == utf8.RuneError && size == 1:
			return line, fmt.Sprintf("byte 0x%02x is not UTF-8", rest[0])
		case c == '\n':
			line++
		case unicode.IsControl(c) && c != '\t' && c != '\r' && c != '\u0085':
			return line, fmt.Sprintf("control character %U", c)
		}
		rest = rest[size:]
	}
	return 0, ""
}

var (
	withLine      = regexp.MustCompile(`^line (\d+): (.*)`)
	ofParser      = regexp.MustCompile(`^(did not find expected (',' or|'-'|<|key|node)|found (undefined tag|duplicate %|incompatible))`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced`)
)

// hints say what to do about the mistakes in YAML that people make in a spec.
var hints = []struct{ text, do string }{
	{"mapping values are not allowed", `quote a value that has ": " in it or ends in ":"`},
	{"tab character", "indent with spaces"},
	{"cannot start any token", "indent with spaces, and quote a value that begins with %, @ or `"},
	{"did not find expected ',' or", "close the bracket that opens on this line or above it"},
	{"did not find expected key", "check how the lines from here on are indented"},
	{"did not find expected '-'", "check how the lines from here on are indented"},
	{"did not find expected node", "a value or a closing bracket is missing"},
	{"end of stream", "close the quote that opens on this line"},
	{"unknown anchor", "define it above with &, or quote the value"},
}

// syntax notes an error of the YAML package with the line it means.
func syntax(err error, data []byte, f *faults) {
	text, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if m := withLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = m[2]
		if ofParser.MatchString(text) {
			line++ // the package's parser counts lines from 0, its scanner from 1
		}
	}
	if m := unknownAnchor.FindStringSubmatch(text); m != nil {
		before, _, _ := bytes.Cut(data, []byte("*"+m[1]))
		line = 1 + bytes.Count(before, []byte("\n"))
	}
	for _, h := range hints {
		if strings.Contains(text, h.text) {
			text += ": " + h.do
			break
		}
	}
	last := 1 + bytes.Count(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	f.misread(nil, min(line, last), "not YAML: %s", text)
}
