package lab

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogramQuantiles(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	var h, other histogram
	var all []time.Duration
	for i := range 10_000 {
		d := time.Duration(chance.ExpFloat64() * float64(5*time.Millisecond))
		all = append(all, d)
		if i%2 == 0 {
			h.add(d)
		} else {
			other.add(d)
		}
	}
	h.merge(&other)
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		got, want := h.quantile(q), all[max(int(q*float64(len(all)))-1, 0)]
		if got < want || got > want+want/16+2*time.Microsecond {
			t.Errorf("quantile %v is %v, not %v", q, got, want)
		}
	}
	if got := h.quantile(1); got != all[len(all)-1] {
		t.Errorf("the longest is %v, not %v", got, all[len(all)-1])
	}
	if got := (&histogram{}).quantile(0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestBucketsTouch(t *testing.T) {
	for us := range uint64(1 << 16) {
		i := bucket(us)
		if us >= upper(i) || i > 0 && us < upper(i-1) {
			t.Fatalf("%d is in bucket %d, which ends at %d", us, i, upper(i))
		}
	}
}

func TestParseAnswer(t *testing.T) {
	for _, row := range []struct {
		text, backend string
		whole, wrong  bool
	}{
		{text: ""},
		{text: "HTTP/1.1 200 OK\r\nX-Backend: b1\r\nContent-Length: 2\r\n"},
		{text: "HTTP/1.1 200 OK\r\nX-Backend: b1\r\nContent-Length: 2\r\n\r\nx", backend: "b1"},
		{text: "HTTP/1.1 200 OK\r\nX-Backend: b1\r\nContent-Length: 2\r\n\r\nxy", backend: "b1", whole: true},
		{text: "HTTP/1.1 200 OK\r\ncontent-length:0\r\nx-backend:b1\r\n\r\n", backend: "b1", whole: true},
		{text: "HTTP/1.1 200 OK\r\nX-Backend: b1\r\nContent-Length: 1\r\n\r\nxy", wrong: true},
		{text: "HTTP/1.1 200 OK\r\nX-Backend: b1\r\nContent-Length: x\r\n\r\n", wrong: true},
		{text: "HTTP/1.1 200 OK\r\nX-Backend: b1\r\n\r\n", wrong: true},
		{text: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", wrong: true},
		{text: "HTTP/1.1 500 OK\r\nX-Backend: b1\r\nContent-Length: 0\r\n\r\n", wrong: true},
		{text: "hello\r\n\r\n", wrong: true},
	} {
		backend, whole, err := parseAnswer([]byte(row.text))
		if string(backend) != row.backend || whole != row.whole || (err != nil) != row.wrong {
			t.Errorf("%q: %q, whole %v, %v", row.text, backend, whole, err)
		}
	}
}

func TestSharesAddUp(t *testing.T) {
	whole := LoadConfig{New: 1001, Count: 5, Kept: 7, Datagrams: 3, Flows: 10}
	for n := 1; n <= 4; n++ {
		var sum LoadConfig
		for i := range n {
			s := whole.share(i, n)
			sum.New, sum.Count, sum.Kept = sum.New+s.New, sum.Count+s.Count, sum.Kept+s.Kept
			sum.Datagrams, sum.Flows = sum.Datagrams+s.Datagrams, sum.Flows+s.Flows
		}
		if sum.New != whole.New || sum.Count != whole.Count || sum.Kept != whole.Kept || sum.Datagrams != whole.Datagrams || sum.Flows != whole.Flows {
			t.Errorf("%d shares of %+v add up to %+v", n, whole, sum)
		}
	}
}
