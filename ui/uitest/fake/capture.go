package fake

import (
	"context"
	"fmt"

	"hairpin/engine"
)

// capturing is what the next captures are to take, and what was asked for.
type capturing struct {
	asked   []engine.CaptureRequest
	ended   []int
	batches []engine.Captured
	talk    *engine.Connections // nil = nobody talks
	talks   []engine.ConnectionsRequest
}

// Catch has the next call of Captured return c, the one after it the next, and the last one for ever without its records.
func (n *Node) Catch(c ...engine.Captured) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.capturing.batches = append(n.capturing.batches, c...)
}

// Captures is what was asked to be captured, and which captures were ended.
func (n *Node) Captures() ([]engine.CaptureRequest, []int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.capturing.asked, n.capturing.ended
}

// Capture writes down what was asked. Its number is how many there were.
func (n *Node) Capture(ctx context.Context, r engine.CaptureRequest) (int, error) {
	if err := n.answer(ctx); err != nil {
		return 0, fmt.Errorf("capture: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.capturing.asked = append(n.capturing.asked, r)
	return len(n.capturing.asked), nil
}

// Captured is what Catch was told.
func (n *Node) Captured(ctx context.Context, id int) (*engine.Captured, error) {
	if err := n.answer(ctx); err != nil {
		return nil, fmt.Errorf("capture %d: %w", id, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.capturing.batches) == 0 {
		return &engine.Captured{Status: engine.CaptureStatus{ID: id}}, nil
	}
	c := n.capturing.batches[0]
	if len(n.capturing.batches) > 1 {
		n.capturing.batches = n.capturing.batches[1:]
	} else {
		n.capturing.batches[0].Records = nil
	}
	c.Status.ID = id
	return &c, nil
}

// Talk has Connections answer c.
func (n *Node) Talk(c *engine.Connections) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.capturing.talk = c
}

// Connections is what Talk was told.
func (n *Node) Connections(ctx context.Context, r engine.ConnectionsRequest) (*engine.Connections, error) {
	if err := n.answer(ctx); err != nil {
		return nil, fmt.Errorf("connections: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.capturing.talks = append(n.capturing.talks, r)
	if n.capturing.talk == nil {
		return &engine.Connections{}, nil
	}
	return n.capturing.talk, nil
}

// Talks is what was asked about connections.
func (n *Node) Talks() []engine.ConnectionsRequest {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.capturing.talks
}

// EndCapture writes down which.
func (n *Node) EndCapture(ctx context.Context, id int) error {
	if err := n.answer(ctx); err != nil {
		return fmt.Errorf("end capture %d: %w", id, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.capturing.ended = append(n.capturing.ended, id)
	return nil
}
