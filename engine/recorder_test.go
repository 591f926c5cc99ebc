package engine

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	records "hairpin/engine/record"
	"hairpin/engine/spec"
)

// madeNode is a node under load that never was: every tick its counters run, and now and then something happens.
type madeNode struct {
	*rand.Rand
	now   *State
	quiet int // of 8 backends, so many have no traffic
	since time.Time
}

func newMadeNode(vips, backends int, start time.Time) *madeNode {
	s := &State{Time: start, Node: "lb1", Version: "v1", PID: 4711, Role: Owner, Since: start, Epoch: 3,
		Generation: Generation{Active: 4, Confirmed: 4}, Revision: "aaaa",
		NICs: []NIC{{Name: "eth0", Hook: "xdp", Mode: "native", State: "attached", Index: 2,
			Stages: []Stage{{Name: "syns", Kind: "ratelimit", Position: 1}, {Name: "balancer", Kind: "balancer", Position: 2}}}},
		Spec: &spec.Spec{Version: spec.Version, NICs: []spec.NIC{{Name: "eth0", XDP: []spec.Position{{Name: "balancer"}}}}},
	}
	for name, verdict := range map[string]string{"forwarded": "forward", "no_vip": "pass", "no_backend": "drop", "malformed": "drop"} {
		s.Reasons = append(s.Reasons, Reason{Name: name, Verdict: verdict, Stage: "balancer"})
	}
	slices.SortFunc(s.Reasons, func(a, b Reason) int { return strings.Compare(a.Name, b.Name) })
	s.NICs[0].Reasons = slices.Clone(s.Reasons)
	for i := range vips {
		v := VIP{Name: fmt.Sprintf("service-%d", i), Addresses: []netip.Addr{netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})},
			Port: 443, Protocol: "tcp", Encap: "gue", Ring: 65537}
		for j := range backends / vips {
			v.Backends = append(v.Backends, Backend{Address: netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(j)}), Weight: 100, State: "up",
				Share: 1 / float64(backends/vips), NextHop: "02:00:00:00:00:09"})
		}
		s.VIPs = append(s.VIPs, v)
	}
	return &madeNode{rand.New(rand.NewPCG(1, 2)), s, 0, start}
}

// tick is the node some time later.
func (n *madeNode) tick(elapsed time.Duration) *State {
	s := withOwnCounters(n.now)
	s.Time = s.Time.Add(elapsed)
	counters(s, func(k rowKey, c *Counter, _ *[]float64) {
		if n.quiet > 0 && k.what == ofBackend && n.IntN(8) < n.quiet {
			c.PPS, c.BPS = 0, 0
			return
		}
		p := n.Uint64N(50_000)
		b := p * (64 + n.Uint64N(1400))
		*c = Counter{Packets: c.Packets + p, Bytes: c.Bytes + b, PPS: float64(p) / elapsed.Seconds(), BPS: float64(b) / elapsed.Seconds()}
	})
	if n.IntN(7) == 0 {
		n.happen(s)
	}
	n.now = s
	return s
}

// happen is an event, and another problem.
func (n *madeNode) happen(s *State) {
	seq := uint64(len(s.Events) + 1)
	s.Events = append(slices.Clip(s.Events), Event{Seq: seq, Time: s.Time, Severity: "warn", Who: "engine", What: fmt.Sprint("event ", seq), Detail: []string{"more"}})
	s.Problems = []Problem{{Key: "k", Severity: "warn", Since: s.Time, What: fmt.Sprint("problem ", seq)}}
	s.DropsLost = n.Uint64()
	s.VIPs[0].Backends[0].State = [...]string{"up", "down"}[n.IntN(2)]
}

// direct is a recorder that writes when it is told.
func direct(dir string) *recorder {
	return &recorder{dir: dir, from: records.Origin{Node: "lb1", Version: "v1"}, tens: thinner{span: 10 * time.Second}, minutes: thinner{span: time.Minute}}
}

func keep(t testing.TB, r *recorder, s *State) {
	t.Helper()
	if err := r.keep(s); err != nil {
		t.Fatal(err)
	}
}

func openRecord(t testing.TB, dir string) *Recording {
	t.Helper()
	r, err := openRecording(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

var recordStart = time.Date(2026, 3, 1, 2, 59, 30, 0, time.Local)

// alike compares States with the precision of a record. Histories and what only live consoles need are told apart.
func alike(want, got *State) string {
	return cmp.Diff(want, got, cmpopts.EquateApprox(1e-6, 1e-9), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmpopts.IgnoreFields(NIC{}, "History"), cmpopts.IgnoreFields(VIP{}, "History"), cmpopts.IgnoreFields(Backend{}, "History"),
		cmpopts.IgnoreFields(Reason{}, "History"), cmp.Comparer(func(a, b *spec.Spec) bool { return a.Equal(b) }), cmpopts.EquateEmpty())
}

// TestStateOfThen: what is read for a time is what was shown then; where seconds are gone, with the averages of the span.
func TestStateOfThen(t *testing.T) {
	dir := t.TempDir()
	r, n := direct(dir), newMadeNode(3, 12, recordStart)
	var shown []*State
	for range 900 {
		shown = append(shown, n.tick(time.Second))
		keep(t, r, shown[len(shown)-1])
	}
	rec := openRecord(t, dir)
	for _, ago := range []int{0, 1, 59, 60, 300, 599} {
		want := shown[len(shown)-1-ago]
		got, err := rec.At(want.Time.Add(300 * time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		if diff := alike(want, got); diff != "" {
			t.Errorf("%d s ago: %s", ago, diff)
		}
		if h := got.NICs[0].History; len(h) != 60 || h[59] != float64(float32(want.NICs[0].In.PPS)) ||
			h[0] != float64(float32(shown[len(shown)-60-ago].NICs[0].In.PPS)) {
			t.Errorf("%d s ago: a history of %v", ago, h)
		}
	}
	coarse, err := rec.At(recordStart.Add(95 * time.Second)) // 03:01:05
	if err != nil {
		t.Fatal(err)
	}
	first, last := shown[79], shown[89] // 03:00:50 and 03:01:00, from the first tick at 02:59:31 on
	if !coarse.Time.Equal(last.Time) || coarse.Span != 10*time.Second {
		t.Fatalf("95 s after the start: %s by %s", coarse.Time, coarse.Span)
	}
	in, before, after := coarse.NICs[0].In, first.NICs[0].In, last.NICs[0].In
	if average := float64(after.Packets-before.Packets) / 10; in.Packets != after.Packets || !near(in.PPS, average) || in.Peak < in.PPS {
		t.Errorf("%+v, the average is %v", in, average)
	}
	peak := 0.0
	for _, s := range shown[80:90] {
		peak = max(peak, s.NICs[0].In.PPS)
	}
	if !near(in.Peak, peak) {
		t.Errorf("peak %v, the highest second was %v", in.Peak, peak)
	}
	if len(coarse.Events) == 0 || coarse.Events[len(coarse.Events)-1].Time.After(coarse.Time) {
		t.Errorf("events of then: %+v", coarse.Events)
	}
}

func near(a, b float64) bool { return a/b > 0.999999 && a/b < 1.000001 }

// TestTimelineOfADay: a day is there by the minute, an hour by ten seconds, ten minutes by the second, and no more.
func TestTimelineOfADay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, n := direct(dir), newMadeNode(1, 2, recordStart)
	const hours = 26
	for range hours * 360 { // by ten seconds, to be done soon
		keep(t, r, n.tick(10*time.Second))
	}
	rec, end := openRecord(t, dir), n.now.Time
	first, last, err := rec.Bounds()
	if age := end.Sub(first); err != nil || !last.Equal(end) || age < 24*time.Hour || age > 25*time.Hour+time.Minute {
		t.Errorf("goes back %s, to %s, %v", age, last, err)
	}
	axis := rec.Timeline(recordStart, end)
	spans := map[time.Duration]int{}
	for i, m := range axis.Moments {
		spans[m.Span]++
		if i > 0 && !m.Time.After(axis.Moments[i-1].Time) || m.InPeak < m.In || m.In == 0 {
			t.Fatalf("moment %d: %+v", i, m)
		}
	}
	if spans[time.Minute] < 1300 || spans[10*time.Second] < 200 || len(axis.Moments) > mostMoments {
		t.Errorf("%v", spans)
	}
	if hour := rec.Timeline(end.Add(-time.Hour), end); len(hour.Moments) < 355 || hour.Moments[0].Span != 10*time.Second || len(hour.Events) == 0 {
		t.Errorf("an hour: %d moments, %d events", len(hour.Moments), len(hour.Events))
	}
	if size := r.log.Size(); size > 4<<20 {
		t.Errorf("%d bytes for a small node", size)
	}
}

// TestRecordAfterAKill: a torn file and a gap do not keep the next engine from going on, and histories begin anew behind it.
func TestRecordAfterAKill(t *testing.T) {
	dir := t.TempDir()
	r, n := direct(dir), newMadeNode(2, 4, recordStart)
	for range 71 { // none by ten seconds of the last
		keep(t, r, n.tick(time.Second))
	}
	before := n.now
	r.log.Close()
	newest := filepath.Join(dir, "1s-00000002.rec")
	info, err := os.Stat(newest)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(newest, info.Size()-7); err != nil {
		t.Fatal(err)
	}
	again := direct(dir)
	n.tick(5 * time.Minute)
	for range 5 {
		keep(t, again, n.tick(time.Second))
	}
	rec := openRecord(t, dir)
	got, err := rec.At(n.now.Time)
	if err != nil || alike(n.now, got) != "" || len(got.NICs[0].History) != 5 {
		t.Errorf("after: %v, %d of history, %s", err, len(got.NICs[0].History), alike(n.now, got))
	}
	got, err = rec.At(before.Time)
	if err != nil || !got.Time.Equal(before.Time.Add(-time.Second)) || len(rec.Damage()) > 0 {
		t.Errorf("before: %v, the last whole one is of %s, damage %q", err, got.Time, rec.Damage())
	}
}

// TestIncidentFile: a file of a part of the record shows that part, without the folder.
func TestIncidentFile(t *testing.T) {
	dir := t.TempDir()
	r, n := direct(filepath.Join(dir, "record")), newMadeNode(2, 4, recordStart)
	var shown []*State
	for range 120 {
		shown = append(shown, n.tick(time.Second))
		keep(t, r, shown[len(shown)-1])
	}
	rec, file := openRecord(t, filepath.Join(dir, "record")), filepath.Join(dir, "incident.rec")
	if err := rec.Export(file, shown[60].Time, shown[100].Time); err != nil {
		t.Fatal(err)
	}
	if err := rec.Export(file, shown[60].Time, shown[100].Time); err == nil {
		t.Error("a file that is there was written over")
	}
	incident, err := OpenIncident(file)
	if err != nil {
		t.Fatal(err)
	}
	defer incident.Close()
	first, last, err := incident.Bounds()
	if err != nil || !first.Equal(shown[60].Time) || !last.Equal(shown[100].Time) {
		t.Errorf("%s to %s, %v", first, last, err)
	}
	for i := 60; i <= 100; i += 10 {
		got, err := incident.At(shown[i].Time)
		if err != nil || alike(shown[i], got) != "" {
			t.Errorf("state %d: %v, %s", i, err, alike(shown[i], got))
		}
	}
	if _, err := incident.At(shown[59].Time); err == nil {
		t.Error("something is shown from before the file begins")
	}
	if err := rec.Export(filepath.Join(dir, "none"), shown[0].Time.Add(-time.Hour), shown[0].Time.Add(-time.Minute)); err == nil {
		t.Error("a file of nothing was written")
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
		t.Error("a file of nothing is left")
	}
}

// TestDiskIsFull: a full disk is a problem that says so, and is over when there is room.
func TestDiskIsFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("hairpin-test", dir, "tmpfs", 0, "size=48k"); err != nil {
		t.Fatalf("mount tmpfs (this test needs root): %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 32<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRecorder(Paths{State: dir, Node: "lb1"}, "v1")
	defer r.close()
	n := newMadeNode(4, 40, recordStart)
	await := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("never %s: %v", what, r.problems())
			}
			r.put(n.tick(time.Second))
		}
	}
	await("full", func() bool { return len(r.problems()) == 1 })
	if p := r.problems()[0]; !strings.Contains(p.What, "no space left") || !strings.Contains(p.Cure, dir) {
		t.Errorf("%+v", p)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	await("well again", func() bool { return len(r.problems()) == 0 })
}

// BenchmarkRecord is what a second costs on nodes of several sizes, and what it leaves on the disk.
func BenchmarkRecord(b *testing.B) {
	for _, size := range []struct{ vips, backends, quiet int }{{3, 12, 0}, {50, 500, 0}, {512, 4096, 0}, {512, 4096, 7}} {
		b.Run(fmt.Sprintf("%d VIPs, %d backends, %d of 8 quiet", size.vips, size.backends, size.quiet), func(b *testing.B) {
			r, n := direct(b.TempDir()), newMadeNode(size.vips, size.backends, recordStart)
			n.quiet = size.quiet
			for range 60 {
				keep(b, r, n.tick(time.Second))
			}
			before := r.log.Size()
			for b.Loop() {
				b.StopTimer()
				s := n.tick(time.Second)
				b.StartTimer()
				keep(b, r, s)
			}
			b.ReportMetric(float64(r.log.Size()-before)/float64(b.N), "B/s")
		})
	}
}
