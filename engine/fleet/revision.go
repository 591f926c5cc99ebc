package fleet

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"hairpin/engine/spec"
)

// Revision is what the fleet was told at one time. It never changes; to go back makes a new one.
type Revision struct {
	Number int
	Time   time.Time
	Who    string
	Why    string
	From   string // the node at which it was asked for
	Of     int    // not 0: it says what that one said
	Base   int    // the one before, that every node had; 0 = none
	Force  bool   // also where it leaves a VIP without backends, or ends somebody's SSH session

	Text []byte `json:"-"` // of the document
}

// NameOf names a spec by what of it is the fleet's to say: each node finds backends by itself.
func NameOf(s *spec.Spec) string {
	if s == nil {
		return ""
	}
	return spec.Revision(spec.Typed(s))
}

// encode is the revision as it is stored: a line of JSON, and the document packed. A store takes 1.5 MB of a request.
func (r Revision) encode() ([]byte, error) {
	head, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	b := bytes.NewBuffer(append(head, '\n'))
	w := gzip.NewWriter(b)
	_, err = w.Write(r.Text)
	err = errors.Join(err, w.Close())
	return b.Bytes(), err
}

// mostText bounds what is unpacked of a store that somebody else wrote.
const mostText = 16 << 20

func decodeRevision(stored []byte) (r Revision, err error) {
	head, packed, _ := bytes.Cut(stored, []byte("\n"))
	if err := json.Unmarshal(head, &r); err != nil {
		return r, fmt.Errorf("a revision in the store: %w", err)
	}
	w, err := gzip.NewReader(bytes.NewReader(packed))
	if err == nil {
		r.Text, err = io.ReadAll(io.LimitReader(w, mostText))
	}
	if err != nil {
		return r, fmt.Errorf("revision %d in the store: %w", r.Number, err)
	}
	return r, nil
}

// missed is which of the kept revisions a node applies that comes to number, in their order. What others did while they may
// still settle it does too, so that its older rings are theirs. One whose data path is new (fresh) begins with what all had by
// then; one that has served knows only its own flows of that time, and goes on from there. Revisions that were taken back are
// passed over.
func missed(own int, fresh bool, kept []Revision, returned []int, number int, since time.Time) (path []int) {
	back := map[int]bool{}
	for _, n := range returned {
		back[n] = true
	}
	ground := 0 // what all had when those began that still settle
	for _, r := range kept {
		switch {
		case r.Number > number || back[r.Number]:
		case fresh && !r.Time.After(since):
			ground = r.Number
		case r.Number == number, r.Time.After(since) && (fresh || r.Number > own):
			path = append(path, r.Number)
		}
	}
	if ground != 0 && ground != number {
		path = append([]int{ground}, path...)
	}
	return path
}
