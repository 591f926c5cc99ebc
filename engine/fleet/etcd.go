package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// etcd is a Store in an etcd.
type etcd struct {
	address *Address

	mu      sync.Mutex
	client  *clientv3.Client     // nil: not used so far
	closed  bool                 // it is not made any more
	session *concurrency.Session // nil: not joined
}

// How long a store may take, and how often it is asked whether it is there.
const (
	answerTime = 5 * time.Second
	aliveEvery = 5 * time.Second
)

// Open is the store at an address. Nothing is sent before it is used, nor need the store be there.
func Open(a *Address) Store { return &etcd{address: a} }

// used is the client, which is made when one is used first: with a user, that asks the store for a token.
func (e *etcd) used(ctx context.Context) (*clientv3.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return nil, context.Canceled
	case e.client != nil:
		return e.client, nil
	}
	c, err := connect(ctx, e.address)
	if err == nil {
		e.client = c
	}
	return c, err
}

func connect(ctx context.Context, a *Address) (*clientv3.Client, error) {
	life, end := context.WithCancel(context.Background())
	defer context.AfterFunc(ctx, end)() // it outlives ctx, unless that ends meanwhile
	again := grpc.ConnectParams{MinConnectTimeout: a.answer,
		Backoff: backoff.Config{BaseDelay: a.answer / 20, Multiplier: 1.6, Jitter: 0.5, MaxDelay: a.answer}}
	how := []grpc.DialOption{grpc.WithConnectParams(again)}
	if a.files.secure {
		how = append(how, grpc.WithTransportCredentials(renewed{a.files}))
	}
	password, err := a.password()
	if err != nil {
		return nil, err
	}
	c, err := clientv3.New(clientv3.Config{Context: life, Endpoints: a.Endpoints, Username: a.User, Password: password, DialTimeout: a.answer,
		DialKeepAliveTime: aliveEvery, DialKeepAliveTimeout: a.answer, Logger: zap.NewNop(), MaxUnaryRetries: 2, DialOptions: how})
	if err != nil {
		return nil, cmp.Or(ctx.Err(), err) // life ended for that, and would be named
	}
	c.Auth = reread{c.Auth, a}
	return c, nil
}

// reread gets tokens by the password that the file holds by now: whoever changes it, changes both in turn while the engine runs.
type reread struct {
	clientv3.Auth
	address *Address
}

func (r reread) Authenticate(ctx context.Context, name, _ string) (*clientv3.AuthenticateResponse, error) {
	password, err := r.address.password()
	if err != nil {
		return nil, err
	}
	return r.Auth.Authenticate(ctx, name, password)
}

func (e *etcd) Name() string { return e.address.String() }

func (e *etcd) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed = true; e.client == nil {
		return nil
	}
	return e.client.Close()
}

// explain is err in words that say what to do.
func explain(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, rpctypes.ErrPermissionDenied):
		return errors.New("the store's user may not do this: give its role readwrite on the whole prefix")
	case errors.Is(err, rpctypes.ErrAuthFailed), errors.Is(err, rpctypes.ErrUserEmpty), strings.Contains(err.Error(), "user name is empty"):
		return errors.New("the store asks for another user or password: see user and password_file of --store")
	case errors.Is(err, rpctypes.ErrRequestTooLarge):
		return errors.New("the document is too large for the store: etcd takes 1.5 MB packed; see its --max-request-bytes")
	case errors.Is(err, rpctypes.ErrNoSpace):
		return errors.New("the store is full: compact and defragment etcd, then disarm its alarm")
	}
	return err
}

// unanswered tells whether err is that nobody answered.
func unanswered(err error) bool {
	c := status.Code(err)
	return errors.Is(err, context.DeadlineExceeded) || c == codes.DeadlineExceeded || c == codes.Unavailable
}

// reach says why no endpoint answers.
func (a *Address) reach(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	var why []error
	for _, endpoint := range a.Endpoints {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", endpoint)
		if err == nil && a.files.secure {
			err = errors.Join(a.files.secured(ctx, endpoint, c), c.Close())
		} else if err == nil {
			err = c.Close()
		}
		if err == nil {
			err = fmt.Errorf("%s is there and does not answer within %s: has it a quorum, and does it speak TLS or not as the address says?", endpoint, a.answer)
		}
		why = append(why, err)
	}
	return fmt.Errorf("the store does not answer: %w", errors.Join(why...))
}

func (e *etcd) ask(ctx context.Context, f func(context.Context, *clientv3.Client) error) error {
	limited, stop := context.WithTimeout(ctx, e.address.answer)
	defer stop()
	c, err := e.used(limited)
	if err == nil {
		err = f(limited, c)
	}
	if err != nil && unanswered(err) && ctx.Err() == nil {
		return e.address.reach(ctx)
	}
	return explain(err)
}

func (e *etcd) List(ctx context.Context, prefix string) (items []Item, at int64, err error) {
	err = e.ask(ctx, func(ctx context.Context, c *clientv3.Client) error {
		r, err := c.Get(ctx, e.address.Prefix+prefix, clientv3.WithPrefix())
		if err != nil {
			return err
		}
		at = r.Header.Revision
		for _, kv := range r.Kvs {
			items = append(items, Item{e.bare(kv.Key), kv.Value, kv.ModRevision})
		}
		return nil
	})
	return items, at, err
}

func (e *etcd) bare(key []byte) string { return strings.TrimPrefix(string(key), e.address.Prefix) }

func (e *etcd) Get(ctx context.Context, key string) (item Item, err error) {
	item.Key = key
	return item, e.ask(ctx, func(ctx context.Context, c *clientv3.Client) error {
		r, err := c.Get(ctx, e.address.Prefix+key)
		if err == nil && len(r.Kvs) > 0 {
			item.Value, item.Mark = r.Kvs[0].Value, r.Kvs[0].ModRevision
		}
		return err
	})
}

func (e *etcd) Write(ctx context.Context, when []When, puts []Put) error {
	var conditions []clientv3.Cmp
	for _, w := range when {
		conditions = append(conditions, clientv3.Compare(clientv3.ModRevision(e.address.Prefix+w.Key), "=", w.Mark))
	}
	var changes []clientv3.Op
	for _, p := range puts {
		key := e.address.Prefix + p.Key
		switch {
		case p.Gone:
			changes = append(changes, clientv3.OpDelete(key))
		case p.Leased:
			s := e.joined()
			if s == nil {
				return errors.New("the store was not joined")
			}
			changes = append(changes, clientv3.OpPut(key, string(p.Value), clientv3.WithLease(s.Lease())))
		default:
			changes = append(changes, clientv3.OpPut(key, string(p.Value)))
		}
	}
	return e.ask(ctx, func(ctx context.Context, c *clientv3.Client) error {
		r, err := c.Txn(ctx).If(conditions...).Then(changes...).Commit()
		if err == nil && !r.Succeeded {
			err = ErrMoved
		}
		return err
	})
}

func (e *etcd) joined() *concurrency.Session {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.session
}

func (e *etcd) Follow(ctx context.Context, prefix string, after int64) <-chan Batch {
	out := make(chan Batch)
	go func() {
		defer close(out)
		send := func(b Batch) bool {
			select {
			case out <- b:
				return true
			case <-ctx.Done():
				return false
			}
		}
		c, err := e.used(ctx)
		if err != nil {
			send(Batch{Err: explain(err)})
			return
		}
		w := c.Watch(clientv3.WithRequireLeader(ctx), e.address.Prefix+prefix, clientv3.WithPrefix(), clientv3.WithRev(after+1))
		for r := range w {
			if err := r.Err(); err != nil {
				send(Batch{Err: explain(err)})
				return
			}
			var b Batch
			for _, x := range r.Events {
				item := Item{Key: e.bare(x.Kv.Key)}
				if x.Type == clientv3.EventTypePut {
					item.Value, item.Mark = x.Kv.Value, x.Kv.ModRevision
				}
				b.Items = append(b.Items, item)
			}
			if len(b.Items) > 0 && !send(b) {
				return
			}
		}
	}()
	return out
}

func (e *etcd) Join(ctx context.Context, silence time.Duration) (<-chan struct{}, error) {
	var s *concurrency.Session
	err := e.ask(ctx, func(limited context.Context, c *clientv3.Client) error {
		lease, err := c.Grant(limited, int64(silence/time.Second))
		if err == nil {
			s, err = concurrency.NewSession(c, concurrency.WithLease(lease.ID), concurrency.WithContext(ctx))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.session = s
	return s.Done(), nil
}

func (e *etcd) Leave(ctx context.Context) error {
	e.mu.Lock()
	s := e.session
	e.session = nil
	e.mu.Unlock()
	if s == nil {
		return nil
	}
	s.Orphan()
	return e.ask(ctx, func(ctx context.Context, c *clientv3.Client) error {
		_, err := c.Revoke(ctx, s.Lease())
		return err
	})
}

func (e *etcd) Lead(ctx context.Context, name string) (When, error) {
	s := e.joined()
	if s == nil {
		return When{}, errors.New("the store was not joined")
	}
	election := concurrency.NewElection(s, e.address.Prefix+leadKey)
	if err := election.Campaign(ctx, name); err != nil {
		return When{}, explain(err)
	}
	return When{e.bare([]byte(election.Key())), election.Rev()}, nil
}
