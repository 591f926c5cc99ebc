package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
)

// line is one line of the file: a change, or what became of those that waited. On disk it stands behind its checksum.
type line struct {
	Change *Change `json:",omitempty"`
	Ended  *ending `json:",omitempty"`
}

var table = crc32.MakeTable(crc32.Castagnoli)

func (l line) encode() ([]byte, error) {
	text, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(text, table), text), nil
}

// decode reads a line without its end.
func decode(text []byte) (l line, ok bool) {
	sum, rest, found := bytes.Cut(text, []byte(" "))
	if !found || string(sum) != fmt.Sprintf("%08x", crc32.Checksum(rest, table)) {
		return l, false
	}
	if err := json.Unmarshal(rest, &l); err != nil {
		return l, false
	}
	return l, (l.Change == nil) != (l.Ended == nil)
}

// parse reads a file: its changes, oldest first, and how many lines are sound and how many are not.
func parse(data []byte) (changes []Change, good, bad int) {
	for len(data) > 0 {
		text, rest, whole := bytes.Cut(data, []byte("\n"))
		data = rest
		l, ok := decode(text)
		switch {
		case !ok || !whole: // a line without its end was being written
			bad++
			continue
		case l.Ended != nil:
			end(changes, *l.Ended)
		case len(changes) > 0 && l.Change.Number <= changes[len(changes)-1].Number:
			bad++
			continue
		default:
			changes = replaced(changes, *l.Change)
		}
		good++
	}
	return changes, good, bad
}

// append adds one line. It is not waited for until it is on the disk: what a machine that loses power takes with it, the
// record of the running generation still has.
func (l *Log) append(n line) error {
	text, err := n.encode()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(l.file(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	l.lines++
	return nil
}
