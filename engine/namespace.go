package engine

import (
	"fmt"
	"runtime"

	"github.com/vishvananda/netns"
)

// namespace is the network namespace an engine works in: that of the thread that opened it.
type namespace struct{ handle netns.NsHandle }

func currentNamespace() (namespace, error) {
	h, err := netns.Get()
	if err != nil {
		return namespace{}, fmt.Errorf("network namespace: %w", err)
	}
	return namespace{h}, nil
}

// enter binds the calling goroutine to a thread in the namespace. Where all threads are in it, as in every process but a
// test's, that takes no privilege.
func (n namespace) enter() error {
	runtime.LockOSThread()
	here, err := netns.Get()
	if err != nil {
		return fmt.Errorf("network namespace: %w", err)
	}
	defer here.Close()
	if here.Equal(n.handle) {
		return nil
	}
	if err := netns.Set(n.handle); err != nil {
		return fmt.Errorf("enter network namespace: %w", err)
	}
	return nil
}
