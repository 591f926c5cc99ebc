package stats

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// TestKeep: a set that was kept goes on as the one that was not, whatever it had read.
func TestKeep(t *testing.T) {
	d := rand.New(rand.NewPCG(1, 2))
	now := time.Unix(1_700_000_000, 0)
	for _, depth := range []Depth{Minute, Day} {
		for _, seconds := range []int{0, 1, 59, 61, 700, 5000} {
			s, totals := NewSet[string](depth, time.Hour), map[string]uint64{}
			read := func(all ...*Set[string]) {
				now = now.Add(time.Second)
				for _, k := range []string{"busy", "quiet", "late"}[:2+d.IntN(2)] {
					if k != "quiet" {
						totals[k] += d.Uint64N(1000)
					}
				}
				for _, s := range all {
					s.Tick(now)
					for k, n := range totals {
						s.Read(k, Total{n, 64 * n})
					}
					s.Read("quiet", Total{})
				}
			}
			for range seconds {
				read(s)
			}
			again := NewSet[string](depth, time.Hour)
			travelled(t, s, again)
			for range 70 {
				read(s, again)
			}
			for _, k := range []string{"busy", "quiet", "late", "none"} {
				if a, b := s.AppendLast(nil, k, 100), again.AppendLast(nil, k, 100); !reflect.DeepEqual(a, b) {
					t.Errorf("%d seconds of %s: %v, kept %v", seconds, k, a, b)
				}
				for _, span := range []Span{ByTheSecond, ByTen, ByTheMinute} {
					if a, b := s.Points(k, span), again.Points(k, span); !reflect.DeepEqual(a, b) {
						t.Errorf("%d seconds of %s by %v: %v, kept %v", seconds, k, time.Duration(span), a, b)
					}
				}
			}
		}
	}
}

// travelled makes to what from is, by way of JSON.
func travelled(t *testing.T, from, to *Set[string]) {
	t.Helper()
	text, err := json.Marshal(from.Keep())
	if err != nil {
		t.Fatal(err)
	}
	var kept Kept[string]
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	to.Resume(kept)
}

// TestResumeGarbage: what makes no sense is forgotten and breaks nothing.
func TestResumeGarbage(t *testing.T) {
	s := NewSet[string](Day, time.Hour)
	s.Resume(Kept[string]{Meters: []KeptMeter[string]{{Key: "k", Series: KeptSeries{Seconds: KeptRing{1 << 30, make([]byte, 4*601+3)},
		Tens: KeptRing{-1, []byte{1, 2, 3}}, Ten: KeptSpan{Have: -5}, Minute: KeptSpan{Have: 60}}}}})
	for i := range 200 {
		s.Tick(time.Unix(int64(i), 0))
		s.Read("k", Total{uint64(i), uint64(i)})
	}
	if n := len(s.AppendLast(nil, "k", 1000)); n != 600 {
		t.Errorf("%d seconds", n)
	}
}
