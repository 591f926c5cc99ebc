package agents

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	key   = Key{[]byte("0123456789abcdef0123456789abcdef")}
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	from  = netip.MustParseAddrPort("10.1.1.11:4000")
	vip4  = netip.MustParseAddr("10.99.0.1")
	vip6  = netip.MustParseAddr("fd00:99::1")
	http4 = Service{vip4, 80}
	http6 = Service{vip6, 80}
)

// sample is a report with n counts.
func sample(n int) Report {
	r := Report{Node: "backend1", Session: 7, Seq: 3, Time: noon, Every: 250 * time.Millisecond, To: 2, Uncounted: 5,
		Addresses: []netip.Addr{netip.MustParseAddr("10.1.1.10"), netip.MustParseAddr("fd00:1:1::10")}}
	for i := range n {
		at := vip4
		if i%2 == 1 {
			at = vip6
		}
		r.Counts = append(r.Counts, Count{Service{at, uint16(i)}, uint32(i), ^uint32(i)})
	}
	return r
}

func sign(t testing.TB, r Report) [][]byte {
	t.Helper()
	all, err := r.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestReportComesAsItWent(t *testing.T) {
	for _, n := range []int{0, 1, 30, 41, 42, 43, 1000, MaxServices} {
		want := sample(n)
		var got Report
		parts := sign(t, want)
		for i, b := range parts {
			p, err := Open(b, key)
			if err != nil || int(p.Index) != i || int(p.Parts) != len(parts) || len(b) > maxDatagram {
				t.Fatalf("%d counts: part %d of %d, %d bytes: %v, %d of %d", n, i, len(parts), len(b), err, p.Index, p.Parts)
			}
			counts := append(got.Counts, p.Counts...)
			got = p.Report
			got.Counts, got.Time = counts, got.Time.UTC()
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%d counts: got\n%v, want\n%v", n, got, want)
		}
	}
}

// TestReportIsBounded: of too many services those with the most connections are told of, and that there are more.
func TestReportIsBounded(t *testing.T) {
	r := sample(MaxServices + 500)
	r.Addresses = make([]netip.Addr, 300)
	for i := range r.Addresses {
		r.Addresses[i] = vip4
	}
	r.Node = strings.Repeat("x", MaxNode)
	parts := sign(t, r)
	sum, least := 0, uint32(1<<31)
	for _, b := range parts {
		p, err := Open(b, key)
		if err != nil || !p.Cut || len(b) > maxDatagram || len(p.Addresses) != MaxAddresses {
			t.Fatalf("%v: cut %v, %d bytes, %d addresses", err, p.Cut, len(b), len(p.Addresses))
		}
		for _, c := range p.Counts {
			sum, least = sum+1, min(least, c.Open)
		}
	}
	if sum != MaxServices || least != 500 {
		t.Errorf("%d services, the emptiest with %d connections", sum, least)
	}
	for _, name := range []string{"", strings.Repeat("x", MaxNode+1)} {
		r.Node = name
		if _, err := r.Sign(key); err == nil {
			t.Errorf("a node may be called %q", name)
		}
	}
}

// TestForgedReports: nothing is understood that was changed by a bit, cut, made longer, or signed by another key.
func TestForgedReports(t *testing.T) {
	good := sign(t, sample(3))[0]
	for bit := range len(good) * 8 {
		b := bytes.Clone(good)
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := Open(b, key); !errors.Is(err, ErrForged) {
			t.Fatalf("bit %d turned: %v", bit, err)
		}
	}
	for n := range len(good) {
		if _, err := Open(good[:n], key); !errors.Is(err, ErrForged) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	for _, b := range [][]byte{append(bytes.Clone(good), 0), append([]byte{0}, good...), nil} {
		if _, err := Open(b, key); !errors.Is(err, ErrForged) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
	if _, err := Open(good, Key{[]byte("another secret of as many bytes.")}); !errors.Is(err, ErrForged) {
		t.Errorf("by another key: %v", err)
	}
}

// FuzzOpen: what is signed and nonsense is refused or read, and what is read is what it says.
func FuzzOpen(f *testing.F) {
	for _, n := range []int{0, 3, 100} {
		for _, b := range sign(f, sample(n)) {
			f.Add(b[:len(b)-sealSize])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Open(append(bytes.Clone(b), key.sign(b)...), key)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		again, err := Open(resign(p), key)
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Errorf("read %v, again %v: %v", p, again, err)
		}
		_ = NewBook(time.Second).Take(p, from, noon)
	})
}

func resign(p Part) []byte {
	b := p.append(nil)
	return append(b, key.sign(b)...)
}

// TestMalformedReports: one that is signed and nonsense, as of another version, is told from a forged one.
func TestMalformedReports(t *testing.T) {
	d := rand.New(rand.NewPCG(1, 1))
	good := Part{sample(5), 0, 1}.append(nil)
	for i := range 2000 {
		b := bytes.Clone(good)
		for range 1 + d.IntN(3) {
			b[d.IntN(len(b))] = byte(d.Uint32())
		}
		if i%3 == 0 {
			b = b[:d.IntN(len(b))]
		}
		if _, err := Open(append(b, key.sign(b)...), key); err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatalf("%x: %v", b, err)
		}
	}
	for what, change := range map[string]func(p *Part){
		"no name": func(p *Part) { p.Node = "" }, "no parts": func(p *Part) { p.Parts = 0 },
		"a part too many": func(p *Part) { p.Index = 1 }, "no interval": func(p *Part) { p.Every = 0 },
	} {
		p := Part{sample(1), 0, 1}
		change(&p)
		if _, err := Open(resign(p), key); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestReadKey(t *testing.T) {
	dir := t.TempDir()
	write := func(text string, mode os.FileMode) string {
		name := filepath.Join(dir, fmt.Sprintf("%d-%o", len(text), mode))
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return name
	}
	secret := strings.Repeat("s", minKey)
	k, err := ReadKey(write(" \n"+secret+"\n", 0o600))
	if err != nil || !k.Equal(Key{[]byte(secret)}) {
		t.Errorf("a good one: %v", err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		pipe:                              "is no file", // at once: nobody ever writes into it
		filepath.Join(dir, "none"):        "make it by (umask 077;",
		dir:                               "is no file",
		write(secret, 0o640):              "mode 0640): run: chmod 600",
		write(secret+"x", 0o604):          "mode 0604): run: chmod 600",
		write(secret[1:]+"\n\n\n", 0o600): "holds 31 bytes: a secret has 32",
		write("", 0o600):                  "holds 0 bytes",
		write(strings.Repeat("s", maxKey+1), 0o400): "a secret has 32 to 4096",
	} {
		if _, err := ReadKey(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
