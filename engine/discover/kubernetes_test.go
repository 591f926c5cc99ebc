package discover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hairpin/engine/spec"
)

// api is an API server with the EndpointSlices of one service, made of the API's own types.
type api struct {
	t       *testing.T
	at      *httptest.Server
	lock    sync.Mutex // below
	version int
	slices  map[string]discovery.EndpointSlice
	lists   int
	watches []chan meta.WatchEvent
	refuse  string // the body of a 403 in place of every answer
	tokens  map[string]bool
}

const oldest = 100 // versions before it are too old to be watched from

func serveAPI(t *testing.T) *api {
	a := &api{t: t, version: oldest, slices: map[string]discovery.EndpointSlice{}, tokens: map[string]bool{}}
	a.at = httptest.NewServer(a)
	t.Cleanup(func() { a.endWatches(); a.at.Close() })
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.lock.Lock()
	a.tokens[r.Header.Get("Authorization")] = true
	refuse := a.refuse
	a.lock.Unlock()
	switch q := r.URL.Query(); {
	case refuse != "":
		http.Error(w, refuse, http.StatusForbidden)
	case r.URL.Path != "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices" || q.Get("labelSelector") != "kubernetes.io/service-name=web":
		http.NotFound(w, r)
	case q.Get("watch") == "true":
		a.watch(w, r)
	default:
		a.list(w, q.Get("continue"))
	}
}

// list answers in parts of one slice each.
func (a *api) list(w http.ResponseWriter, from string) {
	a.lock.Lock()
	defer a.lock.Unlock()
	if from == "" {
		a.lists++
	}
	all := discovery.EndpointSliceList{ListMeta: meta.ListMeta{ResourceVersion: fmt.Sprint(a.version)}}
	for _, name := range []string{"a", "b", "c"} {
		s, there := a.slices[name]
		if !there || name <= from {
			continue
		}
		if len(all.Items) == 1 {
			all.Continue = all.Items[0].Name
			break
		}
		all.Items = append(all.Items, s)
	}
	a.send(w, all)
}

func (a *api) send(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		a.t.Logf("send: %v", err)
	}
	w.(http.Flusher).Flush()
}

func (a *api) watch(w http.ResponseWriter, r *http.Request) {
	a.lock.Lock()
	if version, err := strconv.Atoi(r.URL.Query().Get("resourceVersion")); err != nil || version < oldest {
		a.lock.Unlock()
		a.send(w, event("ERROR", &meta.Status{Status: "Failure", Reason: meta.StatusReasonExpired, Code: http.StatusGone, Message: "too old"}))
		return
	}
	events := make(chan meta.WatchEvent, 100)
	a.watches = append(a.watches, events)
	a.lock.Unlock()
	w.(http.Flusher).Flush()
	defer a.forget(events)
	for {
		select {
		case e, open := <-events:
			if !open {
				return
			}
			a.send(w, e)
		case <-r.Context().Done():
			return
		}
	}
}

func (a *api) forget(watch chan meta.WatchEvent) {
	a.lock.Lock()
	defer a.lock.Unlock()
	a.watches = slices.DeleteFunc(a.watches, func(w chan meta.WatchEvent) bool { return w == watch })
}

func event(kind string, object any) meta.WatchEvent {
	text, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	e := meta.WatchEvent{Type: kind}
	e.Object.Raw = text
	return e
}

// put makes a slice, or takes it away, and tells who watches.
func (a *api) put(kind, name string, s discovery.EndpointSlice) {
	a.lock.Lock()
	defer a.lock.Unlock()
	a.version++
	s.Name, s.ResourceVersion = name, fmt.Sprint(a.version)
	if a.slices[name] = s; kind == "DELETED" {
		delete(a.slices, name)
	}
	for _, w := range a.watches {
		w <- event(kind, s)
	}
}

// hide makes a slice of which nobody is told.
func (a *api) hide(name string, s discovery.EndpointSlice) {
	a.lock.Lock()
	defer a.lock.Unlock()
	s.Name = name
	a.slices[name] = s
}

func (a *api) tell(e meta.WatchEvent) {
	a.lock.Lock()
	defer a.lock.Unlock()
	for _, w := range a.watches {
		w <- e
	}
}

func (a *api) endWatches() {
	a.lock.Lock()
	defer a.lock.Unlock()
	for _, w := range a.watches {
		close(w)
	}
	a.watches = nil
}

// watched waits until somebody watches.
func (a *api) watched() {
	a.t.Helper()
	await(a.t, "a watch", func() bool {
		a.lock.Lock()
		defer a.lock.Unlock()
		return len(a.watches) > 0
	})
}

func await(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s", what)
		}
	}
}

// slicing is a slice of IPv4 endpoints in the words of list, on port 80.
func slicing(words string) discovery.EndpointSlice {
	s := discovery.EndpointSlice{AddressType: discovery.AddressTypeIPv4, Ports: ports("http", core.ProtocolTCP, 80)}
	for _, e := range list(words) {
		s.Endpoints = append(s.Endpoints, discovery.Endpoint{Addresses: []string{e.Address.String()}, Zone: new("far-away"),
			Conditions: discovery.EndpointConditions{Ready: new(e.State == spec.Up), Serving: new(e.State != spec.Down), Terminating: new(e.State == spec.Drain)}})
	}
	return s
}

func ports(name string, protocol core.Protocol, number int32) []discovery.EndpointPort {
	return []discovery.EndpointPort{{Name: &name, Protocol: &protocol, Port: &number}}
}

// follower is a source that follows an api, and what it has told.
type follower struct {
	t    *testing.T
	told chan Answer
}

func (a *api) follow() *follower {
	k := newKubernetes(spec.From{Service: "web", Namespace: "shop", Family: spec.IPv4}, &spec.VIP{Port: 80, Protocol: spec.TCP}, dialer(here))
	k.config = func(*spec.From) (*cluster, error) { return &cluster{server: a.at.URL + "/", token: "secret"}, nil }
	k.backoff = time.Millisecond
	f := &follower{a.t, make(chan Answer, 1000)}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); k.Follow(ctx, func(a Answer) { f.told <- a }) }()
	a.t.Cleanup(func() { stop(); <-done })
	return f
}

// expect waits for an answer; others may come before.
func (f *follower) expect(want string) {
	f.t.Helper()
	f.until(fmt.Sprintf("answer %q", want), func(a Answer) bool { return a.Err == nil && words(tidy(a.Endpoints)) == want })
}

func (f *follower) until(what string, is func(Answer) bool) {
	f.t.Helper()
	var last Answer
	for end := time.After(30 * time.Second); !is(last); {
		select {
		case last = <-f.told:
			if is(last) {
				return
			}
		case <-end:
			f.t.Fatalf("no %s; the last one was %s, %q, %v", what, words(last.Endpoints), last.Left, last.Err)
		}
	}
}

func TestKubernetes(t *testing.T) {
	t.Parallel()
	a := serveAPI(t)
	a.put("ADDED", "a", slicing("1 2"))
	a.put("ADDED", "c", slicing("3"))
	f := a.follow()
	f.expect("1 2 3")
	a.watched()
	a.put("MODIFIED", "a", slicing("1 2d"))
	f.expect("1 2d 3")
	a.put("ADDED", "b", slicing("2 4x"))
	f.expect("1 2 3 4x") // 2 is in two slices: as it is at its best
	a.put("DELETED", "c", slicing("3"))
	f.expect("1 2 4x")
	a.endWatches() // the server ends each in time
	a.watched()
	a.put("MODIFIED", "b", slicing(""))
	f.expect("1 2d")
	if !a.tokens["Bearer secret"] || len(a.tokens) != 1 {
		t.Errorf("tokens: %v", a.tokens)
	}
	if a.lists != 1 {
		t.Errorf("listed %d times: a watch goes on from the last version", a.lists)
	}
}

// TestTooOld: whoever watches from a version that the server has forgotten lists anew, and misses nothing.
func TestTooOld(t *testing.T) {
	t.Parallel()
	a := serveAPI(t)
	a.put("ADDED", "a", slicing("1"))
	f := a.follow()
	f.expect("1")
	a.watched()
	a.hide("a", slicing("1 2"))
	a.tell(event("ERROR", &meta.Status{Status: "Failure", Code: http.StatusGone, Message: "too old resource version"}))
	f.expect("1 2")
	a.endWatches()
	a.watched()
	a.hide("b", slicing("3"))
	old := slicing("")
	old.ResourceVersion = "99"
	a.tell(event("BOOKMARK", &old)) // the version alone counts of it, and this one is too old
	a.endWatches()
	f.expect("1 2 3")
}

// TestRefused: what the server refuses is said in its words, is no empty list, and is tried again.
func TestRefused(t *testing.T) {
	t.Parallel()
	a := serveAPI(t)
	a.put("ADDED", "a", slicing("1"))
	set := func(text string) {
		a.lock.Lock()
		defer a.lock.Unlock()
		a.refuse = text
	}
	set(`{"kind": "Status", "code": 403, "reason": "Forbidden", "message": "endpointslices is forbidden"}`)
	f := a.follow()
	f.until("refusal", func(a Answer) bool {
		return a.Err != nil && strings.Contains(a.Err.Error(), "list endpoint slices: 403 Forbidden: endpointslices is forbidden")
	})
	set("<html>a proxy</html>")
	f.until("word of a proxy", func(a Answer) bool { return a.Err != nil && strings.Contains(a.Err.Error(), "a proxy") })
	set("")
	f.expect("1")
	a.watched()
	a.tell(event("ERROR", &meta.Status{Code: 500, Reason: "InternalError", Message: "broken"}))
	f.until("error", func(a Answer) bool {
		return a.Err != nil && strings.Contains(a.Err.Error(), "500 InternalError: broken")
	})
	f.expect("1")
	a.watched()
	a.tell(meta.WatchEvent{Type: "MODIFIED"})
	f.until("nonsense", func(a Answer) bool { return a.Err != nil })
	f.expect("1")
}

// TestSlices: whose port is not the VIP's, and who is of the other family, is left out.
func TestSlices(t *testing.T) {
	other := slicing("9")
	other.AddressType = discovery.AddressTypeIPv6
	named := slicing("1 2")
	named.Ports = append(ports("metrics", core.ProtocolTCP, 9000), ports("http", core.ProtocolTCP, 8080)...)
	udp := slicing("1")
	udp.Ports = ports("dns", core.ProtocolUDP, 80)
	every := slicing("1")
	every.Ports = []discovery.EndpointPort{{}}
	bare := slicing("1")
	bare.Endpoints[0].Conditions = discovery.EndpointConditions{}
	odd := slicing("1 2")
	odd.Endpoints[0].Addresses[0] = "fe80::1%eth0"
	odd.Endpoints[1].Addresses = nil
	for _, row := range []struct {
		what string
		of   discovery.EndpointSlice
		vip  spec.VIP
		port string
		want string
		left string
	}{
		{"the VIP's port", slicing("1 2x 3d"), spec.VIP{Port: 80}, "", "1 2x 3d", ""},
		{"another family", other, spec.VIP{Port: 80}, "", "", ""},
		{"another port", slicing("1"), spec.VIP{Port: 81}, "", "", "pods listen on port 80, and packets keep the VIP's port 81"},
		{"a VIP of every port", slicing("1"), spec.VIP{}, "", "1", ""},
		{"a range", slicing("1"), spec.VIP{Port: 79, LastPort: 80}, "", "1", ""},
		{"a named port", named, spec.VIP{Port: 8080}, "http", "1 2", ""},
		{"one of several", named, spec.VIP{Port: 8080}, "", "1 2", ""},
		{"a name of none", named, spec.VIP{Port: 8080}, "https", "", "no port https of tcp"},
		{"another protocol", udp, spec.VIP{Port: 80}, "", "", "no port of tcp"},
		{"every port of a pod", every, spec.VIP{Port: 80}, "", "1", ""},
		{"no conditions", bare, spec.VIP{Port: 80}, "", "1", ""},
		{"odd addresses", odd, spec.VIP{Port: 80}, "", "", `"fe80::1%eth0" is no address`},
	} {
		row.vip.Protocol = spec.TCP
		text, err := json.Marshal(row.of)
		var s slice
		if err = errors.Join(err, json.Unmarshal(text, &s)); err != nil {
			t.Fatal(err)
		}
		k := newKubernetes(spec.From{Service: "web", Port: row.port, Family: spec.IPv4}, &row.vip, nil)
		k.slices = map[string]slice{"x": s}
		if a := k.answer(); words(tidy(a.Endpoints)) != row.want || !strings.Contains(a.Left, row.left) || row.left == "" && a.Left != "" {
			t.Errorf("%s: %s, left %q", row.what, words(a.Endpoints), a.Left)
		}
	}
}
