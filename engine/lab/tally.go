package lab

import (
	"maps"
	"slices"
	"time"
)

const keptErrors = 5 // how many different ones a tally remembers

// Tally is what one kind of load met with. Requests still open when a load ends are waited for, so Asked is Answered
// plus Failed.
type Tally struct {
	Asked    uint64            `json:"asked"`
	Answered uint64            `json:"answered"`
	Failed   uint64            `json:"failed"`
	Resent   uint64            `json:"resent"` // TCP connections that had to send something again: packets were lost
	Moved    uint64            `json:"moved"`  // answers on one connection or UDP flow from another backend than before
	Answers  map[string]uint64 `json:"answers"`
	Latency  Latency           `json:"latency"`
	Errors   []string          `json:"errors,omitempty"` // the first few that differ
}

// Latency is how long answers took, from the first packet sent; in JSON in nanoseconds.
type Latency struct {
	P50 time.Duration `json:"p50"`
	P90 time.Duration `json:"p90"`
	P99 time.Duration `json:"p99"`
	Max time.Duration `json:"max"`
}

// count is a Tally while it is being made, by one worker.
type count struct {
	Tally
	times   histogram
	answers map[string]*uint64
}

func newCount() *count { return &count{answers: map[string]*uint64{}} }

// answered counts an answer without making garbage for a backend that it knows.
func (c *count) answered(backend []byte, took time.Duration) {
	c.Answered++
	c.times.add(took)
	n := c.answers[string(backend)]
	if n == nil {
		n = new(uint64)
		c.answers[string(backend)] = n
	}
	*n++
}

func (c *count) failed(err error) {
	c.Failed++
	c.note(err)
}

func (c *count) note(err error) {
	if text := err.Error(); len(c.Errors) < keptErrors && !slices.Contains(c.Errors, text) {
		c.Errors = append(c.Errors, text)
	}
}

// sum adds up the counts of all workers.
func sum(counts []*count) Tally {
	var all Tally
	var times histogram
	all.Answers = map[string]uint64{}
	for _, c := range counts {
		all.Asked += c.Asked
		all.Answered += c.Answered
		all.Failed += c.Failed
		all.Resent += c.Resent
		all.Moved += c.Moved
		times.merge(&c.times)
		for _, name := range slices.Sorted(maps.Keys(c.answers)) {
			all.Answers[name] += *c.answers[name]
		}
		for _, e := range c.Errors {
			if len(all.Errors) < keptErrors && !slices.Contains(all.Errors, e) {
				all.Errors = append(all.Errors, e)
			}
		}
	}
	all.Latency = Latency{times.quantile(0.50), times.quantile(0.90), times.quantile(0.99), times.most}
	return all
}
