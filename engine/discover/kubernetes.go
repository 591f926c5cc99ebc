package discover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hairpin/engine/spec"
)

const (
	backoffLeast = time.Second // between two lists, and after the first failure; each further one doubles it
	backoffMost  = 30 * time.Second
	watchTime    = 4 * time.Minute  // after which the server ends a watch, and it begins anew
	callTime     = 30 * time.Second // of a list, and by which a watch may end late
	mostReply    = 64 << 20
	mostSlices   = 500 // in one part of a list
)

// kubernetes follows the EndpointSlices of a service: they are listed, and watched from there. The few fields that matter are
// read without the client library, which would be most of the program.
type kubernetes struct {
	spec.From
	vip     *spec.VIP
	dial    dial
	config  func(f *spec.From) (*cluster, error)
	backoff time.Duration // the least

	slices  map[string]slice // by name
	version string           // of the newest that is known
}

func newKubernetes(f spec.From, v *spec.VIP, dial dial) *kubernetes {
	return &kubernetes{From: f, vip: v, dial: dial, config: findCluster, backoff: backoffLeast}
}

// errGone is the server's word that it does not know any more what came after a version: the list begins anew.
var errGone = errors.New("the version is too old to go on from")

// Follow implements Source.
func (k *kubernetes) Follow(ctx context.Context, tell func(Answer)) {
	rest := k.backoff
	for {
		began := time.Now()
		err := k.follow(ctx, tell)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > backoffMost { // and not where lists are granted and watches are not
			rest = k.backoff
		}
		if !errors.Is(err, errGone) {
			tell(Answer{Err: err})
		}
		if !sleep(ctx, rest) {
			return
		}
		rest = min(2*rest, backoffMost)
	}
}

// follow lists and watches until something fails.
func (k *kubernetes) follow(ctx context.Context, tell func(Answer)) error {
	c, err := k.config(&k.From)
	if err != nil {
		return err
	}
	client, err := c.client(k.dial)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	if err := k.list(ctx, c, client); err != nil {
		return fmt.Errorf("list endpoint slices: %w", err)
	}
	tell(k.answer())
	for {
		if err := k.watch(ctx, c, client, tell); err != nil {
			return fmt.Errorf("watch endpoint slices: %w", err)
		}
		if !sleep(ctx, k.backoff) { // a server that ends every watch at once is asked no faster
			return ctx.Err()
		}
	}
}

// list reads all slices of the service.
func (k *kubernetes) list(ctx context.Context, c *cluster, client *http.Client) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	all, next, version := map[string]slice{}, "", ""
	for {
		query := url.Values{"limit": {strconv.Itoa(mostSlices)}}
		if next != "" {
			query.Set("continue", next)
		}
		body, err := k.get(ctx, c, client, query)
		if err != nil {
			return err
		}
		var part struct {
			Metadata struct{ ResourceVersion, Continue string }
			Items    []slice
		}
		err = json.NewDecoder(io.LimitReader(body, mostReply)).Decode(&part)
		body.Close()
		if err != nil {
			return err
		}
		for _, s := range part.Items {
			all[s.Metadata.Name] = s
		}
		version, next = part.Metadata.ResourceVersion, part.Metadata.Continue
		if next == "" {
			k.slices, k.version = all, version
			return nil
		}
	}
}

// watch tells of changes from the version that is known until the server ends it, as it does in time. errGone when the
// server does not know that version any more.
func (k *kubernetes) watch(ctx context.Context, c *cluster, client *http.Client, tell func(Answer)) error {
	ctx, cancel := context.WithTimeout(ctx, watchTime+callTime)
	defer cancel()
	body, err := k.get(ctx, c, client, url.Values{"watch": {"true"}, "allowWatchBookmarks": {"true"}, "resourceVersion": {k.version},
		"timeoutSeconds": {strconv.Itoa(int(watchTime.Seconds()))}})
	if err != nil {
		return err
	}
	defer body.Close()
	for events := json.NewDecoder(body); ; {
		var e struct {
			Type   string
			Object json.RawMessage
		}
		err := events.Decode(&e)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil // it goes on from the version that is known by then
		}
		if err != nil {
			return err
		}
		news, err := k.take(e.Type, e.Object)
		if err != nil {
			return err
		}
		if news {
			tell(k.answer())
		}
	}
}

// take makes one event of a watch part of what is known; news tells whether it is one about a slice.
func (k *kubernetes) take(kind string, object json.RawMessage) (news bool, err error) {
	if kind == "ERROR" {
		var s status
		if err := json.Unmarshal(object, &s); err != nil {
			return false, err
		}
		return false, s.err()
	}
	var s slice
	if err := json.Unmarshal(object, &s); err != nil {
		return false, err
	}
	if s.Metadata.ResourceVersion == "" || s.Metadata.Name == "" && kind != "BOOKMARK" {
		return false, fmt.Errorf("%.20q without a name and a version", kind)
	}
	k.version = s.Metadata.ResourceVersion
	switch kind {
	case "ADDED", "MODIFIED":
		k.slices[s.Metadata.Name] = s
	case "DELETED":
		delete(k.slices, s.Metadata.Name)
	default:
		return false, nil // a bookmark: nothing but the version
	}
	return true, nil
}

// status is what the server says instead of an object.
type status struct {
	Message string
	Reason  string
	Code    int
}

func (s status) err() error {
	if s.Code == http.StatusGone {
		return errGone
	}
	return fmt.Errorf("%d %s: %s", s.Code, s.Reason, s.Message)
}

// get asks for the slices of the service.
func (k *kubernetes) get(ctx context.Context, c *cluster, client *http.Client, query url.Values) (io.ReadCloser, error) {
	query.Set("labelSelector", "kubernetes.io/service-name="+k.Service)
	where := fmt.Sprintf("%s/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices?%s", strings.TrimSuffix(c.server, "/"), k.Namespace, query.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	token, err := c.bearer()
	if err != nil {
		return nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	s := status{Code: answer.StatusCode, Reason: http.StatusText(answer.StatusCode)}
	text, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if err != nil {
		return nil, err
	}
	if json.Unmarshal(text, &s) != nil { // a proxy's word, most likely
		s.Message = strings.TrimSpace(fmt.Sprintf("%.200q", text))
	}
	return nil, s.err()
}
