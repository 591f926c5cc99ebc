package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

// attempts is how often a check tries within its time, so that one lost packet does not make it fail.
const attempts = 3

// unsentError says that a check could not be sent, for a reason that lies with this node.
type unsentError struct{ error }

// Unwrap is the kernel's word.
func (e *unsentError) Unwrap() error { return e.error }

func unsent(format string, args ...any) error { return &unsentError{fmt.Errorf(format, args...)} }

// asker carries out checks. Sockets and programs begin in threads of its own, in the network namespace of the checks.
type asker struct {
	sockets  chan func()
	programs chan func()
	slots    chan struct{} // of programs that may run
	done     <-chan struct{}
	threads  sync.WaitGroup
	broken   error // why there is no such thread
}

func newAsker(ctx context.Context, enter func() error) *asker {
	a := &asker{sockets: make(chan func()), programs: make(chan func()), slots: make(chan struct{}, mostPrograms), done: ctx.Done()}
	entered := make(chan error)
	a.threads.Go(func() { a.serve(a.sockets, enter, entered) })
	a.threads.Go(func() {
		a.serve(a.programs, func() error { return errors.Join(enter(), surrender()) }, entered)
	})
	a.broken = errors.Join(<-entered, <-entered)
	return a
}

// serve does what it is told in one thread, which ends with it.
func (a *asker) serve(todo <-chan func(), enter func() error, entered chan<- error) {
	runtime.LockOSThread()
	err := enter()
	entered <- err
	for err == nil {
		select {
		case f := <-todo:
			f()
		case <-a.done:
			return
		}
	}
}

func (a *asker) wait() { a.threads.Wait() }

// in does f in a thread.
func (a *asker) in(thread chan<- func(), f func()) error {
	if a.broken != nil {
		return unsent("%v", a.broken)
	}
	did := make(chan struct{})
	select {
	case thread <- func() { defer close(did); f() }:
		<-did
		return nil
	case <-a.done:
		return context.Canceled
	}
}

// question is one check as it is carried out.
type question struct {
	*asker
	ctx    context.Context
	target Target
	check  *spec.Check
	to     netip.AddrPort
	mark   uint32
	began  time.Time
	time   time.Duration
	once   bool // it has one attempt
}

func (q *question) deadline() time.Time { return q.began.Add(q.time) }

// attempt is when the i-th attempt begins.
func (q *question) attempt(i int) time.Time {
	return q.began.Add(q.time * time.Duration(i) / time.Duration(q.attempts()))
}

func (q *question) attempts() int {
	if q.once {
		return 1
	}
	return attempts
}

// ask carries out one check. nil: it succeeded. An *unsentError says nothing of the backend, any other is why it failed.
func (a *asker) ask(ctx context.Context, t Target, c *spec.Check, timeout time.Duration) error {
	q := &question{asker: a, ctx: ctx, target: t, check: c, to: netip.AddrPortFrom(t.Backend, c.Port), began: time.Now(), time: timeout}
	if c.To == spec.ToVIP && c.Kind != spec.CheckCommand {
		if t.Unsent != "" {
			return unsent("%s", t.Unsent)
		}
		q.to, q.mark = netip.AddrPortFrom(t.Address, c.Port), t.Mark
	}
	how := map[spec.CheckKind]func() error{spec.CheckTCP: q.tcp, spec.CheckHTTP: q.http, spec.CheckHTTPS: q.http, spec.CheckTLS: q.tls,
		spec.CheckDNS: q.dns, spec.CheckUDP: q.udp, spec.CheckPing: q.ping, spec.CheckCommand: q.command}[c.Kind]
	return q.inWords(how())
}

// inWords is an error as it is shown: what the kernel calls it, without where in this program.
func (q *question) inWords(err error) error {
	var no unix.Errno
	var wait net.Error
	var not *unsentError
	switch {
	case err == nil, errors.As(err, &not):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &wait) && wait.Timeout():
		if q.time < q.check.Timeout { // others before it had the whole time
			return errors.New("no answer")
		}
		return fmt.Errorf("no answer within %s", q.time.Round(time.Millisecond))
	case errors.As(err, &no):
		return no
	}
	return err
}
