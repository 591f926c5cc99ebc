package filter

import "strings"

type tokenKind uint8

const (
	end  tokenKind = iota
	word           // a keyword, number, address or name
	mark           // an operator or bracket
)

// token is a piece of the text; an escaped word is a name and never a keyword.
type token struct {
	kind    tokenKind
	text    string
	escaped bool
	column  int
	written string // where the text stands for another way to write it
}

func (t token) String() string {
	if t.kind == end {
		return "the end"
	}
	if t.written != "" {
		return quote(t.written)
	}
	return quote(t.text)
}

// is tells whether t is this keyword or mark.
func (t token) is(text string) bool { return t.kind != end && t.text == text && !t.escaped }

// keyword tells whether t is a word with a meaning of its own.
func (t token) keyword() bool {
	_, ok := keywords[t.text]
	return ok && t.kind == word && !t.escaped
}

// marks, the longer ones first; what two of them share begins is read as the longer one.
var marks = []string{"&&", "||", "==", "!=", "<=", ">=", "!", "&", "|", "=", "<", ">", "(", ")", "[", "]", "/"}

// same are the marks that stand for another one.
var same = map[string]string{"&&": "and", "||": "or", "!": "not", "=": "=="}

// scan cuts text into tokens, the last of which is its end.
func scan(text string) ([]token, error) {
	var tokens []token
	for at := 0; at < len(text); {
		if strings.ContainsRune(" \t\r\n", rune(text[at])) {
			at++
			continue
		}
		t, size := piece(text[at:])
		t.column = at + 1
		if size == 0 {
			return nil, stranger(t, []rune(text[at:])[0])
		}
		tokens = append(tokens, t)
		at += size
	}
	return append(tokens, token{kind: end, column: len(text) + 1}), nil
}

// stranger is the error of a letter that begins no token.
func stranger(t token, r rune) error {
	if r == ',' {
		return faultf(t, `"," does not belong in a filter: write or between the values of a list`)
	}
	return faultf(t, "%s does not belong in a filter", quote(string(r)))
}

// piece is the first token of text and how many bytes it takes; 0 when none begins here.
func piece(text string) (token, int) {
	for _, m := range marks {
		if strings.HasPrefix(text, m) {
			if other, ok := same[m]; ok {
				return token{kind: mark, text: other, written: m}, len(m)
			}
			return token{kind: mark, text: m}, len(m)
		}
	}
	from := 0
	if text[0] == '\\' {
		from = 1
	}
	to := from
	for to < len(text) && inWord(text[to]) {
		to++
	}
	if to == from {
		return token{}, 0
	}
	return token{kind: word, text: text[from:to], escaped: from == 1}, to
}

func inWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_.:-", c) >= 0
}
