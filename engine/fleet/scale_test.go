package fleet

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// scaled is how many nodes TestManyNodes has.
func scaled() int {
	if os.Getenv("HAIRPIN_SOAK") != "" {
		return 100
	}
	return 8
}

// counted passes TCP on and counts bytes by direction.
func counted(t *testing.T, to string, in, out *atomic.Int64) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	one := func(from, to net.Conn, n *atomic.Int64) {
		defer from.Close()
		defer to.Close()
		b := make([]byte, 32<<10)
		for {
			k, err := from.Read(b)
			n.Add(int64(k))
			if _, w := to.Write(b[:k]); err != nil || w != nil {
				return
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", to)
			if err != nil {
				c.Close()
				continue
			}
			go one(c, s, in)
			go one(s, c, out)
		}
	}()
	return l.Addr().String()
}

// requests is how many the server has answered, by what it says of itself.
func requests(t *testing.T, endpoint string) (n float64) {
	t.Helper()
	r, err := http.Get("http://" + endpoint + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "grpc_server_msg_received_total{") {
			v, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndex(line, " ")+1:]), 64)
			if err != nil {
				t.Fatal(err)
			}
			n += v
		}
	}
	return n
}

// TestManyNodes has nodes without a kernel take a revision, and says what that costs their store.
func TestManyNodes(t *testing.T) {
	t.Parallel()
	s, many := newServer(t), scaled()
	var in, out atomic.Int64
	way := counted(t, s.endpoint, &in, &out)
	c := newCrew(t)
	var names []string
	for i := range many {
		names = append(names, fmt.Sprintf("n%03d", i))
		a, err := ParseAddress("etcd://" + way + "/test")
		if err != nil {
			t.Fatal(err)
		}
		store, node := Open(a), &fakeNode{}
		m, err := New(Config{Name: names[i], File: filepath.Join(c.dir, names[i]), Store: store, Node: node, Log: slog.New(slog.DiscardHandler), Changed: func() {}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		c.members[names[i]], c.nodes[names[i]] = m, node
		go m.Run(ctx)
		t.Cleanup(func() { stop(); m.Wait() })
	}
	c.joined(names...)
	measure := func(what string, during func()) {
		n, i, o, began := requests(t, s.endpoint), in.Load(), out.Load(), time.Now()
		during()
		took := time.Since(began)
		n = requests(t, s.endpoint) - n
		t.Logf("%d nodes, %s: %.2f s, %.0f requests (%.1f/s), %d kB to the store, %d kB from it", many, what, took.Seconds(), n, n/took.Seconds(),
			(in.Load()-i)/1000, (out.Load()-o)/1000)
	}
	at := func(atOnce, weight int) string {
		return strings.Replace(weighed(weight), "version: 1\n", fmt.Sprintf("version: 1\nrollout: {at_once: %d}\n", atOnce), 1)
	}
	measure("the first revision, one at a time", func() { c.apply(names[0], at(1, 1)); c.reaches(1, Done, names...) })
	measure("ten at a time", func() { c.apply(names[1], at(10, 2)); c.reaches(2, Done, names...) })
	measure("all that may", func() { c.apply(names[2], at(MaxAtOnce, 3)); c.reaches(3, Done, names...) })
	measure("back", func() {
		if err := c.members[names[3]].Back(t.Context(), Ask{Who: "ann"}); err != nil {
			t.Fatal(err)
		}
		c.reaches(4, Returned, names...)
	})
	if os.Getenv("HAIRPIN_SOAK") != "" {
		measure("nothing happens", func() { time.Sleep(30 * time.Second) })
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		t.Logf("%d kB of heap in use, server and all nodes; %d goroutines", m.HeapInuse/1000, runtime.NumGoroutine())
	}
}
